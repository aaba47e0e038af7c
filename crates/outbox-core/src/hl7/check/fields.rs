//! Rules about the fields of all segments but MSH.

use std::collections::BTreeSet;

use memchr::{memchr, memchr_iter, memmem};

use super::super::read::is_absent;
use super::super::{Delimiters, SegmentEnds};
use super::data_type::{DOCTORS, DataType, TIMES, TYPED, XAD, of_observation};
use super::finding::Findings;
use super::header::rule_of;
use super::rule::Rule;
use super::timestamp::Time;
use super::walk::{About, Line};

pub(super) fn check(line: &Line<'_>, about: &About<'_>, ends: SegmentEnds, findings: &mut Findings) {
    check_times(line, findings);
    match line.name {
        Some("EVN") => check_event(line, about, findings),
        Some("PID") => check_patient(line, findings),
        Some("OBR") if is_absent(line.component(4, 1)) && is_absent(line.component(4, 2)) => {
            findings.add(Rule::ServiceIdMissing, line, 4);
        }
        Some("OBX") => check_observation(line, findings),
        _ => {}
    }
    check_text(line, about, findings);
    check_bytes(line, ends, findings);
}

fn of<'t, T: ?Sized>(table: &'t [(&str, &'t T)], line: &Line<'_>) -> Option<&'t T> {
    table.iter().find(|(name, _)| line.is(name)).map(|(_, row)| *row)
}

fn check_times(line: &Line<'_>, findings: &mut Findings) {
    for &field in of(TIMES, line).unwrap_or_default() {
        let text = line.component(field, 1);
        if is_absent(text) {
            if line.is("EVN") && field == 2 {
                findings.add(Rule::TimeMissing, line, field);
            }
        } else if let Some(fault) = Time::read(text).fault {
            findings.add(rule_of(fault), line, field);
        }
    }
}

fn check_event(evn: &Line<'_>, about: &About<'_>, findings: &mut Findings) {
    let event = evn.component(1, 1);
    if !is_absent(event) && !about.kind.1.is_empty() && event != about.kind.1 {
        findings.add(Rule::EventMismatch, evn, 1);
    }
}

fn check_patient(pid: &Line<'_>, findings: &mut Findings) {
    let has_id = pid.field(3).repetitions().any(|one| one.component(1).is_some_and(|id| !is_absent(id)));
    if !has_id {
        findings.add(Rule::PatientIdMissing, pid, 3);
    }
    if is_absent(pid.field(5).bytes()) {
        findings.add(Rule::PatientNameMissing, pid, 5);
    }
    let sex = pid.component(8, 1);
    if !is_absent(sex) && !matches!(sex, [b'F' | b'M' | b'O' | b'U' | b'A' | b'N']) {
        findings.add(Rule::Sex, pid, 8);
    }
}

fn check_observation(obx: &Line<'_>, findings: &mut Findings) {
    let (kind, value) = (obx.component(2, 1), obx.field(5).bytes());
    if kind.is_empty() && !value.is_empty() {
        findings.add(Rule::ObservationType, obx, 2);
    }
    if kind == b"NM" && !is_absent(value) {
        let is_wrong = |one: &[u8]| !one.trim_ascii().is_empty() && !is_number(one.trim_ascii());
        if value.split(|&byte| byte == obx.segment.delimiters.repetition).any(is_wrong) {
            findings.add(Rule::ObservationNumber, obx, 5);
        }
    }
    if is_absent(obx.component(3, 1)) && is_absent(obx.component(3, 2)) {
        findings.add(Rule::ObservationIdMissing, obx, 3);
    }
    // A, B and V came after 2.5.1.
    if !matches!(obx.component(11, 1), [status] if b"CDFINOPRSUWXABV".contains(status)) {
        findings.add(Rule::ObservationStatus, obx, 11);
    }
}

/// NM (HL7 2.5.1, 2.A.47): an optional sign, digits, and an optional decimal point.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    let points = memchr_iter(b'.', digits).count();
    points <= 1 && digits.len() > points && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// Doctors whose id the caller's list lacks. A doctor without an id is nobody's to look up.
pub(super) fn check_doctors(line: &Line<'_>, known: &BTreeSet<&[u8]>, findings: &mut Findings) {
    for &number in of(DOCTORS, line).unwrap_or_default() {
        let field = line.field(number);
        let is_unknown = |id: &[u8]| {
            let id = line.segment.delimiters.unescape(id.trim_ascii());
            !is_absent(&id) && !known.contains(&*id)
        };
        if field.repetitions().filter_map(|one| one.component(1)).any(is_unknown) {
            findings.add(Rule::DoctorUnlisted, line, (number, 1));
        }
    }
}

/// Delimiters that were part of a text. A `^` that makes a name one component longer cannot be told from a good one, so only
/// what no field of this type can hold counts: too many components, an `&` where there are no subcomponents, a delimiter
/// with a blank on both sides, which no program writes and people do ("Flat 3 & 4"), or an `&` that makes a street of what is
/// no part of the address ("Tower A&B").
fn check_text(line: &Line<'_>, about: &About<'_>, findings: &mut Findings) {
    for &(number, kind) in of(TYPED, line).unwrap_or_default() {
        check_typed(line, number, kind, about, findings);
    }
    let of_value = if line.is("OBX") { of_observation(line.component(2, 1)) } else { None };
    if let Some(kind) = of_value {
        check_typed(line, 5, kind, about, findings);
    }
}

