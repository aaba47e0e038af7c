//! Every row of the table, from raw bytes; and the ways in which answers are bent out of shape.

#![allow(clippy::unwrap_used, reason = "a test that fails to read its own data should fail")]

use std::time::{Duration, SystemTime};

use super::*;
use crate::hl7::AckCondition;

pub(super) const HEADER: &str = "MSH|^~\\&|RHAPSODY|TEST|MF0000|MF0000|20260101||ACK^A08|9|T|2.5.1\r";
pub(super) const OURS: &str = "000TEST42";

pub(super) fn asked() -> Asked<'static> {
    Asked {
        control_id: OURS,
        application_ack: None,
        earlier_indeterminate: false,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1000),
    }
}

pub(super) fn after_doubt() -> Asked<'static> {
    Asked { earlier_indeterminate: true, ..asked() }
}

fn http(status: u16, body: impl AsRef<[u8]>) -> Seen {
    let body = body.as_ref().to_vec();
    Seen::Http { status, retry_after: None, location: false, content_type: None, body, truncated: false }
}

/// A 200 with a header and these segments.
fn answer(segments: &str) -> Seen {
    http(200, format!("{HEADER}{segments}"))
}

fn frames(segments: &[&str], end: MllpEnd) -> Seen {
    let frames = segments.iter().map(|segments| format!("{HEADER}{segments}").into_bytes()).collect();
    Seen::Mllp { frames, sole_message: false, end }
}

fn verdict(seen: &Seen) -> Verdict {
    judge(seen, &asked(), &Policy::default())
}

fn overridden(seen: &Seen, name: &str, outcome: Outcome) -> Verdict {
    let overrides = [(name.parse().unwrap(), outcome)].into();
    judge(seen, &asked(), &Policy { overrides, ..Policy::default() })
}

/// Judges and compares row and failure code; the outcome must be the row's own.
#[track_caller]
fn expect(seen: &Seen, row: Row, code: &str) -> Verdict {
    expect_asked(seen, &asked(), row, code)
}

#[track_caller]
fn expect_asked(seen: &Seen, asked: &Asked<'_>, row: Row, code: &str) -> Verdict {
    let verdict = judge(seen, asked, &Policy::default());
    assert_eq!((verdict.row, verdict.code.as_str(), verdict.outcome), (row, code, row.entry().outcome));
    assert!(!verdict.acknowledged || verdict.outcome == Outcome::Accepted);
    verdict
}

#[test]
fn rule_1_what_was_not_delivered_is_unreachable() {
    expect(&Seen::NotDelivered { fault: "connect-refused" }, Row::NotDelivered, "CONNECT_REFUSED");
}

#[test]
fn rule_2_certificates_credentials_addresses_and_redirects_are_the_set_ups_fault() {
    expect(&Seen::CertificateRefused { fault: "certificate-expired" }, Row::CertificateRefused, "CERTIFICATE_EXPIRED");
    for status in [401, 403, 404, 405, 406, 407, 415, 426, 501, 505] {
        let verdict = verdict(&http(status, "no"));
        assert_eq!(
            (verdict.row.as_str(), verdict.outcome),
            (format!("http-{status}").as_str(), Outcome::Misconfigured)
        );
        assert_eq!((verdict.code, verdict.http_status), (format!("HTTP_{status}"), Some(status)));
    }
    for status in [300, 301, 302, 303, 304, 307, 308] {
        expect(&http(status, ""), Row::Http3xx, &format!("HTTP_{status}"));
    }
    let mut redirect = http(302, "");
    if let Seen::Http { location, .. } = &mut redirect {
        *location = true;
    }
    assert_eq!(verdict(&redirect).alarm, Some("redirect"));
}

#[test]
fn rule_3_silence_and_gateways_leave_the_fate_unknown() {
    expect(&Seen::NoAnswer { fault: "answer-timeout" }, Row::NoAnswer, "ANSWER_TIMEOUT");
    expect(&http(502, "Bad Gateway"), Row::Http502, "HTTP_502");
    expect(&http(504, ""), Row::Http504, "HTTP_504");
    assert!(!expect(&frames(&[], MllpEnd::Deadline), Row::NoAnswer, "ACK_TIMEOUT").read_on);
    expect(&frames(&[], MllpEnd::Closed), Row::NoAnswer, "CLOSED_BEFORE_ACK");
    assert!(verdict(&frames(&[], MllpEnd::Open)).read_on);
}

