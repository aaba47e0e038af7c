//! HTTPS and MLLPS, with and without client certificates. The certificates are made here and mean nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use outbox_receiver::{Receiver, ReceiverConfig, ReceiverError, TlsConfig};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::{Client, msa};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and a certificate and key for either side.
struct Papers {
    authority: String,
    server: (String, String),
    client: (String, String),
}

fn papers() -> Papers {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str, purpose| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
    };
    Papers {
        server: issue("localhost", ExtendedKeyUsagePurpose::ServerAuth),
        client: issue("clinic.invalid", ExtendedKeyUsagePurpose::ClientAuth),
        authority: authority.pem(),
    }
}

async fn start(papers: &Papers, client_ca: bool) -> Receiver {
    let (cert, key) = papers.server.clone();
    let tls = TlsConfig { cert, key, client_ca: client_ca.then(|| papers.authority.clone()) };
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = ReceiverConfig { tls: Some(tls), mllp: Some(loopback), ..ReceiverConfig::default() };
    Receiver::start(config).await.unwrap()
}

async fn connect(
    addr: SocketAddr,
    papers: &Papers,
    with_client: bool,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(papers.authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = if with_client {
        let (cert, key) = &papers.client;
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    Ok(Client { stream, buffer: Vec::new() })
}

#[tokio::test]
async fn both_transports_speak_tls() {
    let papers = papers();
    let receiver = start(&papers, false).await;
    let mut https = connect(receiver.http_addr().unwrap(), &papers, false).await.unwrap();
    assert_eq!(msa(&https.deliver("CTL-1").await.text()), ("AA", "CTL-1"));
    assert_eq!(https.get("/received/1/body").await.status, 200);
    let mut mllps = connect(receiver.mllp_addr().unwrap(), &papers, false).await.unwrap();
    assert_eq!(msa(&mllps.exchange("CTL-2").await), ("AA", "CTL-2"));
    // Somebody who does not speak TLS gets nowhere and disturbs nobody.
    let mut plain = Client::http(&receiver).await;
    plain.post("CTL-3", "").await;
    assert!(!plain.until_end().await.0.starts_with(b"HTTP"));
    assert_eq!(receiver.total(), 2);
}

#[tokio::test]
async fn a_client_must_show_its_certificate_where_one_is_asked_for() {
    let papers = papers();
    let receiver = start(&papers, true).await;
    let mut known = connect(receiver.mllp_addr().unwrap(), &papers, true).await.unwrap();
    assert_eq!(msa(&known.exchange("CTL-1").await), ("AA", "CTL-1"));
    // In TLS 1.3 the client learns of the refusal with its first read.
    if let Ok(mut stranger) = connect(receiver.mllp_addr().unwrap(), &papers, false).await {
        assert!(stranger.until_end().await.1.is_err());
    }
}

#[tokio::test]
async fn unusable_papers_are_refused_by_name() {
    let (cert, key) = papers().server;
    let unusable = [
        (TlsConfig { cert: "nothing".into(), key: key.clone(), client_ca: None }, "`tls.cert` holds no certificate"),
        (
            TlsConfig { cert: cert.clone(), key: "nothing".into(), client_ca: None },
            "`tls.key` holds no usable PEM section",
        ),
        (TlsConfig { cert, key, client_ca: Some(String::new()) }, "`tls.clientCa` holds no certificate"),
    ];
    for (tls, expected) in unusable {
        assert!(!format!("{tls:?}").contains("PRIVATE"));
        let config = ReceiverConfig { tls: Some(tls), ..ReceiverConfig::default() };
        match Receiver::start(config).await.unwrap_err() {
            ReceiverError::Tls(error) => assert_eq!(error.to_string(), expected),
            other => panic!("{other}"),
        }
    }
}
