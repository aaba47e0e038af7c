//! The judge: from what was seen to the row, and from the row to the verdict.

use super::answer::{AckCode, Answer, IdMatch};
use super::body::{self, Body};
use super::error_segment::{Kind, Problem, Severity};
use super::http::{BareAnswer, judge_bare};
use super::safe_code::{ERR_CODES_MAX, safe_code};
use super::verdict::{alarm, warning};
use super::{Asked, MllpEnd, Outcome, Policy, Row, Seen, Verdict, retry_after};
use crate::hl7::AckCondition;

/// Judges what an attempt saw. Total: every input has a verdict, and what is not understood is `indeterminate`.
pub fn judge(seen: &Seen, asked: &Asked<'_>, policy: &Policy) -> Verdict {
    crate::fault!("acknowledgement-judge");
    let verdict = match seen {
        Seen::NotDelivered { fault } => found(Row::NotDelivered, code_of_fault(fault)),
        Seen::CertificateRefused { fault } => found(Row::CertificateRefused, code_of_fault(fault)),
        Seen::ProxyRefused { fault } => found(Row::ProxyRefused, code_of_fault(fault)),
        Seen::TokenRefused { fault } => found(Row::TokenRefused, code_of_fault(fault)),
        Seen::NoAnswer { fault } => found(Row::NoAnswer, code_of_fault(fault)),
        Seen::Http { status, location, content_type, body, truncated, .. } => {
            let (status, has_location, content_type) = (*status, *location, content_type.as_deref());
            let answer = BareAnswer { status, has_location, content_type, body, is_unparsable: false };
            judge_http(&answer, *truncated, asked, policy)
        }
        Seen::Mllp { frames, sole_message, end } => judge_mllp(frames, *sole_message, *end, asked),
    };
    let mut verdict = with_override(verdict, policy);
    if let (Outcome::Throttled, Seen::Http { retry_after: Some(header), .. }) = (verdict.outcome, seen) {
        verdict.retry_after = retry_after::read(header, asked.now);
    }
    verdict
}

/// A verdict with the row's default outcome and nothing else.
pub(super) fn found(row: Row, code: String) -> Verdict {
    Verdict {
        outcome: row.entry().outcome,
        row,
        acknowledged: false,
        warning: None,
        alarm: None,
        http_status: None,
        ack_code: None,
        err_codes: Vec::new(),
        code,
        retry_after: None,
        read_on: false,
    }
}

/// A fault as a code: `connect-refused` becomes `CONNECT_REFUSED`.
pub fn code_of_fault(fault: &str) -> String {
    fault.to_ascii_uppercase().replace('-', "_")
}

/// Applies the destination's override. What it may do is said in the table; here it is made sure that it cannot hide anything:
/// an acceptance by override is never an acknowledgement and always carries a warning, and a forbidden override (which the
/// configuration refuses, so it can only come from a future version's file) is ignored with an alarm.
fn with_override(mut verdict: Verdict, policy: &Policy) -> Verdict {
    let Some(outcome) = policy.override_for(verdict.row, verdict.http_status) else { return verdict };
    if !verdict.row.entry().overrides.contains(&outcome) {
        verdict.alarm = Some(alarm::OVERRIDE_IGNORED);
        return verdict;
    }
    if outcome == verdict.outcome {
        return verdict;
    }
    verdict.outcome = outcome;
    verdict.acknowledged = false;
    verdict.warning = (outcome == Outcome::Accepted).then_some(warning::BY_OVERRIDE);
    verdict
}

fn judge_http(answer: &BareAnswer<'_>, truncated: bool, asked: &Asked<'_>, policy: &Policy) -> Verdict {
    let mut verdict = match body::read(answer.body, truncated) {
        // A request carries exactly one message, and its answer is all that will come.
        Body::Answers(answers) => judge_answers(&answers, true, MllpEnd::Closed, asked),
        Body::Unparsable => judge_bare(&BareAnswer { is_unparsable: true, ..*answer }, policy),
        Body::NoHl7 => judge_bare(answer, policy),
    };
    verdict.http_status = Some(answer.status);
    if verdict.outcome == Outcome::Accepted && !(200..=299).contains(&answer.status) {
        verdict.warning = verdict.warning.or(Some(warning::STATUS_DISAGREES));
    }
    verdict
}

