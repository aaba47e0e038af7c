//! MLLP against a peer that plays raw bytes: what counts as an answer, and how far the message came when none did.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::sync::Arc;

use outbox_core::acknowledgement::Seen;
use outbox_core::hl7::AckCondition;
use serde_json::json;
use support::peer::ack;
use support::scripted::{Heard, ScriptedPeer, Step, Wire, accept, framed, say};
use support::{Handed, Told, large_message, message, mllp_way_to, way};
use tokio::net::TcpSocket;
use tokio::sync::Notify;

/// More than the socket buffers of both ends take.
const LARGE: usize = 24 << 20;
/// Accepts without saying what: such an acknowledgement would pass for any message.
const ACK_FOR_ANYTHING: &str = "MSH|^~\\&|S|N|T|T|20300102030405+0400||ACK|A1|T|2.5.1\rMSA|AA|\r";

async fn peer(scripts: Vec<Vec<Step>>) -> ScriptedPeer {
    ScriptedPeer::start(Wire::Mllp, scripts).await
}

fn taking() -> Vec<Step> {
    vec![Step::Read, accept(Wire::Mllp), Step::Again]
}

/// One message to a peer that reads it and then plays these steps.
async fn after_reading(steps: &[Step]) -> Handed {
    let peer = peer(vec![[&[Step::Read], steps].concat()]).await;
    mllp_way_to(peer.addr, 5_000).send("CTL-1").await
}

fn assert_no_answer(handed: &Handed, code: &str) {
    assert_eq!((handed.outcome(), handed.verdict.code.as_str()), ("indeterminate", code), "{handed:?}");
    assert_eq!(handed.bytes_sent, message("CTL-1").len() as u64);
}

fn assert_accepted_without_a_warning(handed: &Handed) {
    assert_eq!((handed.outcome(), handed.verdict.warning), ("accepted", None), "{handed:?}");
}

#[tokio::test]
async fn messages_go_byte_for_byte_one_after_another_over_one_connection() {
    let mut peer = peer(vec![taking()]).await;
    let way = mllp_way_to(peer.addr, 5_000);
    for number in 1..=5 {
        let id = format!("CTL-{number}");
        let handed = way.send(&id).await;
        assert!(handed.verdict.acknowledged && handed.verdict.warning.is_none(), "{handed:?}");
        assert_eq!(handed.bytes_sent, message(&id).len() as u64);
        assert_eq!(peer.hear().await, Heard::Message(1, message(&id).into_bytes()));
    }
}

#[tokio::test]
async fn a_message_without_its_final_cr_gets_one() {
    let mut peer = peer(vec![taking()]).await;
    let whole = message("CTL-1");
    let handed = mllp_way_to(peer.addr, 5_000).hand("CTL-1", whole.trim_end_matches('\r')).await;
    assert_accepted_without_a_warning(&handed);
    assert_eq!(peer.hear().await, Heard::Message(1, whole.into_bytes()));
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let mut peer = peer(vec![taking()]).await;
    let large = large_message("CTL-1", 3 << 20);
    let handed = mllp_way_to(peer.addr, 30_000).hand("CTL-1", large.clone()).await;
    assert_accepted_without_a_warning(&handed);
    assert_eq!(handed.bytes_sent, large.len() as u64);
    assert_eq!(peer.hear().await, Heard::Message(1, large.into_bytes()));
}

