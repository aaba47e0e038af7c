//! How far the message came when no answer did.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use outbox_core::acknowledgement::Seen;
use serde_json::json;
use support::peer::{Peer, ack, read_head, read_to_end, response};
use support::{PATIENCE, answering, large_message, way, way_to};
use tokio::net::TcpSocket;

/// More than the socket buffers of both ends take.
const LARGE: usize = 24 << 20;

#[tokio::test]
async fn a_refused_port_is_not_delivered() {
    // Bound but not listening: nobody else can take the port while the test runs.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let handed = way_to(socket.local_addr().unwrap(), 5_000).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "connect-refused" });
    assert_eq!((handed.outcome(), handed.bytes_sent), ("unreachable", 0));
    assert_eq!(handed.verdict.code, "CONNECT_REFUSED");
}

#[tokio::test]
async fn an_unknown_host_name_is_not_delivered() {
    let handed = way(json!({ "url": "https://receiver.invalid/receive" })).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "name-not-found" });
    assert_eq!((handed.outcome(), handed.bytes_sent), ("unreachable", 0));
}

// Elsewhere a full queue is answered with RST.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_answers_no_connection_request_is_given_up_after_the_connect_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    // Fill the queue that nobody empties, until the kernel drops what asks to join.
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(addr)).await
    {
        queued.push(stream.unwrap());
    }
    let config = json!({ "url": format!("http://{addr}/"), "timeouts": { "connectMs": 200, "totalMs": 60_000 } });
    let handed = way(config).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "connect-timeout" });
    assert_eq!((handed.outcome(), handed.bytes_sent), ("unreachable", 0));
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up_after_the_connect_timeout() {
    let peer = Peer::start(|_, mut stream| async move { read_to_end(&mut stream).await }).await;
    let config =
        json!({ "url": format!("https://{}/", peer.addr), "timeouts": { "connectMs": 200, "totalMs": 60_000 } });
    let handed = way(config).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "connect-timeout" });
    assert_eq!((handed.outcome(), handed.bytes_sent), ("unreachable", 0));
}

#[tokio::test]
async fn a_total_deadline_before_the_connection_stands_is_a_connect_timeout() {
    let peer = Peer::start(|_, mut stream| async move { read_to_end(&mut stream).await }).await;
    let config =
        json!({ "url": format!("https://{}/", peer.addr), "timeouts": { "connectMs": 60_000, "totalMs": 200 } });
    let handed = way(config).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "connect-timeout" });
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_an_answer_timeout() {
    let receiver = answering(json!("silent")).await;
    let started = Instant::now();
    let handed = way_to(receiver.http_addr().unwrap(), 300).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NoAnswer { fault: "answer-timeout" });
    assert_eq!((handed.outcome(), handed.verdict.code.as_str()), ("indeterminate", "ANSWER_TIMEOUT"));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(receiver.total(), 1);
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_of_a_large_message_is_a_write_timeout() {
    let peer = Peer::start(|_, stream| async move {
        tokio::time::sleep(PATIENCE).await;
        drop(stream);
    })
    .await;
    let message = large_message("CTL-1", LARGE);
    let length = message.len() as u64;
    let handed = way_to(peer.addr, 500).hand("CTL-1", message).await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "write-timeout" });
    assert_eq!(handed.outcome(), "unreachable");
    assert!(0 < handed.bytes_sent && handed.bytes_sent < length, "{}", handed.bytes_sent);
}

#[tokio::test]
async fn a_receiver_that_reads_and_closes_leaves_the_message_in_doubt() {
    for reset in [false, true] {
        let receiver = answering(json!({ "type": "closeAfterBody", "reset": reset })).await;
        let handed = way_to(receiver.http_addr().unwrap(), 5_000).send("CTL-1").await;
        assert_eq!(handed.seen, Seen::NoAnswer { fault: "connection-lost" });
        assert_eq!(handed.outcome(), "indeterminate");
        assert_eq!(receiver.total(), 1);
    }
}

