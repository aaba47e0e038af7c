//! Well-formed messages must read the same here and in two independent parsers.
//!
//! Only well-formed ones: `hl7-parser` drops the segments behind one that it cannot parse and misnumbers MSH when there are
//! five encoding characters, so what the parsers make of anything else proves nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its own data should fail")]

use outbox_core::hl7::{FieldPath, Limits, Message, Source, read};
use proptest::prelude::*;

const LIMITS: Limits = Limits { message_bytes: 1 << 20 };

/// A component without delimiters, empty now and then. No blanks at its ends: the oracles trim some fields.
fn component() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[A-Za-z0-9]{1,8}", "[A-Za-z0-9]{1,4} [a-z]{1,4}", Just("زايد".to_owned())]
}

/// A field of one to three repetitions of one to four components.
fn field() -> impl Strategy<Value = String> {
    let repetition = proptest::collection::vec(component(), 1..5).prop_map(|components| components.join("^"));
    proptest::collection::vec(repetition, 1..4).prop_map(|repetitions| repetitions.join("~"))
}

fn segment() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("PID"), Just("PV1"), Just("OBX"), Just("ZT1")];
    (name, proptest::collection::vec(field(), 1..12)).prop_map(|(name, fields)| format!("{name}|{}", fields.join("|")))
}

fn message() -> impl Strategy<Value = String> {
    let header = ("[A-Z0-9]{1,20}", "[A-Z]{3}", "[A-Z][0-9]{2}").prop_map(|(id, kind, event)| {
        format!("MSH|^~\\&|MF0000^MF0000|MF0000|R^X|ADHIE|20260101120000+0400||{kind}^{event}|{id}|T|2.5.1|||AL|NE||UNICODE UTF-8")
    });
    (header, proptest::collection::vec(segment(), 1..10))
        .prop_map(|(header, segments)| format!("{header}\r{}\r", segments.join("\r")))
}

/// The clinic's kind of message, so that the oracles agree on at least one that people know.
const TYPICAL: &str = "MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260101120000+0400||ADT^A08^ADT_A01|000TEST42|T|2.5.1\rEVN|A08|20260101\rPID|1||789012^^^&MF0000~784^^^ID||TESTPATIENT^ZAYD||20000101|M\rPV1|1|O|||||0000^TESTDOCTOR\r";

fn agrees(text: &str) {
    let envelope = read(text.as_bytes().to_vec(), Source::Text, &LIMITS).unwrap();
    assert_eq!(envelope.bytes, text.as_bytes());
    let ours = Message::new(&envelope.bytes).unwrap();
    agrees_with_hl7_parser(text, &ours);
    agrees_with_hl7(text, &ours);
    let parsed = hl7_parser::Message::parse(text).unwrap();
    let value = |path: &str| parsed.query(path).map(|found| found.raw_value().to_owned()).unwrap_or_default();
    assert_eq!(envelope.control_id, value("MSH.10"));
    assert_eq!(envelope.message_type, format!("{}^{}", value("MSH.9.1"), value("MSH.9.2")));
    assert_eq!(envelope.version, value("MSH.12"));
    let key = envelope.patient.map(|patient| (patient.id, patient.authority));
    if let Some((id, authority)) = key {
        assert_eq!(String::from_utf8_lossy(&id), value("PID.3[1].1"));
        assert_eq!(String::from_utf8_lossy(&authority), value("PID.3[1].4"));
    } else {
        assert_eq!(value("PID.3[1].1"), "");
    }
}

fn agrees_with_hl7_parser(text: &str, ours: &Message<'_>) {
    let theirs = hl7_parser::Message::parse(text).unwrap();
    assert_eq!(ours.segments().count(), theirs.segments().count());
    for (ours, theirs) in ours.segments().zip(theirs.segments()) {
        assert_eq!(ours.name(), theirs.name.as_bytes());
        for number in 1..=30_u16 {
            let here = ours.field(number).map(|field| field.bytes()).unwrap_or_default();
            let there = theirs.field(number.into()).map(hl7_parser::message::Field::raw_value).unwrap_or_default();
            assert_eq!(here, there.as_bytes(), "field {number}");
        }
    }
}

fn agrees_with_hl7(text: &str, ours: &Message<'_>) {
    let theirs = hl7::v2::parse(text).unwrap();
    for name in ["PID", "PV1", "OBX", "ZT1"] {
        for number in 1..=14_u16 {
            let path: FieldPath = format!("{name}-{number}.1").parse().unwrap();
            let here = ours.value(&path).unwrap_or_default();
            // Without the numbers of occurrence and repetition it would give the first that is not empty.
            let there = theirs.get(&format!("{name}[1]-{number}[1].1")).unwrap().unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(here), there, "{path}");
        }
    }
}

#[test]
fn a_typical_message_reads_the_same_in_three_parsers() {
    agrees(TYPICAL);
}

proptest! {
    #[test]
    fn well_formed_messages_read_the_same_in_three_parsers(text in message()) {
        agrees(&text);
    }
}
