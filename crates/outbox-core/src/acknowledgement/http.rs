//! What an HTTP answer without an acknowledgement comes to.

use super::body::is_html;
use super::judge::found;
use super::verdict::alarm;
use super::{Policy, Row, Verdict};

/// An HTTP answer, judged as if its body held no acknowledgement.
#[derive(Clone, Copy)]
pub(super) struct BareAnswer<'a> {
    pub(super) status: u16,
    pub(super) has_location: bool,
    pub(super) content_type: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// The body holds something of HL7, or was cut before it could be told.
    pub(super) is_unparsable: bool,
}

/// The status decides, and with 2xx the kind of body.
pub(super) fn judge_bare(answer: &BareAnswer<'_>, policy: &Policy) -> Verdict {
    let code = |detail: &str| format!("HTTP_{}{detail}", answer.status);
    if let Some(row) = Row::of_status(answer.status) {
        let is_redirect = row == Row::Http3xx && answer.has_location;
        return Verdict { alarm: is_redirect.then_some(alarm::REDIRECT), ..found(row, code("")) };
    }
    if is_html(answer.content_type, answer.body) {
        Verdict { alarm: Some(alarm::CAPTIVE_PORTAL), ..found(Row::Html, code("_HTML")) }
    } else if answer.is_unparsable {
        found(Row::Unparsable, "ACK_UNPARSABLE".to_owned())
    } else if policy.require_hl7_ack {
        found(Row::NoAck, code("_NO_ACK"))
    } else {
        found(Row::Plain, code(""))
    }
}
