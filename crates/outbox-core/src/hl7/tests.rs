//! Whole messages through the reader: what is taken and in which form, and what is refused and where.

#![allow(clippy::unwrap_used, reason = "a test that fails to read its own data should fail")]

use std::collections::BTreeSet;

use super::*;

const HEADER: &str = "MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260101120000+0400||ADT^A08^ADT_A01|000TEST42|T|2.5.1";
const LIMITS: Limits = Limits { message_bytes: 100_000 };

fn text(message: &str) -> Result<Envelope, Hl7Problem> {
    read(message.as_bytes().to_vec(), Source::Text, &LIMITS)
}

fn bytes(message: &[u8]) -> Result<Envelope, Hl7Problem> {
    read(message.to_vec(), Source::Bytes, &LIMITS)
}

fn with(segments: &str) -> String {
    format!("{HEADER}\r{segments}")
}

fn header_with(field: usize, value: &str) -> String {
    let mut fields: Vec<_> = HEADER.split('|').collect();
    fields.resize(fields.len().max(field), "");
    fields[field - 1] = value;
    fields.join("|") + "\r"
}

fn refusal(message: &str) -> (&'static str, usize) {
    let problem = text(message).unwrap_err();
    (problem.code(), problem.position())
}

#[test]
fn the_header_and_the_patient_of_a_message_are_read() {
    let message = with("EVN|A08\rPID|1||789012^^^&MF0000~784^^^ID||TESTPATIENT^ZAYD\rPV1||O\r");
    let envelope = text(&message).unwrap();
    assert_eq!(envelope.bytes, message.as_bytes());
    assert_eq!(envelope.control_id, "000TEST42");
    assert_eq!(envelope.message_type, "ADT^A08");
    assert_eq!((envelope.processing_id.as_str(), envelope.version.as_str()), ("T", "2.5.1"));
    assert_eq!(envelope.charset, Charset::Utf8);
    assert_eq!((envelope.accept_ack, envelope.application_ack), (None, None));
    let patient = envelope.patient.unwrap();
    assert_eq!((patient.id.as_slice(), patient.authority.as_slice()), (b"789012".as_slice(), b"&MF0000".as_slice()));
    assert_eq!(patient.to_bytes(), b"789012\0&MF0000");
}

#[test]
fn a_message_in_its_final_form_is_kept_in_its_own_buffer() {
    let message = with("PID|1||789012\r").into_bytes();
    let address = message.as_ptr();
    assert_eq!(read(message, Source::Text, &LIMITS).unwrap().bytes.as_ptr(), address);
}

#[test]
fn every_way_of_ending_lines_gives_the_same_bytes() {
    let normal = with("PID|1||789012\rPV1\r");
    let same = [
        with("PID|1||789012\rPV1"),
        normal.replace('\r', "\n"),
        normal.replace('\r', "\r\n"),
        normal.trim_end().replace('\r', "\n"),
        normal.trim_end().replace('\r', "\r\n"),
        format!("\u{FEFF}{normal}"),
        format!("\u{FEFF}\r\n{normal}"),
        format!("\n\n  \n{}", normal.replace('\r', "\n")),
        with("\r\rPID|1||789012\r \t\rPV1\r\r"),
        with("PID|1||789012\r\nPV1\r"),
        format!("{normal}\n"),
        format!("{normal}  "),
    ];
    for message in same {
        assert_eq!(text(&message).unwrap().bytes, normal.as_bytes(), "{message:?}");
    }
}

#[test]
fn a_line_feed_inside_a_field_stays_where_cr_ends_the_segments() {
    for note in ["one\ntwo", "one\nEND", "one\nTWO|three", "\n", "one\n"] {
        let message = with(&format!("NTE|1||{note}|\rPV1\r"));
        assert_eq!(text(&message).unwrap().bytes, message.as_bytes(), "{note:?}");
    }
    let crlf = with("NTE|1||one\ntwo|\rPV1\r");
    assert_eq!(text(&crlf.replace('\r', "\r\n")).unwrap().bytes, crlf.as_bytes());
}

#[test]
fn a_segment_hidden_behind_a_line_feed_is_refused_and_not_taken_for_text() {
    assert_eq!(refusal(&format!("{HEADER}\nPID|1||789012\rPV1\r")), ("ERR_HL7_SEGMENT_ENDS", HEADER.len()));
    assert_eq!(refusal(&format!("{HEADER}\nZPI|1\r")), ("ERR_HL7_SEGMENT_ENDS", HEADER.len()));
    let message = with("PID|1||789012\nPV1|1\rOBX|1\r");
    assert_eq!(refusal(&message), ("ERR_HL7_SEGMENT_ENDS", message.find('\n').unwrap()));
}

