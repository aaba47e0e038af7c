//! The answers a rule can ask for, right ones and wrong ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::error::BehaviourError;
use crate::shorthand::Shorthand;
use crate::verdict::{AckCode, AckError};

/// What is answered. JSON: `{"type":"ae","errors":[…]}`, or the bare type where nothing else is to be said: `"aa"`.
///
/// `status`, `empty`, `captivePortal` and `redirect` mean nothing in MLLP; there the connection is closed instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Answer {
    /// Accepted.
    Aa {
        /// MSA-3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Application error. Without `errors` one ERR with 207 is sent; `[]` sends none.
    Ae {
        /// The ERR segments.
        #[serde(default = "AckError::usual")]
        errors: Vec<AckError>,
        /// MSA-3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Application reject. Without `errors` one ERR with 207 is sent; `[]` sends none.
    Ar {
        /// The ERR segments.
        #[serde(default = "AckError::usual")]
        errors: Vec<AckError>,
        /// MSA-3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Commit error.
    Ce {
        /// The ERR segments.
        #[serde(default = "AckError::usual")]
        errors: Vec<AckError>,
    },
    /// Commit reject.
    Cr {
        /// The ERR segments.
        #[serde(default = "AckError::usual")]
        errors: Vec<AckError>,
    },
    /// Commit accept: taken, not yet worked on.
    Ca {
        /// The application acknowledgement that follows on the same connection; MLLP only, HTTP has one answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<FollowUp>,
    },
    /// An HTTP status.
    Status {
        /// 200 to 599.
        status: u16,
        /// More headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// `text/plain` unless `headers` says otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// `Retry-After`: seconds or an HTTP date.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// An acknowledgement with this code is the body, whatever the status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ack: Option<AckCode>,
    },
    /// 2xx without a body.
    Empty {
        /// Default 200.
        #[serde(default = "ok")]
        status: u16,
    },
    /// 200 with a page of HTML, as a captive portal gives.
    CaptivePortal {},
    /// AA for another message.
    WrongControlId {
        /// MSA-2; may be empty. Default: `SOMEBODY-ELSES`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control_id: Option<String>,
        /// In its place the right MSA-2, cut to so many bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut_to: Option<usize>,
    },
    /// The beginning of an AA.
    TruncatedAck {
        /// So much of it; default half.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<usize>,
        /// False: announced in full and cut by closing. True: a whole response or frame, around a part of an ACK.
        #[serde(default)]
        framed: bool,
    },
    /// Bytes without a meaning.
    Garbage {
        /// How many; default 64, at most 16 MiB.
        #[serde(default = "garbage_bytes")]
        bytes: usize,
        /// False: straight onto the connection, which is then closed. True: inside a right response or frame.
        #[serde(default)]
        framed: bool,
    },
    /// Closed as soon as the head (HTTP headers, MSH segment) is there; the message is not kept. Decided before all
    /// other rules, by `controlId`, `every`, `first` and `probability` only.
    CloseBeforeBody {
        /// With RST in place of FIN.
        #[serde(default)]
        reset: bool,
    },
    /// The message is received and kept; then the connection closes without an answer.
    CloseAfterBody {
        /// With RST in place of FIN.
        #[serde(default)]
        reset: bool,
    },
    /// The message is received and kept; no answer comes, and the connection stays.
    Silent {},
    /// AA after so long. Over MLLP the receiver meanwhile reads on and answers later messages first.
    Late {
        /// Counted from the end of the message.
        after_ms: u64,
    },
    /// AA, a byte at a time.
    Drip {
        /// Between two bytes; default 1,000.
        #[serde(default = "drip_ms")]
        every_ms: u64,
    },
    /// A response or frame that never ends.
    Endless {
        /// Sent at a time; default 16 KiB, at most 16 MiB.
        #[serde(default = "endless_bytes")]
        chunk_bytes: usize,
    },
    /// Elsewhere, please.
    Redirect {
        /// `Location`.
        location: String,
        /// Default 307.
        #[serde(default = "temporary_redirect")]
        status: u16,
    },
}

/// The application acknowledgement after a CA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FollowUp {
    /// Usually AA, AE or AR.
    pub code: AckCode,
    /// Counted from the CA.
    #[serde(default)]
    pub after_ms: u64,
    /// The ERR segments.
    #[serde(default)]
    pub errors: Vec<AckError>,
}

fn ok() -> u16 {
    200
}
fn temporary_redirect() -> u16 {
    307
}
fn garbage_bytes() -> usize {
    64
}
fn drip_ms() -> u64 {
    1_000
}
fn endless_bytes() -> usize {
    16 << 10
}

impl Default for Answer {
    fn default() -> Self {
        Self::Aa { text: None }
    }
}

impl Shorthand for Answer {
    const EXPECTING: &'static str = "the type of an answer, or an object with one";
    const WORD: Option<&'static str> = Some("type");
    const NUMBER: &'static [&'static str] = &[];
}

