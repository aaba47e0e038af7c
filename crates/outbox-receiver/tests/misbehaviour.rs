//! Every answer over HTTP that a rule can ask for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::time::{Duration, Instant};

use support::{Client, behaving, is_reset, message, message_of, msa, start};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn refusals_carry_the_error_segments_asked_for() {
    let receiver = behaving(
        r#"{"rules":[
            {"when":{"controlId":"AE-"},"answer":{"type":"ae","text":"see ERR","errors":[
                {"code":"103","severity":"E","location":"PV1^1^7","applicationCode":"1014","applicationText":"not in table","userMessage":"who?"},
                {"code":"","severity":"W"}]}},
            {"when":{"controlId":"AR-"},"answer":"ar"},
            {"when":{"controlId":"CE-"},"answer":{"type":"ce","errors":[]}},
            {"when":{"controlId":"CR-"},"answer":"cr"}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    let text = client.deliver("AE-1").await.text();
    let expected =
        "MSA|AE|AE-1|see ERR\rERR||PV1^1^7|103^Table value not found^HL70357|E|1014^not in table|||who?\rERR||||W|\r";
    assert!(text.ends_with(expected), "{text}");
    assert!(
        client.deliver("AR-1").await.text().ends_with("MSA|AR|AR-1\rERR|||207^Application internal error^HL70357|E|\r")
    );
    assert!(client.deliver("CE-1").await.text().ends_with("MSA|CE|CE-1\r"));
    assert_eq!(msa(&client.deliver("CR-1").await.text()), ("CR", "CR-1"));
    assert_eq!(receiver.stats().taken, 0);
}

#[tokio::test]
async fn a_commit_accept_counts_as_taken() {
    let receiver = behaving(r#"{"answer":"ca"}"#).await;
    assert_eq!(msa(&Client::http(&receiver).await.deliver("CTL-1").await.text()), ("CA", "CTL-1"));
    assert_eq!(receiver.stats().taken, 1);
}

#[tokio::test]
async fn rules_pick_messages_by_type_patient_turn_and_chance() {
    let receiver = behaving(
        r#"{"seed":3,"rules":[
            {"when":{"patient":"P-9","first":1},"answer":"ar"},
            {"when":{"messageType":"ORU^R01","every":2},"answer":"ae"},
            {"when":{"messageType":"ADT^A03","probability":0.5},"answer":"ce"}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    let mut codes = Vec::new();
    for (patient, kind) in [("P-9", "ADT^A01"), ("P-9", "ADT^A01"), ("P-1", "ORU^R01"), ("P-1", "ORU^R01")] {
        client.post("CTL-1", &message_of("CTL-1", patient, kind)).await;
        codes.push(msa(&client.answer().await.text()).0.to_owned());
    }
    assert_eq!(codes, ["AR", "AA", "AA", "AE"]);
    let mut refused = 0;
    for n in 0..100 {
        let id = format!("DICE-{n}");
        client.post(&id, &message_of(&id, "P-1", "ADT^A03")).await;
        refused += usize::from(msa(&client.answer().await.text()).0 == "CE");
    }
    assert!((30..70).contains(&refused), "{refused} of 100");
}

#[tokio::test]
async fn a_status_comes_with_its_headers_its_body_and_its_retry_after() {
    let receiver = behaving(
        r#"{"rules":[
            {"when":{"first":1},"answer":{"type":"status","status":503,"retryAfter":"7","headers":{"X-Why":"test","Content-Type":"application/json"},"body":"{}"}},
            {"when":{"first":1},"answer":{"type":"status","status":500,"ack":"AE"}},
            {"when":{"first":1},"answer":{"type":"status","status":404}}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    let busy = client.deliver("CTL-1").await;
    assert_eq!((busy.status, busy.header("retry-after"), busy.header("x-why")), (503, Some("7"), Some("test")));
    assert_eq!((busy.header("content-type"), busy.text().as_str()), (Some("application/json"), "{}"));
    let failed = client.deliver("CTL-1").await;
    assert_eq!((failed.status, msa(&failed.text())), (500, ("AE", "CTL-1")));
    let missing = client.deliver("CTL-1").await;
    assert_eq!((missing.status, missing.body.len()), (404, 0));
    assert_eq!(receiver.received()[0].answer, "503");
}

#[tokio::test]
async fn an_empty_success_a_portal_and_a_redirect_are_no_acknowledgements() {
    let receiver = behaving(
        r#"{"rules":[
            {"when":{"first":1},"answer":{"type":"empty","status":202}},
            {"when":{"first":1},"answer":"captivePortal"},
            {"when":{"first":1},"answer":{"type":"redirect","location":"http://elsewhere.invalid/"}}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    let empty = client.deliver("CTL-1").await;
    assert_eq!((empty.status, empty.body.len()), (202, 0));
    let portal = client.deliver("CTL-1").await;
    assert!(portal.header("content-type").unwrap().starts_with("text/html") && portal.text().contains("<html>"));
    let redirect = client.deliver("CTL-1").await;
    assert_eq!((redirect.status, redirect.header("location")), (307, Some("http://elsewhere.invalid/")));
    assert_eq!(receiver.stats().taken, 1);
}

#[tokio::test]
async fn an_acknowledgement_can_be_for_somebody_else_or_for_half_an_id() {
    let receiver = behaving(
        r#"{"rules":[
            {"when":{"first":1},"answer":"wrongControlId"},
            {"when":{"first":1},"answer":{"type":"wrongControlId","controlId":""}},
            {"when":{"first":1},"answer":{"type":"wrongControlId","cutTo":3}}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    assert_eq!(msa(&client.deliver("CTL-1").await.text()), ("AA", "SOMEBODY-ELSES"));
    assert!(client.deliver("CTL-1").await.text().ends_with("MSA|AA|\r"));
    assert_eq!(msa(&client.deliver("CTL-1").await.text()), ("AA", "CTL"));
}

#[tokio::test]
async fn a_truncated_acknowledgement_arrives_in_part_before_the_end() {
    let receiver = behaving(
        r#"{"rules":[{"when":{"first":1},"answer":{"type":"truncatedAck","bytes":20,"framed":true}}],"answer":{"type":"truncatedAck","bytes":20}}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    assert_eq!(client.deliver("CTL-1").await.text(), "MSH|^~\\&|STANDIN|NOW");
    client.post("CTL-1", &message("CTL-1")).await;
    let (bytes, _) = client.until_end().await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, part) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(part, "MSH|^~\\&|STANDIN|NOW");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(length.parse::<usize>().unwrap() > part.len());
}

#[tokio::test]
async fn garbage_comes_in_a_response_or_in_place_of_one() {
    let receiver = behaving(
        r#"{"rules":[{"when":{"first":1},"answer":{"type":"garbage","framed":true,"bytes":5}}],"answer":"garbage"}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    assert_eq!(client.deliver("CTL-1").await.body.len(), 5);
    client.post("CTL-1", &message("CTL-1")).await;
    let (bytes, ended) = client.until_end().await;
    assert!(ended.is_ok() && bytes.len() == 64 && !bytes.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_close_before_the_body_keeps_nothing_and_picks_by_the_header() {
    let receiver = behaving(
        r#"{"rules":[{"when":{"controlId":"GO-"},"answer":"closeBeforeBody"},{"when":{"controlId":"RST-"},"answer":{"type":"closeBeforeBody","reset":true}}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    assert_eq!(client.deliver("STAY-1").await.status, 200);
    // Only the head is sent: the receiver must not wait for more.
    client.write(b"POST / HTTP/1.1\r\nHost: x\r\nX-Message-Control-ID: GO-1\r\nContent-Length: 99\r\n\r\n").await;
    let (bytes, ended) = client.until_end().await;
    assert!(bytes.is_empty() && ended.is_ok());
    let mut client = Client::http(&receiver).await;
    client.post("RST-1", &message("RST-1")).await;
    assert!(is_reset(&client.until_end().await.1));
    assert_eq!((receiver.total(), receiver.stats().turned_away), (1, 2));
}

#[tokio::test]
async fn a_close_after_the_body_keeps_the_message_and_answers_nothing() {
    for (reset, answer) in [(false, r#""closeAfterBody""#), (true, r#"{"type":"closeAfterBody","reset":true}"#)] {
        let receiver = behaving(&format!(r#"{{"answer":{answer}}}"#)).await;
        let mut client = Client::http(&receiver).await;
        client.post("CTL-1", &message("CTL-1")).await;
        let (bytes, ended) = client.until_end().await;
        assert_eq!((bytes.len(), is_reset(&ended), ended.is_ok()), (0, reset, !reset));
        let item = receiver.received().remove(0);
        assert!(item.taken && item.answered_at_us.is_none() && item.answer == "closeAfterBody");
    }
}

#[tokio::test]
async fn silence_lasts_until_the_sender_gives_up() {
    let receiver = behaving(r#"{"answer":"silent"}"#).await;
    let mut client = Client::http(&receiver).await;
    client.post("CTL-1", &message("CTL-1")).await;
    receiver.until_total(1).await;
    let mut byte = [0];
    let waited = tokio::time::timeout(Duration::from_millis(50), client.stream.read(&mut byte)).await;
    assert!(waited.is_err(), "the connection stays open without a byte");
    assert!(receiver.received()[0].answered_at_us.is_none());
}

#[tokio::test]
async fn latency_and_lateness_are_waited_and_the_answer_is_marked_when_it_goes() {
    let receiver = behaving(
        r#"{"latency":{"minMs":30,"maxMs":40},"rules":[
            {"when":{"first":1},"answer":{"type":"late","afterMs":60},"latency":0},
            {"when":{"first":1},"answer":"aa","latency":50}]}"#,
    )
    .await;
    let mut client = Client::http(&receiver).await;
    for at_least in [60, 50, 30] {
        let started = Instant::now();
        assert_eq!(msa(&client.deliver("CTL-1").await.text()), ("AA", "CTL-1"));
        assert!(started.elapsed() >= Duration::from_millis(at_least));
    }
    assert!(receiver.received().iter().all(|item| item.answered_at_us.unwrap() > item.at_us));
}

#[tokio::test]
async fn a_drip_comes_byte_by_byte() {
    let receiver = behaving(r#"{"answer":{"type":"drip","everyMs":1}}"#).await;
    let mut client = Client::http(&receiver).await;
    let started = Instant::now();
    let answered = client.deliver("CTL-1").await;
    assert_eq!(msa(&answered.text()), ("AA", "CTL-1"));
    assert!(started.elapsed() >= Duration::from_millis(u64::try_from(answered.body.len()).unwrap() - 1));
}

#[tokio::test]
async fn an_endless_body_goes_on_past_any_bound() {
    let receiver = behaving(r#"{"answer":"endless"}"#).await;
    let mut client = Client::http(&receiver).await;
    client.post("CTL-1", &message("CTL-1")).await;
    let (mut buffer, mut total) = (vec![0; 1 << 16], 0);
    while total < 5 << 20 {
        let read = client.stream.read(&mut buffer).await.unwrap();
        assert!(read > 0);
        total += read;
    }
}

#[tokio::test]
async fn the_behaviour_is_changed_and_shown_while_the_receiver_runs() {
    let receiver = start("{}").await;
    let mut client = Client::http(&receiver).await;
    client.ask("PUT", "/behaviour", "", br#"{"answer":"ae","latency":1}"#).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(msa(&client.deliver("CTL-1").await.text()), ("AE", "CTL-1"));
    let shown = client.get("/behaviour").await.json();
    assert_eq!((&shown["answer"]["type"], &shown["latency"]["maxMs"]), (&"ae".into(), &1.into()));
    for wrong in [r#"{"answr":"aa"}"#, r#"{"answer":"nonsense"}"#, r#"{"answer":"closeBeforeBody"}"#, "no json"] {
        client.ask("PUT", "/behaviour", "", wrong.as_bytes()).await;
        assert_eq!(client.answer().await.status, 400, "{wrong}");
    }
    // What is shown can be sent back.
    client.ask("PUT", "/behaviour", "", shown.to_string().as_bytes()).await;
    assert_eq!(client.answer().await.json(), shown);
}