#[tokio::test]
async fn a_receiver_that_breaks_off_in_the_middle_of_a_large_message_has_not_got_it() {
    for reset in [false, true] {
        let peer = Peer::start(move |_, mut stream| async move {
            read_head(&mut stream).await;
            // With unread bytes, closing sends RST too; what differs is what the sender is told first.
            if reset {
                stream.set_zero_linger().unwrap();
            }
        })
        .await;
        let message = large_message("CTL-1", LARGE);
        let length = message.len() as u64;
        let handed = way_to(peer.addr, 10_000).hand("CTL-1", message).await;
        // The kernel's buffers are smaller than the message, so its last byte cannot have been handed over.
        assert_eq!(handed.seen, Seen::NotDelivered { fault: "connection-lost" });
        assert_eq!(handed.outcome(), "unreachable");
        assert!(handed.bytes_sent < length, "{}", handed.bytes_sent);
    }
}

#[tokio::test]
async fn a_small_message_to_a_receiver_that_closes_unread_is_in_doubt_at_most() {
    let peer = Peer::start(|_, stream| async move { drop(stream) }).await;
    let way = way_to(peer.addr, 5_000);
    for number in 0..50 {
        let handed = way.send(&format!("CTL-{number}")).await;
        // The kernel takes a small message at once and says later, if ever, that nobody wanted it. Whether the close was
        // seen before or after that is a race; what must hold is that the message counts as sent only if it was all handed
        // over, and that it is never accepted.
        match handed.seen {
            Seen::NoAnswer { fault: "connection-lost" } => assert_eq!(handed.outcome(), "indeterminate"),
            Seen::NotDelivered { fault: "connection-lost" } => assert_eq!(handed.outcome(), "unreachable"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_receiver_closed_costs_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let id = format!("CTL-{number}");
            stream.read_exact(&mut [0; 256]).unwrap();
            stream.write_all(&response("200 OK", "", ack(&id).as_bytes())).unwrap();
            tell.send(stream).unwrap();
        }
    });
    let way = way_to(addr, 5_000);
    for number in 0..20 {
        let id = format!("CTL-{number}");
        let handed = way.send(&id).await;
        assert!(handed.verdict.acknowledged, "{handed:?}");
        // The receiver's end, closed while this thread keeps the runtime from hearing of it: only the kernel knows.
        let mut stream = told.recv().unwrap();
        support::peer::read_the_rest(&mut stream);
        drop(stream);
    }
}

#[tokio::test]
async fn an_acceptance_before_the_last_byte_is_none_and_a_refusal_then_counts() {
    for (body, outcome) in [
        (ack("CTL-1"), "unreachable"),
        (String::new(), "unreachable"),
        (ack("CTL-1").replace("MSA|AA", "MSA|AE"), "rejected"),
    ] {
        let answer = response("200 OK", "", body.as_bytes());
        let peer = Peer::start(move |_, mut stream| {
            let answer = answer.clone();
            async move {
                read_head(&mut stream).await;
                tokio::io::AsyncWriteExt::write_all(&mut stream, &answer).await.unwrap();
                // Held open, and not read: the rest of the message has nowhere to go.
                std::future::pending::<()>().await;
            }
        })
        .await;
        let large = large_message("CTL-1", LARGE);
        let handed = way_to(peer.addr, 10_000).hand("CTL-1", large).await;
        assert_eq!(handed.outcome(), outcome, "{handed:?}");
    }
}

#[tokio::test]
async fn writing_and_the_wait_for_an_answer_have_deadlines_of_their_own() {
    let deaf = Peer::start(|_, stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let url = format!("http://{}/receive", deaf.addr);
    let timeouts = json!({ "writeMs": 200, "firstByteMs": 60_000, "totalMs": 60_000 });
    let handed = way(json!({ "url": url, "timeouts": timeouts })).hand("CTL-1", large_message("CTL-1", LARGE)).await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "write-timeout" });

    let silent = Peer::start(|_, mut stream| async move { read_to_end(&mut stream).await }).await;
    let url = format!("http://{}/receive", silent.addr);
    let timeouts = json!({ "writeMs": 60_000, "firstByteMs": 200, "totalMs": 60_000 });
    let handed = way(json!({ "url": url, "timeouts": timeouts })).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NoAnswer { fault: "first-byte-timeout" });
    assert_eq!(handed.outcome(), "indeterminate");
}
