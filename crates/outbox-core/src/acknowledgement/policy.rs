//! What a destination decides about its answers.

use std::collections::BTreeMap;

use super::{Outcome, Row, RowName};

/// How a destination's answers are judged where the table leaves a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// A 2xx without an HL7 acknowledgement proves nothing here.
    pub require_hl7_ack: bool,
    /// Rows that come to something else than the table says. [`Policy::check`] refuses what is not allowed; [`judge`] ignores
    /// it and raises an alarm.
    ///
    /// [`judge`]: super::judge
    pub overrides: BTreeMap<RowName, Outcome>,
}

/// An override that would lose messages or send them for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the outcome of {row} cannot be {outcome}; it can be {}", list(.allowed))]
pub struct PolicyProblem {
    /// The row as the configuration names it.
    pub row: RowName,
    /// The outcome that was asked for.
    pub outcome: Outcome,
    /// What is possible.
    pub allowed: &'static [Outcome],
}

impl Policy {
    /// Checks the overrides at configuration time.
    pub fn check(&self) -> Result<(), PolicyProblem> {
        let wrong = self.overrides.iter().find(|&(name, outcome)| !name.row().entry().overrides.contains(outcome));
        wrong.map_or(Ok(()), |(&row, &outcome)| {
            Err(PolicyProblem { row, outcome, allowed: row.row().entry().overrides })
        })
    }

    /// The override for a row; one for the very status goes before one for the row.
    pub(super) fn override_for(&self, row: Row, status: Option<u16>) -> Option<Outcome> {
        let by_status = status
            .filter(|&status| Row::of_status(status) == Some(row))
            .and_then(|status| self.overrides.get(&RowName::Status(status)));
        by_status.or_else(|| self.overrides.get(&RowName::Row(row))).copied()
    }
}

fn list(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>().join(", ")
}
