//! The examples of the table are judged: each falls under its own row and comes to what the row says.

#![allow(clippy::unwrap_used, reason = "a test that fails to read its own data should fail")]

use super::tests::{HEADER, OURS, after_doubt, asked};
use super::*;
use crate::hl7::AckCondition;

/// What an example says was seen; see `RowEntry::example`.
fn seen(example: &'static str) -> Seen {
    if let Some(fault) = example.strip_prefix("not delivered: ") {
        return Seen::NotDelivered { fault };
    }
    if let Some(fault) = example.strip_prefix("certificate refused: ") {
        return Seen::CertificateRefused { fault };
    }
    if let Some(fault) = example.strip_prefix("proxy refused: ") {
        return Seen::ProxyRefused { fault };
    }
    if let Some(fault) = example.strip_prefix("token refused: ") {
        return Seen::TokenRefused { fault };
    }
    if let Some(fault) = example.strip_prefix("no answer: ") {
        return Seen::NoAnswer { fault };
    }
    if example.starts_with(|first: char| first.is_ascii_digit()) {
        return http(example);
    }
    let segments = example.replace("\\r", "\r");
    let body = if segments.starts_with("MSH") { segments } else { format!("{HEADER}{segments}") };
    Seen::Http {
        status: 200,
        retry_after: None,
        location: false,
        content_type: None,
        body: body.into_bytes(),
        truncated: false,
    }
}

/// `302, Location: https://login.example/, empty body`
fn http(example: &str) -> Seen {
    let (head, body) = match example.split_once(", body: ") {
        Some((head, body)) => (head, body),
        None => (example.strip_suffix(", empty body").unwrap(), ""),
    };
    let mut parts = head.split(", ");
    let status = parts.next().unwrap().parse().unwrap();
    let (mut retry_after, mut location) = (None, false);
    for part in parts {
        match part.split_once(": ").unwrap() {
            ("Retry-After", value) => retry_after = Some(value.to_owned()),
            ("Location", _) => location = true,
            (name, _) => panic!("{name} decides nothing"),
        }
    }
    let body = body.as_bytes().to_vec();
    Seen::Http { status, retry_after, location, content_type: None, body, truncated: false }
}

#[test]
fn every_example_of_the_table_falls_under_its_row_and_comes_to_its_outcome() {
    for entry in ROWS {
        let asked = match entry.row {
            Row::CaAlone => Asked { application_ack: Some(AckCondition::Always), ..asked() },
            Row::DuplicateExpected => after_doubt(),
            Row::IdCut => Asked { control_id: "000TEST4200000000000123", ..asked() },
            _ => asked(),
        };
        let policy = Policy { require_hl7_ack: entry.row == Row::NoAck, ..Policy::default() };
        let verdict = judge(&seen(entry.example), &asked, &policy);
        assert_eq!((verdict.row, verdict.outcome), (entry.row, entry.outcome), "{}", entry.name);
        assert_eq!(verdict.retry_after.is_some(), entry.example.contains("Retry-After"), "{}", entry.name);
        assert!(entry.status.is_none_or(|status| verdict.http_status == Some(status)), "{}", entry.name);
    }
}

#[test]
fn no_two_rows_share_an_example_unless_something_else_tells_them_apart() {
    for (n, entry) in ROWS.iter().enumerate() {
        let twins = ROWS[..n].iter().filter(|other| other.example == entry.example).map(|other| other.name);
        let known = match entry.row {
            Row::CaAlone => vec!["ca"],
            Row::DuplicateControlId => vec!["duplicate-expected"],
            _ => Vec::new(),
        };
        assert_eq!(twins.collect::<Vec<_>>(), known, "{}", entry.name);
    }
    assert!(ROWS.iter().any(|entry| entry.example.contains(OURS)));
}
