//! Through a proxy, only when one is configured, and never with a word of the message to it where TLS seals it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use outbox_core::acknowledgement::Seen;
use outbox_receiver::{Receiver, ReceiverConfig, TlsConfig};
use serde_json::{Value, json};
use support::papers::Papers;
use support::peer::{Peer, read_head, write};
use support::scripted::{ScriptedPeer, Step, Wire, say};
use support::way;
use tokio::net::{TcpSocket, TcpStream};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A proxy that connects everybody, and the heads of the requests that it got.
async fn proxy() -> (Peer, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let list = Arc::clone(&heads);
    let peer = Peer::start(move |_, mut stream| {
        let list = Arc::clone(&list);
        async move {
            let (head, rest) = read_head(&mut stream).await;
            assert!(rest.is_empty(), "nothing is said to the receiver before the proxy has answered");
            let target = head.split(' ').nth(1).unwrap().to_owned();
            list.lock().unwrap().push(head);
            let mut there = TcpStream::connect(target).await.unwrap();
            write(&mut stream, b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n").await;
            // Either side may end it in any way.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
        }
    })
    .await;
    (peer, heads)
}

async fn sealed_receiver(papers: &Papers) -> Receiver {
    let paper = papers.server("localhost");
    let tls = TlsConfig { cert: paper.cert, key: paper.key, client_ca: None };
    Receiver::start(ReceiverConfig { tls: Some(tls), mllp: Some(LOOPBACK), ..ReceiverConfig::default() }).await.unwrap()
}

#[tokio::test]
async fn https_and_mllps_go_through_it_sealed_and_plain_mllp_too() {
    let papers = Papers::new();
    let sealed = sealed_receiver(&papers).await;
    let config = ReceiverConfig { mllp: Some(LOOPBACK), ..ReceiverConfig::default() };
    let plain = Receiver::start(config).await.unwrap();
    let (proxy, heads) = proxy().await;
    let port = |addr: Option<SocketAddr>| addr.unwrap().port();
    let targets = [
        (format!("https://localhost:{}/receive", port(sealed.http_addr())), port(sealed.http_addr())),
        (format!("mllps://localhost:{}", port(sealed.mllp_addr())), port(sealed.mllp_addr())),
        (format!("mllp://localhost:{}", port(plain.mllp_addr())), port(plain.mllp_addr())),
    ];
    for (index, (url, port)) in targets.iter().enumerate() {
        let auth = json!({ "basic": { "user": "clinic", "password": "a-secret" } });
        let through = json!({ "url": format!("http://{}", proxy.addr), "auth": auth });
        let way = way(json!({ "url": url, "tls": papers.trusted(), "proxy": through }));
        for number in 0..2 {
            let handed = way.send(&format!("CTL-{number}")).await;
            assert!(handed.verdict.acknowledged, "{url}: {handed:?}");
        }
        let heads = heads.lock().unwrap();
        assert_eq!(heads.len(), index + 1, "one connection, kept");
        let head = format!(
            "CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\nProxy-Authorization: Basic Y2xpbmljOmEtc2VjcmV0\r\n\r\n"
        );
        assert_eq!(heads[index], head);
    }
}

async fn answering(answer: &[u8]) -> (Seen, String) {
    let mut steps = vec![Step::ReadSome(60)];
    steps.extend(answer.chunks(7).map(say));
    let proxy = ScriptedPeer::start(Wire::Http, vec![[steps, vec![Step::HalfClose]].concat()]).await;
    let auth = json!({ "bearer": "a-secret" });
    let through = json!({ "url": format!("http://{}", proxy.addr), "auth": auth });
    let handed = way(json!({ "url": "mllps://receiver.invalid:2575", "proxy": through })).send("CTL-1").await;
    assert_eq!(handed.bytes_sent, 0);
    let shown = format!("{handed:?}");
    assert!(!shown.contains("secret"), "{shown}");
    (handed.seen.clone(), handed.outcome().to_owned())
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_fault_of_the_set_up() {
    for (answer, fault) in [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n".as_slice(),
            "proxy-credentials-refused",
        ),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "proxy-refused"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://login.example/\r\n\r\n", "proxy-refused"),
        (b"SSH-2.0-OpenSSH\r\n", "proxy-answer-not-http"),
    ] {
        assert_eq!(answering(answer).await, (Seen::ProxyRefused { fault }, "misconfigured".to_owned()));
    }
    let endless = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"X-Filling: none\r\n".repeat(2_000)].concat();
    let (seen, _) = answering(&endless).await;
    assert_eq!(seen, Seen::ProxyRefused { fault: "proxy-answer-not-http" });
}

#[tokio::test]
async fn a_proxy_that_cannot_connect_or_is_gone_is_unreachable() {
    for (answer, fault) in [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n".as_slice(), "proxy-cannot-connect"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "proxy-cannot-connect"),
        (b"HTTP/1.1 200 OK\r\n", "proxy-lost"),
        (b"", "proxy-lost"),
    ] {
        assert_eq!(answering(answer).await, (Seen::NotDelivered { fault }, "unreachable".to_owned()));
    }
    // Bound but not listening: nobody else can take the port while the test runs.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(LOOPBACK).unwrap();
    let through: Value = json!({ "url": format!("http://{}", socket.local_addr().unwrap()) });
    let handed = way(json!({ "url": "https://receiver.invalid/", "proxy": through })).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "proxy-unreachable" });
}
