//! From what is wrong, and what was told before, to what is told now. A pure function: it knows no clock, file or socket.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{AlertFacts, AlertRecord, AlertState, AlertType, AlertView, Condition, Holds, key_of};
use crate::clock::Timestamp;
use crate::config::AlertSettings;

/// What is to change in the file. Each applies only to what was looked at: of two processes that decide the same, one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is wrong, and not yet for long enough.
    Note,
    /// It was not told, and is over.
    Forget,
    /// It is told.
    Begin,
    /// It is told again.
    Repeat,
    /// Its end is told.
    End,
}

/// One step, with the row as it was looked at, or as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// What is to change.
    pub(super) step: Step,
    /// What it is about.
    pub(super) record: AlertRecord,
    /// What is known of it.
    pub(super) facts: AlertFacts,
}

impl Decision {
    /// Where it stands, if it is told.
    pub(super) fn state(&self) -> Option<AlertState> {
        match self.step {
            Step::Note | Step::Forget => None,
            Step::Begin => Some(AlertState::Begun),
            Step::Repeat => Some(AlertState::Continues),
            Step::End => Some(AlertState::Ended),
        }
    }
}

/// Since when what was told is not so any more. In memory only: after a restart it is waited for anew.
pub(super) type Clear = BTreeMap<String, Timestamp>;

