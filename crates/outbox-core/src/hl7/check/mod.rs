//! Checking a message before it is sent: everything that [`read`](super::read) would refuse, and the mistakes that receivers
//! refuse or misread. Lists all findings, not the first.
//!
//! Pure, synchronous and without judgement of anything clinical. The rules are data ([`RULES`]; docs/checks.md is generated
//! from them), and each has a stable code. One walk over the segments; what a walk learns is in `walk`, what it looks for is
//!
//! - `header`: MSH;
//! - `shape`: which segments a message type needs, and their order;
//! - `fields`: dates, identifiers, observations, and text with raw delimiters in it, by the tables in `data_type`;
//! - `malaffi`: what one receiver wants besides.
//!
//! No finding holds a byte of the message: place, code and words are all of it, as with [`Hl7Problem`](super::Hl7Problem).

mod data_type;
mod fields;
mod finding;
mod header;
mod malaffi;
mod refusals;
mod rule;
mod segment_names;
mod shape;
mod timestamp;
mod walk;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::{Limits, Message, Source};
use finding::Findings;
use walk::Walk;

pub use finding::{FINDINGS_PER_RULE_MAX, Finding, Severity};
pub use rule::{RULES, Rule, RuleEntry};

/// Whose rules a message is checked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// HL7 2.5.1, and what any receiver stumbles over.
    #[default]
    Hl7,
    /// Those, and what is publicly known of Malaffi.
    Malaffi,
}

impl Profile {
    /// The profile of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hl7, Self::Malaffi].into_iter().find(|profile| profile.as_str() == name)
    }

    /// The name in options and documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hl7 => "hl7",
            Self::Malaffi => "malaffi",
        }
    }
}

/// How a message is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckOptions {
    /// Whose rules.
    #[serde(default)]
    pub profile: Profile,
    /// The ids of doctors that the receiver knows; `None` to leave doctors alone.
    pub doctor_ids: Option<Vec<String>>,
}

/// Checks what a caller would hand over. A message over the size limit gives that finding and no other: the work is bounded
/// as it is at enqueue.
pub fn check(input: &[u8], source: Source, limits: &Limits, options: &CheckOptions) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Some(content) = refusals::find(input, source, *limits, &mut findings) {
        walk(content, options, &mut findings);
    }
    findings.into_list()
}

/// Checks a message that was read already: the bytes of an [`Envelope`](super::Envelope), where no refusal is left to find.
pub fn check_read(bytes: &[u8], options: &CheckOptions) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Some(message) = Message::new(bytes) {
        walk(refusals::Content::of(&message), options, &mut findings);
    }
    findings.into_list()
}

fn walk(content: refusals::Content<'_>, options: &CheckOptions, findings: &mut Findings) {
    let mut walk = Walk::new(&content, options);
    for segment in content.segments {
        if !walk.step(&segment, findings) {
            break;
        }
    }
    walk.end(findings);
}
