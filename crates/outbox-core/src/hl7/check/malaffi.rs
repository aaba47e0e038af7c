//! What is publicly known of the messages that Malaffi, the health information exchange of Abu Dhabi, takes. Few rules, and none
//! from its own specification, which is not public: a message without a finding can still be refused.

use super::super::read::is_absent;
use super::finding::Findings;
use super::rule::Rule;
use super::timestamp::{Time, TimeFault};
use super::walk::{About, Line};

/// The Emirates keep it all year.
const OFFSET_MINUTES: i32 = 4 * 60;
const RECEIVING_APPLICATION: &[&[u8]] = &[b"Rhapsody", b"MALAFFI"];
const RECEIVING_FACILITY: &[&[u8]] = &[b"ADHIE"];
const EVENTS: [(&[u8], &[u8]); 5] =
    [(b"ADT", b"A01"), (b"ADT", b"A03"), (b"ADT", b"A04"), (b"ADT", b"A08"), (b"ORU", b"R01")];
/// PV1-2 by event, where it is known.
const PATIENT_CLASSES: [(&[u8], &[u8]); 2] = [(b"A01", b"I"), (b"A04", b"O")];

pub(super) fn check_header(msh: &Line<'_>, findings: &mut Findings) {
    check_sender(msh, findings);
    for (field, expected) in [(5, RECEIVING_APPLICATION), (6, RECEIVING_FACILITY)] {
        if !components(msh, field).eq(expected.iter().copied()) {
            findings.add(Rule::MalaffiReceiver, msh, field);
        }
    }
    let time = Time::read(msh.component(7, 1));
    // One without an offset has its own finding.
    let is_elsewhere = time.offset.is_some_and(|minutes| minutes != OFFSET_MINUTES);
    if is_elsewhere && time.fault != Some(TimeFault::Impossible) {
        findings.add(Rule::MalaffiTimeZone, msh, 7);
    }
    let kind = (msh.component(9, 1), msh.component(9, 2));
    // Half a type has its own finding, and a missing one is refused.
    if !is_absent(kind.0) && !kind.1.is_empty() && !EVENTS.contains(&kind) {
        findings.add(Rule::MalaffiMessageType, msh, 9);
    }
    // What is no processing id at all has its own finding.
    if msh.component(11, 1) == b"D" {
        findings.add(Rule::MalaffiProcessingId, msh, 11);
    }
    if !is_absent(msh.component(12, 1)) && msh.component(12, 1) != b"2.5.1" {
        findings.add(Rule::MalaffiVersion, msh, 12);
    }
}

/// MSH-3 and MSH-4: the licence twice in each, the same in both.
fn check_sender(msh: &Line<'_>, findings: &mut Findings) {
    let licence = msh.component(3, 1);
    for field in [3, 4] {
        if is_absent(licence) || !components(msh, field).eq([licence, licence]) {
            findings.add(Rule::MalaffiSender, msh, field);
        }
    }
}

/// The components of a field that holds one repetition.
fn components<'a>(line: &Line<'a>, field: u16) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let separator = line.segment.delimiters.component;
    line.field(field).bytes().split(move |&byte| byte == separator).map(<[u8]>::trim_ascii)
}

pub(super) fn check_segment(line: &Line<'_>, about: &About<'_>, findings: &mut Findings) {
    if line.is("PID") {
        let authority = line.component(3, 4);
        let is_named = authority.iter().any(|&byte| byte != line.segment.delimiters.subcomponent);
        // A missing id has its own finding.
        if !is_absent(line.component(3, 1)) && !is_named {
            findings.add(Rule::MalaffiPatientAuthority, line, (3, 4));
        }
    }
    if line.is("PV1") && about.kind.0 == b"ADT" {
        let class = PATIENT_CLASSES.iter().find(|(event, _)| *event == about.kind.1).map(|(_, class)| *class);
        if class.is_some_and(|class| line.component(2, 1) != class) {
            findings.add(Rule::MalaffiPatientClass, line, 2);
        }
    }
}
