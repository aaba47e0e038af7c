//! What a receiver is started with. The same shape in Rust and, in camelCase, as JSON.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use crate::behaviour::Behaviour;
use crate::shorthand::{Shorthand, short_or_long};

/// What [`crate::Receiver::start`] is given. By default: HTTP on a free port of the loopback, everything accepted.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReceiverConfig {
    /// Where HTTP is served; port 0 takes a free one; none, no HTTP (and no inspection from outside).
    pub http: Option<SocketAddr>,
    /// Where MLLP is served; none by default.
    pub mllp: Option<SocketAddr>,
    /// With it both transports speak TLS.
    pub tls: Option<TlsConfig>,
    /// How much of what was received is kept.
    #[serde(deserialize_with = "short_or_long")]
    pub keep: KeepPolicy,
    /// The token that `Authorization: Bearer` must carry; none, the header is not looked at.
    pub bearer: Option<String>,
    /// How messages are answered.
    pub behaviour: Behaviour,
    /// Demand what a careful receiver demands: the content type and `X-Message-Control-ID` present, MSH-11 and MSH-12
    /// known, a patient in every ADT, CR as the only segment end, valid UTF-8.
    pub strict: bool,
    /// Every bound there is.
    pub limits: Limits,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            mllp: None,
            tls: None,
            keep: KeepPolicy::default(),
            bearer: None,
            behaviour: Behaviour::default(),
            strict: false,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for ReceiverConfig {
    // The token stays out of logs and panic messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverConfig")
            .field("http", &self.http)
            .field("mllp", &self.mllp)
            .field("tls", &self.tls)
            .field("keep", &self.keep)
            .field("bearer", &self.bearer.as_ref().map(|_| "***"))
            .field("behaviour", &self.behaviour)
            .field("strict", &self.strict)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Certificate and key, as PEM text (not paths: the caller reads files).
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, the receiver's own first.
    pub cert: String,
    /// The private key.
    pub key: String,
    /// With it a client must show a certificate issued by one of these.
    #[serde(default)]
    pub client_ca: Option<String>,
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("clientCa", &self.client_ca.is_some()).finish_non_exhaustive()
    }
}

/// How much of what was received is kept. JSON: `"all"`, `"counts"`, or `{"mode":"all","messages":500,"bytes":1000000}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeepPolicy {
    /// Messages, or only numbers.
    pub mode: KeepMode,
    /// The most messages kept; the oldest make room. Default 10,000.
    pub messages: usize,
    /// The most bytes kept, bodies and headers together. Default 256 MiB. The newest message is kept whatever its size.
    pub bytes: usize,
}

impl Default for KeepPolicy {
    fn default() -> Self {
        Self { mode: KeepMode::All, messages: 10_000, bytes: 256 << 20 }
    }
}

impl Shorthand for KeepPolicy {
    const EXPECTING: &'static str = "\"all\", \"counts\" or an object with mode, messages, bytes";
    const WORD: Option<&'static str> = Some("mode");
    const NUMBER: &'static [&'static str] = &[];
}

/// What is kept of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeepMode {
    /// Headers, body and answer.
    #[default]
    All,
    /// Only the counters and the control ids, for benchmarks.
    Counts,
}

/// Every bound of the receiver.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// The largest message taken, in bytes: 413 over HTTP, a closed connection over MLLP. Default 16 MiB.
    pub message_bytes_max: usize,
    /// The largest HTTP head taken, in bytes; hyper takes no less than 8 KiB. Default 64 KiB.
    pub header_bytes_max: usize,
    /// How long a connection may stand without a byte from the peer. Default 60 s.
    pub idle_ms: u64,
    /// The most connections per transport; more wait in the kernel's queue. Default 1,024.
    pub connections_max: usize,
    /// The most distinct control ids remembered to tell duplicates. Default 1,000,000 (about 100 bytes each).
    pub control_ids_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            header_bytes_max: 64 << 10,
            idle_ms: 60_000,
            connections_max: 1_024,
            control_ids_max: 1_000_000,
        }
    }
}
