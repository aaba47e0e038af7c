//! Pins, names, client certificates and their ends, over both transports.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use outbox_core::acknowledgement::Seen;
use outbox_core::clock::Timestamp;
use outbox_receiver::{Receiver, ReceiverConfig, TlsConfig};
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use support::papers::{Paper, Papers};
use support::{Handed, Way, large_message, way};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn serving(paper: &Paper, client_ca: Option<String>) -> Receiver {
    let tls = TlsConfig { cert: paper.cert.clone(), key: paper.key.clone(), client_ca };
    Receiver::start(ReceiverConfig { tls: Some(tls), mllp: Some(LOOPBACK), ..ReceiverConfig::default() }).await.unwrap()
}

/// The ways to a receiver, by HTTPS and by MLLP over TLS.
fn ways(receiver: &Receiver, tls: &Value) -> [Way; 2] {
    let timeouts = json!({ "totalMs": 10_000 });
    let (http, mllp) = (receiver.http_addr().unwrap().port(), receiver.mllp_addr().unwrap().port());
    [format!("https://localhost:{http}/receive"), format!("mllps://localhost:{mllp}")]
        .map(|url| way(json!({ "url": url, "tls": tls, "timeouts": timeouts })))
}

fn with(mut tls: Value, key: &str, value: Value) -> Value {
    tls[key] = value;
    tls
}

fn assert_refused(handed: &Handed, fault: &'static str) {
    assert_eq!(handed.seen, Seen::CertificateRefused { fault });
    assert_eq!((handed.outcome(), handed.verdict.row.as_str()), ("misconfigured", "certificate-refused"));
}

#[tokio::test]
async fn a_pinned_key_is_let_through_and_any_other_refused_although_its_chain_is_valid() {
    let papers = Papers::new();
    let (paper, other) = (papers.server("localhost"), papers.server("localhost"));
    let receiver = serving(&paper, None).await;
    for pins in [json!([paper.pin]), json!([other.pin, paper.pin])] {
        for way in ways(&receiver, &with(papers.trusted(), "pins", pins)) {
            assert!(way.send("CTL-1").await.verdict.acknowledged);
        }
    }
    let before = receiver.total();
    for way in ways(&receiver, &with(papers.trusted(), "pins", json!([other.pin]))) {
        let handed = way.send("CTL-2").await;
        assert_refused(&handed, "server-key-not-pinned");
        assert_eq!(handed.bytes_sent, 0);
    }
    assert_eq!(receiver.total(), before);
}

#[tokio::test]
async fn a_pin_does_not_stand_for_a_valid_chain() {
    let paper = Papers::new().server("localhost");
    let receiver = serving(&paper, None).await;
    for way in ways(&receiver, &with(Papers::new().trusted(), "pins", json!([paper.pin]))) {
        assert_refused(&way.send("CTL-1").await, "server-certificate-refused");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_itself_configured_is_trusted_for_its_name_and_its_time() {
    let papers = Papers::new();
    let trusting = |paper: &Paper| json!({ "caFile": papers.file("own.pem", &paper.cert) });
    let own = Papers::own("localhost", (2090, 1, 1));
    let receiver = serving(&own, None).await;
    for way in ways(&receiver, &trusting(&own)) {
        assert!(way.send("CTL-1").await.verdict.acknowledged);
        assert_eq!(way.transport.certificate_expires_at(), Timestamp::from_iso("2090-01-01T00:00:00Z"));
    }
    let same_name = Papers::own("localhost", (2090, 1, 1));
    for way in ways(&receiver, &trusting(&same_name)) {
        assert_refused(&way.send("CTL-1").await, "server-certificate-refused");
    }
    for (paper, fault) in [
        (Papers::own("elsewhere.invalid", (2090, 1, 1)), "server-certificate-refused"),
        (Papers::own("localhost", (2021, 1, 1)), "server-certificate-expired"),
    ] {
        let receiver = serving(&paper, None).await;
        for way in ways(&receiver, &trusting(&paper)) {
            assert_refused(&way.send("CTL-1").await, fault);
        }
    }
}

#[tokio::test]
async fn the_certificate_must_be_for_the_configured_server_name_instead_of_the_host() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("hl7.receiver.invalid"), None).await;
    for way in ways(&receiver, &papers.trusted()) {
        assert_refused(&way.send("CTL-1").await, "server-certificate-refused");
    }
    for way in ways(&receiver, &with(papers.trusted(), "serverName", json!("hl7.receiver.invalid"))) {
        assert!(way.send("CTL-1").await.verdict.acknowledged);
    }
}