impl Answer {
    pub(crate) fn is_before_body(&self) -> bool {
        matches!(self, Self::CloseBeforeBody { .. })
    }

    /// Whether the receiver has taken the message over, as far as it is concerned, whatever the sender gets to see.
    pub(crate) fn takes_message(&self) -> bool {
        match self {
            Self::Ae { .. }
            | Self::Ar { .. }
            | Self::Ce { .. }
            | Self::Cr { .. }
            | Self::CloseBeforeBody { .. }
            | Self::CaptivePortal {}
            | Self::Redirect { .. } => false,
            Self::Status { status, ack, .. } => ack.map_or((200..300).contains(status), AckCode::takes_message),
            _ => true,
        }
    }

    /// How the answer is named where it is shown.
    pub(crate) fn label(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Aa { .. } => "AA",
            Self::Ae { .. } => "AE",
            Self::Ar { .. } => "AR",
            Self::Ce { .. } => "CE",
            Self::Cr { .. } => "CR",
            Self::Ca { .. } => "CA",
            Self::Status { status, .. } | Self::Empty { status } | Self::Redirect { status, .. } => {
                return Cow::Owned(status.to_string());
            }
            Self::CaptivePortal {} => "captivePortal",
            Self::WrongControlId { .. } => "wrongControlId",
            Self::TruncatedAck { .. } => "truncatedAck",
            Self::Garbage { .. } => "garbage",
            Self::CloseBeforeBody { .. } => "closeBeforeBody",
            Self::CloseAfterBody { .. } => "closeAfterBody",
            Self::Silent {} => "silent",
            Self::Late { .. } => "late",
            Self::Drip { .. } => "drip",
            Self::Endless { .. } => "endless",
        })
    }

    pub(crate) fn check(&self) -> Result<(), BehaviourError> {
        match self {
            Self::Status { status, headers, retry_after, .. } => {
                check_status(*status)?;
                headers.iter().try_for_each(|(name, value)| check_header(name, value))?;
                retry_after.as_ref().map_or(Ok(()), |value| check_header("retry-after", value))
            }
            Self::Empty { status } => check_status(*status),
            Self::Redirect { status, location } => {
                check_status(*status)?;
                check_header("location", location)
            }
            _ => Ok(()),
        }
    }
}

fn check_status(status: u16) -> Result<(), BehaviourError> {
    if (200..600).contains(&status) { Ok(()) } else { Err(BehaviourError::Status { status }) }
}

/// The headers of framing are hyper's: another value there would break the connection in ways nobody asked for.
fn check_header(name: &str, value: &str) -> Result<(), BehaviourError> {
    let refused = || BehaviourError::Header { name: name.to_owned() };
    let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    HeaderValue::from_str(value).map_err(|_| refused())?;
    if matches!(known.as_str(), "content-length" | "transfer-encoding" | "upgrade") {
        return Err(refused());
    }
    Ok(())
}