fn check_typed(line: &Line<'_>, number: u16, kind: DataType, about: &About<'_>, findings: &mut Findings) {
    let field = line.field(number);
    let delimiters = line.segment.delimiters;
    if !has_delimiters(field.bytes(), delimiters) {
        return;
    }
    let mut is_told = false;
    // From 2.7 on types grow, and what they grow is not counted here.
    let is_counted = about.is_before_2_7 || kind.len() == 1;
    if is_counted && field.repetitions().any(|one| memchr_iter(delimiters.component, one.bytes()).count() >= kind.len())
    {
        findings.add(Rule::Components, line, number);
        is_told = true;
    }
    let simple = |component: &(usize, &[u8])| {
        kind.get(component.0) == Some(&1) && memchr(delimiters.subcomponent, component.1).is_some()
    };
    let divided = field
        .repetitions()
        .find_map(|one| one.bytes().split(|&byte| byte == delimiters.component).enumerate().find(simple))
        .and_then(|(index, _)| u16::try_from(index + 1).ok());
    if let Some(component) = divided {
        // ST, TX and FT have no components to name.
        if kind.len() == 1 {
            findings.add(Rule::Subcomponents, line, number);
        } else {
            findings.add(Rule::Subcomponents, line, (number, component));
        }
        is_told = true;
    }
    let is_street = |address: &[u8]| kind == XAD && is_no_street(address, delimiters);
    let divides_address = || field.repetitions().any(|one| one.component(1).is_some_and(is_street));
    if !is_told && (stands_between_blanks(field.bytes(), delimiters) || divides_address()) {
        findings.add(Rule::DelimiterInText, line, number);
    }
}

fn has_delimiters(bytes: &[u8], delimiters: Delimiters) -> bool {
    memchr::memchr3(delimiters.component, delimiters.subcomponent, delimiters.repetition, bytes).is_some()
}

fn stands_between_blanks(bytes: &[u8], delimiters: Delimiters) -> bool {
    let one_of = [delimiters.component, delimiters.subcomponent, delimiters.repetition];
    one_of.into_iter().any(|delimiter| memmem::find(bytes, &[b' ', delimiter, b' ']).is_some())
}

/// XAD.1 is a SAD: the address, then the street's name and the number again for those that want them apart. A second
/// part that stands alone and is not in the first is text behind an `&`.
fn is_no_street(address: &[u8], delimiters: Delimiters) -> bool {
    let mut parts = address.split(|&byte| byte == delimiters.subcomponent);
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    third.is_none() && !second.is_empty() && !first.is_empty() && memmem::find(first, second).is_none()
}

/// Escape characters and control characters, in the whole segment.
fn check_bytes(line: &Line<'_>, ends: SegmentEnds, findings: &mut Findings) {
    let (bytes, delimiters) = (line.segment.bytes(), line.segment.delimiters);
    if let Some(at) = first_bad_escape(bytes, delimiters) {
        findings.add(Rule::Escape, line, field_at(bytes, at, delimiters));
    }
    // The other bytes that framing forbids are refused already; CR cannot be here unless line feeds end the segments.
    let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, 0 | 0x0B | 0x1C) || *byte == 0x7F;
    // Counting first, which is many bytes a step: nearly always there is none.
    if bytes.iter().filter(|&&byte| byte < b' ' || byte == 0x7F).count() > 0 {
        let at = bytes.iter().position(|byte| is_control(byte) && (ends == SegmentEnds::Cr || *byte != b'\r'));
        if let Some(at) = at {
            findings.add(Rule::ControlCharacter, line, field_at(bytes, at, delimiters));
        }
    }
}

fn field_at(bytes: &[u8], at: usize, delimiters: Delimiters) -> u16 {
    u16::try_from(memchr_iter(delimiters.field, &bytes[..at]).count()).unwrap_or(u16::MAX)
}

fn first_bad_escape(bytes: &[u8], delimiters: Delimiters) -> Option<usize> {
    let mut from = 0;
    while let Some(open) = memchr(delimiters.escape, &bytes[from..]).map(|found| from + found) {
        let rest = &bytes[open + 1..];
        match memchr(delimiters.escape, rest) {
            Some(close) if is_escape(&rest[..close]) => from = open + 1 + close + 1,
            _ => return Some(open),
        }
    }
    None
}

/// What may stand between two escape characters (HL7 2.5.1, 2.7; `\P\` came with 2.7).
fn is_escape(sequence: &[u8]) -> bool {
    match sequence {
        b"F" | b"S" | b"T" | b"R" | b"E" | b"P" | b"H" | b"N" | [b'Z', ..] => true,
        [b'X', hex @ ..] => !hex.is_empty() && hex.len() % 2 == 0 && hex.iter().all(u8::is_ascii_hexdigit),
        [b'C', hex @ ..] => hex.len() == 4 && hex.iter().all(u8::is_ascii_hexdigit),
        [b'M', hex @ ..] => matches!(hex.len(), 4 | 6) && hex.iter().all(u8::is_ascii_hexdigit),
        [b'.', command @ ..] => is_formatting(command),
        _ => false,
    }
}

fn is_formatting(command: &[u8]) -> bool {
    let (name, number) = command.split_at(command.len().min(2));
    let is_numbered = number.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
    is_numbered && matches!(name, b"sp" | b"br" | b"fi" | b"nf" | b"in" | b"ti" | b"sk" | b"ce")
}