#[test]
fn only_a_pid_3_that_identifies_somebody_makes_a_patient() {
    for segments in
        ["PV1\r", "PID\r", "PID|1\r", "PID|1||\r", "PID|1||^^^MF0000\r", "PID|1||\"\"^^^MF0000\r", "PID|1||~789\r"]
    {
        assert_eq!(text(&with(segments)).unwrap().patient, None, "{segments:?}");
    }
    let id = |segments: &str| text(&with(segments)).unwrap().patient.unwrap().id;
    assert_eq!(id("PID|1||789012"), b"789012");
    assert_eq!(id("PID|||a b \r"), b"a b ");
    assert_eq!(id("PID|||first\rPID|||second\r"), b"first");
    assert_ne!(text(&with("PID|||1^^^A\r")).unwrap().patient, text(&with("PID|||1^^^B\r")).unwrap().patient);
}

#[test]
fn the_messages_own_delimiters_are_used() {
    let envelope = text("MSH$%*!+$A$B$C$D$2026$$ADT%A04$000TEST42$P%T$2.5.1%ARE\rPID$$$12%%%X+Y*13\r").unwrap();
    assert_eq!((envelope.message_type.as_str(), envelope.processing_id.as_str()), ("ADT^A04", "P"));
    assert_eq!(envelope.patient.unwrap().to_bytes(), b"12\0X+Y");
    assert!(text("MSH|^~\\&#|A|B|C|D|2026||ADT^A04|000TEST42|P|2.7\r").is_ok());
}

#[test]
fn the_acknowledgements_asked_for_are_read() {
    let envelope = text(&header_with(16, "ER").replace("|||ER", "||AL|ER")).unwrap();
    assert_eq!(
        (envelope.accept_ack, envelope.application_ack),
        (Some(AckCondition::Always), Some(AckCondition::OnError))
    );
    assert_eq!(text(&header_with(16, "su?")).unwrap().application_ack, None);
}

#[test]
fn text_and_bytes_are_held_to_the_declared_character_set() {
    let arabic = "NTE|1||زايد\r";
    let in_set = |set: &str, note: &[u8]| [header_with(18, set).as_bytes(), b"NTE|1||", note, b"\r"].concat();
    assert!(text(&with(arabic)).is_ok());
    assert!(text(&(header_with(18, "UNICODE UTF-8") + arabic)).is_ok());
    assert!(text(&(header_with(18, "8859/6") + "NTE|1||plain\r")).is_ok());
    assert_eq!(text(&(header_with(18, "8859/6") + arabic)).unwrap_err().code(), "ERR_HL7_CHARSET_TEXT");
    assert_eq!(bytes(&in_set("8859/6", b"\xD2\xC7")).unwrap().charset, Charset::Iso8859(6));
    assert_eq!(bytes(&in_set("8859/1~UNICODE UTF-8", b"\xE9")).unwrap().charset, Charset::Iso8859(1));
    for (set, note) in [("", b"\xD2\xC7".as_slice()), ("ASCII", b"\xE9"), ("8859/6", b"\xFF"), ("8859/1", b"\x93")] {
        let message = in_set(set, note);
        let problem = bytes(&message).unwrap_err();
        assert_eq!(
            (problem.code(), problem.segment(), problem.field()),
            ("ERR_HL7_CHARSET_INVALID", Some("NTE"), Some(3))
        );
        assert_eq!(message[problem.position()], note[0]);
    }
    let problem = text(&header_with(18, "KLINGON")).unwrap_err();
    assert_eq!(
        (problem.code(), problem.segment(), problem.field()),
        ("ERR_HL7_CHARSET_UNKNOWN", Some("MSH"), Some(18))
    );
}

