//! Every rule by its own example, and the messages of builders that do it wrong and right.

#![allow(clippy::unwrap_used, reason = "a test that fails to read its own data should fail")]

use super::super::{Hl7Problem, PROBLEMS, read};
use super::*;

pub(super) const LIMITS: Limits = Limits { message_bytes: 1_000_000 };
const MSH: &str = "MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260131094500+0400||ADT^A04^ADT_A01|000TEST42|T|2.5.1||||||UNICODE UTF-8";
pub(super) const GOOD_ADT: &str = "EVN|A04|20260131094500+0400\rPID|1||789012^^^&MF0000||Example^نور||20140305|F|||Nowhere 0^^Atlantis\rPV1|1|O|SCHOOL-1||||D000^Doctor^Invented\rPV2|||^Headache\r";
pub(super) const GOOD_ORU: &str = "PID|1||789012^^^&MF0000||Example^Noor||20140305|F\rPV1|1|O|SCHOOL-1||||D000^Doctor^Invented\rOBR|1||V-1|0000-0^Invented panel^LN|||20260131094500+0400\rOBX|1|FT|0000-1^Invented note^LN||Made up.\\.br\\Both lines.||||||F\r";

pub(super) fn adt() -> String {
    format!("{MSH}\r{GOOD_ADT}")
}

pub(super) fn oru() -> String {
    format!("{}\r{GOOD_ORU}", MSH.replace("ADT^A04^ADT_A01", "ORU^R01^ORU_R01"))
}

pub(super) fn malaffi() -> CheckOptions {
    CheckOptions { profile: Profile::Malaffi, doctor_ids: Some(vec!["D000".to_owned()]) }
}

fn found(message: &str, options: &CheckOptions) -> Vec<Finding> {
    check(message.as_bytes(), Source::Text, &LIMITS, options)
}

/// Code, segment and field of each finding, in a line each.
fn shown(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let field = finding.field.as_ref().map(|field| format!("-{field}")).unwrap_or_default();
        format!("{} {}{field}", finding.code, finding.segment)
    };
    findings.iter().map(line).collect()
}

fn codes(message: &str, options: &CheckOptions) -> Vec<String> {
    shown(&found(message, options))
}

/// A good message changed as an example of the table says.
fn changed(example: &str) -> String {
    let mut message = if example.contains("OBX") || example.contains("OBR") { oru() } else { adt() };
    for change in example.split('\r') {
        if let Some(segment) = change.strip_prefix('+') {
            message += segment;
            message.push('\r');
            continue;
        }
        let lines = message.split_terminator('\r').filter_map(|line| match change.strip_prefix('-') {
            Some(name) if line.starts_with(name) => None,
            Some(_) => Some(line.to_owned()),
            None => Some(with_field(line, change)),
        });
        message = lines.map(|line| line + "\r").collect();
    }
    message
}

/// `PID-3=…` applied to a line.
fn with_field(line: &str, change: &str) -> String {
    let (path, value) = change.split_once('=').unwrap();
    let (name, number) = path.split_once('-').unwrap();
    if !line.starts_with(name) {
        return line.to_owned();
    }
    let index: usize = number.parse().unwrap();
    // MSH-1 is the separator itself.
    let index = if name == "MSH" { index - 1 } else { index };
    let mut fields: Vec<&str> = line.split('|').collect();
    fields.resize(fields.len().max(index + 1), "");
    fields[index] = value;
    fields.join("|")
}

#[test]
fn a_good_message_has_no_finding() {
    for message in [adt(), oru()] {
        assert_eq!(codes(&message, &CheckOptions::default()), [""; 0]);
        assert_eq!(codes(&message, &malaffi()), [""; 0]);
        assert_eq!(shown(&check_read(message.as_bytes(), &malaffi())), [""; 0]);
    }
}

#[test]
fn every_rule_is_broken_by_its_example_and_no_other_is() {
    for entry in RULES {
        let options = CheckOptions { profile: entry.profile, ..malaffi() };
        let findings = found(&changed(entry.example), &options);
        assert!(!findings.is_empty(), "{} is not found", entry.code);
        for finding in &findings {
            assert_eq!((finding.code, finding.severity), (entry.code, entry.severity), "{:?}", shown(&findings));
        }
    }
}

#[test]
fn codes_are_unique_and_say_which_profile_brings_them() {
    for (n, entry) in RULES.iter().enumerate() {
        assert_eq!(entry.rule as usize, n);
        assert!(RULES[..n].iter().all(|other| other.code != entry.code), "{} twice", entry.code);
        let prefix = if entry.profile == Profile::Malaffi { "MALAFFI_" } else { "HL7_" };
        assert!(entry.code.starts_with(prefix), "{}", entry.code);
        assert!(entry.meaning.len() > 10 && entry.remedy.len() > 5, "{}", entry.code);
    }
}

