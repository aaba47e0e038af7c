//! TLS: who is trusted, who is not, and what a refusal counts as.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::sync::Arc;

use outbox_core::acknowledgement::Seen;
use outbox_receiver::{Receiver, ReceiverConfig, TlsConfig};
use rcgen::generate_simple_self_signed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use serde_json::{Value, json};
use support::papers::{Paper, Papers};
use support::peer::{Peer, ack, read_request, response};
use support::{Handed, Way, answering, large_message, way};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

async fn serving(paper: &Paper, client_ca: Option<String>) -> Receiver {
    let tls = TlsConfig { cert: paper.cert.clone(), key: paper.key.clone(), client_ca };
    Receiver::start(ReceiverConfig { tls: Some(tls), ..ReceiverConfig::default() }).await.unwrap()
}

fn way_by(host: &str, port: u16, tls: &Value) -> Way {
    way(json!({ "url": format!("https://{host}:{port}/receive"), "tls": tls, "timeouts": { "totalMs": 10_000 } }))
}

fn way_with(receiver: &Receiver, tls: &Value) -> Way {
    way_by("localhost", receiver.http_addr().unwrap().port(), tls)
}

fn assert_refused(handed: &Handed, fault: &'static str) {
    assert_eq!(handed.seen, Seen::CertificateRefused { fault });
    assert_eq!(handed.outcome(), "misconfigured");
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused() {
    let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let receiver =
        serving(&Paper { cert: own.cert.pem(), key: own.signing_key.serialize_pem(), pin: String::new() }, None).await;
    let handed = way_with(&receiver, &json!({})).send("CTL-1").await;
    assert_refused(&handed, "server-certificate-refused");
    assert_eq!(handed.bytes_sent, 0);
    assert_refused(&way_with(&receiver, &Papers::new().trusted()).send("CTL-1").await, "server-certificate-refused");
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn a_certificate_of_the_configured_authority_is_accepted_and_the_connection_kept() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("localhost"), None).await;
    let way = way_with(&receiver, &papers.trusted());
    for number in 0..5 {
        assert!(way.send(&format!("CTL-{number}")).await.verdict.acknowledged);
    }
    let message = large_message("CTL-5", 5 << 20);
    assert!(way.hand("CTL-5", message.clone()).await.verdict.acknowledged);
    assert_eq!(receiver.received_body(6).unwrap(), message);
    assert!(receiver.received().iter().all(|received| received.connection == 1));
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("elsewhere.invalid"), None).await;
    assert_refused(&way_with(&receiver, &papers.trusted()).send("CTL-1").await, "server-certificate-refused");
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let papers = Papers::new();
    let receiver = serving(&papers.expired("localhost"), None).await;
    assert_refused(&way_with(&receiver, &papers.trusted()).send("CTL-1").await, "server-certificate-expired");
}

#[tokio::test]
async fn without_the_client_certificate_that_is_asked_for_the_receiver_refuses() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("localhost"), Some(papers.authority())).await;
    let way = way_with(&receiver, &papers.trusted());
    for number in 0..30 {
        // In TLS 1.3 the refusal comes when the message may be on its way already; the larger, the more of it.
        let id = format!("CTL-{number}");
        let handed = way.hand(&id, large_message(&id, 1 << number.min(22))).await;
        assert_refused(&handed, "client-certificate-refused");
    }
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn with_its_client_certificate_the_sender_is_let_in() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("localhost"), Some(papers.authority())).await;
    let tls = papers.trusted_with(&papers.client());
    assert!(way_with(&receiver, &tls).send("CTL-1").await.verdict.acknowledged);
}

#[tokio::test]
async fn a_client_certificate_of_an_unknown_authority_is_refused() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("localhost"), Some(papers.authority())).await;
    let tls = papers.trusted_with(&Papers::new().client());
    assert_refused(&way_with(&receiver, &tls).send("CTL-1").await, "client-certificate-refused");
    assert_eq!(receiver.total(), 0);
}

/// A server that speaks one version of TLS and accepts one message a connection.
async fn speaking(version: &'static SupportedProtocolVersion, paper: &Paper, client_ca: Option<String>) -> Peer {
    let chain = vec![CertificateDer::from_pem_slice(paper.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(paper.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[version]).unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let request = read_request(&mut stream).await;
            let id = request.header("x-message-control-id").unwrap();
            let answer = response("200 OK", "Connection: close\r\n", ack(id).as_bytes());
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn versions_that_cannot_meet_are_a_fault_of_the_set_up() {
    let papers = Papers::new();
    let server = papers.server("localhost");
    let old = speaking(&version::TLS12, &server, None).await;
    let mut tls = papers.trusted();
    assert!(way_by("localhost", old.addr.port(), &tls).send("CTL-1").await.verdict.acknowledged);
    tls["minVersion"] = json!("1.3");
    let handed = way_by("localhost", old.addr.port(), &tls).send("CTL-2").await;
    assert_refused(&handed, "tls-version");
    assert_eq!(handed.bytes_sent, 0);
    let url = format!("mllps://localhost:{}", old.addr.port());
    assert_refused(&way(json!({ "url": url, "tls": tls })).send("CTL-2").await, "tls-version");
    let new = speaking(&version::TLS13, &server, None).await;
    assert!(way_by("localhost", new.addr.port(), &tls).send("CTL-3").await.verdict.acknowledged);
}

#[tokio::test]
async fn an_old_version_refuses_a_missing_client_certificate_in_the_handshake() {
    let papers = Papers::new();
    let old = speaking(&version::TLS12, &papers.server("localhost"), Some(papers.authority())).await;
    let handed = way_by("localhost", old.addr.port(), &papers.trusted()).send("CTL-1").await;
    assert!(matches!(handed.seen, Seen::CertificateRefused { .. }), "{handed:?}");
    assert_eq!((handed.outcome(), handed.bytes_sent), ("misconfigured", 0));
    let tls = papers.trusted_with(&papers.client());
    assert!(way_by("localhost", old.addr.port(), &tls).send("CTL-2").await.verdict.acknowledged);
}

#[tokio::test]
async fn https_to_a_port_that_speaks_http_is_not_delivered() {
    let receiver = answering(json!("aa")).await;
    let handed = way_with(&receiver, &json!({})).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "tls-handshake" });
    assert_eq!((handed.outcome(), handed.bytes_sent), ("unreachable", 0));
}

#[tokio::test]
async fn http_to_a_port_that_speaks_https_is_never_accepted() {
    let receiver = serving(&Papers::new().server("localhost"), None).await;
    let url = format!("http://{}/receive", receiver.http_addr().unwrap());
    let handed = way(json!({ "url": url, "timeouts": { "totalMs": 5_000 } })).send("CTL-1").await;
    // The other side sees no handshake, and the sender sees an alert where it expects an answer; the message has left all
    // the same, and what the sender knows is no more than with any other garbage.
    assert!(matches!(handed.seen, Seen::NoAnswer { .. }), "{handed:?}");
    assert_eq!(handed.outcome(), "indeterminate");
    assert_eq!(receiver.total(), 0);
}
