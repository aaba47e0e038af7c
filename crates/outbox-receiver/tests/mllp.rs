//! Messages over MLLP: framing, order on one connection, and every answer that means something there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::time::{Duration, Instant};

use support::{Client, behaving, is_reset, message, message_of, msa, start};
use tokio::io::AsyncReadExt;

const DEFAULT: &str = "{}";

#[tokio::test]
async fn one_connection_carries_many_messages_in_their_order() {
    let receiver = behaving(DEFAULT).await;
    let mut client = Client::mllp(&receiver).await;
    for id in ["CTL-1", "CTL-2", "CTL-3"] {
        assert_eq!(msa(&client.exchange(id).await), ("AA", id));
    }
    let kept = receiver.received();
    assert_eq!(kept.iter().map(|item| item.control_id.as_str()).collect::<Vec<_>>(), ["CTL-1", "CTL-2", "CTL-3"]);
    assert!(kept.iter().all(|item| item.connection == 1 && item.headers.is_empty()));
    assert_eq!(kept[0].body, message("CTL-1").as_bytes());
    let shown = Client::http(&receiver).await.get("/received").await.json();
    assert_eq!(shown["items"][0]["transport"], "mllp");
}

#[tokio::test]
async fn frames_are_found_among_noise_and_in_pieces() {
    let receiver = behaving(DEFAULT).await;
    let mut client = Client::mllp(&receiver).await;
    let text = message("CTL-1");
    let (left, right) = text.split_at(30);
    for piece in ["\r\nnoise", "\u{b}", "MSH|broken", "\u{b}", left, right, "\u{1c}"] {
        client.write(piece.as_bytes()).await;
    }
    client.write(format!("\r\u{b}{}\u{1c}\r", message("CTL-2")).as_bytes()).await;
    assert_eq!(msa(&client.framed().await), ("AA", "CTL-1"));
    assert_eq!(msa(&client.framed().await), ("AA", "CTL-2"));
    assert_eq!(receiver.total(), 2);
}

#[tokio::test]
async fn what_is_no_hl7_gets_a_reject_without_a_control_id() {
    let receiver = behaving(DEFAULT).await;
    let mut client = Client::mllp(&receiver).await;
    client.frame("{}").await;
    let ack = client.framed().await;
    assert!(ack.starts_with("MSH|^~\\&|||||") && ack.contains("\rMSA|AR|\rERR|||100^"), "{ack}");
    client.frame(&message_of("", "P-1", "ADT^A01")).await;
    assert!(client.framed().await.contains("\rMSA|AR|\rERR||MSH^1^10|101^"));
    assert_eq!(receiver.stats().taken, 0);
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let receiver = start(r#"{"mllp":"127.0.0.1:0","limits":{"messageBytesMax":300}}"#).await;
    let mut client = Client::mllp(&receiver).await;
    client.write(format!("\u{b}{}", "x".repeat(400)).as_bytes()).await;
    assert!(client.until_end().await.0.is_empty());
    assert_eq!(receiver.stats().turned_away, 1);
}

#[tokio::test]
async fn a_connection_without_a_byte_for_too_long_is_closed() {
    let receiver = start(r#"{"mllp":"127.0.0.1:0","limits":{"idleMs":20}}"#).await;
    assert!(Client::mllp(&receiver).await.until_end().await.1.is_ok());
    assert!(Client::http(&receiver).await.until_end().await.1.is_ok());
}

#[tokio::test]
async fn refusals_commit_answers_and_wrong_ids_come_in_frames() {
    let receiver = behaving(
        r#"{"rules":[
            {"when":{"first":1},"answer":{"type":"ae","errors":[{"code":"103"}]}},
            {"when":{"first":1},"answer":"ar"},
            {"when":{"first":1},"answer":{"type":"ca","then":{"code":"AA","afterMs":5}}},
            {"when":{"first":1},"answer":"wrongControlId"},
            {"when":{"first":1},"answer":{"type":"truncatedAck","bytes":9,"framed":true}},
            {"when":{"first":1},"answer":{"type":"garbage","bytes":7,"framed":true}}]}"#,
    )
    .await;
    let mut client = Client::mllp(&receiver).await;
    assert!(client.exchange("CTL-1").await.contains("MSA|AE|CTL-1\rERR|||103^Table value not found^HL70357|E|"));
    assert_eq!(msa(&client.exchange("CTL-2").await), ("AR", "CTL-2"));
    assert_eq!(msa(&client.exchange("CTL-3").await), ("CA", "CTL-3"));
    assert_eq!(msa(&client.framed().await), ("AA", "CTL-3"));
    assert_eq!(msa(&client.exchange("CTL-4").await), ("AA", "SOMEBODY-ELSES"));
    assert_eq!(client.exchange("CTL-5").await, "MSH|^~\\&|");
    client.exchange("CTL-6").await;
    assert_eq!(msa(&client.exchange("CTL-7").await), ("AA", "CTL-7"));
}