#[test]
fn rule_4_a_receiver_that_asks_for_rest_gets_it_within_bounds() {
    for status in [408, 425, 429, 503] {
        let mut seen = http(status, "");
        assert_eq!(verdict(&seen).retry_after, None);
        if let Seen::Http { retry_after, .. } = &mut seen {
            *retry_after = Some("120".to_owned());
        }
        let verdict = verdict(&seen);
        assert_eq!((verdict.outcome, verdict.row.entry().status), (Outcome::Throttled, Some(status)));
        assert_eq!(verdict.retry_after, Some(Duration::from_secs(120)));
    }
}

#[test]
fn rules_5_and_6_other_server_errors_are_tried_again_and_other_refusals_are_not() {
    expect(&http(500, "Internal Server Error"), Row::Http5xx, "HTTP_500");
    expect(&http(507, "{}"), Row::Http5xx, "HTTP_507");
    for status in [400, 402, 409, 410, 413, 422, 451, 499] {
        expect(&http(status, "<html>bad request</html>"), Row::Http4xx, &format!("HTTP_{status}"));
    }
    expect(&http(500, HEADER), Row::Http5xx, "HTTP_500");
    expect(&http(999, ""), Row::OddStatus, "HTTP_999");
}

#[test]
fn rule_7_an_msa_segment_decides_whatever_the_status() {
    for status in [200, 202, 302, 400, 401, 500, 503, 999] {
        let body = format!("{HEADER}MSA|AE|{OURS}\rERR||PID^1^3|101^^HL70357|E\r");
        let verdict = expect(&http(status, body), Row::PermanentError, "ACK_AE_101");
        assert_eq!((verdict.http_status, verdict.ack_code.as_deref()), (Some(status), Some("AE")));
        let verdict = expect(&http(status, format!("{HEADER}MSA|AA|{OURS}\r")), Row::Aa, "ACK_AA");
        assert_eq!(verdict.warning, (status >= 300).then_some("http-status-disagrees"));
    }
}

#[test]
fn rule_8_a_2xx_without_hl7_is_sent_unless_an_acknowledgement_is_required() {
    let strict = Policy { require_hl7_ack: true, ..Policy::default() };
    for body in
        ["", " \r\n", "OK", "{\"status\":\"queued\",\"MSH-10\":\"000TEST42\"}", "[\"MSH\",\"PID\"]", "<ok/>", "MSHAPED"]
    {
        for status in [200, 201, 202, 204] {
            let verdict = expect(&http(status, body), Row::Plain, &format!("HTTP_{status}"));
            assert!(!verdict.acknowledged);
            let verdict = judge(&http(status, body), &asked(), &strict);
            assert_eq!((verdict.row, verdict.outcome), (Row::NoAck, Outcome::Indeterminate));
        }
    }
}

#[test]
fn rule_8_a_page_for_people_is_no_receiver() {
    let labelled = |kind: &str, body: &str| {
        let mut seen = http(200, body);
        if let Seen::Http { content_type, .. } = &mut seen {
            *content_type = Some(kind.to_owned());
        }
        seen
    };
    let pages = [
        http(200, "<!DOCTYPE html><title>Sign in</title>"),
        http(200, "\n <HTML><body>ok"),
        http(200, "<?xml version=\"1.0\"?><html xmlns=\"\">"),
        labelled("text/html; charset=utf-8", "Please sign in. MSH| was here"),
        labelled("TEXT/HTML", "ok"),
    ];
    for page in pages {
        assert_eq!(expect(&page, Row::Html, "HTTP_200_HTML").alarm, Some("captive-portal"));
    }
    expect(&labelled("text/html", "  "), Row::Plain, "HTTP_200");
    expect(&labelled("text/html", &format!("{HEADER}MSA|AA|{OURS}\r")), Row::Aa, "ACK_AA");
}

#[test]
fn rule_9_an_application_accept_for_this_message_acknowledges_it() {
    let verdict = expect(&answer("MSA|AA|000TEST42\r"), Row::Aa, "ACK_AA");
    assert!(verdict.acknowledged && verdict.warning.is_none());
    assert_eq!(verdict.ack_code.as_deref(), Some("AA"));
    let verdict = expect(&answer("MSA|AA|000TEST42\rERR|||0^^HL70357|W|WARN_1\r"), Row::Aa, "ACK_AA");
    assert_eq!(
        (verdict.warning, verdict.err_codes),
        (Some("receiver-warned"), vec!["0".to_owned(), "WARN_1".to_owned()])
    );
}

