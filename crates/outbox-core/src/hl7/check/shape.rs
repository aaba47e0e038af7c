//! Which segments a message needs, which it may have once, and in what order: as far as receivers stumble over it
//! (HL7 2.5.1, 3.3 and 7.3). Segments that are not named here may stand anywhere.

use super::finding::Findings;
use super::rule::Rule;
use super::walk::Line;

/// The shape of the messages of some events.
pub(super) struct Shape {
    /// Segments that must be there, and the rule about each.
    pub(super) required: &'static [(&'static str, Rule)],
    /// Segments that may be there once.
    once: &'static [&'static str],
    /// Segments by rank: none may follow one of a higher rank.
    ranks: &'static [(&'static str, u8)],
    /// The segment that begins a new patient's group, where a message may hold several.
    group: Option<&'static str>,
    /// OBX stands behind an OBR of its patient.
    is_result: bool,
}

#[rustfmt::skip]
const RANKS_OF_VISIT: &[(&str, u8)] = &[("EVN", 1), ("PID", 2), ("PD1", 3), ("NK1", 4), ("PV1", 5), ("PV2", 6), ("DB1", 7), ("OBX", 7),
    ("AL1", 7), ("DG1", 7), ("DRG", 7), ("PR1", 7), ("GT1", 7), ("IN1", 7), ("IN2", 7), ("IN3", 7), ("ACC", 7), ("UB1", 7), ("UB2", 7)];

/// ADT about one visit of one patient.
const VISIT: Shape = Shape {
    required: &[("EVN", Rule::EvnMissing), ("PID", Rule::PidMissing), ("PV1", Rule::Pv1Missing)],
    once: &["EVN", "PID", "PD1", "PV1", "PV2"],
    ranks: RANKS_OF_VISIT,
    group: None,
    is_result: false,
};

/// Every other ADT: merges, swaps and links hold several patients, in orders of their own.
const ADT: Shape = Shape {
    required: &[("EVN", Rule::EvnMissing), ("PID", Rule::PidMissing)],
    once: &["EVN"],
    ranks: &[("EVN", 1), ("PID", 2)],
    group: None,
    is_result: false,
};

/// ADT^A20 is about a bed.
const BED: Shape =
    Shape { required: &[("EVN", Rule::EvnMissing)], once: &["EVN"], ranks: &[], group: None, is_result: false };

const RESULT: Shape = Shape {
    required: &[("PID", Rule::PidMissing), ("OBR", Rule::ObrMissing), ("OBX", Rule::ObxMissing)],
    once: &[],
    ranks: &[("PID", 1), ("PD1", 2), ("NK1", 3), ("PV1", 4), ("PV2", 5), ("ORC", 6), ("OBR", 6), ("OBX", 6)],
    group: Some("PID"),
    is_result: true,
};

/// The shape of a message, where one is known.
pub(super) fn of(kind: (&[u8], &[u8])) -> Option<&'static Shape> {
    match kind {
        (b"ADT", [b'A', b'0', b'1'..=b'9'] | b"A10" | b"A11" | b"A12" | b"A13" | b"A14" | b"A15" | b"A16") => {
            Some(&VISIT)
        }
        (b"ADT", b"A20") => Some(&BED),
        (b"ADT", _) => Some(&ADT),
        (b"ORU", b"R01") => Some(&RESULT),
        _ => None,
    }
}

/// HL7 table 0354, for the events of patient administration and results.
const STRUCTURES: &[(&str, &[&str])] = &[
    ("ADT_A01", &["A01", "A04", "A08", "A13"]),
    ("ADT_A02", &["A02"]),
    ("ADT_A03", &["A03"]),
    ("ADT_A05", &["A05", "A14", "A28", "A31"]),
    ("ADT_A06", &["A06", "A07"]),
    ("ADT_A09", &["A09", "A10", "A11"]),
    ("ADT_A12", &["A12"]),
    ("ADT_A15", &["A15"]),
    ("ADT_A16", &["A16"]),
    ("ADT_A17", &["A17"]),
    ("ADT_A18", &["A18"]),
    ("ADT_A20", &["A20"]),
    ("ADT_A21", &["A21", "A22", "A23", "A25", "A26", "A27", "A29", "A32", "A33"]),
    ("ADT_A24", &["A24"]),
    ("ADT_A30", &["A30", "A34", "A35", "A36", "A46", "A47", "A48", "A49"]),
    ("ADT_A37", &["A37"]),
    ("ADT_A38", &["A38"]),
    ("ADT_A39", &["A39", "A40", "A41", "A42"]),
    ("ADT_A43", &["A43", "A44"]),
    ("ADT_A45", &["A45"]),
    ("ADT_A50", &["A50", "A51"]),
    ("ORU_R01", &["R01"]),
];

/// The structure that MSH-9.3 should name.
pub(super) fn structure_of((code, event): (&[u8], &[u8])) -> Option<&'static str> {
    let is_it = |structure: &str, events: &[&str]| {
        structure.as_bytes().starts_with(code) && events.iter().any(|known| known.as_bytes() == event)
    };
    STRUCTURES
        .iter()
        .find(|(structure, events)| code.len() == 3 && is_it(structure, events))
        .map(|(structure, _)| *structure)
}

/// The order of the segments so far.
#[derive(Default)]
pub(super) struct Order {
    rank: u8,
    /// In this patient's group.
    has_obr: bool,
    /// In this patient's group, before any OBR.
    has_orphan: bool,
}

impl Order {
    pub(super) fn check(&mut self, shape: &Shape, line: &Line<'_>, findings: &mut Findings) {
        let Some(name) = line.name else { return };
        if line.nth > 1 && shape.once.contains(&name) {
            // Its place means nothing then.
            return findings.add(Rule::SegmentRepeated, line, ());
        }
        if shape.group == Some(name) {
            *self = Self::default();
        }
        // Told where the OBR comes, if one does: without any, that is the finding.
        let is_late = shape.is_result && name == "OBR" && self.has_orphan && !self.has_obr;
        self.has_obr |= name == "OBR";
        self.has_orphan |= name == "OBX" && !self.has_obr;
        let rank = shape.ranks.iter().find(|(ranked, _)| *ranked == name).map(|&(_, rank)| rank);
        if rank.is_some_and(|rank| rank < self.rank) || is_late {
            findings.add(Rule::SegmentOrder, line, ());
        }
        self.rank = self.rank.max(rank.unwrap_or_default());
    }
}
