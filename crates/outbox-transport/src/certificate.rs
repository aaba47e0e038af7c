//! What is read from certificates besides what TLS itself reads: when they expire, and which key they hold.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use outbox_core::clock::Timestamp;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Stands for "not known".
const UNKNOWN: i64 = i64::MAX;
const PIN_PREFIX: &str = "sha256/";

/// The beginning and the end of a certificate's validity; `None` when it cannot be read.
pub(crate) fn validity(der: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    let of = |seconds: i64| Timestamp(seconds.saturating_mul(1_000));
    Some((of(validity.not_before.timestamp()), of(validity.not_after.timestamp())))
}

/// The end alone.
pub(crate) fn expires_at(der: &[u8]) -> Option<Timestamp> {
    validity(der).map(|(_, end)| end)
}

/// When the certificates of one destination expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// Our client certificate.
    client: AtomicI64,
    /// The receiver's own, as last seen.
    server: AtomicI64,
}

impl Default for Expiry {
    fn default() -> Self {
        Self { client: AtomicI64::new(UNKNOWN), server: AtomicI64::new(UNKNOWN) }
    }
}

impl Expiry {
    pub(crate) fn set_client(&self, at: Timestamp) {
        self.client.store(at.0, Ordering::Release);
    }

    pub(crate) fn set_server(&self, at: Timestamp) {
        self.server.store(at.0, Ordering::Release);
    }

    /// Our client certificate's.
    pub(crate) fn client(&self) -> Option<Timestamp> {
        known(self.client.load(Ordering::Acquire))
    }

    /// The receiver's own.
    pub(crate) fn server(&self) -> Option<Timestamp> {
        known(self.server.load(Ordering::Acquire))
    }

    /// The first of the two.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        known(self.client.load(Ordering::Acquire).min(self.server.load(Ordering::Acquire)))
    }
}

fn known(at: i64) -> Option<Timestamp> {
    (at != UNKNOWN).then_some(Timestamp(at))
}

/// The SHA-256 of a public key, as `SubjectPublicKeyInfo` (RFC 7469, 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin([u8; SHA256_OUTPUT_LEN]);

impl Pin {
    /// Reads `sha256/BASE64`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.strip_prefix(PIN_PREFIX)?).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// That of a certificate's key.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        digest(&SHA256, certificate.tbs_certificate.subject_pki.raw).as_ref().try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_the_digest_of_exactly_32_bytes() {
        let good = format!("sha256/{}", BASE64_STANDARD.encode([7; 32]));
        assert_eq!(Pin::parse(&good), Some(Pin([7; 32])));
        for wrong in
            ["", "sha256/", "sha256/AAAA", "sha1/AAAA", &good[7..], &good.replace('=', ""), &good.replace("sha", "SHA")]
        {
            assert_eq!(Pin::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_earlier_expiry_counts() {
        let expiry = Expiry::default();
        assert_eq!(expiry.first(), None);
        expiry.set_server(Timestamp(2_000));
        assert_eq!(expiry.first(), Some(Timestamp(2_000)));
        expiry.set_client(Timestamp(1_000));
        assert_eq!(expiry.first(), Some(Timestamp(1_000)));
    }

    #[test]
    fn what_is_no_certificate_has_neither_end_nor_key() {
        for der in [b"".as_slice(), b"\x30\x03\x02\x01\x01", &[0x30; 64]] {
            assert_eq!((expires_at(der), Pin::of(der)), (None, None));
        }
    }
}
