//! The receiver goes away and comes back, on the same port.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use outbox_receiver::{Behaviour, Outage, OutageKind, Receiver, ReceiverConfig, ReceiverError};
use support::{Client, PATIENCE, behaving, is_reset, message, msa, start};
use tokio::net::TcpStream;

/// Tries until the address answers so; how long that took.
async fn until(addr: SocketAddr, refused: bool) -> Duration {
    let started = Instant::now();
    loop {
        let connected = TcpStream::connect(addr).await;
        let now_refused = connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if now_refused == refused {
            return started.elapsed();
        }
        assert!(started.elapsed() < PATIENCE, "the address never answers as it should");
        tokio::task::yield_now().await;
    }
}

fn outage(kind: OutageKind, after_ms: u64, for_ms: u64) -> Behaviour {
    Behaviour { outages: vec![Outage { kind, after_ms, for_ms, every_ms: None }], ..Behaviour::default() }
}

#[tokio::test]
async fn an_outage_refuses_connections_cuts_the_old_ones_and_ends() {
    let receiver = behaving("{}").await;
    let (http, mllp) = (receiver.http_addr().unwrap(), receiver.mllp_addr().unwrap());
    let mut old = Client::http(&receiver).await;
    old.deliver("CTL-1").await;
    receiver.set_behaviour(outage(OutageKind::Refuse, 0, 600)).unwrap();
    until(http, true).await;
    until(mllp, true).await;
    assert!(is_reset(&old.until_end().await.1));
    let lasted = until(http, false).await;
    assert!(lasted > Duration::from_millis(100), "{lasted:?}");
    until(mllp, false).await;
    assert_eq!(Client::http(&receiver).await.deliver("CTL-2").await.status, 200);
    assert_eq!(msa(&Client::mllp(&receiver).await.exchange("CTL-3").await), ("AA", "CTL-3"));
    assert_eq!(receiver.total(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_is_ordered_over_http_lets_its_order_be_answered() {
    let receiver = start("{}").await;
    let http = receiver.http_addr().unwrap();
    for _ in 0..5 {
        let mut client = Client::http(&receiver).await;
        client.ask("PUT", "/behaviour", "", br#"{"outages":[{"forMs":20}]}"#).await;
        assert_eq!(client.answer().await.status, 200);
        assert!(is_reset(&client.until_end().await.1));
        until(http, false).await;
    }
}

#[tokio::test]
async fn an_outage_comes_again_and_a_new_behaviour_ends_it_at_once() {
    let receiver = start(r#"{"behaviour":{"outages":[{"afterMs":30,"forMs":60,"everyMs":120}]}}"#).await;
    let http = receiver.http_addr().unwrap();
    for _ in 0..3 {
        until(http, true).await;
        until(http, false).await;
    }
    receiver.set_behaviour(outage(OutageKind::Refuse, 0, 3_600_000)).unwrap();
    until(http, true).await;
    receiver.set_behaviour(Behaviour::default()).unwrap();
    until(http, false).await;
}

#[tokio::test]
async fn a_restart_gives_the_same_port_back_promptly_and_keeps_what_was_received() {
    let receiver = behaving("{}").await;
    let http = receiver.http_addr();
    for round in 1..=20 {
        let mut client = Client::http(&receiver).await;
        assert_eq!(client.deliver(&format!("CTL-{round}")).await.status, 200);
        let started = Instant::now();
        receiver.restart(Duration::ZERO).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(receiver.http_addr(), http);
        assert!(is_reset(&client.until_end().await.1));
    }
    let started = Instant::now();
    receiver.restart(Duration::from_millis(50)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert_eq!(receiver.total(), 20);
}

#[tokio::test]
async fn an_unavailable_receiver_says_503_and_keeps_nothing() {
    let receiver = behaving("{}").await;
    receiver.set_behaviour(outage(OutageKind::Unavailable, 0, 3_600_000)).unwrap();
    let mut client = Client::http(&receiver).await;
    assert_eq!(client.deliver("CTL-1").await.status, 503);
    assert_eq!(client.get("/health").await.status, 200);
    let mut framed = Client::mllp(&receiver).await;
    framed.frame(&message("CTL-2")).await;
    assert!(framed.until_end().await.0.is_empty());
    assert_eq!((receiver.total(), receiver.stats().turned_away), (0, 2));
}

#[tokio::test]
async fn a_dropping_receiver_closes_when_a_message_comes() {
    let receiver = behaving("{}").await;
    receiver.set_behaviour(outage(OutageKind::Drop, 0, 3_600_000)).unwrap();
    let mut client = Client::http(&receiver).await;
    client.post("CTL-1", &message("CTL-1")).await;
    assert!(client.until_end().await.0.is_empty());
    let mut framed = Client::mllp(&receiver).await;
    framed.frame(&message("CTL-2")).await;
    assert!(framed.until_end().await.0.is_empty());
    assert_eq!(receiver.total(), 0);
}

#[tokio::test]
async fn a_stopped_receiver_has_closed_everything_and_freed_its_port() {
    let receiver = behaving("{}").await;
    let (http, mut client) = (receiver.http_addr().unwrap(), Client::http(&receiver).await);
    client.deliver("CTL-1").await;
    receiver.stop().await;
    assert!(client.until_end().await.0.is_empty());
    let again = ReceiverConfig { http: Some(http), ..ReceiverConfig::default() };
    let again = Receiver::start(again).await.unwrap();
    assert_eq!(Client::http(&again).await.deliver("CTL-2").await.status, 200);
}

#[tokio::test]
async fn a_receiver_stops_in_the_middle_of_an_outage_too() {
    let receiver = behaving(r#"{"outages":[{"forMs":3600000}]}"#).await;
    let http = receiver.http_addr().unwrap();
    until(http, true).await;
    receiver.stop().await;
    until(http, true).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let config = ReceiverConfig { http: Some(addr), ..ReceiverConfig::default() };
    let error = Receiver::start(config).await.unwrap_err();
    assert!(matches!(&error, ReceiverError::Listen { addr: named, .. } if *named == addr));
    assert_eq!(error.to_string(), format!("cannot listen on {addr}"));
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let receiver = start(r#"{"limits":{"connectionsMax":1}}"#).await;
    let mut first = Client::http(&receiver).await;
    first.deliver("CTL-1").await;
    let mut second = Client::http(&receiver).await;
    second.post("CTL-2", &message("CTL-2")).await;
    first.deliver("CTL-3").await;
    drop(first);
    assert_eq!(second.answer().await.status, 200);
    let order: Vec<_> = receiver.received().into_iter().map(|item| item.control_id).collect();
    assert_eq!(order, ["CTL-1", "CTL-3", "CTL-2"]);
}
