//! One receiver, as the caller writes it.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Secret;
use crate::acknowledgement::Outcome;
use crate::hl7::FieldPath;

/// A receiver's address, credentials and policies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DestinationConfig {
    /// `https://…` or `mllps://…`; `http://…` and `mllp://…` on loopback, elsewhere only with `allowPlaintext`.
    pub url: String,
    /// Credentials of the HTTP request.
    pub auth: Option<Auth>,
    /// Request headers beside or instead of the default ones; `{MSH-10}` stands for the control id, an empty value
    /// leaves a default header out.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Certificates, pins and versions.
    pub tls: Option<Tls>,
    /// The proxy that connections go through; absent: none, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// Permits `http://` and `mllp://` beyond loopback.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// MSH-11 values that this receiver may get; absent means any.
    pub processing_ids: Option<Vec<String>>,
    /// `false`: accept messages, keep them PENDING.
    pub enabled: Option<bool>,
    /// Most attempts at once; default 4.
    pub concurrency: Option<u32>,
    /// Default 1 per second unless the address is loopback; `null` for none.
    #[serde(default, deserialize_with = "given")]
    pub rate_limit: Option<Option<RateLimit>>,
    /// Deadlines.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// When to try again, and when to give up.
    #[serde(default)]
    pub retry: Retry,
    /// What orders messages; default the patient; `null` for no order.
    #[serde(default, deserialize_with = "given")]
    pub order_by: Option<Option<OrderBy>>,
    /// What a dead letter does to its lane.
    #[serde(default)]
    pub after_failure: AfterFailure,
    /// A 2xx without an HL7 acknowledgement does not count as accepted.
    #[serde(default)]
    pub require_hl7_ack: bool,
    /// Outcomes by row name, instead of the table's own.
    #[serde(default)]
    pub outcomes: BTreeMap<String, Outcome>,
}

impl DestinationConfig {
    /// A receiver of which only the address is written.
    pub(super) fn at(url: String) -> Self {
        Self {
            url,
            auth: None,
            headers: BTreeMap::new(),
            tls: None,
            proxy: None,
            allow_plaintext: false,
            processing_ids: None,
            enabled: None,
            concurrency: None,
            rate_limit: None,
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            order_by: None,
            after_failure: AfterFailure::Continue,
            require_hl7_ack: false,
            outcomes: BTreeMap::new(),
        }
    }
}

/// Tells `null` from an absent key.
#[expect(clippy::option_option, reason = "three cases: absent, null, a value")]
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Credentials of the HTTP request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// `Authorization: Bearer …` with a token that the outbox fetches itself.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
}

/// The client credentials grant (RFC 6749, 4.4). The client says who it is by HTTP Basic (2.3.1), which every server must
/// understand.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens are given: `https://…`; `http://…` as for the destination itself.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// Its password.
    pub client_secret: Secret,
    /// What is asked for, where the server wants to be told.
    pub scope: Option<String>,
}

/// An HTTP proxy that is asked to CONNECT (RFC 9110, 9.3.6).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proxy {
    /// `http://host:port`. What is sealed goes through it sealed; of the rest it reads all.
    pub url: String,
    /// Credentials for the proxy: bearer or basic.
    pub auth: Option<Auth>,
}

/// Certificates, pins and versions of a TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the certificate authorities to trust instead of the system's.
    pub ca_file: Option<String>,
    /// PEM file of the client certificate chain.
    pub cert_file: Option<String>,
    /// PEM file of the client certificate's key.
    pub key_file: Option<String>,
    /// `sha256/BASE64` of public keys (the DER of `SubjectPublicKeyInfo`, as in RFC 7469); the receiver's own certificate
    /// must have one of them, besides being valid.
    pub pins: Option<Vec<String>>,
    /// The name that the receiver's certificate must be for, and that is told in the handshake; default the host of the URL.
    pub server_name: Option<String>,
    /// `1.2` (default) or `1.3`.
    pub min_version: Option<String>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Tokens a second; an attempt takes one.
    pub per_second: f64,
    /// Most tokens kept for a burst; default a hundredth of `perSecond`, at least 1.
    pub burst: Option<u32>,
}

/// Deadlines of one attempt, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// Name resolution, TCP, proxy and TLS; default 10,000.
    pub connect_ms: Option<u64>,
    /// From the open connection until the kernel has the last byte of the message; default 60,000.
    pub write_ms: Option<u64>,
    /// From the last byte of the message until an answer begins; default `totalMs`, for shorter makes duplicates.
    pub first_byte_ms: Option<u64>,
    /// The whole attempt; default 120,000. Shorter makes duplicates: nobody waits for it.
    pub total_ms: Option<u64>,
}

/// When to try again, and when to give up.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Delays in milliseconds; the last one repeats.
    pub schedule_ms: Option<Vec<u64>>,
    /// Instead of `scheduleMs`: delays that grow by a factor up to a cap.
    pub exponential: Option<Exponential>,
    /// How long a message may wait before it becomes a dead letter, in milliseconds; default `null`, for ever.
    #[serde(default, deserialize_with = "given")]
    pub expires_in_ms: Option<Option<u64>>,
    /// Share of a delay that chance may add, 0 to 0.2; default 0.2.
    pub jitter: Option<f64>,
    /// Counted attempts before a message becomes a dead letter; default 12.
    pub max_attempts: Option<u32>,
    /// Attempts with an unknown end before a message becomes a dead letter; default 10.
    pub max_indeterminate: Option<u32>,
}

/// What a dead letter does to its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterFailure {
    /// The next message goes on.
    #[default]
    Continue,
    /// The lane waits until a person retries, replaces, cancels or purges it.
    Hold,
}

/// Delays that grow.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exponential {
    /// The first delay, in milliseconds.
    pub first_ms: u64,
    /// How much longer each delay is than the one before; default 2.
    pub factor: Option<f64>,
    /// The longest delay, in milliseconds.
    pub cap_ms: u64,
}

/// What orders the messages of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// The patient: first repetition of PID-3, CX.1 and CX.4.
    Patient,
    /// A field path such as `PV1-19`.
    Field(FieldPath),
}

impl<'de> Deserialize<'de> for OrderBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "patient" {
            return Ok(Self::Patient);
        }
        text.parse()
            .map(Self::Field)
            .map_err(|_| D::Error::custom("expected \"patient\", null or a field path such as \"PV1-19\""))
    }
}
