//! The ERR segment, in the form of 2.5 and later and in the one before (HL7 2.5.1, 2.15.5; 2.4, 2.16.5).

use super::safe_code::safe_code;
use crate::hl7::{Repetition, Segment};

/// How many repetitions of ERR-1 are read.
const REPETITIONS_MAX: usize = 32;
/// A shorter control id is found by chance in any text.
const CONTROL_ID_BYTES_MIN: usize = 4;

/// ERR-4 (HL7 table 0516), as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// `I` or `W`: the receiver took the message all the same.
    Harmless,
    /// `E`, `F`, empty or anything else.
    Harmful,
}

/// What one error code means for the message, by ERR-3 (HL7 table 0357), ERR-2 and ERR-5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 100-104, 198, 199, 200-204.
    Permanent,
    /// 205 about the control id.
    DuplicateControlId,
    /// 205 about anything else.
    DuplicateKey,
    /// 206.
    RecordLocked,
    /// 207 with a location or an application code.
    InternalErrorLocated,
    /// 207 alone.
    InternalError,
    /// No known ERR-3, but an ERR-5.
    ApplicationCode,
    /// Neither.
    Unusable,
}

/// One complaint of the receiver. Holds codes only, none of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) kind: Kind,
    /// ERR-3.1 or its older place.
    pub(super) code: Option<String>,
    /// ERR-5.1.
    pub(super) application_code: Option<String>,
}

/// Where the receiver says the error is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Location {
    None,
    /// MSH, no field: some receivers give it for everything.
    Header,
    ControlId,
    Elsewhere,
}

impl Problem {
    /// The complaints of one ERR segment. `text` is MSA-3, where the words stood before 2.5. A segment may carry the new form,
    /// the old one (in every repetition of ERR-1), or for the sake of older readers both; all are taken.
    pub(super) fn read(err: &Segment<'_>, text: &[u8], control_id: &str) -> Vec<Self> {
        let field = |number| err.field(number).map_or(b"".as_slice(), |field| field.bytes());
        let severity = severity(field(4));
        let application_code = err.field(5).and_then(|field| field.first().component(1)).unwrap_or_default();
        let names_id = [text, field(3), field(7), field(8)].into_iter().any(|text| names_control_id(text, control_id));
        let problem = |code: &[u8], location| {
            let kind = kind(code, location, names_id, !application_code.trim_ascii().is_empty());
            Self { severity, kind, code: safe_code(code), application_code: safe_code(application_code) }
        };
        let mut problems = Vec::new();
        if let Some(old) = err.field(1) {
            let coded = old.repetitions().take(REPETITIONS_MAX).filter_map(|one| {
                let code = one.subcomponent(4, 1).filter(|code| !code.trim_ascii().is_empty())?;
                Some(problem(code, location(one)))
            });
            problems.extend(coded);
        }
        let located = err.field(2).map_or(Location::None, |field| worst_location(field.repetitions()));
        let code = err.field(3).map_or(b"".as_slice(), |field| code_of(field.first()));
        if problems.is_empty() || !code.is_empty() {
            problems.push(problem(code, located));
        }
        problems
    }

    /// The error condition of MSA-6, if there is one.
    pub(super) fn read_msa(msa: &Segment<'_>, text: &[u8], control_id: &str) -> Option<Self> {
        let condition = msa.field(6)?.first();
        let code = code_of(condition);
        let names_id = [text, condition.bytes()].into_iter().any(|text| names_control_id(text, control_id));
        let kind = kind(code, Location::None, names_id, false);
        (kind != Kind::Unusable).then(|| Self {
            severity: Severity::Harmful,
            kind,
            code: safe_code(code),
            application_code: None,
        })
    }
}

fn severity(field: &[u8]) -> Severity {
    match field.trim_ascii() {
        b"I" | b"W" | b"i" | b"w" => Severity::Harmless,
        _ => Severity::Harmful,
    }
}

/// The code of a coded field: its first triplet, unless only the alternate one (component 4) is from table 0357.
fn code_of(value: Repetition<'_>) -> &[u8] {
    let code = value.component(1).unwrap_or_default().trim_ascii();
    let alternate = value.component(4).unwrap_or_default().trim_ascii();
    if number(code).is_none() && number(alternate).is_some() { alternate } else { code }
}

/// The number of a code of table 0357.
fn number(code: &[u8]) -> Option<u16> {
    let number = std::str::from_utf8(code.trim_ascii()).ok()?.parse().ok()?;
    matches!(number, 100..=104 | 198..=207).then_some(number)
}

fn kind(code: &[u8], location: Location, names_id: bool, has_application_code: bool) -> Kind {
    match number(code) {
        // A location is more exact than a text: an error at PID-3 is about the patient, whatever the text mentions.
        Some(205) => match location {
            Location::ControlId => Kind::DuplicateControlId,
            Location::None | Location::Header if names_id => Kind::DuplicateControlId,
            _ => Kind::DuplicateKey,
        },
        Some(206) => Kind::RecordLocked,
        Some(207) if location != Location::None || has_application_code => Kind::InternalErrorLocated,
        Some(207) => Kind::InternalError,
        Some(_) => Kind::Permanent,
        None if has_application_code => Kind::ApplicationCode,
        None => Kind::Unusable,
    }
}

fn worst_location<'a>(locations: impl Iterator<Item = Repetition<'a>>) -> Location {
    locations.map(location).fold(Location::None, |worst, next| match (worst, next) {
        (Location::Elsewhere, _) | (_, Location::Elsewhere) => Location::Elsewhere,
        (Location::None | Location::Header, next) if next != Location::None => next,
        (worst, _) => worst,
    })
}

/// ERR-2, or the first three components of ERR-1: segment, its sequence, field.
fn location(place: Repetition<'_>) -> Location {
    let part = |number| place.component(number).unwrap_or_default().trim_ascii();
    match (part(1), part(3)) {
        (b"", b"") => Location::None,
        (b"MSH", b"10") | (b"MSH-10" | b"MSH.10", _) => Location::ControlId,
        (b"MSH", b"") => Location::Header,
        _ => Location::Elsewhere,
    }
}

/// Whether a text speaks of the control id: by these words, or by quoting the id itself. A text that also speaks of a patient,
/// a visit or an order may be about those. In doubt the answer is no: a person then sees the refusal, whereas a yes could end
/// a message that the receiver does not have.
fn names_control_id(text: &[u8], control_id: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let has = |word: &str| memchr::memmem::find(&lower, word.as_bytes()).is_some();
    if ["patient", "visit", "encounter", "order", "account", "episode"].into_iter().any(has) {
        return false;
    }
    ["control id", "controlid", "msh-10", "msh.10"].into_iter().any(has) || quotes(text, control_id.as_bytes())
}

fn quotes(text: &[u8], id: &[u8]) -> bool {
    let continues =
        |byte: Option<&u8>| byte.is_some_and(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    id.len() >= CONTROL_ID_BYTES_MIN
        && memchr::memmem::find_iter(text, id).any(|at| {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            !continues(before) && !continues(text.get(at + id.len()))
        })
}
