//! From the `tls` of a destination to what TLS needs.

use std::sync::Arc;

use outbox_core::clock::{Clock, SystemClock};
use outbox_core::config::Destination;
use outbox_core::error::{OutboxError, code};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion, WantsVerifier, version};
use rustls_platform_verifier::Verifier as PlatformVerifier;

use crate::certificate::{Expiry, Pin, expires_at};
use crate::verifier::Verifier;

const FROM_1_2: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const FROM_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// The certificates of `caFile`.
type Trusted = Vec<CertificateDer<'static>>;

/// Whom a connection is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The receiver of the messages.
    Receiver,
    /// The server that gives the tokens: another host, so pins and server name, which are the receiver's, mean nothing there.
    TokenServer,
}

/// Reads the files and puts them together. `alpn` names the protocol inside, where it has a name; `expiry` learns when
/// certificates expire. Every error names its key.
pub(crate) fn client(
    destination: &Destination,
    whom: Whom,
    alpn: Option<&[u8]>,
    expiry: Arc<Expiry>,
) -> Result<Arc<ClientConfig>, OutboxError> {
    let source = Source { destination, whom, expiry };
    // Named here rather than installed for the process: the process belongs to somebody else.
    let provider = Arc::new(ring::default_provider());
    let versions = if destination.tls.min_version.as_deref() == Some("1.3") { FROM_1_3 } else { FROM_1_2 };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|_| source.wrong("tls.minVersion", "cannot be had"))?;
    let builder = source.with_roots(builder, provider)?;
    let mut config = source.with_identity(builder)?;
    config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    Ok(Arc::new(config))
}

/// The name that a certificate must be for, where it is not that of the address.
pub(crate) fn server_name(destination: &Destination) -> Result<Option<ServerName<'static>>, OutboxError> {
    let Some(name) = &destination.tls.server_name else { return Ok(None) };
    let wrong = || {
        let name = &destination.name;
        OutboxError::new(
            code::ERR_CONFIG,
            format!("`destinations.{name}.tls.serverName` is no host name or IP address"),
        )
    };
    ServerName::try_from(name.clone()).map(Some).map_err(|_| wrong())
}

struct Source<'a> {
    destination: &'a Destination,
    whom: Whom,
    expiry: Arc<Expiry>,
}

impl Source<'_> {
    fn wrong(&self, key: &str, what: &str) -> OutboxError {
        OutboxError::new(code::ERR_CONFIG, format!("`destinations.{}.{key}` {what}", self.destination.name))
    }

    fn read(&self, key: &str, path: &str) -> Result<Vec<u8>, OutboxError> {
        let unreadable =
            |error: std::io::Error| self.wrong(key, &format!("names a file that cannot be read: {}", error.kind()));
        std::fs::read(path).map_err(unreadable)
    }

    fn certificates(&self, key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, OutboxError> {
        let pem = self.read(key, path)?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let all = all.map_err(|_| self.wrong(key, "names a file that is no readable PEM"))?;
        if all.is_empty() { Err(self.wrong(key, "names a file without a PEM certificate")) } else { Ok(all) }
    }

    /// Whom to trust: the configured authorities only, or those that the system trusts.
    fn with_roots(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
        provider: Arc<CryptoProvider>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, OutboxError> {
        let (usual, trusted) = self.usual(provider)?;
        let (pins, expiry) = match self.whom {
            Whom::Receiver => (self.pins()?, Arc::clone(&self.expiry)),
            Whom::TokenServer => (Vec::new(), Arc::default()),
        };
        let verifier = Verifier { usual, trusted, pins, expiry };
        // It only adds to the usual checks, but for a certificate that is itself configured.
        Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
    }

    fn pins(&self) -> Result<Vec<Pin>, OutboxError> {
        let pins = self.destination.tls.pins.iter().flatten().map(|text| Pin::parse(text));
        pins.collect::<Option<_>>().ok_or_else(|| {
            self.wrong("tls.pins", "must be \"sha256/\" and the base64 of 32 bytes, the SHA-256 of a public key")
        })
    }

    fn usual(&self, provider: Arc<CryptoProvider>) -> Result<(Arc<dyn ServerCertVerifier>, Trusted), OutboxError> {
        let Some(path) = &self.destination.tls.ca_file else {
            let verifier = PlatformVerifier::new(provider).map_err(|_| {
                self.wrong("tls.caFile", "is not set, and this system has no usable certificate authorities of its own")
            })?;
            return Ok((Arc::new(verifier), Vec::new()));
        };
        let mut roots = RootCertStore::empty();
        let trusted = self.certificates("tls.caFile", path)?;
        for certificate in &trusted {
            roots
                .add(certificate.clone())
                .map_err(|_| self.wrong("tls.caFile", "names a file with an unusable certificate"))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| self.wrong("tls.caFile", "names a file with unusable certificates"))?;
        Ok((verifier, trusted))
    }

    /// A client certificate that has expired would be refused at every handshake, and only by day and by the receiver.
    fn check_age(&self, chain: &[CertificateDer<'_>]) -> Result<(), OutboxError> {
        let Some(at) = chain.first().and_then(|leaf| expires_at(leaf)) else {
            return Err(self.wrong("tls.certFile", "names a file with an unusable certificate"));
        };
        if at <= SystemClock.now() {
            return Err(self.wrong("tls.certFile", &format!("names a certificate that expired at {}", at.to_iso())));
        }
        self.expiry.set_client(at);
        Ok(())
    }

    fn with_identity(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, OutboxError> {
        let tls = &self.destination.tls;
        let (Some(certificate), Some(key)) = (&tls.cert_file, &tls.key_file) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = self.certificates("tls.certFile", certificate)?;
        self.check_age(&chain)?;
        let key = PrivateKeyDer::from_pem_slice(&self.read("tls.keyFile", key)?)
            .map_err(|_| self.wrong("tls.keyFile", "names a file without an unencrypted PEM private key"))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => {
                self.wrong("tls.certFile", "names a file with an unusable certificate")
            }
            rustls::Error::InconsistentKeys(_) => {
                self.wrong("tls.keyFile", "names a key that does not belong to the certificate in `certFile`")
            }
            _ => self.wrong("tls.keyFile", "names a file with an unusable key"),
        })
    }
}
