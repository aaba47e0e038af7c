//! Every row of the outcome table, as a peer brings it about on the wire, over each transport that can.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::collections::BTreeSet;

use outbox_core::acknowledgement::{ROWS, Row};
use outbox_core::hl7::AckCondition;
use serde_json::{Value, json};
use support::peer::response;
use support::scripted::{ScriptedPeer, Step, Wire, framed, say};
use support::{Handed, Told, message, way};

/// Longer than the 20 bytes to which some receivers cut it.
const ID: &str = "CTL-0000000000000000000042";
const HEADER: &str = "MSH|^~\\&|STANDIN|NOWHERE|TESTAPP|TESTFAC|20300102030405+0400||ACK^A08|A1|T|2.5.1\r";

/// Rows that an HL7 answer brings about, whatever carries it.
const OF_ANSWERS: &[(&str, &str)] = &[
    ("aa", "MSA|AA|CTL-0000000000000000000042\r"),
    ("ca", "MSA|CA|CTL-0000000000000000000042\r"),
    ("ca-alone", "MSA|CA|CTL-0000000000000000000042\r"),
    ("id-differs", "MSA|AA|CTL-0000000000000000000041\r"),
    ("id-cut", "MSA|AA|CTL-0000000000000000\r"),
    ("id-empty", "MSA|AA|\r"),
    ("only-warnings", "MSA|AE|CTL-0000000000000000000042\rERR||PID^1^5|0^^HL70357|W\r"),
    ("err-permanent", "MSA|AE|CTL-0000000000000000000042\rERR||PV1^1^7|103^^HL70357|E|1014\r"),
    ("duplicate-expected", "MSA|AE|CTL-0000000000000000000042\rERR||MSH^1^10|205^^HL70357|E\r"),
    ("duplicate-control-id", "MSA|AE|CTL-0000000000000000000042\rERR||MSH^1^10|205^^HL70357|E\r"),
    ("duplicate-key", "MSA|AE|CTL-0000000000000000000042\rERR||PID^1^3|205^^HL70357|E\r"),
    ("record-locked", "MSA|AE|CTL-0000000000000000000042\rERR|||206^^HL70357|E\r"),
    ("internal-error-located", "MSA|AE|CTL-0000000000000000000042\rERR||PV1^1^2|207^^HL70357|E|1061\r"),
    ("internal-error", "MSA|AR|CTL-0000000000000000000042\rERR|||207^^HL70357|E\r"),
    ("application-code", "MSA|AR|CTL-0000000000000000000042\rERR||||E|1014\r"),
    ("ae", "MSA|AE|CTL-0000000000000000000042\r"),
    ("ar", "MSA|AR|CTL-0000000000000000000042\r"),
    ("unknown-ack-code", "MSA|OK|CTL-0000000000000000000042\r"),
    ("unparsable", "NTE|1||no acknowledgement\r"),
];

/// Rows that a peer brings about before it answers, or by not answering; what is sent to it has to get that far.
const OF_CONNECTIONS: &[&str] = &["not-delivered", "proxy-refused", "no-answer"];

fn destination(wire: Wire, peer: &ScriptedPeer, rest: &Value) -> Value {
    let scheme = if wire == Wire::Http { "http" } else { "mllp" };
    let mut config = json!({ "url": format!("{scheme}://{}", peer.addr), "timeouts": { "totalMs": 5_000 } });
    config.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    config
}

/// One message to a peer that reads it and then plays these steps.
async fn hand(wire: Wire, steps: Vec<Step>, rest: &Value, told: Told) -> Handed {
    let peer = ScriptedPeer::start(wire, vec![[vec![Step::Read], steps].concat()]).await;
    way(destination(wire, &peer, rest)).hand_as(ID, message(ID), told).await
}

fn assert_row(handed: &Handed, name: &str) {
    let entry = ROWS.iter().find(|entry| entry.name == name).unwrap();
    let verdict = &handed.verdict;
    assert_eq!((verdict.row.as_str(), verdict.outcome), (name, entry.outcome), "{handed:?}");
    if !matches!(verdict.row, Row::NotDelivered | Row::CertificateRefused | Row::ProxyRefused | Row::TokenRefused) {
        assert_eq!(handed.bytes_sent, message(ID).len() as u64, "{name}: all of it was sent");
    }
}

