//! The table from answer to outcome.

use super::{Outcome, Row};

/// One row: what was seen, what it means and what it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowEntry {
    /// The row.
    pub row: Row,
    /// Its stable name.
    pub name: &'static str,
    /// The rule that it belongs to, as numbered in the reference. (Rule 7 has no row of its own: it says that an MSA segment
    /// in the body decides, whatever the status.)
    pub rule: u8,
    /// The HTTP status, for a row about exactly one.
    pub status: Option<u16>,
    /// What was seen.
    pub meaning: &'static str,
    /// What it comes to unless overridden.
    pub outcome: Outcome,
    /// What it may come to by an override, the default included.
    pub overrides: &'static [Outcome],
    /// What was seen, once: the row's proof, which a test judges. A status with the headers that matter and the body
    /// (`503, Retry-After: 120, body: busy`), the segments of a body that came with 200 (segment ends are written `\r`; the
    /// MSH of an acknowledgement is left out where it says nothing), or what happened instead (`no answer: answer-timeout`).
    /// MSH-10 of the message is 000TEST42.
    pub example: &'static str,
}

use Outcome::{Accepted, Indeterminate, Misconfigured, Rejected, Retry, Throttled, Unreachable};

// What an override may do, and why there are limits. It may judge a refusal more mildly or more severely, because some
// receivers use the codes wrongly. It may not
// - make `accepted` of anything that nobody can have taken: a message that never left, that was turned away at the door (a
//   redirect, wrong credentials, overload, a crash), or whose answer is missing, foreign or unreadable, would end in silence;
// - make `unreachable` of anything that reached somebody: that outcome spends no attempt, so one refused message would be
//   sent for ever, and the doubt about a duplicate would be forgotten;
// - send again what was accepted as a matter of course (`retry`, `throttled`): only doubt justifies a duplicate.
// Where a refusal is overridden to `accepted`, `judge` never lets it pass for an acknowledgement: the message becomes SENT,
// carries the warning `accepted-by-override`, and the receiver's codes are kept.
const UNSENT: &[Outcome] = &[Unreachable, Retry, Throttled, Misconfigured];
const SILENT: &[Outcome] = &[Indeterminate, Rejected];
const GATEWAY: &[Outcome] = &[Indeterminate, Retry, Throttled, Misconfigured, Rejected];
const TURNED_AWAY: &[Outcome] = &[Misconfigured, Throttled, Retry, Indeterminate, Rejected];
const REFUSED: &[Outcome] = &[Accepted, Rejected, Retry, Throttled, Indeterminate, Misconfigured];
const VAGUE: &[Outcome] = &[Accepted, Indeterminate, Misconfigured, Retry, Rejected];
const TAKEN: &[Outcome] = &[Accepted, Indeterminate, Rejected];

/// One row of the table in one line: name, rule, meaning, outcome, what it may be overridden to, example.
const fn row(
    row: Row,
    name: &'static str,
    rule: u8,
    outcome: Outcome,
    overrides: &'static [Outcome],
    meaning: &'static str,
    example: &'static str,
) -> RowEntry {
    RowEntry { row, name, rule, status: None, meaning, outcome, overrides, example }
}

/// A row about one HTTP status, answered without an MSA segment.
const fn of_status(status: u16, entry: RowEntry) -> RowEntry {
    RowEntry { status: Some(status), ..entry }
}