#[test]
fn rule_9_an_acknowledgement_is_found_however_it_is_wrapped() {
    let plain = format!("{HEADER}MSA|AA|{OURS}\r");
    let wrapped = [
        plain.trim_end().to_owned(),
        plain.replace('\r', "\n"),
        plain.replace('\r', "\r\n"),
        plain.replace('\r', "\n    "),
        format!("\u{b}{plain}\u{1c}\r"),
        format!("\r\n\u{b}{}\u{1c}\r", plain.trim_end()),
        format!("\u{FEFF}{plain}"),
        format!("accepted:\n{plain}thank you"),
        format!("<ack>{plain}</ack>"),
        plain.replace('|', "#"),
        plain.replace("|^~\\&|", "|^|"),
        plain.replace("MSA|AA|", "ZZZ|1\rMSA| aa |"),
    ];
    for body in wrapped {
        expect(&http(200, &body), Row::Aa, "ACK_AA");
    }
}

#[test]
fn rule_10_a_commit_accept_is_sent_and_waits_for_the_application_only_where_it_was_asked_to_answer() {
    let commit = "MSA|CA|000TEST42\r";
    for wanted in [None, Some(AckCondition::Never)] {
        let asked = Asked { application_ack: wanted, ..asked() };
        for seen in [answer(commit), frames(&[commit], MllpEnd::Open)] {
            let verdict = expect_asked(&seen, &asked, Row::Ca, "ACK_CA");
            assert!(!verdict.acknowledged && !verdict.read_on && verdict.warning.is_none());
        }
    }
    for wanted in [AckCondition::Always, AckCondition::OnError, AckCondition::OnSuccess] {
        let asked = Asked { application_ack: Some(wanted), ..asked() };
        assert!(expect_asked(&frames(&[commit], MllpEnd::Open), &asked, Row::Ca, "ACK_CA").read_on);
        for seen in [answer(commit), frames(&[commit], MllpEnd::Deadline), frames(&[commit], MllpEnd::Closed)] {
            let verdict = expect_asked(&seen, &asked, Row::CaAlone, "ACK_CA");
            assert_eq!((verdict.read_on, verdict.warning), (false, Some("application-ack-missing")));
        }
        let both = frames(&[commit, "MSA|AA|000TEST42\r"], MllpEnd::Open);
        assert!(expect_asked(&both, &asked, Row::Aa, "ACK_AA").acknowledged);
        let refused = frames(&[commit, "MSA|AE|000TEST42\r"], MllpEnd::Open);
        expect_asked(&refused, &asked, Row::AeBare, "ACK_AE");
        let one_body = http(200, format!("{HEADER}{commit}{HEADER}MSA|AR|{OURS}\r"));
        expect_asked(&one_body, &asked, Row::ArBare, "ACK_AR");
    }
}

#[test]
fn rule_1_what_was_not_sent_whole_can_be_refused_but_neither_accepted_nor_in_doubt() {
    for early in ["MSA|AA|000TEST42\r", "MSA|CA|000TEST42\r", "MSA|AA|\r", "MSA|AA|000TEST41\r", "MSA|OK|000TEST42\r"] {
        expect(&frames(&[early], MllpEnd::Cut), Row::NotDelivered, "CONNECTION_LOST");
    }
    expect(&frames(&[], MllpEnd::Cut), Row::NotDelivered, "CONNECTION_LOST");
    expect(&frames(&["MSA|AR|000TEST42\rERR|||200|E\r"], MllpEnd::Cut), Row::PermanentError, "ACK_AR_200");
}

#[test]
fn rule_2_a_proxy_or_a_token_server_that_refuses_is_a_fault_of_the_set_up() {
    expect(&Seen::ProxyRefused { fault: "proxy-refused" }, Row::ProxyRefused, "PROXY_REFUSED");
    expect(&Seen::TokenRefused { fault: "token-refused" }, Row::TokenRefused, "TOKEN_REFUSED");
}

#[test]
fn rule_11_an_acknowledgement_for_another_message_is_never_credited_to_this_one() {
    for other in
        ["MSA|AA|000TEST41\r", "MSA|AE|000TEST41\r", "MSA|AA|000TEST4\r", "MSA|AA|000TEST421\r", "MSA|AA|000test42\r"]
    {
        let verdict = expect(&answer(other), Row::IdDiffers, "ACK_ID_DIFFERS");
        assert_eq!(verdict.ack_code, None);
        assert!(expect(&frames(&[other], MllpEnd::Open), Row::IdDiffers, "ACK_ID_DIFFERS").read_on);
        assert!(!verdict.read_on);
        expect(&frames(&[other, "MSA|AA|000TEST42\r"], MllpEnd::Open), Row::Aa, "ACK_AA");
    }
}

