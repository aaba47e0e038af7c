//! A place in a message, as people write it: `PV1-19`, `PID-3.1`, `PID-3.4.2`.

use std::fmt;
use std::str::FromStr;

/// Segment, field and optionally component and subcomponent, by their HL7 numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldPath {
    segment: [u8; 3],
    field: u16,
    component: Option<u16>,
    subcomponent: Option<u16>,
}

/// What was written is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a field path; write a segment and a field, and a component if need be: PV1-19, PID-3.1 or PID-3.4.2")]
pub struct PathProblem;

impl FieldPath {
    /// The segment's name, three characters.
    pub fn segment(&self) -> &str {
        std::str::from_utf8(&self.segment).unwrap_or_default()
    }

    /// The field's number.
    pub fn field(&self) -> u16 {
        self.field
    }

    /// The component's number.
    pub fn component(&self) -> Option<u16> {
        self.component
    }

    /// The subcomponent's number.
    pub fn subcomponent(&self) -> Option<u16> {
        self.subcomponent
    }

    /// MSH-1 and MSH-2 consist of delimiters and cannot be cut by them.
    pub(super) fn is_delimiter_field(&self) -> bool {
        &self.segment == b"MSH" && self.field <= 2
    }
}

impl FromStr for FieldPath {
    type Err = PathProblem;

    fn from_str(path: &str) -> Result<Self, PathProblem> {
        let (segment, numbers) = path.split_once('-').ok_or(PathProblem)?;
        let segment: [u8; 3] = segment.as_bytes().try_into().map_err(|_| PathProblem)?;
        if !is_segment_name(&segment) {
            return Err(PathProblem);
        }
        let mut numbers = numbers.split('.').map(number);
        let field = numbers.next().ok_or(PathProblem)??;
        let component = numbers.next().transpose()?;
        let subcomponent = numbers.next().transpose()?;
        if numbers.next().is_some() {
            return Err(PathProblem);
        }
        Ok(Self { segment, field, component, subcomponent })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.segment(), self.field)?;
        [self.component, self.subcomponent].into_iter().flatten().try_for_each(|number| write!(f, ".{number}"))
    }
}

/// `[A-Z][A-Z0-9]{2}`.
pub(super) fn is_segment_name(name: &[u8]) -> bool {
    matches!(name, [a, b, c] if a.is_ascii_uppercase() && [b, c].into_iter().all(|x| x.is_ascii_uppercase() || x.is_ascii_digit()))
}

fn number(digits: &str) -> Result<u16, PathProblem> {
    // `parse` alone would take "+3".
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(PathProblem);
    }
    digits.parse().ok().filter(|&number| number > 0).ok_or(PathProblem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_and_writes_the_same() {
        for text in ["PV1-19", "PID-3.1", "PID-3.4.2", "ZA9-65535"] {
            assert_eq!(text.parse::<FieldPath>().map(|path| path.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "PID",
            "PID-",
            "PID-0",
            "PID-3.",
            "PID-3.0",
            "PID-3.1.1.1",
            "pid-3",
            "PIDX-3",
            "PI-3",
            "PID-+3",
            "PID-99999",
            "1ID-3",
            "é1-3",
        ] {
            assert_eq!(text.parse::<FieldPath>(), Err(PathProblem), "{text}");
        }
    }
}