/// Decides. `judges` says which types the conditions speak of; the others are left alone.
pub(super) fn decide(
    view: &AlertView,
    conditions: &[Condition],
    judges: impl Fn(AlertType) -> bool,
    settings: &AlertSettings,
    clear: &mut Clear,
    now: Timestamp,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let mut seen = BTreeMap::new();
    for condition in conditions {
        let key = key_of(condition.r#type, condition.destination.as_deref(), None);
        seen.insert(key, condition);
    }
    for (key, condition) in &seen {
        if view.records.iter().any(|record| record.key == *key) {
            continue;
        }
        if let Holds::Yes { facts, lasts } = &condition.holds {
            let record = AlertRecord {
                key: key.clone(),
                r#type: condition.r#type,
                destination: condition.destination.clone(),
                code: None,
                since: now,
                seen_at: now,
                count: 1,
                begun_at: None,
                told_at: None,
            };
            let step = if lasts.is_zero() { Step::Begin } else { Step::Note };
            decisions.push(Decision { step, record, facts: facts.clone() });
        }
    }
    for record in view.records.iter().filter(|record| judges(record.r#type)) {
        let holds = match record.r#type {
            AlertType::Refusal => refusal(record, settings, now),
            _ => seen.get(&record.key).map_or(Holds::No, |condition| condition.holds.clone()),
        };
        if let Some((step, facts)) = next(record, holds, settings, clear, now) {
            decisions.push(Decision { step, record: record.clone(), facts });
        }
    }
    clear.retain(|key, _| view.records.iter().any(|record| record.key == *key));
    decisions
}

/// The store noted it in the transaction that made the dead letter. It lasts until that code has not come for a while.
fn refusal(record: &AlertRecord, settings: &AlertSettings, now: Timestamp) -> Holds {
    match settings.thresholds.refusal_quiet {
        Some(quiet) if record.seen_at.until(now) < quiet => {
            Holds::Yes { facts: facts_of(record), lasts: Duration::ZERO }
        }
        _ => Holds::No,
    }
}

fn facts_of(record: &AlertRecord) -> AlertFacts {
    AlertFacts {
        destination: record.destination.clone(),
        code: record.code.clone(),
        count: (record.r#type == AlertType::Refusal).then_some(record.count),
        ..AlertFacts::default()
    }
}

fn next(
    record: &AlertRecord,
    holds: Holds,
    settings: &AlertSettings,
    clear: &mut Clear,
    now: Timestamp,
) -> Option<(Step, AlertFacts)> {
    match (record.begun_at, holds) {
        (_, Holds::Unknown) => None,
        (None, Holds::Yes { facts, lasts }) => (record.since.until(now) >= lasts).then_some((Step::Begin, facts)),
        (None, Holds::No) => Some((Step::Forget, AlertFacts::default())),
        (Some(begun_at), Holds::Yes { facts, .. }) => {
            clear.remove(&record.key);
            let repeat = settings.repeat?;
            // What comes without an end of its own is not told again and again.
            let is_due = record.r#type != AlertType::Refusal && record.told_at.unwrap_or(begun_at).until(now) >= repeat;
            is_due.then_some((Step::Repeat, facts))
        }
        (Some(_), Holds::No) => {
            let since = *clear.entry(record.key.clone()).or_insert(now);
            let is_over = since.until(now) >= settings.ends_after;
            is_over.then(|| (Step::End, facts_of(record)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that does what is decided.
    #[derive(Default)]
    struct Bench {
        view: AlertView,
        clear: Clear,
        settings: AlertSettings,
        told: Vec<(i64, AlertState)>,
    }

    impl Bench {
        fn at(&mut self, second: i64, holds: Holds) {
            let now = Timestamp(second * 1_000);
            let conditions = [Condition { r#type: AlertType::Outage, destination: Some(String::from("d")), holds }];
            let decided = decide(&self.view, &conditions, |_| true, &self.settings, &mut self.clear, now);
            for decision in decided {
                self.told.extend(decision.state().map(|state| (second, state)));
                self.view.records.retain(|record| record.key != decision.record.key);
                let record = match decision.step {
                    Step::Note => decision.record,
                    Step::Begin => AlertRecord { begun_at: Some(now), told_at: Some(now), ..decision.record },
                    Step::Repeat => AlertRecord { told_at: Some(now), ..decision.record },
                    Step::Forget | Step::End => continue,
                };
                self.view.records.push(record);
            }
        }

        /// Another process, or the same one started again.
        fn restarts(&mut self) {
            self.clear.clear();
        }
    }

    fn yes() -> Holds {
        Holds::Yes { facts: AlertFacts::default(), lasts: Duration::from_secs(10) }
    }

    #[test]
    fn what_lasts_is_told_once_when_it_begins_and_once_when_it_ends_whoever_decides() {
        let mut bench = Bench::default();
        for second in 0..100 {
            if second % 7 == 0 {
                bench.restarts();
            }
            bench.at(second, if second % 5 == 0 { Holds::Unknown } else { yes() });
        }
        assert_eq!(bench.told, [(11, AlertState::Begun)]);
        for second in 100..300 {
            bench.at(second, Holds::No);
        }
        assert_eq!(bench.told, [(11, AlertState::Begun), (160, AlertState::Ended)]);
        assert!(bench.view.records.is_empty() && bench.clear.is_empty());
    }

    #[test]
    fn what_is_short_is_not_told_and_what_flaps_is_told_once() {
        let mut bench = Bench::default();
        for second in 0..100 {
            bench.at(second, if second % 9 == 8 { Holds::No } else { yes() });
        }
        assert_eq!(bench.told, [], "never ten seconds long");
        for second in 100..1_000 {
            bench.at(second, if second > 120 && second % 59 == 0 { Holds::No } else { yes() });
        }
        assert_eq!(bench.told, [(109, AlertState::Begun)], "never well for a minute");
    }

    #[test]
    fn it_is_repeated_only_if_that_is_wanted() {
        let mut bench = Bench {
            settings: AlertSettings { repeat: Some(Duration::from_secs(60)), ..AlertSettings::default() },
            ..Bench::default()
        };
        for second in 0..140 {
            bench.at(second, yes());
        }
        let seconds: Vec<_> = bench.told.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [10, 70, 130]);
        assert_eq!(bench.told[1].1, AlertState::Continues);
    }

    #[test]
    fn a_kind_of_refusal_is_told_when_it_comes_and_ends_when_it_stays_away() {
        let settings = AlertSettings::default();
        let mut record = AlertRecord {
            key: key_of(AlertType::Refusal, Some("d"), Some("207")),
            r#type: AlertType::Refusal,
            destination: Some(String::from("d")),
            code: Some(String::from("207")),
            since: Timestamp(0),
            seen_at: Timestamp(0),
            count: 3,
            begun_at: None,
            told_at: None,
        };
        let steps = |record: &AlertRecord, clear: &mut Clear, now: i64| {
            let view = AlertView { records: vec![record.clone()], ..AlertView::default() };
            let decided = decide(&view, &[], |_| true, &settings, clear, Timestamp(now));
            decided.into_iter().map(|decision| (decision.step, decision.facts.count)).collect::<Vec<_>>()
        };
        let mut clear = Clear::new();
        assert_eq!(steps(&record, &mut clear, 1), [(Step::Begin, Some(3))]);
        assert_eq!(steps(&record, &mut clear, 86_400_000), [(Step::Forget, None)], "an old one is history");
        record.begun_at = Some(Timestamp(1));
        assert_eq!(steps(&record, &mut clear, 2), []);
        assert_eq!(steps(&record, &mut clear, 86_400_000), []);
        assert_eq!(steps(&record, &mut clear, 86_460_000), [(Step::End, Some(3))]);
    }

    #[test]
    fn what_somebody_else_judges_is_left_alone() {
        let mut bench = Bench::default();
        for second in 0..20 {
            bench.at(second, yes());
        }
        let decided = decide(
            &bench.view,
            &[],
            |r#type| r#type == AlertType::NoDispatcher,
            &bench.settings,
            &mut bench.clear,
            Timestamp(1_000_000),
        );
        assert_eq!(decided, []);
    }
}