#[test]
fn rule_11_an_id_cut_to_twenty_bytes_or_left_out_is_accepted_with_a_warning() {
    let long = Asked { control_id: "000TEST4200000000000123", ..asked() };
    let verdict = expect_asked(&answer("MSA|AA|000TEST4200000000000\r"), &long, Row::IdCut, "ACK_AA");
    assert_eq!((verdict.acknowledged, verdict.warning), (true, Some("ack-id-cut")));
    expect_asked(&answer("MSA|AA|000TEST420000000000\r"), &long, Row::IdDiffers, "ACK_ID_DIFFERS");
    expect_asked(&answer("MSA|AE|000TEST4200000000000\r"), &long, Row::AeBare, "ACK_AE");

    for empty in ["MSA|AA\r", "MSA|AA|\r", "MSA|AA| \r"] {
        assert_eq!(expect(&answer(empty), Row::IdEmpty, "ACK_AA").warning, Some("ack-id-empty"));
        expect(&frames(&[empty], MllpEnd::Deadline), Row::IdDiffers, "ACK_ID_DIFFERS");
    }
    let frames = vec![format!("{HEADER}MSA|AA\r").into_bytes()];
    expect(&Seen::Mllp { frames, sole_message: true, end: MllpEnd::Open }, Row::IdEmpty, "ACK_AA");
    let escaped = Asked { control_id: "A&B", ..asked() };
    expect_asked(&answer("MSA|AA|A\\T\\B\r"), &escaped, Row::Aa, "ACK_AA");
}

#[test]
fn rule_12_errors_that_are_all_information_or_warnings_are_accepted_with_a_warning() {
    let warned = "MSA|AE|000TEST42\rERR||PID^1^5|101^^HL70357|W\rERR|||207|I\r";
    let verdict = expect(&answer(warned), Row::OnlyWarnings, "ACK_AE");
    assert_eq!((verdict.acknowledged, verdict.warning), (true, Some("receiver-warned")));
    assert!(!expect(&answer(&warned.replace("AE", "CE")), Row::OnlyWarnings, "ACK_CE").acknowledged);
    expect(&answer(&(warned.to_owned() + "ERR|||103|\r")), Row::PermanentError, "ACK_AE_103");
    expect(&answer(&warned.replace("AE", "AR")), Row::ArBare, "ACK_AR");
}

#[test]
fn rule_13_errors_about_the_message_are_permanent() {
    for code in [100, 101, 102, 103, 104, 198, 199, 200, 201, 202, 203, 204] {
        for severity in ["E", "F", ""] {
            for ack in ["AE", "AR", "CE", "CR"] {
                let seen = answer(&format!("MSA|{ack}|{OURS}\rERR||PV1^1^2|{code}^^HL70357|{severity}|1061\r"));
                let verdict = expect(&seen, Row::PermanentError, &format!("ACK_{ack}_{code}"));
                assert_eq!(verdict.err_codes, [code.to_string(), "1061".to_owned()]);
            }
        }
    }
}

#[test]
fn rule_14_a_known_control_id_is_accepted_only_after_doubt() {
    let known = [
        "ERR||MSH^1^10|205^^HL70357|E\r",
        "ERR||MSH-10|205|E\r",
        "ERR||MSH|205|E||||Duplicate message control ID\r",
        "ERR|||205^Duplicate key identifier^HL70357|E|||message 000TEST42 already received\r",
        "ERR|MSH^1^10^205&Duplicate key identifier&HL70357\r",
    ];
    for err in known {
        let seen = answer(&format!("MSA|AE|{OURS}\r{err}"));
        let verdict = expect_asked(&seen, &after_doubt(), Row::DuplicateExpected, "ACK_AE_205");
        assert_eq!(verdict.warning, Some("receiver-had-it"));
        expect(&seen, Row::DuplicateControlId, "ACK_AE_205");
        let locked = answer(&format!("MSA|AE|{OURS}\r{err}ERR|||206|E\r"));
        expect_asked(&locked, &after_doubt(), Row::RecordLocked, "ACK_AE_206");
        expect(&locked, Row::DuplicateControlId, "ACK_AE_205");
    }
    let in_msa_3 = answer("MSA|AR|000TEST42|000TEST42 exists\rERR|^^^205&&HL70357\r");
    expect_asked(&in_msa_3, &after_doubt(), Row::DuplicateExpected, "ACK_AR_205");
}

