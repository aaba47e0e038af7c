//! An answer belongs to one message: what comes late, twice or unasked is never credited to another.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::sync::Arc;

use outbox_core::acknowledgement::Seen;
use outbox_core::message::Body;
use outbox_core::transport::Parcel;
use support::peer::{Peer, ack, read_request, read_to_end, response, write};
use support::{large_message, message, soon, way_to};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

/// Accepts without saying what: such an acknowledgement would pass for any message.
const ACK_FOR_ANYTHING: &str = "MSH|^~\\&|S|N|T|T|20300102030405+0400||ACK|A1|T|2.5.1\rMSA|AA|\r";

#[tokio::test]
async fn after_a_timeout_the_connection_is_closed_and_its_late_answer_lost() {
    let go = Arc::new(Notify::new());
    let (tell, mut closed) = mpsc::unbounded_channel();
    let gate = Arc::clone(&go);
    let peer = Peer::start(move |number, mut stream| {
        let (gate, tell) = (Arc::clone(&gate), tell.clone());
        async move {
            let request = read_request(&mut stream).await;
            if number > 1 {
                let id = request.header("x-message-control-id").unwrap();
                return write(&mut stream, &response("200 OK", "", ack(id).as_bytes())).await;
            }
            gate.notified().await;
            let answer = response("200 OK", "", ACK_FOR_ANYTHING.as_bytes());
            tell.send(stream.write_all(&answer).await.is_err()).unwrap();
        }
    })
    .await;
    let way = way_to(peer.addr, 300);
    let first = way.send("CTL-1").await;
    assert_eq!(first.seen, Seen::NoAnswer { fault: "answer-timeout" });
    go.notify_one();
    let second = way.send("CTL-2").await;
    assert_eq!((second.outcome(), second.verdict.warning), ("accepted", None));
    assert_eq!(peer.connections(), 2);
    // Not just closed but reset: what may still have been on its way was called back, and nobody listens any more.
    assert_eq!(soon(closed.recv()).await, Some(true));
}

#[tokio::test]
async fn a_dropped_delivery_closes_its_connection() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let peer = Peer::start(move |number, mut stream| {
        let tell = tell.clone();
        async move {
            let request = read_request(&mut stream).await;
            tell.send("request").unwrap();
            if number > 1 {
                let id = request.header("x-message-control-id").unwrap();
                return write(&mut stream, &response("200 OK", "", ack(id).as_bytes())).await;
            }
            read_to_end(&mut stream).await;
            tell.send("closed").unwrap();
        }
    })
    .await;
    let way = way_to(peer.addr, 60_000);
    let parcel = Parcel { body: Body::new(message("CTL-1")), control_id: Arc::from("CTL-1"), application_ack: None };
    tokio::select! {
        _ = way.transport.deliver(parcel) => panic!("nobody has answered"),
        event = soon(told.recv()) => assert_eq!(event, Some("request")),
    }
    assert_eq!(soon(told.recv()).await, Some("closed"));
    assert_eq!(way.send("CTL-2").await.outcome(), "accepted");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn what_was_not_handed_over_at_the_deadline_is_never_sent_afterwards() {
    let go = Arc::new(Notify::new());
    let (tell, mut told) = mpsc::unbounded_channel();
    let gate = Arc::clone(&go);
    let peer = Peer::start(move |_, mut stream| {
        let (gate, tell) = (Arc::clone(&gate), tell.clone());
        async move {
            gate.notified().await;
            let mut sink = Vec::new();
            let ended = stream.read_to_end(&mut sink).await;
            tell.send((sink.len() as u64, ended.is_err())).unwrap();
        }
    })
    .await;
    let message = large_message("CTL-1", 24 << 20);
    let length = message.len() as u64;
    let handed = way_to(peer.addr, 300).hand("CTL-1", message).await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "write-timeout" });
    go.notify_one();
    let (arrived, is_reset) = soon(told.recv()).await.unwrap();
    assert!(arrived < length, "the receiver got all of a message that was called undelivered");
    assert!(is_reset);
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_not_taken_for_the_answer_to_the_next() {
    let peer = Peer::start(|number, mut stream| async move {
        let request = read_request(&mut stream).await;
        let id = request.header("x-message-control-id").unwrap();
        let answer = response("200 OK", "", ack(id).as_bytes());
        let twice = [answer.clone(), response("200 OK", "", ACK_FOR_ANYTHING.as_bytes())].concat();
        write(&mut stream, if number == 1 { &twice } else { &answer }).await;
        read_to_end(&mut stream).await;
    })
    .await;
    let way = way_to(peer.addr, 5_000);
    let first = way.send("CTL-1").await;
    assert!(first.verdict.acknowledged, "{first:?}");
    let second = way.send("CTL-2").await;
    assert_eq!((second.outcome(), second.verdict.warning), ("accepted", None));
    assert_eq!(peer.connections(), 2);
}
