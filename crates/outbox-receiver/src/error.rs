//! How starting a receiver, or changing its behaviour, can be refused.

use std::io;
use std::net::SocketAddr;

/// Why a receiver did not start or could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// Neither `http` nor `mllp` names an address.
    #[error("the configuration names no address: set `http`, `mllp` or both")]
    NoAddress,
    /// An address could not be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address as configured.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error("the TLS configuration cannot be used")]
    Tls(#[from] TlsError),
    /// The behaviour contradicts itself.
    #[error("the behaviour cannot be carried out")]
    Behaviour(#[from] BehaviourError),
    /// The listener is gone, because the receiver is being stopped.
    #[error("the receiver is stopped")]
    Stopped,
}

/// What is wrong with the TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Not PEM, or PEM of something else.
    #[error("`tls.{part}` holds no usable PEM section")]
    Pem {
        /// The key of the configuration: `cert`, `key` or `clientCa`.
        part: &'static str,
        /// What the PEM reader said.
        source: rustls::pki_types::pem::Error,
    },
    /// `cert` or `clientCa` has no certificate in it.
    #[error("`tls.{part}` holds no certificate")]
    NoCertificate {
        /// The key of the configuration.
        part: &'static str,
    },
    /// The parts do not belong together, or rustls refuses them.
    #[error("certificate and key cannot be used together")]
    Rustls(#[from] rustls::Error),
    /// The client authorities cannot be used.
    #[error("`tls.clientCa` cannot be used")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
}

/// What is wrong with a behaviour; `rule` counts from 1, as a person does.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BehaviourError {
    /// `closeBeforeBody` is decided before type and patient can be known.
    #[error(
        "rule {rule}: closeBeforeBody is decided before the body is read, so it cannot ask for messageType or patient"
    )]
    BodyNotReadYet {
        /// Which rule.
        rule: usize,
    },
    /// `closeBeforeBody` without a rule would make the receiver useless for everything else.
    #[error("closeBeforeBody needs a rule: it cannot be the answer to everything else")]
    NeedsRule,
    /// A probability outside 0 to 1.
    #[error("rule {rule}: probability must lie between 0 and 1")]
    Probability {
        /// Which rule.
        rule: usize,
    },
    /// `every: 0` never matches.
    #[error("rule {rule}: every must be 1 or more")]
    Every {
        /// Which rule.
        rule: usize,
    },
    /// A latency whose least is more than its most.
    #[error("latency: minMs {min_ms} is more than maxMs {max_ms}")]
    Latency {
        /// The least.
        min_ms: u64,
        /// The most.
        max_ms: u64,
    },
    /// Not a final HTTP status.
    #[error("status {status} is not a final HTTP status (200 to 599)")]
    Status {
        /// The status asked for.
        status: u16,
    },
    /// A header that cannot be sent, or that the receiver writes itself.
    #[error("header {name:?} cannot be set")]
    Header {
        /// Its name.
        name: String,
    },
    /// An outage that would last for ever.
    #[error("outage {outage}: everyMs {every_ms} must be more than forMs {for_ms}")]
    OutageNeverEnds {
        /// Which outage, counted from 1.
        outage: usize,
        /// Its length.
        for_ms: u64,
        /// Its period.
        every_ms: u64,
    },
}
