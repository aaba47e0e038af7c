//! How many messages a second the receiver takes over loopback, and what one costs it in processor time.
//!
//! `cargo run --release -p outbox-receiver --example throughput -- [http|mllp] [all|counts] [messages] [connections]`
//!
//! The receiver has one thread and the senders another, so that the receiver's share can be told apart.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a measurement for people; it may stop where it cannot go on"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use outbox_receiver::{Receiver, ReceiverConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

fn main() {
    let mut args = std::env::args().skip(1);
    let mllp = args.next().as_deref() == Some("mllp");
    let keep = args.next().unwrap_or_else(|| "counts".into());
    let messages = args.next().map_or(200_000, |text| text.parse().expect("a number of messages"));
    let connections = args.next().map_or(32, |text| text.parse().expect("a number of connections"));

    let config = format!(r#"{{"mllp":"127.0.0.1:0","keep":"{keep}"}}"#);
    let (told, listens) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let receiver = std::thread::spawn(move || receive(&config, &told, stopped));
    let (http_addr, mllp_addr) = listens.recv().unwrap();

    let started = Instant::now();
    send(if mllp { mllp_addr } else { http_addr }, mllp, messages, connections);
    let took = started.elapsed();
    stop.send(()).unwrap();
    let (arrived, cpu) = receiver.join().unwrap();
    assert_eq!(arrived, messages, "every message arrives once");
    println!(
        "{} keep={keep} connections={connections}: {messages} messages in {took:.2?}, {:.0} a second; receiver {:.1} us of processor each ({:.0} a second on one core)",
        if mllp { "mllp" } else { "http" },
        messages as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / messages as f64,
        messages as f64 / cpu.as_secs_f64(),
    );
}

fn receive(
    config: &str,
    told: &mpsc::Sender<(SocketAddr, SocketAddr)>,
    stop: oneshot::Receiver<()>,
) -> (u64, Duration) {
    let config: ReceiverConfig = serde_json::from_str(config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let receiver = Receiver::start(config).await.unwrap();
        told.send((receiver.http_addr().unwrap(), receiver.mllp_addr().unwrap())).unwrap();
        let before = processor_time();
        stop.await.unwrap();
        let used = processor_time().saturating_sub(before);
        let distinct = receiver.stats().distinct;
        receiver.stop().await;
        (distinct, used)
    })
}

/// What this thread has used, where the system tells (Linux).
fn processor_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

fn send(addr: SocketAddr, mllp: bool, messages: u64, connections: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let next = Arc::new(AtomicU64::new(0));
        let senders: Vec<_> = (0..connections)
            .map(|_| {
                let next = Arc::clone(&next);
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(addr).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut answer = vec![0; 4_096];
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= messages {
                            return;
                        }
                        stream.write_all(&request(mllp, number)).await.unwrap();
                        read_answer(&mut stream, &mut answer, mllp).await;
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
    });
}

fn request(mllp: bool, number: u64) -> Vec<u8> {
    let patient = number % 5_000;
    let observations =
        "OBX|1|TX|NOTE^Invented note^LOCAL||Nothing of what is written here has ever happened.||||||F\r".repeat(6);
    let message = format!(
        "MSH|^~\\&|TESTAPP|TESTFAC|STANDIN|NOWHERE|20300102030405+0400||ADT^A08^ADT_A01|BENCH-{number}|T|2.5.1\r\
         EVN|A08|20300102030405+0400\rPID|1||P{patient}^^^&TESTFAC||INVENTED^PERSON{patient}||19000101|U\r\
         PV1|1|O|NOWHERE^^^&TESTFAC\r{observations}"
    );
    if mllp {
        return format!("\u{b}{message}\u{1c}\r").into_bytes();
    }
    format!(
        "POST /receive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/hl7-v2\r\nX-Message-Control-ID: BENCH-{number}\r\n\
         Authorization: Bearer invented\r\nContent-Length: {}\r\n\r\n{message}",
        message.len()
    )
    .into_bytes()
}

/// Both kinds of answer come in one piece here, and end in CR or in the frame's CR.
async fn read_answer(stream: &mut TcpStream, answer: &mut [u8], mllp: bool) {
    let mut length = 0;
    loop {
        let read = stream.read(answer.get_mut(length..).unwrap()).await.unwrap();
        assert!(read > 0, "the receiver closed the connection");
        length += read;
        let so_far = answer.get(..length).unwrap();
        let text = String::from_utf8_lossy(so_far);
        if if mllp {
            so_far.ends_with(b"\x1c\r")
        } else {
            text.contains("\r\n\r\n") && text.contains("MSA|AA|") && text.ends_with('\r')
        } {
            return;
        }
    }
}
