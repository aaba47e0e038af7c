//! What must hold for any answer.

use std::time::SystemTime;

use proptest::prelude::*;

use super::tests::HEADER;
use super::*;

const ASKED: Asked<'static> =
    Asked { control_id: "000TEST42", application_ack: None, earlier_indeterminate: true, now: SystemTime::UNIX_EPOCH };

fn http(status: u16, body: Vec<u8>, truncated: bool) -> Seen {
    Seen::Http { status, retry_after: None, location: false, content_type: None, body, truncated }
}

/// Holds for every verdict, whatever was seen.
fn check(seen: &Seen) -> Verdict {
    let verdict = judge(seen, &ASKED, &Policy::default());
    assert_eq!(verdict.outcome, verdict.row.entry().outcome);
    assert!(!verdict.acknowledged || verdict.outcome == Outcome::Accepted);
    assert!(verdict.err_codes.len() <= ERR_CODES_MAX);
    let words = verdict.err_codes.iter().chain(&verdict.ack_code).chain([&verdict.code]);
    for word in words {
        assert!(word.len() <= 8 + ERR_CODE_BYTES_MAX && word.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    verdict
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(HEADER.as_bytes().to_vec()),
        Just(b"MSA|AA|000TEST42\r".to_vec()),
        Just(b"MSA|AE|000TEST42|text\r".to_vec()),
        Just(b"ERR|PID^1^3^205||207^^^101|E|1014|\r".to_vec()),
        Just(b"\x0B".to_vec()),
        Just(b"\x1C\r".to_vec()),
        Just(b"MSH".to_vec()),
        Just(b"|".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_judge_survives_any_bytes(body in proptest::collection::vec(any::<u8>(), 0..300), status: u16, truncated: bool) {
        check(&http(status, body, truncated));
    }

    #[test]
    fn the_judge_survives_bytes_that_look_like_answers(body in pieces(), more in pieces(), truncated: bool, sole: bool) {
        check(&http(200, body.clone(), truncated));
        for end in [MllpEnd::Open, MllpEnd::Deadline, MllpEnd::Closed, MllpEnd::Cut] {
            let verdict = check(&Seen::Mllp { frames: vec![body.clone(), more.clone()], sole_message: sole, end });
            prop_assert!(!verdict.read_on || end == MllpEnd::Open);
            prop_assert!(verdict.outcome != Outcome::Accepted || end != MllpEnd::Cut);
        }
    }

    #[test]
    fn bytes_without_an_acknowledgement_never_acknowledge(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assume!(memchr::memmem::find(&body, b"MSA").is_none());
        prop_assert!(!check(&http(200, body, false)).acknowledged);
    }

    #[test]
    fn a_refusal_damaged_in_one_place_is_not_acknowledged(at: proptest::sample::Index, byte: u8, kind in 0..3_u8) {
        let mut body = format!("{HEADER}MSA|AR|000TEST42|refused\rERR||PID^1^3|101^^HL70357|E|1014\r").into_bytes();
        let msa = HEADER.len() + 4;
        let at = at.index(body.len());
        // "AR" made "AA" is another answer, not damage.
        prop_assume!(!(msa..msa + 2).contains(&at));
        match kind {
            0 => body[at] = byte,
            1 => body.insert(at, byte),
            _ => drop(body.remove(at)),
        }
        prop_assert!(!check(&http(200, body, false)).acknowledged);
    }

    #[test]
    fn an_acceptance_for_another_message_is_never_credited(id in "[A-Z0-9]{1,30}") {
        prop_assume!(id != ASKED.control_id);
        let verdict = check(&http(200, format!("{HEADER}MSA|AA|{id}\r").into_bytes(), false));
        prop_assert_eq!(verdict.row, Row::IdDiffers);
    }
}
