//! How messages are answered: rules in order, the first that matches decides.

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::error::BehaviourError;
use crate::outage::Outage;
use crate::shorthand::{Shorthand, optional, short_or_long};

/// What the receiver does with the messages it gets. The default accepts every one at once.
///
/// Rules are about messages that can be read: what the receiver must refuse by itself (a wrong token, bytes that are no
/// HL7) is refused whatever the rules say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behaviour {
    /// Throws the dice of `probability` and of a latency range. The same seed and the same messages give the same
    /// answers, however many connections they come on.
    pub seed: u64,
    /// How long the receiver thinks before it answers.
    #[serde(deserialize_with = "short_or_long")]
    pub latency: Latency,
    /// The answer when no rule matches.
    #[serde(deserialize_with = "short_or_long")]
    pub answer: Answer,
    /// Looked at in order.
    pub rules: Vec<Rule>,
    /// When the receiver is away, counted from the moment this behaviour took effect.
    pub outages: Vec<Outage>,
}

/// One answer and when to give it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// All of it must hold; empty, it always does.
    #[serde(default)]
    pub when: When,
    /// What is answered then.
    #[serde(deserialize_with = "short_or_long")]
    pub answer: Answer,
    /// In place of the behaviour's own latency.
    #[serde(default, deserialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// The conditions of a rule. `first`, `every` and `probability` look only at messages for which the others hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct When {
    /// MSH-10 begins with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_id: Option<String>,
    /// MSH-9 is this, or goes on after it with another component: `ADT` and `ADT^A08` both match `ADT^A08^ADT_A01`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// PID-3.1 is exactly this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The n-th, the 2n-th, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Only the first k.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// With this chance, 0 to 1; a message that comes again throws again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

/// How long to wait, in milliseconds. JSON: a number, or `{"minMs":5,"maxMs":50}` (evenly spread, by the seed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    /// At least.
    pub min_ms: u64,
    /// At most.
    pub max_ms: u64,
}

impl Shorthand for Latency {
    const EXPECTING: &'static str = "milliseconds, or an object with minMs and maxMs";
    const WORD: Option<&'static str> = None;
    const NUMBER: &'static [&'static str] = &["minMs", "maxMs"];
}

impl Latency {
    /// Always the same.
    pub fn fixed_ms(ms: u64) -> Self {
        Self { min_ms: ms, max_ms: ms }
    }

    fn check(self) -> Result<(), BehaviourError> {
        if self.min_ms > self.max_ms {
            return Err(BehaviourError::Latency { min_ms: self.min_ms, max_ms: self.max_ms });
        }
        Ok(())
    }
}

impl Behaviour {
    /// One answer to everything.
    pub fn always(answer: Answer) -> Self {
        Self { answer, ..Self::default() }
    }

    /// Whether it can be carried out; asked when it is set, so that no message meets a surprise.
    pub(crate) fn check(&self) -> Result<(), BehaviourError> {
        self.latency.check()?;
        self.answer.check()?;
        if self.answer.is_before_body() {
            return Err(BehaviourError::NeedsRule);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check(index + 1)?;
        }
        self.outages.iter().enumerate().try_for_each(|(index, outage)| outage.check(index + 1))
    }
}

impl Rule {
    fn check(&self, rule: usize) -> Result<(), BehaviourError> {
        self.latency.unwrap_or_default().check()?;
        self.answer.check()?;
        if self.answer.is_before_body() && (self.when.message_type.is_some() || self.when.patient.is_some()) {
            return Err(BehaviourError::BodyNotReadYet { rule });
        }
        if self.when.every == Some(0) {
            return Err(BehaviourError::Every { rule });
        }
        if self.when.probability.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            return Err(BehaviourError::Probability { rule });
        }
        Ok(())
    }
}
