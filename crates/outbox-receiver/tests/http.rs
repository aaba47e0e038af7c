//! Messages over HTTP, and what the receiver shows of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::fmt::Write as _;

use support::{Client, message, message_of, msa, start};

#[tokio::test]
async fn a_message_is_acknowledged_to_its_sender_and_kept_as_it_came() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    let answered = client.deliver("CTL-1").await;
    assert_eq!((answered.status, answered.header("content-type")), (200, Some("application/hl7-v2")));
    let ack = answered.text();
    assert!(ack.starts_with("MSH|^~\\&|STANDIN|NOWHERE|TESTAPP|TESTFAC|"), "{ack}");
    assert!(ack.contains("||ACK^A08^ACK|") && ack.ends_with("|T|2.5.1\rMSA|AA|CTL-1\r"), "{ack}");

    let page = client.get("/received").await.json();
    assert_eq!((page["total"].as_u64(), page["kept"].as_u64(), page["next"].is_null()), (Some(1), Some(1), true));
    let item = &page["items"][0];
    assert_eq!(item["seq"], 1);
    assert_eq!(item["controlId"], "CTL-1");
    assert_eq!(item["messageType"], "ADT^A08^ADT_A01");
    assert_eq!(item["patient"], "P-1");
    assert_eq!(item["transport"], "http");
    assert_eq!(item["connection"], 1);
    assert_eq!(item["answer"], "AA");
    assert_eq!(item["taken"], true);
    assert_eq!(item["answeredAt"], item["at"]);
    assert_eq!(item["headers"]["x-message-control-id"], "CTL-1");
    assert_eq!(item["body"].as_str(), Some(message("CTL-1").as_str()));
    assert_eq!(item["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(client.get("/received/1/body").await.body, message("CTL-1").as_bytes());
    assert_eq!(client.get("/received/2/body").await.status, 404);
    receiver.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_shown_in_base64() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    let body = [message("CTL-1").as_bytes(), b"NTE|1||\xe3\xd1\r"].concat();
    client.ask("POST", "/receive", "", &body).await;
    assert_eq!(client.answer().await.status, 200);
    let page = client.get("/received").await.json();
    assert!(page["items"][0]["body"].is_null() && page["items"][0]["bodyBase64"].is_string());
    assert_eq!(receiver.received()[0].body, body);
}

#[tokio::test]
async fn one_connection_carries_many_messages_on_any_path() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    for path in ["/receive", "/", "/a/b?c=d"] {
        client.ask("POST", path, "", message("CTL-1").as_bytes()).await;
        assert_eq!(msa(&client.answer().await.text()), ("AA", "CTL-1"));
    }
    assert!(receiver.received().iter().all(|item| item.connection == 1));
}

#[tokio::test]
async fn the_token_is_required_and_never_shown() {
    let receiver = start(r#"{"bearer":"invented-token"}"#).await;
    assert!(!format!("{receiver:?}").contains("invented-token"));
    let mut client = Client::http(&receiver).await;
    for wrong in ["", "Authorization: Bearer other\r\n", "Authorization: Basic invented-token\r\n"] {
        client.ask("POST", "/receive", wrong, message("CTL-1").as_bytes()).await;
        let answered = client.answer().await;
        assert_eq!((answered.status, answered.header("www-authenticate")), (401, Some("Bearer")));
    }
    client.ask("POST", "/receive", "Authorization: bearer invented-token\r\n", message("CTL-1").as_bytes()).await;
    assert_eq!(client.answer().await.status, 200);
    let shown = client.get("/received").await.text();
    assert!(shown.contains("bearer ***") && !shown.contains("invented-token"), "{shown}");
    assert_eq!((receiver.stats().turned_away, receiver.total()), (3, 1));
}

#[tokio::test]
async fn what_is_no_hl7_or_names_another_control_id_is_a_bad_request() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    for body in ["", "{}", "<html>", "MSH", "MSH|", "\u{0}\u{b}\u{1c}"] {
        client.ask("POST", "/receive", "", body.as_bytes()).await;
        assert_eq!(client.answer().await.status, 400, "{body:?}");
    }
    client.post("CTL-2", &message("CTL-1")).await;
    assert_eq!(client.answer().await.status, 400);
    let answers: Vec<_> = receiver.received().into_iter().map(|item| item.answer).collect();
    assert_eq!(answers.last().map(String::as_str), Some("controlIdMismatch"));
    assert_eq!((answers.len(), receiver.stats().taken), (7, 0));
}

