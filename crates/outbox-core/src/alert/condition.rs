//! What may be wrong: facts compared with thresholds.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{AlertFacts, AlertType, AlertView};
use crate::acknowledgement::leaving;
use crate::clock::Timestamp;
use crate::config::Thresholds;
use crate::dispatch::election::Leader;
use crate::dispatch::evidence::Evidence;
use crate::status::{DestinationState, RESTORED};

/// A dispatcher that has not said "still here" for this long is missing, as in monitoring/alerts.yml.
const BEAT_STALE_MS: i64 = 30_000;
const DAY_MS: i64 = 86_400_000;
/// A disk must have so much more than the limit, as a share of it, until it is not low any more.
const DISK_MARGIN: u64 = 10;
/// How the outbox's own pause after refusals in a row begins.
const STREAK: &str = "reject-streak: ";

/// Something that may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// What.
    pub(super) r#type: AlertType,
    /// Whom it is about.
    pub(super) destination: Option<String>,
    /// Whether it is so.
    pub(super) holds: Holds,
}

/// Whether something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// It is, and is told when it has lasted so long.
    Yes {
        /// What is known of it.
        facts: AlertFacts,
        /// How long it must last first.
        lasts: Duration,
    },
    /// It is not.
    No,
    /// Nobody knows: nothing was tried since the dispatcher took over, or the figure stands between two limits.
    Unknown,
}

/// What the dispatcher knows of one of its destinations.
pub(crate) struct Known {
    pub(crate) enabled: bool,
    pub(crate) evidence: Evidence,
    pub(crate) certificate_expires_at: Option<Timestamp>,
}

/// All that the dispatcher judges. What is configured nowhere any more is not in it, and so is over.
pub(super) fn of_dispatcher(
    view: &AlertView,
    known: &BTreeMap<String, Known>,
    thresholds: &Thresholds,
    now: Timestamp,
) -> Vec<Condition> {
    let mut all = Vec::new();
    for (name, known) in known {
        let mut add = |r#type, holds| all.push(Condition { r#type, destination: Some(name.clone()), holds });
        add(AlertType::Outage, outage(name, known, thresholds));
        add(AlertType::CertificateExpires, certificate(name, known, thresholds, now));
    }
    for (name, _, reason) in view.paused.iter().filter(|(name, ..)| known.contains_key(name)) {
        let Some(lasts) = thresholds.needs_person else { break };
        let (reason, code) = pause_reason(reason.as_deref());
        let facts = AlertFacts { destination: Some(name.clone()), reason: Some(reason), code, ..AlertFacts::default() };
        all.push(Condition {
            r#type: AlertType::Paused,
            destination: Some(name.clone()),
            holds: Holds::Yes { facts, lasts },
        });
    }
    if let Some(limit) = thresholds.dead_letters {
        for (name, count) in view.dead_letters.iter().filter(|(_, count)| *count > limit) {
            let facts = AlertFacts {
                destination: Some(name.clone()),
                count: Some(*count),
                limit: Some(limit),
                ..AlertFacts::default()
            };
            all.push(Condition {
                r#type: AlertType::DeadLetters,
                destination: Some(name.clone()),
                holds: Holds::Yes { facts, lasts: thresholds.lasts },
            });
        }
    }
    all.push(alone(AlertType::OldestWaiting, oldest(view, thresholds, now)));
    all.push(alone(AlertType::DiskLow, disk(view, thresholds)));
    all.push(alone(AlertType::NoDispatcher, Holds::No));
    all
}

/// All that a process judges which does not dispatch: whether anybody does.
pub(super) fn of_standby(leader: Option<&Leader>, thresholds: &Thresholds, now: Timestamp) -> Vec<Condition> {
    let reason = match leader {
        None => Some("absent"),
        Some(leader) if now.0.saturating_sub(leader.beat.0) > BEAT_STALE_MS => Some("silent"),
        Some(_) => None,
    };
    let holds = match (reason, thresholds.dispatcher_missing) {
        (Some(reason), Some(lasts)) => {
            Holds::Yes { facts: AlertFacts { reason: Some(reason), ..AlertFacts::default() }, lasts }
        }
        _ => Holds::No,
    };
    vec![alone(AlertType::NoDispatcher, holds)]
}