#[tokio::test]
async fn the_ends_of_both_certificates_are_reported_the_earlier_first() {
    let papers = Papers::new();
    let until = |name, purpose, date| papers.until(name, purpose, date);
    let server = until("localhost", ExtendedKeyUsagePurpose::ServerAuth, (2090, 1, 2));
    let receiver = serving(&server, Some(papers.authority())).await;
    let end = |text| Timestamp::from_iso(text);
    for (date, expected) in [((2080, 3, 4), "2080-03-04T00:00:00Z"), ((2100, 1, 1), "2090-01-02T00:00:00Z")] {
        let client = until("clinic.invalid", ExtendedKeyUsagePurpose::ClientAuth, date);
        for way in ways(&receiver, &papers.trusted_with(&client)) {
            let own = Timestamp::from_iso(&format!("{}-{:02}-{:02}T00:00:00Z", date.0, date.1, date.2));
            assert_eq!(way.transport.certificate_expires_at(), own, "before the first handshake only ours is known");
            assert!(way.send("CTL-1").await.verdict.acknowledged);
            assert_eq!(way.transport.certificate_expires_at(), end(expected));
        }
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_its_end_reported() {
    let papers = Papers::new();
    let receiver = serving(&papers.expired("localhost"), None).await;
    for way in ways(&receiver, &papers.trusted()) {
        assert_eq!(way.transport.certificate_expires_at(), None);
        assert_refused(&way.send("CTL-1").await, "server-certificate-expired");
        assert_eq!(way.transport.certificate_expires_at(), Timestamp::from_iso("2021-01-01T00:00:00Z"));
    }
    // The end of a stranger's certificate is no news.
    for way in ways(&receiver, &Papers::new().trusted()) {
        assert_eq!(way.send("CTL-1").await.outcome(), "misconfigured");
        assert_eq!(way.transport.certificate_expires_at(), None);
    }
}

#[tokio::test]
async fn a_missing_or_foreign_client_certificate_is_refused_and_the_right_one_let_in() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("localhost"), Some(papers.authority())).await;
    let [_, without] = ways(&receiver, &papers.trusted());
    for number in 0..20 {
        // In TLS 1.3 the refusal comes when the message may be on its way already; the larger, the more of it.
        let id = format!("CTL-{number}");
        assert_refused(&without.hand(&id, large_message(&id, 1 << number)).await, "client-certificate-refused");
    }
    let foreign = Papers::new().client();
    let [_, stranger] = ways(&receiver, &papers.trusted_with(&foreign));
    assert_refused(&stranger.send("CTL-1").await, "client-certificate-refused");
    assert_eq!(receiver.total(), 0);
    for way in ways(&receiver, &papers.trusted_with(&papers.client())) {
        assert!(way.send("CTL-1").await.verdict.acknowledged);
    }
}

#[tokio::test]
async fn a_large_message_goes_whole_over_mllp_with_tls_and_the_connection_is_kept() {
    let papers = Papers::new();
    let receiver = serving(&papers.server("localhost"), None).await;
    let [_, way] = ways(&receiver, &papers.trusted());
    for number in 1..=3 {
        let id = format!("CTL-{number}");
        let message = large_message(&id, 3 << 20);
        let handed = way.hand(&id, message.clone()).await;
        assert!(handed.verdict.acknowledged);
        assert_eq!(handed.bytes_sent, message.len() as u64);
        assert_eq!(receiver.received_body(number).unwrap(), message);
    }
    assert!(receiver.received().iter().all(|received| received.connection == 1));
}

#[tokio::test]
async fn tls_to_a_port_that_speaks_plain_mllp_is_not_delivered() {
    let config = ReceiverConfig { mllp: Some(LOOPBACK), ..ReceiverConfig::default() };
    let receiver = Receiver::start(config).await.unwrap();
    let url = format!("mllps://localhost:{}", receiver.mllp_addr().unwrap().port());
    let handed = way(json!({ "url": url, "timeouts": { "connectMs": 300 } })).send("CTL-1").await;
    assert!(matches!(handed.seen, Seen::NotDelivered { .. }), "{handed:?}");
    assert_eq!(receiver.total(), 0);
}