#[test]
fn what_cannot_be_sent_is_refused_with_a_code_and_a_position() {
    let end = HEADER.len();
    let cases: [(&str, &str, usize); 18] = [
        ("", "ERR_HL7_EMPTY", 0),
        ("\u{FEFF}\r\n \n", "ERR_HL7_EMPTY", 0),
        ("PID|1\r", "ERR_HL7_NOT_MSH", 0),
        ("  MSH|^~\\&|", "ERR_HL7_NOT_MSH", 0),
        ("\u{FEFF}{}", "ERR_HL7_NOT_MSH", 3),
        ("FHS|^~\\&|\r", "ERR_HL7_BATCH", 0),
        ("BHS|^~\\&|\r", "ERR_HL7_BATCH", 0),
        (&with("BTS|1\r"), "ERR_HL7_BATCH", end + 1),
        (&with(&with("PV1\r")), "ERR_HL7_SEVERAL_MESSAGES", end + 1),
        (&with("PV1|\0\r"), "ERR_HL7_NUL", end + 5),
        (&format!("\u{b}{HEADER}\r\u{1c}\r"), "ERR_HL7_FRAMING_BYTE", 0),
        (&with("PV1|\u{1c}\r"), "ERR_HL7_FRAMING_BYTE", end + 5),
        ("MSH|^~&|A\r", "ERR_HL7_DELIMITERS", 3),
        ("MSH", "ERR_HL7_DELIMITERS", 3),
        (&with("pid|1\r"), "ERR_HL7_SEGMENT_NAME", end + 1),
        (&with("PIDX|1\r"), "ERR_HL7_SEGMENT_NAME", end + 1),
        (&with("PV1|1\r PID|1\r"), "ERR_HL7_SEGMENT_NAME", end + 7),
        (&with("P\r"), "ERR_HL7_SEGMENT_NAME", end + 1),
    ];
    for (message, code, position) in cases {
        assert_eq!(refusal(message), (code, position), "{message:?}");
    }
    let limits = Limits { message_bytes: 10 };
    let problem = read(HEADER.into(), Source::Text, &limits).unwrap_err();
    assert_eq!((problem.code(), problem.position()), ("ERR_HL7_TOO_LARGE", 10));
}

#[test]
fn header_fields_that_are_missing_or_cannot_be_what_they_should_are_refused_by_number() {
    let long = "X".repeat(200);
    let cases = [
        (9, "", "ERR_HL7_MISSING_MESSAGE_TYPE"),
        (9, "^A08", "ERR_HL7_MISSING_MESSAGE_TYPE"),
        (10, "", "ERR_HL7_MISSING_CONTROL_ID"),
        (10, "\"\"", "ERR_HL7_MISSING_CONTROL_ID"),
        (10, "  ", "ERR_HL7_MISSING_CONTROL_ID"),
        (12, "", "ERR_HL7_MISSING_VERSION"),
        (10, long.as_str(), "ERR_HL7_CONTROL_ID_LENGTH"),
        (10, "000\tTEST", "ERR_HL7_CONTROL_ID_CHARACTERS"),
        (10, "000\u{7f}TEST", "ERR_HL7_CONTROL_ID_CHARACTERS"),
        (10, "000TÉST", "ERR_HL7_CONTROL_ID_CHARACTERS"),
        (9, "TEST PATIENT", "ERR_HL7_HEADER_VALUE"),
        (9, "ADT^A 8", "ERR_HL7_HEADER_VALUE"),
        (11, "زايد", "ERR_HL7_HEADER_VALUE"),
        (12, &long, "ERR_HL7_HEADER_VALUE"),
    ];
    for (field, value, code) in cases {
        let problem = text(&header_with(field, value)).unwrap_err();
        let number = u16::try_from(field).unwrap();
        assert_eq!((problem.code(), problem.segment(), problem.field()), (code, Some("MSH"), Some(number)), "{value}");
    }
    assert!(text(&header_with(10, &long[..199])).is_ok());
    assert_eq!(text("MSH|^~\\&").unwrap_err().code(), "ERR_HL7_MISSING_CONTROL_ID");
}

