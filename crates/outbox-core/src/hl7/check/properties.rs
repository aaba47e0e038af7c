//! What must hold for any bytes.

#![allow(clippy::unwrap_used, reason = "a property that cannot be stated should fail")]

use proptest::prelude::*;

use super::super::read;
use super::tests::{LIMITS, adt, malaffi, oru};
use super::*;

fn nearly_hl7() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"MSH|^~\\&|A^A|A^A|R|X|2026||ADT^A04|1|T|2.5.1\r".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\\".to_vec()),
        Just(b"|".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
        "(EVN|PID|PV1|OBR|OBX|NTE|MSH|BTS)\\|[ -~]{0,30}\r".prop_map(String::into_bytes),
        "[0-9TZ:.+-]{0,20}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8);
    (any::<bool>(), proptest::collection::vec(change, 0..8)).prop_map(|(is_result, changes)| {
        let mut bytes = if is_result { oru() } else { adt() }.into_bytes();
        for (index, byte, kind) in changes {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

/// Survives, is bounded, and refuses exactly what enqueue refuses, the same thing first.
fn holds(input: &[u8], source: Source) {
    let findings = check(input, source, &LIMITS, &malaffi());
    assert!(findings.len() <= (RULES.len() + 19) * FINDINGS_PER_RULE_MAX);
    let refusals: Vec<_> = findings.iter().filter(|finding| finding.code.starts_with("ERR_HL7_")).collect();
    match read(input.to_vec(), source, &LIMITS) {
        Ok(envelope) => {
            assert_eq!(refusals.len(), 0, "{refusals:?}");
            let again: Vec<_> = check_read(&envelope.bytes, &malaffi()).into_iter().map(|one| one.message).collect();
            let once: Vec<_> = findings.into_iter().map(|one| one.message).collect();
            assert_eq!(again, once);
        }
        Err(problem) => {
            let first = refusals.first().unwrap();
            assert_eq!((first.code, &first.message), (problem.code(), &problem.to_string()));
            assert_eq!(first.severity, Severity::Error);
        }
    }
}

proptest! {
    #[test]
    fn a_check_survives_any_bytes(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        holds(&input, Source::Bytes);
    }

    #[test]
    fn a_check_refuses_what_enqueue_refuses(input in nearly_hl7()) {
        holds(&input, Source::Bytes);
        if std::str::from_utf8(&input).is_ok() {
            holds(&input, Source::Text);
        }
    }

    #[test]
    fn a_check_survives_damaged_messages(input in mutated()) {
        holds(&input, Source::Bytes);
    }
}
