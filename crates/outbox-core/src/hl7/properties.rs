//! What must hold for any bytes.

#![allow(clippy::unwrap_used, reason = "a property that cannot be stated should fail")]

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { message_bytes: 4096 };
const VALID: &str = "MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260101120000+0400||ADT^A08|000TEST42|T|2.5.1|||AL|NE||UNICODE UTF-8\rEVN|A08\rPID|1||789012^^^&MF0000~784^^^ID||TESTPATIENT^ZAYD\rNTE|1||زايد\\.br\\\\X41\\\rPV1||O\r";

/// Bytes that look enough like HL7 to get past the first check.
fn nearly_hl7() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"MSH|^~\\&|".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"PID|1||7~8^^^X&Y|".to_vec()),
        Just(b"ADT^A08|000TEST42|T|2.5.1".to_vec()),
        Just(b"|".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
        "[A-Z][A-Z0-9]{2}\\|[ -~]{0,12}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8);
    proptest::collection::vec(change, 0..8).prop_map(|changes| {
        let mut bytes = VALID.as_bytes().to_vec();
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

/// The form that `Envelope::bytes` promises, stated a second time and more simply.
fn is_normal(bytes: &[u8]) -> bool {
    let lines: Vec<_> = bytes.split(|&byte| byte == b'\r').collect();
    let (last, lines) = lines.split_last().unwrap();
    last.is_empty()
        && lines[0].starts_with(b"MSH")
        && lines.iter().all(|line| line.len() >= 3 && line[0].is_ascii_uppercase())
}

fn check(input: &[u8], source: Source) {
    match read(input.to_vec(), source, &LIMITS) {
        Err(problem) => {
            assert!(problem.position() <= input.len(), "{problem}");
            assert!(problem.to_string().contains("byte "));
        }
        Ok(envelope) => {
            assert!(is_normal(&envelope.bytes));
            let again = read(envelope.bytes.clone(), source, &LIMITS).unwrap();
            assert_eq!((&again.bytes, &again.patient), (&envelope.bytes, &envelope.patient));
            // Normalising takes and adds line ends, blank lines and the mark, nothing else.
            let content = |bytes: &[u8]| -> Vec<u8> {
                let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
                bytes.iter().copied().filter(|byte| !b"\r\n \t".contains(byte)).collect()
            };
            assert_eq!(content(&envelope.bytes), content(input));
            let view = Message::new(&envelope.bytes).unwrap();
            let field = |path: &str| view.value(&path.parse().unwrap()).map(<[u8]>::to_vec);
            let control_id = view.segment("MSH").unwrap().field(10).unwrap();
            assert_eq!(control_id.bytes(), envelope.control_id.as_bytes());
            assert_eq!(field("MSH-12.1").as_deref(), Some(envelope.version.as_bytes()));
            if let Some(patient) = envelope.patient {
                assert_eq!(field("PID-3.1"), Some(patient.id));
                assert_eq!(field("PID-3.4").unwrap_or_default(), patient.authority);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_reader_survives_any_bytes(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&input, Source::Bytes);
    }

    #[test]
    fn the_reader_survives_bytes_that_look_like_hl7(input in nearly_hl7()) {
        check(&input, Source::Bytes);
        if std::str::from_utf8(&input).is_ok() {
            check(&input, Source::Text);
        }
    }

    #[test]
    fn a_damaged_message_is_refused_or_read_as_what_it_is(input in mutated()) {
        check(&input, Source::Bytes);
    }

    #[test]
    fn escaped_text_comes_back(text in "[ -~]{0,60}") {
        let escaped: String = text.chars().map(|c| match c {
            '|' => "\\F\\".to_owned(),
            '^' => "\\S\\".to_owned(),
            '~' => "\\R\\".to_owned(),
            '\\' => "\\E\\".to_owned(),
            '&' => "\\T\\".to_owned(),
            'x' => "\\X78\\".to_owned(),
            other => other.to_string(),
        }).collect();
        let decoded = Delimiters::STANDARD.unescape(escaped.as_bytes()).into_owned();
        prop_assert_eq!(decoded, text.into_bytes());
    }

    #[test]
    fn decoding_survives_any_bytes(input in proptest::collection::vec(prop_oneof![Just(b'\\'), any::<u8>()], 0..60)) {
        prop_assert!(Delimiters::STANDARD.unescape(&input).len() <= input.len());
    }

    #[test]
    fn a_view_survives_any_bytes_and_any_path(input in nearly_hl7(), field in 0..30_u16, component in 0..6_u16) {
        for view in [Message::new(&input), Message::answer(&input)].into_iter().flatten() {
            for segment in view.segments() {
                if let Some(field) = segment.field(field) {
                    let parts = field.repetitions().filter_map(|one| one.subcomponent(component, component)).count();
                    prop_assert!(parts <= input.len() + 1);
                }
            }
        }
    }
}
