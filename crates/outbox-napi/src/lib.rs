//! The border between hl7-outbox and Node.js: convert, call, convert.
//!
//! - `outbox` and `receiver`: the exports;
//! - `convert` and `settle`: values in and out;
//! - `check`: the one call that answers at once;
//! - `port`: promises settled in batches;
//! - `handle` and `registry`: what is open, and for whom;
//! - `tools`: what an operator does to the file as a whole;
//! - `runtime`, `events`, `log`: what the process has one of.

#![cfg_attr(test, allow(dead_code, reason = "exports are registered in a real build only"))]

mod check;
mod convert;
mod course;
mod events;
mod feed;
mod handle;
mod log;
mod outbox;
mod port;
mod receiver;
mod registry;
mod runtime;
mod settle;
mod tools;

/// Says what is to happen at a point; the rigs' way at run time (`outbox_core::faults`).
#[cfg(feature = "faults")]
#[napi_derive::napi(catch_unwind)]
pub fn set_fault(name: String, actions: String) -> bool {
    outbox_core::faults::set(&name, &actions).is_ok()
}

/// Every error code with its fault, whether to retry, meaning and remedy, as JSON; docs/errors.md is made from it.
#[napi_derive::napi(catch_unwind)]
pub fn error_codes() -> String {
    let own = outbox_core::error::CODES.iter().map(|info| {
        serde_json::json!({
            "code": info.code, "fault": info.fault.as_str(), "retry": info.retry, "meaning": info.meaning, "remedy": info.remedy,
        })
    });
    let hl7 = outbox_core::hl7::PROBLEMS.iter().map(|(code, meaning, remedy)| {
        serde_json::json!({ "code": code, "fault": "caller", "retry": false, "meaning": meaning, "remedy": remedy })
    });
    serde_json::Value::Array(own.chain(hl7).collect()).to_string()
}

/// Every rule of the check, as JSON; docs/checks.md is made from it.
#[napi_derive::napi(catch_unwind)]
pub fn check_rules() -> String {
    let rules = outbox_core::hl7::check::RULES.iter().map(|rule| {
        serde_json::json!({
            "code": rule.code, "severity": rule.severity.as_str(), "profile": rule.profile.as_str(),
            "meaning": rule.meaning, "remedy": rule.remedy, "example": rule.example,
        })
    });
    serde_json::Value::Array(rules.collect()).to_string()
}

/// Every row of the outcome table, as JSON; docs/outcomes.md is made from it.
#[napi_derive::napi(catch_unwind)]
pub fn outcome_rows() -> String {
    let rows = outbox_core::acknowledgement::ROWS.iter().map(|row| {
        serde_json::json!({
            "name": row.name, "rule": row.rule, "meaning": row.meaning, "outcome": row.outcome.as_str(),
            "overrides": row.overrides.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>(), "example": row.example,
        })
    });
    serde_json::Value::Array(rows.collect()).to_string()
}
