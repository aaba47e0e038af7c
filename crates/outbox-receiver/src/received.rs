//! One received message, as it is shown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::when::rfc3339;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// HTTP, with or without TLS.
    Http,
    /// MLLP, with or without TLS.
    Mllp,
}

/// One message that arrived in full, whatever it was answered.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its place in the order of arrival, from 1.
    pub seq: u64,
    /// When its last byte was there, in microseconds since 1970.
    pub at_us: i64,
    /// How it came.
    pub transport: Transport,
    /// On which connection, counted from 1 over both transports.
    pub connection: u64,
    /// MSH-10; empty if the body was no HL7.
    pub control_id: String,
    /// MSH-9.
    pub message_type: String,
    /// PID-3.1.
    pub patient: String,
    /// HTTP headers in their order, lower case; the token is masked.
    pub headers: Vec<(String, String)>,
    /// The bytes as they came (without MLLP framing).
    pub body: Bytes,
    /// The name of the answer chosen: an MSA-1 code, an HTTP status, or the type of a misbehaviour.
    pub answer: String,
    /// Whether the receiver considers the message delivered, whatever the sender got to see.
    pub taken: bool,
    /// When the answer was handed to the connection; none if it was not, or not yet.
    pub answered_at_us: Option<i64>,
}

impl Received {
    /// The body's SHA-256, in hexadecimal.
    pub fn sha256(&self) -> String {
        use std::fmt::Write as _;
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.body);
        digest.as_ref().iter().fold(String::with_capacity(64), |mut out, byte| {
            // Writing into a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
    }
}

impl Serialize for Received {
    /// Times in RFC 3339; the body as `body` if it is UTF-8, else as `bodyBase64`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("at", &rfc3339(self.at_us))?;
        map.serialize_entry("transport", &self.transport)?;
        map.serialize_entry("connection", &self.connection)?;
        map.serialize_entry("controlId", &self.control_id)?;
        map.serialize_entry("messageType", &self.message_type)?;
        map.serialize_entry("patient", &self.patient)?;
        map.serialize_entry("headers", &joined(&self.headers))?;
        map.serialize_entry("answer", &self.answer)?;
        map.serialize_entry("taken", &self.taken)?;
        map.serialize_entry("answeredAt", &self.answered_at_us.map(rfc3339))?;
        map.serialize_entry("bytes", &self.body.len())?;
        map.serialize_entry("sha256", &self.sha256())?;
        match std::str::from_utf8(&self.body) {
            Ok(text) => map.serialize_entry("body", text)?,
            Err(_) => map.serialize_entry("bodyBase64", &STANDARD.encode(&self.body))?,
        }
        map.end()
    }
}

/// Headers as one object; what came several times is joined, as RFC 9110 (5.3) allows.
fn joined(headers: &[(String, String)]) -> BTreeMap<&str, String> {
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let line = all.entry(name).or_default();
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(value);
    }
    all
}

/// A part of what is kept, oldest first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Messages received since the start or the last clearing.
    pub total: u64,
    /// How many of them are still kept.
    pub kept: usize,
    /// The messages.
    pub items: Vec<Received>,
    /// The `after` of the next page, if there is more already.
    pub next: Option<u64>,
}