#[test]
fn the_rules_of_a_receiver_are_asked_for() {
    let foreign = adt().replace("Rhapsody^MALAFFI", "OTHER").replace("2.5.1", "2.4");
    assert_eq!(codes(&foreign, &CheckOptions::default()), [""; 0]);
    assert_eq!(codes(&foreign, &malaffi()), ["MALAFFI_RECEIVER MSH-5", "MALAFFI_VERSION MSH-12"]);
    let unlisted = CheckOptions { doctor_ids: Some(Vec::new()), ..CheckOptions::default() };
    assert_eq!(codes(&adt(), &unlisted), ["HL7_DOCTOR_UNLISTED PV1-7.1"]);
}

/// A builder's typical mistakes, all in one message: an id of 23 characters, ISO time in UTC, no OBR, nothing escaped, Arabic
/// text with MSH-18 empty.
#[test]
fn the_typical_mistakes_of_a_builder_are_all_found() {
    let broken = "MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260131T054500+0000||ORU^R01|000TEST4200000000000123|T|2.5.1\r\
                  PID|1||789012^^^&MF0000||مثال^Noor & Co||20140305|F|||Tower 3 & 4^^Atlantis\r\
                  PV1|1|O|SCHOOL-1||||D999^Doctor^Invented\r\
                  OBX|1|TX|0000-1^Invented note^LN||pulse 80 | weight 20||||||F\r";
    assert_eq!(
        codes(broken, &malaffi()),
        [
            "HL7_CHARSET_UNDECLARED MSH-18",
            "HL7_TIME_ISO MSH-7",
            "HL7_CONTROL_ID_LONG MSH-10",
            "MALAFFI_TIME_ZONE MSH-7",
            "HL7_SUBCOMPONENTS PID-5.2",
            "HL7_DELIMITER_IN_TEXT PID-11",
            "HL7_DOCTOR_UNLISTED PV1-7.1",
            "HL7_OBX_STATUS OBX-11",
            "HL7_OBR_MISSING OBR",
        ]
    );
}

#[test]
fn everything_that_enqueue_refuses_is_listed_and_not_only_the_first() {
    let message = adt()
        .replace("|000TEST42|T|2.5.1|", "|||not a version|")
        .replace("EVN|A04", "Zayd|A04")
        .replace("PV1|", "pv1|")
        .replace("Headache", "Head\u{1c}ache");
    assert_eq!(
        codes(&message, &CheckOptions::default()),
        [
            "ERR_HL7_FRAMING_BYTE PV2-3",
            "ERR_HL7_SEGMENT_NAME #2",
            "ERR_HL7_SEGMENT_NAME #4",
            "ERR_HL7_MISSING_CONTROL_ID MSH-10",
            "ERR_HL7_HEADER_VALUE MSH-12",
            "HL7_PROCESSING_ID MSH-11",
            "HL7_VERSION_UNKNOWN MSH-12",
            "HL7_EVN_MISSING EVN",
            "HL7_PV1_MISSING PV1",
        ]
    );
    assert_eq!(codes("", &malaffi()), ["ERR_HL7_EMPTY "]);
    assert_eq!(codes("{\"a\":1}", &malaffi()), ["ERR_HL7_NOT_MSH #1"]);
    let tight = Limits { message_bytes: 10 };
    let findings = check(adt().as_bytes(), Source::Text, &tight, &malaffi());
    assert_eq!(shown(&findings), ["ERR_HL7_TOO_LARGE "]);
    let two = adt() + &adt();
    assert_eq!(codes(&two, &malaffi()), ["ERR_HL7_SEVERAL_MESSAGES #6"]);
}

#[test]
fn every_refusal_of_enqueue_is_an_error_with_its_code() {
    let latin =
        adt().replace("نور", "caf\u{e9}").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>();
    let bytes = check(&latin, Source::Bytes, &LIMITS, &malaffi());
    assert_eq!(shown(&bytes), ["ERR_HL7_CHARSET_INVALID PID-5"]);
    assert!(bytes.iter().all(|finding| finding.severity == Severity::Error));
    let problem = read(latin, Source::Bytes, &LIMITS).unwrap_err();
    assert_eq!(bytes[0].message, problem.to_string());
    assert!(matches!(problem, Hl7Problem::CharsetInvalid { .. }));
    assert!(PROBLEMS.iter().all(|(code, ..)| code.starts_with("ERR_HL7_")));
}

#[test]
fn segments_of_one_name_are_told_apart_and_a_flood_is_cut() {
    let many = oru() + &"OBX|1|NM|0000-1||x||||||F\r".repeat(250);
    let findings = found(&many, &malaffi());
    assert_eq!(findings.len(), FINDINGS_PER_RULE_MAX);
    assert_eq!(shown(&findings)[..2], ["HL7_OBX_NUMBER OBX[2]-5", "HL7_OBX_NUMBER OBX[3]-5"]);
    assert!(findings[99].message.ends_with("(150 more like this are not listed)"), "{}", findings[99].message);
    assert!(findings[0].message.starts_with("OBX[2]-5: OBX-2 says NM"), "{}", findings[0].message);
}