/// The whole table, in the order of [`Row`].
#[rustfmt::skip]
pub const ROWS: &[RowEntry] = &[
    row(Row::NotDelivered, "not-delivered", 1, Unreachable, UNSENT, "DNS, refused, no route, connect or write timeout, TLS I/O error, or the connection was lost before the last byte was handed over", "not delivered: connect-refused"),
    row(Row::CertificateRefused, "certificate-refused", 2, Misconfigured, UNSENT, "a certificate was refused, on either side", "certificate refused: server-certificate-refused"),
    row(Row::ProxyRefused, "proxy-refused", 2, Misconfigured, UNSENT, "the proxy refused to connect us: it asks for credentials, or does not allow this address", "proxy refused: proxy-credentials-refused"),
    row(Row::TokenRefused, "token-refused", 2, Misconfigured, UNSENT, "the token server refused our credentials, or gave no token that can be used", "token refused: token-refused"),
    row(Row::Http3xx, "http-3xx", 2, Misconfigured, TURNED_AWAY, "a redirect; never followed, because the token and the patient's data would go elsewhere", "302, Location: https://login.example/, empty body"),
    of_status(401, row(Row::Http401, "http-401", 2, Misconfigured, TURNED_AWAY, "the credentials are missing or wrong", "401, body: Unauthorized")),
    of_status(403, row(Row::Http403, "http-403", 2, Misconfigured, TURNED_AWAY, "the credentials do not allow this, or a firewall refused the request", "403, body: <html><h1>Forbidden</h1></html>")),
    of_status(404, row(Row::Http404, "http-404", 2, Misconfigured, TURNED_AWAY, "the path of the address is wrong", "404, body: Not Found")),
    of_status(405, row(Row::Http405, "http-405", 2, Misconfigured, TURNED_AWAY, "the address takes no POST", "405, empty body")),
    of_status(406, row(Row::Http406, "http-406", 2, Misconfigured, TURNED_AWAY, "the receiver cannot give an answer that we accept", "406, body: Not Acceptable")),
    of_status(407, row(Row::Http407, "http-407", 2, Misconfigured, TURNED_AWAY, "a proxy asks for credentials", "407, body: Proxy Authentication Required")),
    of_status(415, row(Row::Http415, "http-415", 2, Misconfigured, TURNED_AWAY, "the content type is not the one that the receiver takes", "415, body: {\"error\":\"unsupported media type\"}")),
    of_status(426, row(Row::Http426, "http-426", 2, Misconfigured, TURNED_AWAY, "the receiver wants another protocol", "426, body: Upgrade Required")),
    of_status(501, row(Row::Http501, "http-501", 2, Misconfigured, TURNED_AWAY, "the receiver does not know the method", "501, body: Not Implemented")),
    of_status(505, row(Row::Http505, "http-505", 2, Misconfigured, TURNED_AWAY, "the receiver does not know the HTTP version", "505, empty body")),
    row(Row::NoAnswer, "no-answer", 3, Indeterminate, SILENT, "timeout, end or reset of the connection after the last byte", "no answer: answer-timeout"),
    of_status(502, row(Row::Http502, "http-502", 3, Indeterminate, GATEWAY, "a gateway got no proper answer from the receiver behind it", "502, body: <html><h1>Bad Gateway</h1></html>")),
    of_status(504, row(Row::Http504, "http-504", 3, Indeterminate, GATEWAY, "a gateway got no answer in time from the receiver behind it", "504, body: upstream timed out")),
    of_status(408, row(Row::Http408, "http-408", 4, Throttled, TURNED_AWAY, "the receiver gave up waiting for the request", "408, empty body")),
    of_status(425, row(Row::Http425, "http-425", 4, Throttled, TURNED_AWAY, "too early: the receiver wants the request again later", "425, body: Too Early")),
    of_status(429, row(Row::Http429, "http-429", 4, Throttled, TURNED_AWAY, "too many requests", "429, Retry-After: 30, body: slow down")),
    of_status(503, row(Row::Http503, "http-503", 4, Throttled, TURNED_AWAY, "the receiver is overloaded or under maintenance", "503, Retry-After: 120, body: <html>maintenance</html>")),
    row(Row::Http5xx, "http-5xx", 5, Retry, TURNED_AWAY, "500, or another 5xx without a row of its own, without an MSA segment", "500, body: Internal Server Error"),
    row(Row::Http4xx, "http-4xx", 6, Rejected, REFUSED, "another 4xx without a row of its own, without an MSA segment", "400, body: bad request"),
    row(Row::Plain, "http-2xx-plain", 8, Accepted, VAGUE, "2xx with an empty, text or JSON body and no HL7 in it: SENT", "202, empty body"),
    row(Row::NoAck, "http-2xx-no-ack", 8, Indeterminate, VAGUE, "the same where the destination requires an HL7 acknowledgement (requireHl7Ack)", "200, body: {\"status\":\"queued\"}"),
    row(Row::Html, "http-2xx-html", 8, Indeterminate, VAGUE, "2xx with an HTML page: probably not the receiver but a captive portal or a login page", "200, body: <!DOCTYPE html><title>Sign in</title>"),
    row(Row::OddStatus, "http-other", 8, Indeterminate, GATEWAY, "an HTTP status outside 200-599", "999, empty body"),
    row(Row::Aa, "aa", 9, Accepted, TAKEN, "AA for this message: ACKNOWLEDGED", r"MSH|^~\&|R|X|||20260101||ACK|1|P|2.5.1\rMSA|AA|000TEST42\r"),
    row(Row::Ca, "ca", 10, Accepted, TAKEN, "CA for this message: SENT", r"MSH|^~\&|R|X|||20260101||ACK|1|P|2.5.1\rMSA|CA|000TEST42\r"),
    row(Row::CaAlone, "ca-alone", 10, Accepted, TAKEN, "CA for this message, and the application acknowledgement that MSH-16 asks for did not come: SENT, with a warning", r"MSH|^~\&|R|X|||20260101||ACK|1|P|2.5.1\rMSA|CA|000TEST42\r"),
    row(Row::IdDiffers, "id-differs", 11, Indeterminate, SILENT, "an acknowledgement for another message (MSA-2), and none for this one", r"MSH|^~\&|R|X|||20260101||ACK|1|P|2.5.1\rMSA|AA|000TEST41\r"),
    row(Row::IdCut, "id-cut", 11, Accepted, TAKEN, "AA or CA whose MSA-2 is MSH-10 cut to 20 bytes, with a warning", r"MSH|^~\&|R|X|||20260101||ACK|1|P|2.5.1\rMSA|AA|000TEST4200000000000\r"),
    row(Row::IdEmpty, "id-empty", 11, Accepted, TAKEN, "AA or CA with an empty MSA-2, where it can only be for this message, with a warning", r"MSH|^~\&|R|X|||20260101||ACK|1|P|2.5.1\rMSA|AA\r"),
    row(Row::OnlyWarnings, "only-warnings", 12, Accepted, TAKEN, "AE or CE whose errors are all of severity I or W (ERR-4), with a warning", r"MSA|AE|000TEST42\rERR||PID^1^5|0^^HL70357|W\r"),
    row(Row::PermanentError, "err-permanent", 13, Rejected, REFUSED, "AE, AR, CE or CR with an error 100-104, 198, 199 or 200-204 (ERR-3)", r"MSA|AE|000TEST42\rERR||PID^1^3|101^^HL70357|E\r"),
    row(Row::DuplicateExpected, "duplicate-expected", 14, Accepted, TAKEN, "the receiver already has this control id (error 205), and an earlier attempt was indeterminate: that attempt had arrived", r"MSA|AE|000TEST42\rERR||MSH^1^10|205^^HL70357|E\r"),
    row(Row::DuplicateControlId, "duplicate-control-id", 14, Rejected, REFUSED, "the receiver already has this control id (error 205), and not from an attempt of ours", r"MSA|AE|000TEST42\rERR||MSH^1^10|205^^HL70357|E\r"),
    row(Row::DuplicateKey, "duplicate-key", 14, Rejected, REFUSED, "any other error 205: the patient, visit or order already exists", r"MSA|AE|000TEST42\rERR||PID^1^3|205^^HL70357|E\r"),
    row(Row::RecordLocked, "record-locked", 15, Retry, REFUSED, "error 206: the record is locked at the moment", r"MSA|AE|000TEST42\rERR|||206^^HL70357|E\r"),
    row(Row::InternalErrorLocated, "internal-error-located", 16, Rejected, REFUSED, "error 207 with a location (ERR-2) or an application code (ERR-5): about this message after all", r"MSA|AE|000TEST42\rERR||PV1^1^2|207^^HL70357|E|1061\r"),
    row(Row::InternalError, "internal-error", 16, Retry, REFUSED, "error 207 alone: a fault inside the receiver", r"MSA|AR|000TEST42\rERR|||207^^HL70357|E\r"),
    row(Row::ApplicationCode, "application-code", 17, Rejected, REFUSED, "AE, AR, CE or CR with an application code (ERR-5) and no known ERR-3", r"MSA|AR|000TEST42\rERR||||E|1014\r"),
    row(Row::AeBare, "ae", 17, Rejected, REFUSED, "AE or CE without a usable error", r"MSA|AE|000TEST42\r"),
    row(Row::ArBare, "ar", 17, Retry, REFUSED, "AR or CR without a usable error", r"MSA|AR|000TEST42\r"),
    row(Row::UnknownAckCode, "unknown-ack-code", 17, Indeterminate, SILENT, "an acknowledgement for this message whose MSA-1 is not in table 0008", r"MSA|OK|000TEST42\r"),
    row(Row::Unparsable, "unparsable", 17, Indeterminate, SILENT, "HL7 without a readable MSA segment, or an answer cut off before one", r"MSH|^~\&|R|X\r"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::acknowledgement::RowName;

    #[test]
    fn the_table_is_in_the_order_of_its_rows_and_names_are_unique() {
        for (index, entry) in ROWS.iter().enumerate() {
            assert_eq!(entry.row as usize, index, "{}", entry.name);
            assert_eq!(entry.row.entry(), entry);
            assert_eq!(entry.name.parse(), Ok(RowName::Row(entry.row)));
        }
        let names: BTreeSet<_> = ROWS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert_eq!(ROWS.len(), Row::Unparsable as usize + 1);
    }

    #[test]
    fn every_rule_but_the_one_without_a_row_is_there() {
        let rules: BTreeSet<_> = ROWS.iter().map(|entry| entry.rule).collect();
        assert_eq!(rules, (1..=17).filter(|&rule| rule != 7).collect());
    }

    #[test]
    fn a_row_may_keep_its_default_and_what_nobody_accepted_can_never_become_accepted() {
        for entry in ROWS {
            assert!(entry.overrides.contains(&entry.outcome), "{}", entry.name);
            let is_about_nobody = matches!(entry.rule, 1..=5) || entry.outcome == Indeterminate && entry.rule != 8;
            assert!(!(is_about_nobody && entry.overrides.contains(&Accepted)), "{}", entry.name);
            let never_sent = ["certificate-refused", "proxy-refused", "token-refused"].contains(&entry.name);
            assert_eq!(entry.overrides.contains(&Unreachable), entry.rule == 1 || never_sent);
        }
    }

    #[test]
    fn single_statuses_and_families_have_rows() {
        assert_eq!(Row::of_status(401), Some(Row::Http401));
        assert_eq!(Row::of_status(302), Some(Row::Http3xx));
        assert_eq!(Row::of_status(409), Some(Row::Http4xx));
        assert_eq!(Row::of_status(599), Some(Row::Http5xx));
        assert_eq!(Row::of_status(204), None);
        assert_eq!(Row::of_status(0), Some(Row::OddStatus));
        assert_eq!("http-409".parse(), Ok(RowName::Status(409)));
        for wrong in ["http-200", "http-99", "http-", "http-+409", "aA", ""] {
            assert!(wrong.parse::<RowName>().is_err(), "{wrong}");
        }
    }
}
