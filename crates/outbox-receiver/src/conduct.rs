//! A behaviour at work: its clock, its counters, and the choice for one message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::behaviour::{Behaviour, Latency, Rule, When};
use crate::dice;
use crate::message::Message;
use crate::outage::{OutageKind, Phase, phase_of};

/// Lives from one `set_behaviour` to the next; messages that are being answered keep the one they met.
#[derive(Debug)]
pub(crate) struct Conduct {
    pub(crate) behaviour: Behaviour,
    since: Instant,
    /// Per rule: how many messages met its conditions on content.
    met: Vec<AtomicU64>,
    /// Whether any rule acts before the body, so that the others pay nothing for it.
    pub(crate) acts_early: bool,
}

/// What one message gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) answer: &'a Answer,
    pub(crate) wait: Duration,
}

impl Conduct {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self::starting_at(behaviour, Instant::now())
    }

    /// Its outages count from `since`, which may lie ahead.
    pub(crate) fn starting_at(behaviour: Behaviour, since: Instant) -> Self {
        let met = behaviour.rules.iter().map(|_| AtomicU64::new(0)).collect();
        let acts_early = behaviour.rules.iter().any(|rule| rule.answer.is_before_body());
        Self { behaviour, since, met, acts_early }
    }

    /// The early closing that this control id gets, if any; `with_rst` says how. Counts, so ask once per message.
    pub(crate) fn closes_early(&self, control_id: &[u8]) -> Option<bool> {
        let early = self.rules().filter(|(_, rule, _)| rule.answer.is_before_body());
        for (index, rule, met) in early {
            if starts_with(control_id, rule.when.control_id.as_deref()) {
                let nth = met.fetch_add(1, Ordering::Relaxed) + 1;
                if self.is_its_turn(index, &rule.when, control_id, nth, nth) {
                    return Some(matches!(rule.answer, Answer::CloseBeforeBody { reset: true }));
                }
            }
        }
        None
    }

    /// The answer for this message, which has arrived `occurrence` times. Counts, so ask once per arrival.
    pub(crate) fn choose(&self, message: &Message<'_>, occurrence: u64) -> Choice<'_> {
        let control_id = message.control_id();
        let late = self.rules().filter(|(_, rule, _)| !rule.answer.is_before_body());
        for (index, rule, met) in late {
            if is_about(&rule.when, message) {
                let nth = met.fetch_add(1, Ordering::Relaxed) + 1;
                if self.is_its_turn(index, &rule.when, control_id, nth, occurrence) {
                    let latency = rule.latency.unwrap_or(self.behaviour.latency);
                    return Choice { answer: &rule.answer, wait: self.wait(latency, control_id, occurrence) };
                }
            }
        }
        let wait = self.wait(self.behaviour.latency, control_id, occurrence);
        Choice { answer: &self.behaviour.answer, wait }
    }

    /// Whether an outage of this kind is on.
    pub(crate) fn is_out(&self, kind: OutageKind) -> bool {
        !self.behaviour.outages.is_empty() && self.phase(kind).active
    }

    /// Whether connections are refused now, and the moment to ask again.
    pub(crate) fn refusing(&self) -> (bool, Option<Instant>) {
        let Phase { active, changes_at } = self.phase(OutageKind::Refuse);
        // A moment beyond the clock's end never comes.
        (active, changes_at.and_then(|at| self.since.checked_add(at)))
    }

    fn phase(&self, kind: OutageKind) -> Phase {
        match Instant::now().checked_duration_since(self.since) {
            Some(elapsed) => phase_of(&self.behaviour.outages, kind, elapsed),
            None => Phase { active: false, changes_at: Some(Duration::ZERO) },
        }
    }

    fn rules(&self) -> impl Iterator<Item = (u64, &Rule, &AtomicU64)> {
        (0..).zip(self.behaviour.rules.iter().zip(&self.met)).map(|(index, (rule, met))| (index, rule, met))
    }

    /// Whether a message that a rule is about is also one that it picks out.
    fn is_its_turn(&self, rule: u64, when: &When, control_id: &[u8], nth: u64, occurrence: u64) -> bool {
        when.first.is_none_or(|first| nth <= first)
            && when.every.is_none_or(|every| nth.is_multiple_of(every))
            && when.probability.is_none_or(|chance| {
                dice::happens(chance, dice::throw(self.behaviour.seed, rule, control_id, occurrence))
            })
    }

    fn wait(&self, latency: Latency, control_id: &[u8], occurrence: u64) -> Duration {
        if latency.min_ms == latency.max_ms {
            return Duration::from_millis(latency.min_ms);
        }
        let thrown = dice::throw(self.behaviour.seed, u64::MAX / 2, control_id, occurrence);
        Duration::from_millis(dice::between(latency.min_ms, latency.max_ms, thrown))
    }
}

fn is_about(when: &When, message: &Message<'_>) -> bool {
    starts_with(message.control_id(), when.control_id.as_deref())
        && when.message_type.as_deref().is_none_or(|wanted| {
            let rest = message.message_type().strip_prefix(wanted.as_bytes());
            rest.is_some_and(|rest| rest.first().is_none_or(|next| *next == message.delimiters.component))
        })
        && when.patient.as_deref().is_none_or(|wanted| message.patient() == wanted.as_bytes())
}

fn starts_with(control_id: &[u8], prefix: Option<&str>) -> bool {
    prefix.is_none_or(|prefix| control_id.starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::Conduct;
    use crate::message::Message;

    fn answers(rules: &str, messages: &[&str]) -> Vec<String> {
        let conduct = Conduct::new(serde_json::from_str(&format!("{{\"rules\":{rules}}}")).unwrap());
        let answer = |text: &&str| {
            let message = Message::read(text.as_bytes()).unwrap();
            conduct.choose(&message, 1).answer.label().into_owned()
        };
        messages.iter().map(answer).collect()
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_counts_only_what_it_is_about() {
        let (a08, a01) = ("MSH|^~\\&|||||||ADT^A08^X|C1\rPID|||7\r", "MSH|^~\\&|||||||ADT^A01|D1\rPID|||8\r");
        let rules = r#"[{"when":{"messageType":"ADT^A08","every":2},"answer":"ae"},{"when":{"patient":"8","first":1},"answer":"ar"}]"#;
        assert_eq!(answers(rules, &[a08, a01, a08, a08, a01, a08]), ["AA", "AR", "AE", "AA", "AA", "AE"]);
        assert_eq!(answers(r#"[{"when":{"messageType":"ADT^A0"},"answer":"ae"}]"#, &[a08]), ["AA"]);
        assert_eq!(answers(r#"[{"when":{"controlId":"D"},"answer":"ca"}]"#, &[a08, a01]), ["AA", "CA"]);
    }
}