fn alone(r#type: AlertType, holds: Holds) -> Condition {
    Condition { r#type, destination: None, holds }
}

/// Only what was seen counts: the state in the file is `ok` after every change of dispatcher.
fn outage(name: &str, known: &Known, thresholds: &Thresholds) -> Holds {
    let (state, code) = match &known.evidence {
        _ if !known.enabled => return Holds::No,
        Evidence::Unknown => return Holds::Unknown,
        Evidence::Works => return Holds::No,
        Evidence::Rests { state, code } => (*state, code.clone()),
    };
    let lasts = if state == DestinationState::Misconfigured { thresholds.needs_person } else { thresholds.outage };
    let Some(lasts) = lasts else { return Holds::No };
    let facts =
        AlertFacts { destination: Some(name.to_owned()), reason: Some(state.as_str()), code, ..AlertFacts::default() };
    Holds::Yes { facts, lasts }
}

/// The words of a person stay here: nobody knows what stands in them.
fn pause_reason(reason: Option<&str>) -> (&'static str, Option<String>) {
    match reason {
        Some(RESTORED) => ("restored", None),
        Some(reason) if reason.starts_with(STREAK) => {
            ("reject-streak", Some(leaving(&reason[STREAK.len()..])).filter(|code| is_code(code)).map(str::to_owned))
        }
        _ => ("person", None),
    }
}

/// A person may have written what looks like our own words.
fn is_code(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (text.starts_with("ACK_") || text.starts_with("HTTP_"))
        && text.len() <= 64
        && text.chars().all(is_letter)
        && text.chars().filter(char::is_ascii_digit).count() <= 6
}

fn certificate(name: &str, known: &Known, thresholds: &Thresholds, now: Timestamp) -> Holds {
    let Some(days) = thresholds.certificate_days else { return Holds::No };
    let Some(at) = known.certificate_expires_at else { return Holds::Unknown };
    if at.0.saturating_sub(now.0) >= i64::from(days).saturating_mul(DAY_MS) {
        return Holds::No;
    }
    let facts = AlertFacts {
        destination: Some(name.to_owned()),
        expires_at: Some(at),
        limit: Some(u64::from(days)),
        ..AlertFacts::default()
    };
    Holds::Yes { facts, lasts: Duration::ZERO }
}

fn oldest(view: &AlertView, thresholds: &Thresholds, now: Timestamp) -> Holds {
    let Some(limit) = thresholds.oldest_waiting else { return Holds::No };
    let Some(stored) = view.oldest_pending_at else { return Holds::No };
    let age = stored.until(now);
    if age <= limit {
        return Holds::No;
    }
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).ok();
    Holds::Yes {
        facts: AlertFacts { age_ms: ms(age), limit: ms(limit), ..AlertFacts::default() },
        lasts: thresholds.lasts,
    }
}

