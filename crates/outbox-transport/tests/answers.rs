//! Answers of every kind, right ones and wrong ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use outbox_core::acknowledgement::Seen;
use serde_json::json;
use support::peer::{Peer, ack, read_request, read_to_end, response, write};
use support::{answering, large_message, way_to};

const MIB: usize = 1 << 20;

/// A peer that answers every request with these bytes and then closes.
async fn saying(bytes: Vec<u8>) -> Peer {
    Peer::start(move |_, mut stream| {
        let bytes = bytes.clone();
        async move {
            read_request(&mut stream).await;
            write(&mut stream, &bytes).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_redirect_is_reported_and_never_followed() {
    let elsewhere = Peer::start(|_, _| async {}).await;
    for status in [300, 301, 302, 303, 304, 305, 307, 308] {
        let location = format!("http://{}/", elsewhere.addr);
        let receiver = answering(json!({ "type": "redirect", "status": status, "location": location })).await;
        let handed = way_to(receiver.http_addr().unwrap(), 5_000).send("CTL-1").await;
        let (seen, has_location, _, truncated) = handed.http();
        assert_eq!((seen, has_location, truncated), (status, true, false));
        assert_eq!((handed.outcome(), handed.verdict.alarm), ("misconfigured", Some("redirect")));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn retry_after_and_content_type_are_handed_on() {
    let receiver = answering(json!({ "type": "status", "status": 503, "retryAfter": "120", "body": "later" })).await;
    let handed = way_to(receiver.http_addr().unwrap(), 5_000).send("CTL-1").await;
    let Seen::Http { retry_after, content_type, .. } = &handed.seen else { panic!("{handed:?}") };
    assert_eq!(retry_after.as_deref(), Some("120"));
    assert!(content_type.as_deref().unwrap().starts_with("text/plain"));
    assert_eq!((handed.outcome(), handed.verdict.retry_after), ("throttled", Some(Duration::from_secs(120))));
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_whole_and_one_byte_more_is_cut() {
    for (bytes, cut) in [(MIB, false), (MIB + 1, true), (3 * MIB, true)] {
        let peer = saying(response("200 OK", "", &vec![b'x'; bytes])).await;
        let handed = way_to(peer.addr, 10_000).send("CTL-1").await;
        let (status, _, body, truncated) = handed.http();
        assert_eq!((status, body.len(), truncated), (200, MIB, cut));
        assert_eq!(handed.outcome(), if cut { "indeterminate" } else { "accepted" });
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_once() {
    let receiver = answering(json!("endless")).await;
    let started = Instant::now();
    let handed = way_to(receiver.http_addr().unwrap(), 60_000).send("CTL-1").await;
    let (status, _, body, truncated) = handed.http();
    assert_eq!((status, body.len(), truncated), (200, MIB, true));
    assert_eq!(handed.outcome(), "indeterminate");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_endless_head_is_given_up() {
    let peer = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        let line = format!("X-More: {}\r\n", "x".repeat(1_000));
        write(&mut stream, b"HTTP/1.1 200 OK\r\n").await;
        while tokio::io::AsyncWriteExt::write_all(&mut stream, line.as_bytes()).await.is_ok() {}
    })
    .await;
    let handed = way_to(peer.addr, 60_000).send("CTL-1").await;
    assert!(matches!(handed.seen, Seen::NoAnswer { .. }), "{handed:?}");
    assert_eq!(handed.outcome(), "indeterminate");
}

#[tokio::test]
async fn an_answer_that_drips_is_bounded_by_the_total_deadline() {
    let receiver = answering(json!({ "type": "drip", "everyMs": 40 })).await;
    let started = Instant::now();
    let handed = way_to(receiver.http_addr().unwrap(), 500).send("CTL-1").await;
    assert!((Duration::from_millis(500)..Duration::from_secs(5)).contains(&started.elapsed()));
    assert_eq!(handed.outcome(), "indeterminate", "{handed:?}");
}

#[tokio::test]
async fn a_compressed_answer_is_kept_as_it_came() {
    // What gzip makes of "AA"; nobody asked for it.
    let gzip = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 115, 116, 4, 0, 209, 95, 3, 160, 2, 0, 0, 0];
    let peer = saying(response("200 OK", "Content-Encoding: gzip\r\n", &gzip)).await;
    let handed = way_to(peer.addr, 5_000).send("CTL-1").await;
    assert_eq!(handed.http(), (200, false, gzip.as_slice(), false));
}

#[tokio::test]
async fn an_interim_response_is_not_the_answer() {
    let answer = response("200 OK", "", ack("CTL-1").as_bytes());
    let peer = saying([b"HTTP/1.1 102 Processing\r\n\r\n".as_slice(), &answer].concat()).await;
    assert!(way_to(peer.addr, 5_000).send("CTL-1").await.verdict.acknowledged);
}

#[tokio::test]
async fn bytes_that_are_no_http_prove_nothing() {
    let receiver = answering(json!({ "type": "garbage", "framed": false })).await;
    let handed = way_to(receiver.http_addr().unwrap(), 5_000).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NoAnswer { fault: "answer-not-http" });
    assert_eq!(handed.outcome(), "indeterminate");
}

#[tokio::test]
async fn an_acknowledgement_cut_by_the_end_of_the_connection_is_not_believed() {
    let whole = ack("CTL-1");
    for length in [0, 10, whole.len() - 3, whole.len() - 1] {
        let announced = response("200 OK", "", whole.as_bytes());
        let cut = announced.len() - (whole.len() - length);
        let peer = saying(announced[..cut].to_vec()).await;
        let handed = way_to(peer.addr, 5_000).send("CTL-1").await;
        assert_eq!(handed.outcome(), "indeterminate", "{length} of {}: {handed:?}", whole.len());
    }
}

#[tokio::test]
async fn a_refusal_whose_page_is_cut_or_stalls_is_still_a_refusal() {
    for (status, outcome) in [("401 Unauthorized", "misconfigured"), ("503 Service Unavailable", "throttled")] {
        for closes in [true, false] {
            let page = response(status, "Retry-After: 60\r\n", b"<html>no</html>");
            let peer = Peer::start(move |_, mut stream| {
                let page = page.clone();
                async move {
                    read_request(&mut stream).await;
                    write(&mut stream, &page[..page.len() - 5]).await;
                    if !closes {
                        read_to_end(&mut stream).await;
                    }
                }
            })
            .await;
            let handed = way_to(peer.addr, 500).send("CTL-1").await;
            assert_eq!((handed.outcome(), handed.http().3), (outcome, true));
        }
    }
}

/// A receiver in a thread of its own, so that it and the sender race as two hosts do: it reads so many bytes, answers, and
/// closes with the rest unread, which makes the kernel send RST behind the answer.
fn refusing_early(read: usize, lingers: bool) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = vec![0; read];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&response("413 Content Too Large", "Connection: close\r\n", b"too large")).unwrap();
            if lingers {
                // Polite: says that it is done, and reads what is still on its way. A sender that has heard it may be gone.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
        }
    });
    addr
}

#[tokio::test]
async fn an_early_refusal_is_read_although_the_message_is_not_written_yet() {
    for lingers in [true, false] {
        let way = way_to(refusing_early(64 << 10, lingers), 10_000);
        for number in 0..100 {
            let id = format!("CTL-{number}");
            let message = large_message(&id, 5 << 20);
            let length = message.len() as u64;
            let handed = way.hand(&id, message).await;
            assert!(matches!(handed.seen, Seen::Http { status: 413, .. }), "{lingers} {number} {handed:?}");
            assert_eq!(handed.outcome(), "rejected");
            assert!(handed.bytes_sent <= length);
        }
    }
}
