//! What stands on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::sync::Mutex;

use serde_json::{Value, json};
use support::peer::{Peer, Request, ack, read_request, response, write};
use support::{answering, message, receiver, soon, way, way_to};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// Sends one message to a peer that accepts it, and answers what stood on the wire.
async fn on_the_wire(mut config: Value, control_id: &str, body: &[u8]) -> Request {
    let (tell, mut told) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let request = read_request(&mut stream).await;
            write(&mut stream, &response("200 OK", "", b"")).await;
            tell.send(request).unwrap();
        }
    })
    .await;
    config["url"] = json!(format!("http://{}/receive?from=clinic", peer.addr));
    let handed = way(config).hand(control_id, body).await;
    assert_eq!(handed.outcome(), "accepted");
    soon(told.recv()).await.unwrap()
}

#[tokio::test]
async fn the_exact_bytes_arrive_with_the_usual_headers() {
    // Bytes that are valid in no encoding: nobody on the way may interpret them.
    let body = [message("CTL-1").as_bytes(), b"NTE|1||\xC7\xE1\x00\xFF\n\r"].concat();
    let request = on_the_wire(json!({}), "CTL-1", &body).await;
    assert_eq!(request.body, body);
    assert!(request.head.starts_with("POST /receive?from=clinic HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/hl7-v2"));
    assert_eq!(request.header("x-message-control-id"), Some("CTL-1"));
    assert_eq!(request.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(request.header("accept"), Some("*/*"));
    assert!(request.header("host").unwrap().starts_with("127.0.0.1:"));
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("accept-encoding"), None);
    assert_eq!(request.header("expect"), None);
}

#[tokio::test]
async fn a_token_and_a_password_are_sent_as_configured() {
    let request = on_the_wire(json!({ "auth": { "bearer": "not-a-real-token" } }), "C", b"MSH").await;
    assert_eq!(request.header("authorization"), Some("Bearer not-a-real-token"));
    let basic = json!({ "auth": { "basic": { "user": "clinic", "password": "pässword:1" } } });
    let request = on_the_wire(basic, "C", b"MSH").await;
    assert_eq!(request.header("authorization"), Some("Basic Y2xpbmljOnDDpHNzd29yZDox"));
}

#[tokio::test]
async fn headers_are_overridden_removed_and_filled_with_the_control_id() {
    let headers = json!({ "headers": {
        "content-type": "x-application/hl7-v2+er7; charset=utf-8",
        "X-Message-Control-ID": "",
        "X-Trace": "clinic/{MSH-10}/{MSH-10}",
        "X-Facility": "MF0000",
    } });
    let request = on_the_wire(headers, "CTL-7", b"MSH").await;
    assert_eq!(request.header("content-type"), Some("x-application/hl7-v2+er7; charset=utf-8"));
    assert_eq!(request.header("x-message-control-id"), None);
    assert_eq!(request.header("x-trace"), Some("clinic/CTL-7/CTL-7"));
    assert_eq!(request.header("x-facility"), Some("MF0000"));
}

#[tokio::test]
async fn the_stand_in_receiver_acknowledges_what_it_got() {
    let receiver = receiver(json!({ "strict": true, "bearer": "not-a-real-token" })).await;
    let url = format!("http://{}/receive", receiver.http_addr().unwrap());
    let trusted = way(json!({ "url": url, "auth": { "bearer": "not-a-real-token" } }));
    let handed = trusted.send("CTL-1").await;
    assert!(handed.verdict.acknowledged, "{handed:?}");
    assert_eq!(handed.bytes_sent, message("CTL-1").len() as u64);
    assert_eq!(receiver.received_body(1).unwrap(), message("CTL-1"));
    let stranger = way(json!({ "url": url })).send("CTL-2").await;
    assert_eq!((stranger.http().0, stranger.outcome()), (401, "misconfigured"));
}

#[tokio::test]
async fn one_connection_carries_message_after_message() {
    let receiver = answering(json!("aa")).await;
    let way = way_to(receiver.http_addr().unwrap(), 10_000);
    for number in 0..20 {
        assert!(way.send(&format!("CTL-{number}")).await.verdict.acknowledged);
    }
    assert!(receiver.received().iter().all(|received| received.connection == 1));
}

#[tokio::test]
async fn messages_at_once_take_a_connection_each_and_these_are_kept() {
    let receiver = receiver(json!({ "behaviour": { "latency": 50 } })).await;
    let way = way_to(receiver.http_addr().unwrap(), 10_000);
    for _ in 0..3 {
        let all = tokio::join!(way.send("CTL-1"), way.send("CTL-2"), way.send("CTL-3"), way.send("CTL-4"));
        for handed in [all.0, all.1, all.2, all.3] {
            assert!(handed.verdict.acknowledged, "{handed:?}");
        }
    }
    assert_eq!(receiver.stats().connections, 4);
}

#[tokio::test]
async fn an_idle_connection_is_closed_politely_before_the_receiver_does_it() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let request = read_request(&mut stream).await;
            let id = request.header("x-message-control-id").unwrap();
            write(&mut stream, &response("200 OK", "", ack(id).as_bytes())).await;
            tell.send(stream.read(&mut [0]).await.map_err(|error| error.kind())).unwrap();
        }
    })
    .await;
    assert_eq!(way_to(peer.addr, 10_000).send("CTL-1").await.outcome(), "accepted");
    // The way is gone, and its connections with it.
    assert_eq!(soon(told.recv()).await.unwrap(), Ok(0));
    let way = way_to(peer.addr, 10_000);
    assert_eq!(way.send("CTL-2").await.outcome(), "accepted");
    let since = std::time::Instant::now();
    assert_eq!(soon(told.recv()).await.unwrap(), Ok(0));
    assert!(since.elapsed().as_millis() >= 2_000);
    assert_eq!(way.send("CTL-3").await.outcome(), "accepted");
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn a_connection_whose_answer_said_close_is_not_used_again() {
    let peer = Peer::start(|_, mut stream| async move {
        let request = read_request(&mut stream).await;
        let id = request.header("x-message-control-id").unwrap();
        write(&mut stream, &response("200 OK", "Connection: close\r\n", ack(id).as_bytes())).await;
        // It stays open all the same: the word counts, not the deed.
        support::peer::read_to_end(&mut stream).await;
    })
    .await;
    let way = way_to(peer.addr, 10_000);
    for number in 1..=3 {
        assert_eq!(way.send(&format!("CTL-{number}")).await.outcome(), "accepted");
        assert_eq!(peer.connections(), number);
    }
}

/// Where the other half of the next test finds its receiver.
const CHILD_URL: &str = "HL7_OUTBOX_TEST_URL";

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_asked() {
    if let Ok(url) = std::env::var(CHILD_URL) {
        // The child that this very test starts below, with a proxy in its environment.
        assert_eq!(way(json!({ "url": url })).send("CTL-1").await.outcome(), "accepted");
        return;
    }
    let receiver = answering(json!("aa")).await;
    let proxy = Peer::start(|_, _| async {}).await;
    let proxy_url = format!("http://{}", proxy.addr);
    // A process of its own: the environment of this one belongs to all its tests at once.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_proxy_in_the_environment_is_not_asked"]);
    child.env(CHILD_URL, format!("http://{}/receive", receiver.http_addr().unwrap()));
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, &proxy_url);
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let child = Mutex::new(child);
    let output = tokio::task::spawn_blocking(move || child.lock().unwrap().output().unwrap());
    let output = soon(output).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(receiver.total(), 1);
    assert_eq!(proxy.connections(), 0);
}
