//! What a check finds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::Hl7Problem;
use super::rule::Rule;
use super::walk::Line;

/// How many findings of one code are told; the last of them says how many more there are.
pub const FINDINGS_PER_RULE_MAX: usize = 100;

/// Whether a receiver has a reason to refuse the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It breaks a rule that receivers check, or enqueue refuses it.
    Error,
    /// It is probably not what was meant, or only lenient receivers take it as meant.
    Warning,
}

impl Severity {
    /// The word in findings and documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding. Holds nothing of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// The stable code: one of [`RULES`](super::RULES) or of [`PROBLEMS`](super::super::PROBLEMS).
    pub code: &'static str,
    /// The segment: `PID`, or `OBX[2]` for the second of its name; `#4`, the fourth segment of the message, where the name is
    /// not one of the standard's and might be anybody's; empty when the whole message is meant.
    pub segment: String,
    /// The field, and the component if one is meant: `10`, `3.4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The place, what is wrong, and what to do.
    pub message: String,
    /// The field's number, for errors.
    #[serde(skip)]
    pub field_number: Option<u16>,
}

/// Where in a segment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    pub(super) field: Option<u16>,
    pub(super) component: Option<u16>,
}

impl From<u16> for Part {
    fn from(field: u16) -> Self {
        Self { field: Some(field), component: None }
    }
}

impl From<(u16, u16)> for Part {
    fn from((field, component): (u16, u16)) -> Self {
        Self { field: Some(field), component: Some(component) }
    }
}

impl From<()> for Part {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl Part {
    fn path(self) -> Option<String> {
        let field = self.field?;
        Some(self.component.map_or_else(|| field.to_string(), |component| format!("{field}.{component}")))
    }
}

/// The findings so far.
#[derive(Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// By code: how many were found, and where the last one told stands in the list.
    counts: BTreeMap<&'static str, (usize, usize)>,
}

impl Findings {
    /// A rule that a segment breaks.
    pub(super) fn add(&mut self, rule: Rule, line: &Line<'_>, part: impl Into<Part>) {
        self.add_at(rule, || line.label(), part.into());
    }

    /// A rule that the message breaks by what it lacks.
    pub(super) fn add_missing(&mut self, rule: Rule, segment: &'static str) {
        self.add_at(rule, || segment.to_owned(), Part::default());
    }

    fn add_at(&mut self, rule: Rule, segment: impl FnOnce() -> String, part: Part) {
        let entry = rule.entry();
        if self.is_told_enough(entry.code) {
            return;
        }
        let (segment, field) = (segment(), part.path());
        let place = field.as_ref().map_or_else(|| segment.clone(), |field| format!("{segment}-{field}"));
        let message = format!("{place}: {}; {}", entry.meaning, entry.remedy);
        self.list.push(Finding {
            severity: entry.severity,
            code: entry.code,
            segment,
            field,
            message,
            field_number: part.field,
        });
    }

    /// What enqueue would refuse.
    pub(super) fn add_problem(&mut self, problem: &Hl7Problem, segment: impl FnOnce() -> String) {
        if self.is_told_enough(problem.code()) {
            return;
        }
        self.list.push(Finding {
            severity: Severity::Error,
            code: problem.code(),
            segment: segment(),
            field: problem.field().map(|field| field.to_string()),
            message: problem.to_string(),
            field_number: problem.field(),
        });
    }

    /// Counts a finding of this code; true when so many were told that this one only counts.
    fn is_told_enough(&mut self, code: &'static str) -> bool {
        let next = self.list.len();
        let (count, last) = self.counts.entry(code).or_default();
        *count += 1;
        if *count > FINDINGS_PER_RULE_MAX {
            return true;
        }
        *last = next;
        false
    }

    pub(super) fn into_list(mut self) -> Vec<Finding> {
        for (count, last) in self.counts.into_values() {
            let more = count.saturating_sub(FINDINGS_PER_RULE_MAX);
            if let Some(finding) = self.list.get_mut(last).filter(|_| more > 0) {
                finding.message = format!("{} ({more} more like this are not listed)", finding.message);
            }
        }
        self.list
    }
}