#[tokio::test]
async fn a_strict_receiver_wants_both_headers_and_a_careful_message() {
    let receiver = start(r#"{"strict":true}"#).await;
    let mut client = Client::http(&receiver).await;
    let (media, id) = ("Content-Type: application/hl7-v2; charset=utf-8\r\n", "X-Message-Control-ID: CTL-1\r\n");
    for (headers, status) in [
        (id.to_owned(), 415),
        (format!("{id}Content-Type: text/plain\r\n"), 415),
        (media.to_owned(), 400),
        (format!("{id}{media}"), 200),
    ] {
        client.ask("POST", "/receive", &headers, message("CTL-1").as_bytes()).await;
        assert_eq!(client.answer().await.status, status, "{headers}");
    }
    client.post("CTL-1", &message_of("CTL-1", "", "ADT^A01")).await;
    let refused = client.answer().await;
    assert_eq!(refused.status, 200);
    let text = refused.text();
    assert_eq!(msa(&text), ("AE", "CTL-1"));
    assert!(text.contains("\rERR||PID^1^3^1^1|101^Required field missing^HL70357|E|"), "{text}");
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_413_and_not_kept() {
    let receiver = start(r#"{"limits":{"messageBytesMax":1000}}"#).await;
    let mut client = Client::http(&receiver).await;
    client.post("CTL-1", &format!("{}NTE|1||{}\r", message("CTL-1"), "x".repeat(1_000))).await;
    let answered = client.answer().await;
    assert_eq!((answered.status, answered.header("connection")), (413, Some("close")));
    assert_eq!((receiver.total(), receiver.stats().turned_away), (0, 1));
    let mut chunked = Client::http(&receiver).await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    chunked.write(format!("{head}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2_000)).as_bytes()).await;
    assert_eq!(chunked.answer().await.status, 413);
}

#[tokio::test]
async fn a_body_in_chunks_is_put_together() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    let (whole, mut sent) =
        (message("CTL-1"), String::from("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for chunk in whole.as_bytes().chunks(7) {
        write!(sent, "{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)).unwrap();
    }
    client.write(format!("{sent}0\r\n\r\n").as_bytes()).await;
    assert_eq!(msa(&client.answer().await.text()), ("AA", "CTL-1"));
    assert_eq!(receiver.received()[0].body, whole.as_bytes());
}

#[tokio::test]
async fn pages_follow_one_another_and_the_oldest_make_room() {
    let receiver = start(r#"{"keep":{"messages":4}}"#).await;
    let mut client = Client::http(&receiver).await;
    for n in 1..=6 {
        client.deliver(&format!("CTL-{n}")).await;
    }
    let page = client.get("/received?after=0&limit=3").await.json();
    let ids = |page: &serde_json::Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!((ids(&page), page["next"].as_u64(), page["total"].as_u64()), (vec![3, 4, 5], Some(5), Some(6)));
    let last = client.get("/received?after=5").await.json();
    assert_eq!((ids(&last), last["next"].is_null()), (vec![6], true));
    assert_eq!(client.get("/received?before=5").await.status, 400);
    assert_eq!(client.get("/received?after=x").await.status, 400);
    client.ask("DELETE", "/received", "", b"").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!((receiver.total(), receiver.received().len()), (0, 0));
}

#[tokio::test]
async fn bytes_bound_what_is_kept_but_the_newest_stays() {
    let receiver = start(r#"{"keep":{"bytes":1}}"#).await;
    let mut client = Client::http(&receiver).await;
    client.deliver("CTL-1").await;
    client.deliver("CTL-2").await;
    let kept: Vec<_> = receiver.received().into_iter().map(|item| item.control_id).collect();
    assert_eq!(kept, ["CTL-2"]);
}

#[tokio::test]
async fn counts_alone_still_tell_duplicates() {
    let receiver = start(r#"{"keep":"counts"}"#).await;
    let mut client = Client::http(&receiver).await;
    for id in ["CTL-1", "CTL-2", "CTL-1", "CTL-1"] {
        client.deliver(id).await;
    }
    let stats = client.get("/stats").await.json();
    for (name, count) in [("total", 4), ("taken", 4), ("distinct", 2), ("duplicates", 2), ("takenAgain", 2)] {
        assert_eq!(stats[name], count, "{name} in {stats}");
    }
    assert_eq!(stats["byAnswer"]["AA"], 4);
    assert!(receiver.received().is_empty());
    let mut ids = receiver.control_ids();
    ids.sort();
    assert_eq!(ids, [("CTL-1".to_owned(), 3), ("CTL-2".to_owned(), 1)]);
}

#[tokio::test]
async fn control_ids_beyond_the_bound_are_counted_as_forgotten() {
    let receiver = start(r#"{"limits":{"controlIdsMax":1}}"#).await;
    let mut client = Client::http(&receiver).await;
    for id in ["CTL-1", "CTL-2", "CTL-2", "CTL-1"] {
        client.deliver(id).await;
    }
    let stats = receiver.stats();
    assert_eq!((stats.distinct, stats.duplicates, stats.control_ids_forgotten), (1, 1, 2));
}

#[tokio::test]
async fn a_look_at_the_list_can_wait_for_the_next_arrival() {
    let receiver = start("{}").await;
    let (mut looking, mut sending) = (Client::http(&receiver).await, Client::http(&receiver).await);
    looking.ask("GET", "/received?after=0&waitMs=20000", "", b"").await;
    sending.deliver("CTL-1").await;
    assert_eq!(looking.answer().await.json()["items"][0]["controlId"], "CTL-1");
    receiver.until_total(1).await;
    assert_eq!(looking.get("/received?after=1&waitMs=1").await.json()["items"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn health_and_unknown_pages_are_answered() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    assert_eq!(client.get("/health").await.json()["status"], "ok");
    assert_eq!(client.get("/nothing").await.status, 404);
    client.ask("PATCH", "/received", "", b"").await;
    let refused = client.answer().await;
    assert_eq!((refused.status, refused.header("allow").is_some()), (405, true));
}
