//! What the transport saw, and what the message asked for.

use std::fmt;
use std::time::SystemTime;

use crate::hl7::AckCondition;

/// What the transport saw of one attempt. A `fault` is a stable code in lower case with hyphens (`connect-refused`); it goes
/// into logs and the database.
#[derive(Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing, or not everything, reached the kernel: DNS, refused, no route, connect or write timeout, TLS I/O, connection
    /// lost before the last byte. (An early answer, such as a 413, is reported as `Http`.)
    NotDelivered {
        /// What happened.
        fault: &'static str,
    },
    /// A certificate was refused, by us or by the receiver.
    CertificateRefused {
        /// What happened.
        fault: &'static str,
    },
    /// The proxy refused to connect us; the receiver has seen nothing.
    ProxyRefused {
        /// What happened.
        fault: &'static str,
    },
    /// The server that gives the tokens refused us, or gave none that can be used; the receiver has seen nothing.
    TokenRefused {
        /// What happened.
        fault: &'static str,
    },
    /// The last byte was handed to the kernel, and no complete answer came.
    NoAnswer {
        /// What happened.
        fault: &'static str,
    },
    /// An HTTP answer, complete unless `truncated`.
    Http {
        /// The status code.
        status: u16,
        /// The `Retry-After` header, as it came.
        retry_after: Option<String>,
        /// There was a `Location` header.
        location: bool,
        /// The `Content-Type` header, as it came.
        content_type: Option<String>,
        /// The body, as far as it was read.
        body: Vec<u8>,
        /// The body is not whole: it went on behind the limit, or the deadline or the connection's end cut it.
        truncated: bool,
    },
    /// What came over an MLLP connection since the message was written.
    Mllp {
        /// The payloads of the complete frames, in order; the transport bounds their size and number.
        frames: Vec<Vec<u8>>,
        /// This connection has carried no other message, so an answer without an id can only be for this one.
        sole_message: bool,
        /// Whether more may come.
        end: MllpEnd,
    },
}

/// Whether more can come over an MLLP connection for the message at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MllpEnd {
    /// The connection is up and time is left: judge, and read on if [`Verdict::read_on`](super::Verdict::read_on) says so.
    Open,
    /// The deadline has passed.
    Deadline,
    /// The receiver closed or broke the connection.
    Closed,
    /// The receiver closed or broke the connection, or the time for writing ran out, before the last byte was handed over.
    /// A refusal that came first is an answer all the same; an acceptance cannot be one.
    Cut,
}

/// Never prints what the receiver sent: an answer can quote the message.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDelivered { fault } => write!(f, "NotDelivered({fault})"),
            Self::CertificateRefused { fault } => write!(f, "CertificateRefused({fault})"),
            Self::ProxyRefused { fault } => write!(f, "ProxyRefused({fault})"),
            Self::TokenRefused { fault } => write!(f, "TokenRefused({fault})"),
            Self::NoAnswer { fault } => write!(f, "NoAnswer({fault})"),
            Self::Http { status, body, truncated, .. } => {
                write!(f, "Http({status}, {} bytes{})", body.len(), if *truncated { ", truncated" } else { "" })
            }
            Self::Mllp { frames, end, .. } => write!(f, "Mllp({} frames, {end:?})", frames.len()),
        }
    }
}

/// What is known of the message when its answer is judged.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// MSH-10 of the message sent.
    pub control_id: &'a str,
    /// MSH-16 of the message sent.
    pub application_ack: Option<AckCondition>,
    /// An earlier attempt of this message was indeterminate, so the receiver may already have it.
    pub earlier_indeterminate: bool,
    /// The time of the judgement, for a `Retry-After` that is a date.
    pub now: SystemTime,
}
