//! Whether a destination can be reached, found out without a message.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use outbox_core::clock::Timestamp;
use outbox_receiver::{Receiver, ReceiverConfig, TlsConfig};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use support::papers::{Paper, Papers};
use support::{destination, soon};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LIMIT: Duration = Duration::from_secs(10);

async fn serving(paper: &Paper, client_ca: Option<String>) -> Receiver {
    let tls = TlsConfig { cert: paper.cert.clone(), key: paper.key.clone(), client_ca };
    let config =
        ReceiverConfig { http: Some(LOOPBACK), mllp: Some(LOOPBACK), tls: Some(tls), ..ReceiverConfig::default() };
    Receiver::start(config).await.unwrap()
}

fn urls(receiver: &Receiver) -> [String; 2] {
    let (http, mllp) = (receiver.http_addr().unwrap().port(), receiver.mllp_addr().unwrap().port());
    [format!("https://localhost:{http}/receive"), format!("mllps://localhost:{mllp}")]
}

/// The fault of each address that was tried.
async fn faults(rest: Value) -> Vec<Option<&'static str>> {
    let probe = outbox_transport::probe(&destination(rest)).unwrap();
    soon(probe.run(LIMIT)).await.into_iter().map(|way| way.fault).collect()
}

#[tokio::test]
async fn a_receiver_is_reached_and_gets_no_message() {
    let (papers, strangers) = (Papers::new(), Papers::new());
    let end = (2090, 1, 1);
    let receiver = serving(&papers.until("localhost", ExtendedKeyUsagePurpose::ServerAuth, end), None).await;
    for url in urls(&receiver) {
        let probe = outbox_transport::probe(&destination(json!({ "url": url, "tls": papers.trusted() }))).unwrap();
        let ways = soon(probe.run(LIMIT)).await;
        assert_eq!((ways.len(), ways[0].fault, ways[0].whom), (1, None, "receiver"));
        assert_eq!(ways[0].certificate_expires_at, Timestamp::from_iso("2090-01-01T00:00:00Z"));
        assert_eq!(probe.client_certificate_expires_at(), None);
        assert_eq!(
            faults(json!({ "url": url, "tls": strangers.trusted() })).await,
            [Some("server-certificate-refused")]
        );
    }
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn a_client_certificate_that_is_refused_is_seen_although_the_handshake_is_through() {
    let (papers, strangers) = (Papers::new(), Papers::new());
    let receiver = serving(&papers.server("localhost"), Some(papers.authority())).await;
    for url in urls(&receiver) {
        let with = |tls: Value| json!({ "url": url, "tls": tls });
        assert_eq!(faults(with(papers.trusted_with(&papers.client()))).await, [None]);
        assert_eq!(faults(with(papers.trusted_with(&strangers.client()))).await, [Some("client-certificate-refused")]);
        assert_eq!(faults(with(papers.trusted())).await, [Some("client-certificate-refused")]);
    }
    let client = papers.until("clinic.invalid", ExtendedKeyUsagePurpose::ClientAuth, (2091, 1, 1));
    let tls = papers.trusted_with(&client);
    let probe = outbox_transport::probe(&destination(json!({ "url": "https://localhost/", "tls": tls }))).unwrap();
    assert_eq!(probe.client_certificate_expires_at(), Timestamp::from_iso("2091-01-01T00:00:00Z"));
}

#[tokio::test]
async fn who_does_not_answer_costs_no_more_than_the_limit_and_a_token_server_is_tried_too() {
    let silent = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let began = Instant::now();
    // Takes the connection, and never says a word of TLS.
    let oauth2 = json!({ "tokenUrl": "http://127.0.0.1:9/", "clientId": "c", "clientSecret": "invented" });
    let rest = json!({ "url": format!("https://127.0.0.1:{port}/"), "auth": { "oauth2": oauth2 } });
    let probe = outbox_transport::probe(&destination(rest)).unwrap();
    let ways = soon(probe.run(Duration::from_millis(200))).await;
    let seen: Vec<_> = ways.iter().map(|way| (way.whom, way.address.clone(), way.fault)).collect();
    let expected = [
        ("receiver", format!("127.0.0.1:{port}"), Some("connect-timeout")),
        ("token-server", String::from("127.0.0.1:9"), Some("connect-refused")),
    ];
    assert_eq!(seen, expected);
    assert!(began.elapsed() < Duration::from_secs(5));
}
