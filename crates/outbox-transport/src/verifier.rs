//! Looks at the receiver's certificate beside the usual checks: is its key pinned, and when does it expire.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};

use crate::certificate::{Expiry, Pin, expires_at, validity};

/// The chain is valid, and the key is none of those that were configured.
#[derive(Debug)]
pub(crate) struct NotPinned;

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate's key is not pinned")
    }
}

impl Error for NotPinned {}

/// The usual checks, done by `usual`, and ours.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) usual: Arc<dyn ServerCertVerifier>,
    /// What the configuration trusts.
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    /// One of these keys; none, any key.
    pub(crate) pins: Vec<Pin>,
    /// Where the end of validity is noted.
    pub(crate) expiry: Arc<Expiry>,
}

impl Verifier {
    /// A certificate that is itself configured as trusted. Receivers with one self-signed certificate are common, and tools
    /// mark such a one as an authority, which the usual checks do not let speak for a server. Whoever configured exactly
    /// these bytes meant this server; its name and its age count all the same.
    fn verify_trusted(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
        usual: rustls::Error,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.trusted.iter().any(|trusted| trusted.as_ref() == leaf.as_ref()) {
            return Err(usual);
        }
        let Some((begin, end)) = validity(leaf) else { return Err(usual) };
        let now_ms = i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000);
        if now_ms > end.0 {
            return Err(CertificateError::Expired.into());
        }
        if now_ms < begin.0 {
            return Err(CertificateError::NotValidYet.into());
        }
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    /// Only of a certificate that is to be trusted, or was until it expired: whoever stands in between may show any.
    fn note(&self, leaf: &CertificateDer<'_>) {
        if let Some(at) = expires_at(leaf) {
            self.expiry.set_server(at);
        }
    }

    /// A moment at which a certificate that has expired was still valid.
    fn before_its_end(leaf: &CertificateDer<'_>) -> Option<UnixTime> {
        let seconds = u64::try_from(expires_at(leaf)?.0).ok()? / 1_000;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds.checked_sub(1)?)))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |now| {
            let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
            usual.or_else(|error| self.verify_trusted(end_entity, server_name, now, error))
        };
        let verified = verify(now).inspect_err(|error| {
            if is_expired(error) && Self::before_its_end(end_entity).is_some_and(|then| verify(then).is_ok()) {
                self.note(end_entity);
            }
        })?;
        let is_pinned = || Pin::of(end_entity).is_some_and(|pin| self.pins.contains(&pin));
        if !self.pins.is_empty() && !is_pinned() {
            return Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into());
        }
        self.note(end_entity);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.usual.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.usual.root_hint_subjects()
    }
}

/// Whether a certificate was refused for its age.
pub(crate) fn is_expired(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
    )
}