#[tokio::test]
async fn a_late_answer_is_overtaken_by_the_next_one() {
    let receiver = behaving(r#"{"rules":[{"when":{"first":1},"answer":{"type":"late","afterMs":100}}]}"#).await;
    let mut client = Client::mllp(&receiver).await;
    client.frame(&message("CTL-1")).await;
    assert_eq!(msa(&client.exchange("CTL-2").await), ("AA", "CTL-2"));
    assert!(receiver.received()[0].answered_at_us.is_none());
    assert_eq!(msa(&client.framed().await), ("AA", "CTL-1"));
}

#[tokio::test]
async fn silence_leaves_the_connection_open_for_the_next_message() {
    let receiver = behaving(r#"{"rules":[{"when":{"first":1},"answer":"silent"}]}"#).await;
    let mut client = Client::mllp(&receiver).await;
    client.frame(&message("CTL-1")).await;
    assert_eq!(msa(&client.exchange("CTL-2").await), ("AA", "CTL-2"));
    assert_eq!(receiver.total(), 2);
}

#[tokio::test]
async fn the_connection_can_end_before_a_message_after_it_and_in_an_answer() {
    let receiver = behaving(
        r#"{"rules":[
            {"when":{"controlId":"EARLY-RST"},"answer":{"type":"closeBeforeBody","reset":true}},
            {"when":{"controlId":"EARLY"},"answer":"closeBeforeBody"},
            {"when":{"controlId":"AFTER-RST"},"answer":{"type":"closeAfterBody","reset":true}},
            {"when":{"controlId":"AFTER"},"answer":"closeAfterBody"},
            {"when":{"controlId":"CUT"},"answer":{"type":"truncatedAck","bytes":9}},
            {"when":{"controlId":"GARBAGE"},"answer":{"type":"garbage","bytes":7}},
            {"when":{"controlId":"HTTP"},"answer":{"type":"status","status":503}}]}"#,
    )
    .await;
    let expected: [(&str, usize, bool, u64); 7] = [
        ("EARLY-RST", 0, true, 0),
        ("EARLY", 0, false, 0),
        ("AFTER-RST", 0, true, 1),
        ("AFTER", 0, false, 2),
        ("CUT", 10, false, 3),
        ("GARBAGE", 7, false, 4),
        ("HTTP", 0, false, 5),
    ];
    for (id, bytes, reset, total) in expected {
        let mut client = Client::mllp(&receiver).await;
        client.frame(&message(id)).await;
        let (answered, ended) = client.until_end().await;
        assert_eq!((answered.len(), is_reset(&ended), receiver.total()), (bytes, reset, total), "{id}");
    }
    // The MSH segment is head enough: the end of the message need not come.
    let mut client = Client::mllp(&receiver).await;
    client.write(message("EARLY").as_bytes()).await;
    client.write(format!("\u{b}{}", message("EARLY")).as_bytes()).await;
    assert!(client.until_end().await.0.is_empty());
    assert_eq!(receiver.stats().turned_away, 3);
}

#[tokio::test]
async fn a_drip_and_an_endless_frame_are_what_they_say() {
    let receiver =
        behaving(r#"{"rules":[{"when":{"first":1},"answer":{"type":"drip","everyMs":1}}],"answer":"endless"}"#).await;
    let mut client = Client::mllp(&receiver).await;
    let started = Instant::now();
    assert_eq!(msa(&client.exchange("CTL-1").await), ("AA", "CTL-1"));
    assert!(started.elapsed() >= Duration::from_millis(80));
    client.frame(&message("CTL-2")).await;
    let (mut buffer, mut total) = (vec![0; 1 << 16], 0);
    while total < 5 << 20 {
        let read = client.stream.read(&mut buffer).await.unwrap();
        assert!(read > 0);
        total += read;
    }
}

#[tokio::test]
async fn no_bytes_make_the_receiver_fall_over() {
    let receiver = behaving(r#"{"rules":[{"when":{"controlId":"NONE"},"answer":"closeBeforeBody"}]}"#).await;
    let mut state = 1_u32;
    for _ in 0..200 {
        let mut client = Client::mllp(&receiver).await;
        let mut bytes = format!("\u{b}{}\u{1c}\r", message("CTL-1")).into_bytes();
        for _ in 0..4 {
            // Any generator will do, as long as it repeats.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = usize::try_from(state >> 8).unwrap() % bytes.len();
            *bytes.get_mut(at).unwrap() = state.to_le_bytes()[0];
        }
        client.write(&bytes).await;
    }
    assert_eq!(msa(&Client::mllp(&receiver).await.exchange("CTL-2").await), ("AA", "CTL-2"));
    assert_eq!(Client::http(&receiver).await.get("/received").await.status, 200);
}