pub(super) fn judge_mllp(frames: &[Vec<u8>], sole_message: bool, end: MllpEnd, asked: &Asked<'_>) -> Verdict {
    let verdict = judge_frames(frames, sole_message, end, asked);
    // Who accepts what was not sent whole means something else. And what was not sent whole leaves no doubt.
    if end == MllpEnd::Cut && matches!(verdict.outcome, Outcome::Accepted | Outcome::Indeterminate) {
        return found(Row::NotDelivered, "CONNECTION_LOST".to_owned());
    }
    verdict
}

fn judge_frames(frames: &[Vec<u8>], sole_message: bool, end: MllpEnd, asked: &Asked<'_>) -> Verdict {
    let mut answers = Vec::new();
    for frame in frames {
        if let Body::Answers(more) = body::read(frame, false) {
            answers.extend(more);
        }
    }
    if !answers.is_empty() {
        return judge_answers(&answers, sole_message, end, asked);
    }
    if !frames.is_empty() {
        return found(Row::Unparsable, "ACK_UNPARSABLE".to_owned());
    }
    let code = if end == MllpEnd::Closed { "CLOSED_BEFORE_ACK" } else { "ACK_TIMEOUT" };
    Verdict { read_on: end == MllpEnd::Open, ..found(Row::NoAnswer, code.to_owned()) }
}

/// Judges the acknowledgements that came, of which those for other messages do not count.
fn judge_answers(answers: &[Answer<'_>], sole_message: bool, end: MllpEnd, asked: &Asked<'_>) -> Verdict {
    let is_ours = |answer: &&Answer<'_>| match answer.id_match(asked.control_id) {
        IdMatch::Same | IdMatch::Cut => true,
        IdMatch::Empty => sole_message,
        IdMatch::Other => false,
    };
    let ours: Vec<_> = answers.iter().filter(is_ours).collect();
    let Some(answer) = weightiest(&ours) else {
        let verdict = found(Row::IdDiffers, "ACK_ID_DIFFERS".to_owned());
        return Verdict { read_on: end == MllpEnd::Open, ..verdict };
    };
    let problems = answer.problems(asked.control_id);
    let verdict = match answer.code() {
        AckCode::Accept => judge_acceptance(answer, &problems, end, asked),
        AckCode::Error | AckCode::Reject => judge_refusal(answer, &problems, asked),
        AckCode::Unknown => found(Row::UnknownAckCode, "ACK_CODE_UNKNOWN".to_owned()),
    };
    let warning = match (verdict.outcome, answer.id_match(asked.control_id)) {
        (Outcome::Accepted, IdMatch::Cut) => Some(warning::ID_CUT),
        (Outcome::Accepted, IdMatch::Empty) => Some(warning::ID_EMPTY),
        _ => None,
    };
    Verdict {
        acknowledged: verdict.outcome == Outcome::Accepted && !answer.is_commit(),
        warning: verdict.warning.or(warning),
        ack_code: safe_code(answer.code_bytes()),
        err_codes: err_codes(&problems),
        ..verdict
    }
}

/// The one that decides: an application acknowledgement before a commit acknowledgement, and if a receiver contradicts
/// itself, the one that does not accept.
fn weightiest<'a, 'b>(ours: &[&'a Answer<'b>]) -> Option<&'a Answer<'b>> {
    let weight = |answer: &&&Answer<'_>| (!answer.is_commit(), answer.code() != AckCode::Accept);
    ours.iter().max_by_key(weight).copied()
}