#[tokio::test]
async fn sloppy_frames_are_understood() {
    let whole = framed(&ack("CTL-1"));
    let bare = ack("CTL-1");
    for answer in [
        [b"\r\nhello \x1c\r", whole.as_slice()].concat(),
        [b"\x0bMSH|bro", whole.as_slice()].concat(),
        framed(bare.trim_end_matches('\r')),
        framed(&bare.replace('\r', "\n")),
        framed(&bare.replace('\r', "\r\n")),
        [b"\x0b", bare.as_bytes(), b"\x1c"].concat(),
        [whole.as_slice(), b"\n"].concat(),
        [b"\x0b\x1c\x0d", whole.as_slice()].concat(),
    ] {
        let handed = after_reading(&[say(answer.clone())]).await;
        assert!(handed.verdict.acknowledged, "{:?}: {handed:?}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte() {
    let steps: Vec<_> = framed(&ack("CTL-1")).into_iter().map(|byte| say([byte])).collect();
    assert_accepted_without_a_warning(&after_reading(&steps).await);
}

#[tokio::test]
async fn nothing_after_the_message_is_indeterminate_and_named_by_how_it_ended() {
    assert_no_answer(&after_reading(&[Step::HalfClose]).await, "CLOSED_BEFORE_ACK");
    assert_no_answer(&after_reading(&[Step::Reset]).await, "CONNECTION_LOST");
    let cut = &framed(&ack("CTL-1"))[..40];
    assert_no_answer(&after_reading(&[say(cut), Step::HalfClose]).await, "ANSWER_TRUNCATED");
    let bare = ack("CTL-1");
    assert_no_answer(&after_reading(&[say(bare), Step::HalfClose]).await, "CLOSED_BEFORE_ACK");
}

#[tokio::test]
async fn silence_is_ended_by_the_first_byte_timeout_and_a_dripping_answer_by_the_whole_deadline() {
    let mut quiet = peer(vec![vec![Step::Read]]).await;
    let url = format!("mllp://{}", quiet.addr);
    let timeouts = json!({ "firstByteMs": 100, "totalMs": 60_000 });
    let handed = way(json!({ "url": url, "timeouts": timeouts })).send("CTL-1").await;
    assert_no_answer(&handed, "FIRST_BYTE_TIMEOUT");
    assert!(matches!(quiet.hear().await, Heard::Message(1, _)));
    assert_eq!(quiet.hear().await, Heard::Gone(1, true), "the connection is reset, not just closed");

    let begun = peer(vec![vec![Step::Read, say(*b"\x0bMSH|")]]).await;
    let url = format!("mllp://{}", begun.addr);
    let timeouts = json!({ "firstByteMs": 100, "totalMs": 400 });
    let handed = way(json!({ "url": url, "timeouts": timeouts })).send("CTL-1").await;
    assert_no_answer(&handed, "ANSWER_TIMEOUT");
}

#[tokio::test]
async fn garbage_is_never_accepted() {
    for garbage in
        [framed("garbage"), framed("\u{6}"), framed("MSH|"), framed("MSA|AA|CTL-1\r"), framed(&message("CTL-1"))]
    {
        let handed = after_reading(&[say(garbage)]).await;
        assert_no_answer(&handed, "ACK_UNPARSABLE");
    }
    let http = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_no_answer(&after_reading(&[say(*http), Step::HalfClose]).await, "CLOSED_BEFORE_ACK");
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_limit_however_it_is_made() {
    let filling = "NTE|1||nothing of any meaning\r".repeat(512).into_bytes();
    for (beginning, more) in [
        (b"\x0bMSH|".to_vec(), filling.clone()),
        (b"".to_vec(), filling),
        (b"".to_vec(), b"\x0b\x1c\x0d".repeat(1024)),
        (b"".to_vec(), framed("MSH|^~\\&|S\rMSA|AA|CTL-0\r").repeat(64)),
    ] {
        let peer = peer(vec![vec![Step::Read, say(beginning), Step::SayForEver(more)]]).await;
        let handed = mllp_way_to(peer.addr, 60_000).send("CTL-1").await;
        assert_eq!(handed.outcome(), "indeterminate", "{handed:?}");
        let codes = ["ANSWER_TOO_LARGE", "ACK_ID_DIFFERS"];
        assert!(codes.contains(&handed.verdict.code.as_str()), "{handed:?}");
    }
}

#[tokio::test]
async fn a_late_answer_is_never_credited_to_the_next_message() {
    let go = Arc::new(Notify::new());
    let first = vec![Step::Read, Step::Wait(Arc::clone(&go)), say(framed(ACK_FOR_ANYTHING))];
    let mut peer = peer(vec![first, taking()]).await;
    let way = mllp_way_to(peer.addr, 300);
    assert_no_answer(&way.send("CTL-1").await, "ANSWER_TIMEOUT");
    go.notify_one();
    assert_accepted_without_a_warning(&way.send("CTL-2").await);
    assert_eq!(peer.connections(), 2);
    assert!(matches!(peer.hear().await, Heard::Message(1, _)));
}

#[tokio::test]
async fn bytes_that_wait_on_an_idle_connection_close_it() {
    // Both answers at once: the second comes when nobody has asked.
    let both = |id: &str| [framed(&ack(id)), framed(ACK_FOR_ANYTHING)].concat();
    let first = vec![Step::Read, Step::Say(Arc::new(both))];
    let peer = peer(vec![first, taking()]).await;
    let way = mllp_way_to(peer.addr, 5_000);
    assert_eq!(way.send("CTL-1").await.outcome(), "accepted");
    assert_accepted_without_a_warning(&way.send("CTL-2").await);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_came_while_a_connection_was_idle_closes_it() {
    let (go, said) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let tell = Arc::clone(&said);
    let late = Step::Say(Arc::new(move |_| {
        tell.notify_one();
        framed(ACK_FOR_ANYTHING)
    }));
    let first = vec![Step::Read, accept(Wire::Mllp), Step::Wait(Arc::clone(&go)), late, Step::Read];
    let peer = peer(vec![first, taking()]).await;
    let way = mllp_way_to(peer.addr, 5_000);
    assert_accepted_without_a_warning(&way.send("CTL-1").await);
    go.notify_one();
    said.notified().await;
    // Whether it is found before the message or comes with its answer: it names no message, so it is not believed.
    let second = way.send("CTL-2").await;
    assert!(second.verdict.warning.is_none(), "{second:?}");
}

#[tokio::test]
async fn a_connection_that_ended_while_idle_costs_nothing() {
    for end in [Step::HalfClose, Step::Reset] {
        let go = Arc::new(Notify::new());
        let first = vec![Step::Read, accept(Wire::Mllp), Step::Wait(Arc::clone(&go)), end];
        let mut peer = peer(vec![first, taking()]).await;
        let way = mllp_way_to(peer.addr, 5_000);
        assert_accepted_without_a_warning(&way.send("CTL-1").await);
        go.notify_one();
        assert!(matches!(peer.hear().await, Heard::Message(1, _)));
        assert_eq!(peer.hear().await, Heard::Closed(1));
        assert_accepted_without_a_warning(&way.send("CTL-2").await);
        assert_eq!(peer.connections(), 2);
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_peer_half_closes_is_closed_before_anybody_needs_it() {
    let go = Arc::new(Notify::new());
    let mut peer = peer(vec![vec![Step::Read, accept(Wire::Mllp), Step::Wait(Arc::clone(&go)), Step::HalfClose]]).await;
    let way = mllp_way_to(peer.addr, 5_000);
    assert_accepted_without_a_warning(&way.send("CTL-1").await);
    assert!(matches!(peer.hear().await, Heard::Message(1, _)));
    let began = std::time::Instant::now();
    go.notify_one();
    assert_eq!(peer.hear().await, Heard::Closed(1));
    assert_eq!(peer.hear().await, Heard::Gone(1, false));
    assert!(
        began.elapsed() < std::time::Duration::from_secs(10),
        "much sooner than it would have been closed for its age"
    );
}

#[tokio::test]
async fn an_answer_for_another_message_is_read_past_and_its_connection_not_used_again() {
    let both = |id: &str| [framed(&ack("CTL-0")), framed(&ack(id))].concat();
    let peer = peer(vec![vec![Step::Read, Step::Say(Arc::new(both)), Step::Read], taking()]).await;
    let way = mllp_way_to(peer.addr, 5_000);
    assert_accepted_without_a_warning(&way.send("CTL-1").await);
    assert_accepted_without_a_warning(&way.send("CTL-2").await);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn an_answer_without_an_id_counts_on_a_fresh_connection_only_and_each_message_gets_one() {
    let peer = peer(vec![vec![Step::Read, say(framed(ACK_FOR_ANYTHING)), Step::Again]]).await;
    let way = mllp_way_to(peer.addr, 5_000);
    for number in 1..=3 {
        let handed = way.send(&format!("CTL-{number}")).await;
        assert_eq!((handed.outcome(), handed.verdict.warning), ("accepted", Some("ack-id-empty")));
        assert_eq!(peer.connections(), number);
    }
}

#[tokio::test]
async fn an_answer_without_an_id_on_a_connection_that_carried_another_message_is_not_believed() {
    let peer =
        peer(vec![vec![Step::Read, accept(Wire::Mllp), Step::Read, say(framed(ACK_FOR_ANYTHING)), Step::Read]]).await;
    let way = mllp_way_to(peer.addr, 300);
    assert_accepted_without_a_warning(&way.send("CTL-1").await);
    assert_no_answer(&way.send("CTL-2").await, "ACK_ID_DIFFERS");
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn after_a_commit_acknowledgement_the_application_s_own_is_awaited_if_msh_16_asks_for_it() {
    let commit = |id: &str| framed(&ack(id).replace("MSA|AA", "MSA|CA"));
    let refuse = |id: &str| framed(&ack(id).replace("MSA|AA", "MSA|AE"));
    let says = |words: fn(&str) -> Vec<u8>| Step::Say(Arc::new(words));
    let asking = Told { application_ack: Some(AckCondition::Always), ..Told::default() };
    for (second, outcome, acknowledged) in [(accept(Wire::Mllp), "accepted", true), (says(refuse), "rejected", false)] {
        let peer = peer(vec![vec![Step::Read, says(commit), second, Step::Read]]).await;
        let handed = mllp_way_to(peer.addr, 5_000).hand_as("CTL-1", message("CTL-1"), asking).await;
        assert_eq!((handed.outcome(), handed.verdict.acknowledged), (outcome, acknowledged), "{handed:?}");
    }
    for end in [Step::HalfClose, Step::Reset, Step::Read] {
        let peer = peer(vec![vec![Step::Read, says(commit), end]]).await;
        let handed = mllp_way_to(peer.addr, 300).hand_as("CTL-1", message("CTL-1"), asking).await;
        let verdict = &handed.verdict;
        assert_eq!((handed.outcome(), verdict.acknowledged), ("accepted", false), "{handed:?}");
        assert_eq!(verdict.warning, Some("application-ack-missing"));
    }
}

#[tokio::test]
async fn a_port_that_refuses_is_unreachable() {
    // Bound but not listening: nobody else can take the port while the test runs.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let handed = mllp_way_to(socket.local_addr().unwrap(), 5_000).send("CTL-1").await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "connect-refused" });
    assert_eq!((handed.outcome(), handed.bytes_sent), ("unreachable", 0));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_last_byte_is_unreachable() {
    for end in [Step::HalfClose, Step::Reset] {
        let peer = peer(vec![vec![Step::ReadSome(1_000), end]]).await;
        let large = large_message("CTL-1", LARGE);
        let length = large.len() as u64;
        let handed = mllp_way_to(peer.addr, 30_000).hand("CTL-1", large).await;
        assert_eq!(handed.seen, Seen::NotDelivered { fault: "connection-lost" });
        assert!(handed.outcome() == "unreachable" && handed.bytes_sent < length);
    }
}

#[tokio::test]
async fn a_receiver_that_stops_reading_is_given_up_after_the_write_timeout() {
    let peer = peer(vec![vec![Step::ReadSome(1_000), Step::Wait(Arc::new(Notify::new()))]]).await;
    let url = format!("mllp://{}", peer.addr);
    let timeouts = json!({ "writeMs": 200, "totalMs": 60_000 });
    let handed = way(json!({ "url": url, "timeouts": timeouts })).hand("CTL-1", large_message("CTL-1", LARGE)).await;
    assert_eq!(handed.seen, Seen::NotDelivered { fault: "write-timeout" });
    assert_eq!(handed.outcome(), "unreachable");
}

#[tokio::test]
async fn a_refusal_before_the_last_byte_counts_and_an_acceptance_does_not() {
    let refusal = framed(&ack("CTL-1").replace("MSA|AA|CTL-1", "MSA|AR|CTL-1|too large\rERR|||200|E"));
    for (early, outcome) in [(refusal, "rejected"), (framed(&ack("CTL-1")), "unreachable")] {
        let peer = peer(vec![vec![Step::ReadSome(1_000), say(early), Step::HalfClose]]).await;
        let handed = mllp_way_to(peer.addr, 30_000).hand("CTL-1", large_message("CTL-1", LARGE)).await;
        assert_eq!(handed.outcome(), outcome, "{handed:?}");
    }
}

#[tokio::test]
async fn one_bad_connection_does_not_hold_up_another() {
    let bad = vec![Step::Read, Step::SayForEver(b"\x0b".repeat(100))];
    let silent = vec![Step::Read];
    let peer = peer(vec![bad, silent, taking()]).await;
    let way = Arc::new(mllp_way_to(peer.addr, 2_000));
    let (one, two) = (Arc::clone(&way), Arc::clone(&way));
    let slow =
        [tokio::spawn(async move { one.send("CTL-1").await }), tokio::spawn(async move { two.send("CTL-2").await })];
    while peer.connections() < 2 {
        tokio::task::yield_now().await;
    }
    for number in 3..=6 {
        assert_accepted_without_a_warning(&way.send(&format!("CTL-{number}")).await);
    }
    for handed in slow {
        assert_eq!(handed.await.unwrap().outcome(), "indeterminate");
    }
}