#[test]
fn every_problem_has_words_and_every_row_of_the_words_a_problem() {
    let place = Place { position: 7, ..Place::default() };
    let charset = Charset::Ascii;
    let all = [
        Hl7Problem::Empty { place },
        Hl7Problem::TooLarge { place, bytes: 2, limit: 1 },
        Hl7Problem::NotMsh { place },
        Hl7Problem::Batch { place },
        Hl7Problem::SeveralMessages { place },
        Hl7Problem::Nul { place },
        Hl7Problem::FramingByte { place },
        Hl7Problem::Delimiters { place },
        Hl7Problem::SegmentName { place },
        Hl7Problem::SegmentEnds { place },
        Hl7Problem::MissingMessageType { place },
        Hl7Problem::MissingControlId { place },
        Hl7Problem::MissingVersion { place },
        Hl7Problem::HeaderValue { place },
        Hl7Problem::ControlIdLength { place, bytes: 200 },
        Hl7Problem::ControlIdCharacters { place },
        Hl7Problem::CharsetUnknown { place },
        Hl7Problem::CharsetInvalid { place, charset },
        Hl7Problem::CharsetText { place, charset },
    ];
    let codes: BTreeSet<_> = all.iter().map(Hl7Problem::code).collect();
    assert_eq!(codes, PROBLEMS.iter().map(|&(code, ..)| code).collect());
    assert_eq!((codes.len(), PROBLEMS.len()), (all.len(), all.len()));
    for problem in all {
        let said = problem.to_string();
        assert!(said.contains("byte 7") && said.ends_with(problem.remedy()) && !problem.remedy().is_empty(), "{said}");
    }
}

#[test]
fn neither_errors_nor_debug_output_show_anything_of_the_message() {
    for message in [
        with("ZAYD TESTPATIENT\r"),
        with("ZAYD|1\r"),
        with("ZAY|\0\r"),
        header_with(9, "ZAYD TEST"),
        header_with(18, "ZAYD"),
    ] {
        let problem = text(&message).unwrap_err();
        assert!(!format!("{problem} {problem:?}").contains("ZAY"), "{problem}");
    }
    let message = with("PID|1||ZAYD42^^^ZAYDLAND||TESTPATIENT^ZAYD\r");
    let envelope = text(&message).unwrap();
    let view = Message::new(&envelope.bytes).unwrap();
    let pid = view.segment("PID").unwrap();
    let field = pid.field(3).unwrap();
    let shown = format!("{envelope:?} {:?} {view:?} {pid:?} {field:?} {:?}", envelope.patient, field.first());
    assert!(!shown.contains("ZAYD") && !shown.contains("000TEST42"), "{shown}");
    // As numbers, either.
    assert!(!shown.contains("90, 65, 89"), "{shown}");
}

#[test]
fn a_view_finds_values_by_number_and_by_path() {
    let message = with("PID|1||789012^^^&MF0000~784||TEST\\T\\PATIENT^ZAYD\rOBX|1\rOBX|2\rZZZ\r");
    let view = Message::new(message.as_bytes()).unwrap();
    let at = |path: &str| view.value(&path.parse().unwrap()).map(|value| String::from_utf8_lossy(value).into_owned());
    let cases = [
        ("MSH-1", Some("|")),
        ("MSH-2", Some("^~\\&")),
        ("MSH-3.2", Some("MF0000")),
        ("MSH-10", Some("000TEST42")),
        ("MSH-12", Some("2.5.1")),
        ("MSH-13", None),
        ("PID-3", Some("789012^^^&MF0000")),
        ("PID-3.1", Some("789012")),
        ("PID-3.4.2", Some("MF0000")),
        ("PID-3.4.1", None),
        ("PID-3.9", None),
        ("PID-2", None),
        ("PID-99", None),
        ("PID-5.1", Some("TEST\\T\\PATIENT")),
        ("ZZZ-1", None),
        ("PV1-19", None),
    ];
    for (path, value) in cases {
        assert_eq!(at(path).as_deref(), value, "{path}");
    }
    let name = view.value(&"PID-5.1".parse().unwrap()).unwrap();
    assert_eq!(view.delimiters().unescape(name).as_ref(), b"TEST&PATIENT");
    let names: Vec<_> = view.segments().map(|segment| (segment.ordinal(), segment.name())).collect();
    assert_eq!(names[1..], [(2, b"PID".as_slice()), (3, b"OBX"), (4, b"OBX"), (5, b"ZZZ")]);
    let repetitions = view.segment("PID").unwrap().field(3).unwrap().repetitions().count();
    assert_eq!(repetitions, 2);
    assert!(view.segment("PID").unwrap().field(0).is_none());
}

#[test]
fn an_answer_is_read_with_either_line_end_and_with_indents() {
    let view = Message::answer(b"MSH|^~\\&|A\n  MSA|AA|1\r\nERR||\n").unwrap();
    let names: Vec<_> = view.segments().map(|segment| segment.name()).collect();
    assert_eq!(names, [b"MSH", b"MSA", b"ERR"]);
    assert!(Message::answer(b"MSA|AA|1").is_none() && Message::answer(b"").is_none());
}