fn judge_acceptance(answer: &Answer<'_>, problems: &[Problem], end: MllpEnd, asked: &Asked<'_>) -> Verdict {
    let wants_application_ack =
        matches!(asked.application_ack, Some(AckCondition::Always | AckCondition::OnError | AckCondition::OnSuccess));
    let awaits = answer.is_commit() && wants_application_ack;
    let row = match answer.id_match(asked.control_id) {
        IdMatch::Cut => Row::IdCut,
        IdMatch::Empty => Row::IdEmpty,
        _ if awaits && end != MllpEnd::Open => Row::CaAlone,
        _ if answer.is_commit() => Row::Ca,
        _ => Row::Aa,
    };
    let code = if answer.is_commit() { "ACK_CA" } else { "ACK_AA" };
    let mut verdict = found(row, code.to_owned());
    verdict.read_on = awaits && end == MllpEnd::Open;
    verdict.warning = if awaits && end != MllpEnd::Open {
        Some(warning::APPLICATION_ACK_MISSING)
    } else {
        // AA is AA, whatever stands beside it; but somebody should read it.
        (!problems.is_empty()).then_some(warning::RECEIVER_WARNED)
    };
    verdict
}

fn judge_refusal(answer: &Answer<'_>, problems: &[Problem], asked: &Asked<'_>) -> Verdict {
    let is_error = answer.code() == AckCode::Error;
    let only_warnings = !problems.is_empty() && problems.iter().all(|problem| problem.severity == Severity::Harmless);
    let name = format!("ACK_{}", String::from_utf8_lossy(answer.code_bytes()).to_ascii_uppercase());
    if is_error && only_warnings {
        return Verdict { warning: Some(warning::RECEIVER_WARNED), ..found(Row::OnlyWarnings, name) };
    }
    let Some((row, problem)) = deciding(problems, asked) else {
        return found(if is_error { Row::AeBare } else { Row::ArBare }, name);
    };
    let detail = problem.code.as_ref().or(problem.application_code.as_ref());
    let code = detail.map_or_else(|| name.clone(), |detail| format!("{name}_{detail}"));
    let warning = (row == Row::DuplicateExpected).then_some(warning::DUPLICATE_EXPECTED);
    Verdict { warning, ..found(row, code) }
}

/// The problem that decides, and its row: what is permanent goes before what may pass. A known duplicate of an attempt in
/// doubt goes last, for it alone would mean acceptance. Harmless problems decide nothing here.
fn deciding<'a>(problems: &'a [Problem], asked: &Asked<'_>) -> Option<(Row, &'a Problem)> {
    let duplicate =
        if asked.earlier_indeterminate { (Row::DuplicateExpected, 1) } else { (Row::DuplicateControlId, 5) };
    let rank = |problem: &Problem| match problem.kind {
        Kind::Permanent => Some((Row::PermanentError, 8)),
        Kind::DuplicateKey => Some((Row::DuplicateKey, 7)),
        Kind::InternalErrorLocated => Some((Row::InternalErrorLocated, 6)),
        Kind::DuplicateControlId => Some(duplicate),
        Kind::ApplicationCode => Some((Row::ApplicationCode, 4)),
        Kind::RecordLocked => Some((Row::RecordLocked, 3)),
        Kind::InternalError => Some((Row::InternalError, 2)),
        Kind::Unusable => None,
    };
    let harmful = problems.iter().rev().filter(|problem| problem.severity == Severity::Harmful);
    let ranked = harmful.filter_map(|problem| rank(problem).map(|(row, weight)| (weight, row, problem)));
    ranked.max_by_key(|&(weight, ..)| weight).map(|(_, row, problem)| (row, problem))
}

/// The codes for the attempt's record, without repeats.
fn err_codes(problems: &[Problem]) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for code in problems.iter().flat_map(|problem| [&problem.code, &problem.application_code]).flatten() {
        if codes.len() < ERR_CODES_MAX && !codes.contains(code) {
            codes.push(code.clone());
        }
    }
    codes
}