async fn answers_come_to_their_rows(wire: Wire) {
    for (name, body) in OF_ANSWERS {
        let answer = format!("{HEADER}{body}");
        let bytes = match wire {
            Wire::Http => response("200 OK", "", answer.as_bytes()),
            Wire::Mllp => framed(&answer),
        };
        let told = Told {
            application_ack: (*name == "ca-alone").then_some(AckCondition::Always),
            earlier_indeterminate: *name == "duplicate-expected",
        };
        // With the answer the connection ends, or MLLP would wait for another one where that is possible.
        let handed = hand(wire, vec![say(bytes), Step::HalfClose], &json!({}), told).await;
        assert_row(&handed, name);
    }
}

#[tokio::test]
async fn acknowledgements_over_http_come_to_their_rows() {
    answers_come_to_their_rows(Wire::Http).await;
}

#[tokio::test]
async fn acknowledgements_over_mllp_come_to_their_rows() {
    answers_come_to_their_rows(Wire::Mllp).await;
}

/// What to answer for the rows of HTTP alone, as status line, headers and body.
fn of_http() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let of_status = ROWS.iter().filter_map(|entry| Some((entry.name, format!("{} X", entry.status?), "", "")));
    let others = [
        ("http-3xx", "302 Found", "Location: https://login.example/\r\n", ""),
        ("http-5xx", "500 Internal Server Error", "", "invented trouble"),
        ("http-4xx", "400 Bad Request", "", "bad request"),
        ("http-2xx-plain", "202 Accepted", "", ""),
        ("http-2xx-no-ack", "200 OK", "", "{\"status\":\"queued\"}"),
        ("http-2xx-html", "200 OK", "Content-Type: text/html\r\n", "<!DOCTYPE html><title>Sign in</title>"),
        ("http-other", "999 X", "", ""),
    ];
    of_status.chain(others.map(|(name, status, headers, body)| (name, status.to_owned(), headers, body))).collect()
}

#[tokio::test]
async fn statuses_and_bodies_of_http_come_to_their_rows() {
    for (name, status, headers, body) in of_http() {
        let rest = if name == "http-2xx-no-ack" { json!({ "requireHl7Ack": true }) } else { json!({}) };
        let answer = say(response(&status, headers, body.as_bytes()));
        let handed = hand(Wire::Http, vec![answer], &rest, Told::default()).await;
        assert_row(&handed, name);
    }
}

#[tokio::test]
async fn connections_that_fail_come_to_their_rows_over_either_transport() {
    for wire in [Wire::Http, Wire::Mllp] {
        for end in [Step::HalfClose, Step::Reset] {
            assert_row(&hand(wire, vec![end], &json!({}), Told::default()).await, "no-answer");
        }
        let short = json!({ "timeouts": { "totalMs": 100 } });
        assert_row(&hand(wire, vec![Step::Read], &short, Told::default()).await, "no-answer");

        let proxy = ScriptedPeer::start(wire, vec![vec![Step::ReadSome(8), say(*b"HTTP/1.1 407 X\r\n\r\n")]]).await;
        let through = json!({ "proxy": { "url": format!("http://{}", proxy.addr) } });
        assert_row(&way(destination(wire, &proxy, &through)).hand(ID, message(ID)).await, "proxy-refused");

        let scheme = if wire == Wire::Http { "https" } else { "mllps" };
        let url = json!({ "url": format!("{scheme}://{}", proxy.addr), "rateLimit": null });
        // It speaks no TLS.
        assert_row(&way(url).hand(ID, message(ID)).await, "not-delivered");
    }
}

#[test]
fn no_row_of_the_table_is_left_out() {
    let answers = OF_ANSWERS.iter().map(|(name, _)| *name);
    let http: Vec<_> = of_http();
    // Brought about in tls.rs and oauth2.rs, where the certificates and the token server are.
    let elsewhere = ["certificate-refused", "token-refused"];
    let covered: BTreeSet<_> =
        answers.chain(http.iter().map(|row| row.0)).chain(OF_CONNECTIONS.iter().copied()).chain(elsewhere).collect();
    assert_eq!(covered, ROWS.iter().map(|entry| entry.name).collect());
}
