//! When to try again, from the written configuration.

use std::time::Duration;

use super::destination::{Exponential, Retry};
use super::settings::wrong;
use crate::error::OutboxError;
use crate::retry::RetryPolicy;

/// Longest delay of a growing schedule: a week.
const DELAY_MAX_MS: u64 = 604_800_000;

/// Checks what is written under `key`, and fills in the defaults.
pub(super) fn resolve_retry(key: &str, written: Retry) -> Result<RetryPolicy, OutboxError> {
    let mut policy = RetryPolicy::default();
    let written_schedule = written.schedule_ms.is_some();
    if let Some(schedule) = written.schedule_ms {
        if schedule.is_empty() || schedule.iter().all(|&step| step == 0) {
            return Err(wrong(&format!("{key}.scheduleMs"), "needs at least one delay above zero"));
        }
        policy.schedule = schedule.into_iter().map(Duration::from_millis).collect();
    }
    if let Some(growth) = written.exponential {
        if written_schedule {
            return Err(wrong(key, "takes `scheduleMs` or `exponential`, not both"));
        }
        policy.schedule = exponential(&format!("{key}.exponential"), growth)?;
    }
    if written.expires_in_ms == Some(Some(0)) {
        return Err(wrong(&format!("{key}.expiresInMs"), "must be at least 1, or null"));
    }
    policy.expires = written.expires_in_ms.flatten().map(Duration::from_millis);
    if let Some(jitter) = written.jitter {
        if !(0.0..=0.2).contains(&jitter) {
            return Err(wrong(&format!("{key}.jitter"), "must be 0 to 0.2"));
        }
        policy.jitter = jitter;
    }
    let count = |rest: &str, value: Option<u32>, default: u32| match value {
        Some(0) => Err(wrong(&format!("{key}.{rest}"), "must be at least 1")),
        other => Ok(other.unwrap_or(default)),
    };
    policy.attempts_max = count("maxAttempts", written.max_attempts, policy.attempts_max)?;
    policy.indeterminate_max = count("maxIndeterminate", written.max_indeterminate, policy.indeterminate_max)?;
    Ok(policy)
}

/// Delays that grow by a factor up to a cap, written out as a schedule.
fn exponential(key: &str, growth: Exponential) -> Result<Vec<Duration>, OutboxError> {
    if growth.first_ms == 0 || growth.cap_ms < growth.first_ms || growth.cap_ms > DELAY_MAX_MS {
        return Err(wrong(key, "needs `firstMs` of at least 1 and a `capMs` from there to 604,800,000 (a week)"));
    }
    let factor = growth.factor.unwrap_or(2.0);
    if !(1.1..=10.0).contains(&factor) {
        return Err(wrong(&format!("{key}.factor"), "must be 1.1 to 10"));
    }
    let (first, cap) = (Duration::from_millis(growth.first_ms), Duration::from_millis(growth.cap_ms));
    let mut schedule = vec![first];
    while let Some(last) = schedule.last().copied().filter(|last| *last < cap) {
        schedule.push(last.mul_f64(factor).min(cap));
    }
    Ok(schedule)
}