#[test]
fn what_is_good_in_its_context_is_left_alone() {
    let good = [
        // Versions from 2.7 on take longer ids.
        adt().replace("000TEST42", &"0".repeat(60)).replace("|2.5.1|", "|2.8|"),
        adt().replace("^ADT_A01", ""),
        // A blank on one side only, a subcomponent where the type has one, an escape of each kind.
        adt().replace("Example^", "van Example &Mock^"),
        adt().replace("Headache", "\\X41\\\\H\\x\\N\\\\.sp+2\\\\Zown\\\\C2842\\\\M240A\\\\T\\"),
        adt().replace("Nowhere 0^", "0 Nowhere Street&Nowhere Street&0^"),
        adt().replace("Nowhere 0^", "0 Nowhere Street&Nowhere Street^"),
        oru().replace("0000-1^Invented note^LN", "0000-1^Invented note^LN^1^Made up^L^2.40^V1^Note"),
        adt() + "ZPD|1|own\r" + "NTE|1||a note\r",
        // A second patient's group begins anew.
        oru() + GOOD_ORU,
        oru() + "ORC|RE\rOBR|2||V-2|0000-0^Invented panel^LN\rOBX|1|NM|0000-1^Invented value^LN||-4.5~+3||||||F\r",
        oru().replace("|FT|", "||").replace("Made up.\\.br\\Both lines.", ""),
    ];
    for message in good {
        assert_eq!(codes(&message, &CheckOptions::default()), [""; 0], "{message}");
    }
    let merge = adt().replace("ADT^A04^ADT_A01", "ADT^A40^ADT_A39").replace("EVN|A04", "EVN|A40");
    assert_eq!(codes(&(merge + "MRG|1\rPID|2||7||Example^B\rMRG|2\r"), &CheckOptions::default()), [""; 0]);
    assert_eq!(
        codes(&adt().replace("ADT^A04^ADT_A01", "SIU^S12"), &CheckOptions::default()),
        ["HL7_EVENT_MISMATCH EVN-1"]
    );
}

#[test]
fn an_ampersand_in_an_address_is_found_where_it_makes_no_street() {
    let tower = adt().replace("Nowhere 0^", "Tower A&B^");
    assert_eq!(codes(&tower, &malaffi()), ["HL7_DELIMITER_IN_TEXT PID-11"]);
}

#[test]
fn segments_out_of_order_are_found() {
    let late = oru().replace("OBR|1", "ZZZ|1") + "OBR|1||V-1|0000-0^Invented panel^LN\r";
    assert_eq!(codes(&late, &malaffi()), ["HL7_SEGMENT_ORDER OBR"]);
    let swapped = adt().replace("EVN|A04|20260131094500+0400\r", "") + "EVN|A04|20260131094500+0400\r";
    assert_eq!(codes(&swapped, &malaffi()), ["HL7_SEGMENT_ORDER EVN"]);
}

#[test]
fn line_ends_of_a_file_are_no_control_characters_and_those_of_a_text_are() {
    for ends in ["\n", "\r\n"] {
        assert_eq!(codes(&adt().replace('\r', ends), &malaffi()), [""; 0]);
    }
    assert_eq!(codes(&adt().replace("Headache", "Head\nache"), &malaffi()), ["HL7_CONTROL_CHARACTER PV2-3"]);
}

#[test]
fn the_kinds_of_wrong_time_are_told_apart() {
    let of = |time: &str| codes(&adt().replace("20260131094500+0400||", &format!("{time}||")), &malaffi());
    assert_eq!(of(""), ["HL7_TIME_MISSING MSH-7"]);
    assert_eq!(of("20260131T094500"), ["HL7_TIME_ISO MSH-7", "HL7_TIME_ZONE_MISSING MSH-7"]);
    assert_eq!(of("20260131T054500Z"), ["HL7_TIME_ISO MSH-7", "MALAFFI_TIME_ZONE MSH-7"]);
    assert_eq!(of("2026-01-31T09:45:00+04:00"), ["HL7_TIME_ISO MSH-7"]);
    assert_eq!(of("tomorrow"), ["HL7_TIME_FORMAT MSH-7"]);
    assert_eq!(of("20260230+0400"), ["HL7_TIME_IMPOSSIBLE MSH-7"]);
}

#[test]
fn no_finding_holds_a_word_of_the_message() {
    let secret = "ZAYD";
    let mut message = adt();
    for field in ["F|", "Example", "Headache", "D000", "SCHOOL-1", "789012"] {
        message = message.replace(field, &format!("{secret} & {secret}\\"));
    }
    message += "ZAYDS|x\rZAY|x\rALI|x\r";
    let findings = found(&message, &malaffi());
    assert!(findings.len() > 5, "{:?}", shown(&findings));
    let all = format!("{findings:?}");
    assert!(!all.contains("ZAY") && !all.contains("ALI"), "{all}");
}
