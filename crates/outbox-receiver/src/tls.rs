//! From PEM text to something that shakes hands.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;
use crate::error::TlsError;

/// The acceptor for one transport; `alpn` names its protocol, where it has a name.
pub(crate) fn acceptor(config: &TlsConfig, alpn: Option<&[u8]>) -> Result<TlsAcceptor, TlsError> {
    // Named here rather than installed for the process: the process belongs to somebody else.
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => builder.with_client_cert_verifier(client_verifier(pem, provider)?),
    };
    let key =
        PrivateKeyDer::from_pem_slice(config.key.as_bytes()).map_err(|source| TlsError::Pem { part: "key", source })?;
    let mut server = builder.with_single_cert(certificates("cert", &config.cert)?, key)?;
    server.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    Ok(TlsAcceptor::from(Arc::new(server)))
}

fn client_verifier(
    pem: &str,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("clientCa", pem)? {
        roots.add(certificate)?;
    }
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

fn certificates(part: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|source| TlsError::Pem { part, source })?;
    if all.is_empty() { Err(TlsError::NoCertificate { part }) } else { Ok(all) }
}