fn disk(view: &AlertView, thresholds: &Thresholds) -> Holds {
    let Some(limit) = thresholds.disk_free_bytes else { return Holds::No };
    if view.disk_free_bytes < limit {
        let facts = AlertFacts { free_bytes: Some(view.disk_free_bytes), limit: Some(limit), ..AlertFacts::default() };
        return Holds::Yes { facts, lasts: thresholds.lasts };
    }
    if view.disk_free_bytes < limit.saturating_add(limit / DISK_MARGIN) { Holds::Unknown } else { Holds::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_900_000_000_000);

    fn known(evidence: Evidence) -> BTreeMap<String, Known> {
        BTreeMap::from([(String::from("d"), Known { enabled: true, evidence, certificate_expires_at: None })])
    }

    fn one(all: &[Condition], r#type: AlertType) -> Option<Holds> {
        all.iter().find(|condition| condition.r#type == r#type).map(|condition| condition.holds.clone())
    }

    fn judged(view: &AlertView, evidence: Evidence) -> Vec<Condition> {
        let view = AlertView { disk_free_bytes: u64::MAX, ..view.clone() };
        of_dispatcher(&view, &known(evidence), &Thresholds::default(), NOW)
    }

    #[test]
    fn an_outage_is_what_was_seen_and_not_what_is_written() {
        let view = AlertView::default();
        assert_eq!(one(&judged(&view, Evidence::Unknown), AlertType::Outage), Some(Holds::Unknown));
        assert_eq!(one(&judged(&view, Evidence::Works), AlertType::Outage), Some(Holds::No));
        let rests = |state| Evidence::Rests { state, code: Some(String::from("CONNECT_REFUSED")) };
        let lasts = |state| match one(&judged(&view, rests(state)), AlertType::Outage) {
            Some(Holds::Yes { lasts, facts }) => (lasts.as_secs(), facts.reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(lasts(DestinationState::BreakerOpen), (900, Some("breaker-open")));
        assert_eq!(lasts(DestinationState::Misconfigured), (300, Some("misconfigured")));
    }

    #[test]
    fn what_a_person_wrote_as_the_reason_of_a_pause_is_not_told() {
        for (written, told) in [
            (None, ("person", None)),
            (Some("TESTPATIENT ZAYD complained"), ("person", None)),
            (Some(RESTORED), ("restored", None)),
            (Some("reject-streak: ACK_AR_207"), ("reject-streak", Some("ACK_AR_207"))),
            (Some("reject-streak: TESTPATIENT ZAYD"), ("reject-streak", None)),
            (Some("reject-streak: ZAYD"), ("reject-streak", None)),
            (Some("reject-streak: 784199012345671"), ("reject-streak", None)),
        ] {
            let (reason, code) = pause_reason(written);
            assert_eq!((reason, code.as_deref()), told);
        }
    }

    #[test]
    fn figures_are_compared_with_their_limits_and_a_disk_between_two_is_neither() {
        let thresholds = Thresholds { dead_letters: Some(2), ..Thresholds::default() };
        let view = |dead, age_ms: i64, free| AlertView {
            dead_letters: vec![(String::from("d"), dead)],
            oldest_pending_at: Some(Timestamp(NOW.0 - age_ms)),
            disk_free_bytes: free,
            ..AlertView::default()
        };
        let all = |view: &AlertView| of_dispatcher(view, &known(Evidence::Unknown), &thresholds, NOW);
        let well = all(&view(2, 3_600_000, 1_100_000_000));
        assert_eq!(one(&well, AlertType::DeadLetters), None);
        assert_eq!(one(&well, AlertType::OldestWaiting), Some(Holds::No));
        assert_eq!(one(&well, AlertType::DiskLow), Some(Holds::No));
        let ill = all(&view(3, 3_600_001, 999_999_999));
        for r#type in [AlertType::DeadLetters, AlertType::OldestWaiting, AlertType::DiskLow] {
            assert!(matches!(one(&ill, r#type), Some(Holds::Yes { .. })), "{type:?}");
        }
        assert_eq!(one(&all(&view(0, 0, 1_000_000_000)), AlertType::DiskLow), Some(Holds::Unknown));
    }

    #[test]
    fn a_certificate_is_told_of_when_its_end_is_near_and_not_while_nobody_has_seen_it() {
        let holds = |at: Option<i64>| {
            let mut known = known(Evidence::Unknown);
            known.get_mut("d").unwrap().certificate_expires_at = at.map(Timestamp);
            let view = AlertView { disk_free_bytes: u64::MAX, ..AlertView::default() };
            one(&of_dispatcher(&view, &known, &Thresholds::default(), NOW), AlertType::CertificateExpires)
        };
        assert_eq!(holds(None), Some(Holds::Unknown));
        assert_eq!(holds(Some(NOW.0 + 21 * DAY_MS)), Some(Holds::No));
        for left in [21 * DAY_MS - 1, 0, -DAY_MS] {
            let Some(Holds::Yes { facts, lasts }) = holds(Some(NOW.0 + left)) else { panic!("{left}") };
            assert_eq!((facts.expires_at, facts.limit), (Some(Timestamp(NOW.0 + left)), Some(21)));
            assert!(lasts.is_zero());
        }
    }

    #[test]
    fn a_destination_that_is_disabled_has_no_outage() {
        let mut known = known(Evidence::Rests { state: DestinationState::BreakerOpen, code: None });
        known.get_mut("d").unwrap().enabled = false;
        let view = AlertView { disk_free_bytes: u64::MAX, ..AlertView::default() };
        let all = of_dispatcher(&view, &known, &Thresholds::default(), NOW);
        assert_eq!(one(&all, AlertType::Outage), Some(Holds::No));
    }

    #[test]
    fn a_standby_tells_apart_who_is_absent_and_who_is_silent() {
        let leader = |beat_age_ms: i64| Leader {
            pid: 1,
            host: String::from("h"),
            since: NOW,
            beat: Timestamp(NOW.0 - beat_age_ms),
        };
        let reason = |leader: Option<&Leader>| match &of_standby(leader, &Thresholds::default(), NOW)[0].holds {
            Holds::Yes { facts, lasts } => Some((facts.reason, lasts.as_secs())),
            _ => None,
        };
        assert_eq!(reason(None), Some((Some("absent"), 120)));
        assert_eq!(reason(Some(&leader(30_001))), Some((Some("silent"), 120)));
        assert_eq!(reason(Some(&leader(1_000))), None);
    }
}
