//! Rules about MSH (HL7 2.5.1, 2.15.9).

use super::super::read::is_absent;
use super::finding::Findings;
use super::rule::Rule;
use super::shape;
use super::timestamp::{Time, TimeFault};
use super::walk::{About, Line};

/// MSH-10 in versions before 2.7.
const CONTROL_ID_CHARACTERS_MAX: usize = 20;
/// HL7 table 0104, up to the newest.
#[rustfmt::skip]
const VERSIONS: [&[u8]; 14] = [b"2.0", b"2.0D", b"2.1", b"2.2", b"2.3", b"2.3.1", b"2.4", b"2.5", b"2.5.1", b"2.6", b"2.7",
    b"2.7.1", b"2.8", b"2.9"];
const VERSIONS_FROM_2_7: [&[u8]; 6] = [b"2.7", b"2.7.1", b"2.8", b"2.8.1", b"2.8.2", b"2.9"];

pub(super) fn about<'a>(msh: &Line<'a>) -> About<'a> {
    About {
        kind: (msh.component(9, 1), msh.component(9, 2)),
        is_before_2_7: !VERSIONS_FROM_2_7.contains(&msh.component(12, 1)),
    }
}

pub(super) fn check(msh: &Line<'_>, about: &About<'_>, is_ascii: bool, findings: &mut Findings) {
    if !is_ascii && is_absent(msh.component(18, 1)) {
        findings.add(Rule::CharsetUndeclared, msh, 18);
    }
    check_time(msh, findings);
    check_type(msh, about, findings);
    let control_id = msh.field(10).bytes();
    if about.is_before_2_7 && control_id.len() > CONTROL_ID_CHARACTERS_MAX {
        findings.add(Rule::ControlIdLong, msh, 10);
    }
    if !matches!(msh.component(11, 1), b"P" | b"T" | b"D") {
        findings.add(Rule::ProcessingId, msh, 11);
    }
    let version = msh.component(12, 1);
    // A missing one is refused already.
    if !is_absent(version) && !VERSIONS.contains(&version) && !VERSIONS_FROM_2_7.contains(&version) {
        findings.add(Rule::VersionUnknown, msh, 12);
    }
}

fn check_time(msh: &Line<'_>, findings: &mut Findings) {
    let text = msh.component(7, 1);
    if is_absent(text) {
        return findings.add(Rule::TimeMissing, msh, 7);
    }
    let time = Time::read(text);
    if let Some(fault) = time.fault {
        findings.add(rule_of(fault), msh, 7);
    }
    // Nonsense has no zone to miss.
    if time.offset.is_none() && time.fault != Some(TimeFault::Malformed) {
        findings.add(Rule::TimeZoneMissing, msh, 7);
    }
}

pub(super) fn rule_of(fault: TimeFault) -> Rule {
    match fault {
        TimeFault::Iso => Rule::TimeIso,
        TimeFault::Malformed => Rule::TimeFormat,
        TimeFault::Impossible => Rule::TimeImpossible,
    }
}

fn check_type(msh: &Line<'_>, about: &About<'_>, findings: &mut Findings) {
    let (code, event) = about.kind;
    // An acknowledgement needs no event, and a missing type is refused already.
    if event.is_empty() && !is_absent(code) && code != b"ACK" {
        findings.add(Rule::TriggerMissing, msh, (9, 2));
    }
    // An absent structure passes, although 2.5.1 requires it: receivers go by the event.
    let structure = msh.component(9, 3);
    if !structure.is_empty() && shape::structure_of(about.kind).is_some_and(|known| known.as_bytes() != structure) {
        findings.add(Rule::MessageStructure, msh, (9, 3));
    }
}