#[test]
fn rule_14_any_other_duplicate_is_rejected_even_after_doubt() {
    let others = [
        "ERR||PID^1^3|205^^HL70357|E\r",
        "ERR||PID^1^3|205^^HL70357|E|||message control id 000TEST42\r",
        "ERR||MSH^1^10~PID^1^3|205^^HL70357|E\r",
        "ERR|||205^^HL70357|E\r",
        "ERR|||205^^HL70357|E|||The patient of 000TEST42 exists\r",
        "ERR|||205^^HL70357|E|||X000TEST42 and 000TEST421 exist\r",
    ];
    for err in others {
        let seen = answer(&format!("MSA|AE|{OURS}\r{err}"));
        expect_asked(&seen, &after_doubt(), Row::DuplicateKey, "ACK_AE_205");
    }
}

#[test]
fn rules_15_and_16_a_lock_and_a_bare_internal_error_pass_and_a_located_one_does_not() {
    expect(&answer("MSA|AE|000TEST42\rERR||PID^1|206^^HL70357|E\r"), Row::RecordLocked, "ACK_AE_206");
    expect(&answer("MSA|AR|000TEST42\rERR|||207^^HL70357|E\r"), Row::InternalError, "ACK_AR_207");
    expect(&answer("MSA|AE|000TEST42\rERR|^^^207&&HL70357\r"), Row::InternalError, "ACK_AE_207");
    for err in ["ERR||PV1^1^2|207|E\r", "ERR||MSH|207|E\r", "ERR|||207|E|1061\r", "ERR|PID^1^5^207\r"] {
        expect(&answer(&format!("MSA|AR|{OURS}\r{err}")), Row::InternalErrorLocated, "ACK_AR_207");
    }
}

#[test]
fn rule_17_what_says_nothing_usable_goes_by_its_code_and_what_is_unreadable_is_never_accepted() {
    for err in ["", "ERR|\r", "ERR|||999|E\r", "ERR|||0^accepted|E\r", "ERR||||E\r"] {
        for (ack, row) in [("AE", Row::AeBare), ("CE", Row::AeBare), ("AR", Row::ArBare), ("CR", Row::ArBare)] {
            expect(&answer(&format!("MSA|{ack}|{OURS}\r{err}")), row, &format!("ACK_{ack}"));
        }
    }
    expect(&answer("MSA|AR|000TEST42\rERR||||E|1014^Not in table\r"), Row::ApplicationCode, "ACK_AR_1014");
    expect(&answer("MSA|OK|000TEST42\r"), Row::UnknownAckCode, "ACK_CODE_UNKNOWN");
    expect(&answer("MSA||000TEST42\r"), Row::UnknownAckCode, "ACK_CODE_UNKNOWN");
    let headless = format!("MSA|AE|{OURS}\r");
    let echo = "MSH|^~\\&|MF0000|MF0000|R|X|20260101||ADT^A08|000TEST42|T|2.5.1\rPID|1||789012\r";
    for body in [HEADER, "MSH|", echo, &headless, "{\"ack\":\"MSH|^~\\\\&|A\\rMSA|AA|000TEST42\\r\"}"] {
        expect(&http(200, body), Row::Unparsable, "ACK_UNPARSABLE");
    }
    expect(
        &Seen::Mllp { frames: vec![vec![0x15]], sole_message: true, end: MllpEnd::Open },
        Row::Unparsable,
        "ACK_UNPARSABLE",
    );
}

#[test]
fn several_errors_are_judged_by_the_worst() {
    let of = |errors: &str| verdict(&answer(&format!("MSA|AE|{OURS}\r{errors}"))).row;
    assert_eq!(of("ERR|||207|E\rERR|||101|E\r"), Row::PermanentError);
    assert_eq!(of("ERR|||206|E\rERR|||205|E\r"), Row::DuplicateKey);
    assert_eq!(of("ERR|||206|E\rERR|||207|E\r"), Row::RecordLocked);
    assert_eq!(of("ERR|||206|E\rERR|||101|W\r"), Row::RecordLocked);
    assert_eq!(of("ERR|PID^1^3^206~PID^1^5^101\r"), Row::PermanentError);
    assert_eq!(of("ERR|^^^207|PID^1^5|101|E\r"), Row::PermanentError);
    assert_eq!(of("ERR|||X1^^L^103^^HL70357|E\r"), Row::PermanentError);
    assert_eq!(verdict(&answer("MSA|AE|000TEST42||||204^Unknown key^HL70357\r")).row, Row::PermanentError);
}

#[test]
fn a_cut_answer_is_believed_only_up_to_the_last_whole_segment() {
    let cut = |body: String| {
        let mut seen = http(200, body);
        if let Seen::Http { truncated, .. } = &mut seen {
            *truncated = true;
        }
        seen
    };
    expect(&cut(format!("{HEADER}MSA|AA|{OURS}")), Row::Unparsable, "ACK_UNPARSABLE");
    expect(&cut(format!("{HEADER}MSA|AA|{OURS}\rERR")), Row::Aa, "ACK_AA");
    expect(&cut(format!("{HEADER}MSA|AR|{OURS}\rERR|||20")), Row::ArBare, "ACK_AR");
    expect(&cut("OK ".repeat(100)), Row::Unparsable, "ACK_UNPARSABLE");
}

#[test]
fn an_override_changes_the_outcome_of_its_row_and_of_no_other() {
    assert_eq!(overridden(&http(409, ""), "http-409", Outcome::Accepted).outcome, Outcome::Accepted);
    assert_eq!(overridden(&http(410, ""), "http-409", Outcome::Accepted).outcome, Outcome::Rejected);
    assert_eq!(overridden(&http(410, ""), "http-4xx", Outcome::Retry).outcome, Outcome::Retry);
    assert_eq!(overridden(&http(401, ""), "http-4xx", Outcome::Retry).outcome, Outcome::Misconfigured);
    assert_eq!(overridden(&answer("MSA|AR|000TEST42\r"), "ar", Outcome::Rejected).outcome, Outcome::Rejected);
    assert_eq!(overridden(&http(302, ""), "http-302", Outcome::Rejected).outcome, Outcome::Rejected);
}

#[test]
fn no_override_turns_a_refusal_into_silence() {
    for name in ROWS.iter().map(|entry| entry.name) {
        for outcome in Outcome::ALL {
            let overrides = [(name.parse().unwrap(), outcome)].into();
            let allowed = Policy { overrides, ..Policy::default() }.check().is_ok();
            assert_eq!(allowed, name.parse::<RowName>().unwrap().row().entry().overrides.contains(&outcome));
        }
    }
    let verdict = overridden(&answer("MSA|AE|000TEST42\rERR|||103|E|1061\r"), "err-permanent", Outcome::Accepted);
    assert_eq!((verdict.acknowledged, verdict.warning), (false, Some("accepted-by-override")));
    assert_eq!(verdict.err_codes, ["103", "1061"]);
    let seen = Seen::NotDelivered { fault: "dns" };
    let verdict = overridden(&seen, "not-delivered", Outcome::Accepted);
    assert_eq!((verdict.outcome, verdict.alarm), (Outcome::Unreachable, Some("override-ignored")));
    let policy = Policy { overrides: [(Row::Http401.into(), Outcome::Accepted)].into(), ..Policy::default() };
    let said = policy.check().unwrap_err().to_string();
    assert!(said.starts_with("the outcome of http-401 cannot be accepted; it can be misconfigured"), "{said}");
}

#[test]
fn words_of_the_receiver_never_reach_a_verdict_or_debug_output() {
    let seen = answer("MSA|AE|000TEST42|ZAYD unknown\rERR|||ZAYD TEST^ZAYD|E|784199012345671^ZAYD|ZAYD|ZAYD|ZAYD\r");
    let shown = format!("{seen:?} {:?}", verdict(&seen));
    assert!(!shown.contains("ZAYD") && !shown.contains("784199"), "{shown}");
    assert!(verdict(&seen).err_codes.is_empty());
    let many = (0..50).map(|n| format!("ERR|||E{n}|E\r")).collect::<Vec<_>>().concat();
    assert_eq!(verdict(&answer(&format!("MSA|AE|{OURS}\r{many}"))).err_codes.len(), ERR_CODES_MAX);
}

#[test]
fn names_of_rows_and_outcomes_survive_a_configuration_file() {
    let name: RowName = serde_json::from_str("\"http-409\"").unwrap();
    assert_eq!(name, RowName::Status(409));
    assert_eq!(serde_json::to_string(&RowName::Row(Row::Http3xx)).unwrap(), "\"http-3xx\"");
    assert_eq!(serde_json::to_string(&Outcome::Misconfigured).unwrap(), "\"misconfigured\"");
    assert!(serde_json::from_str::<RowName>("\"http-nonsense\"").is_err());
}
