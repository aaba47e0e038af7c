//! Tokens: fetched once, kept, renewed in time and after a 401, and never in an error.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use std::sync::{Arc, Mutex};

use outbox_core::acknowledgement::Seen;
use outbox_receiver::{Receiver, ReceiverConfig, TlsConfig};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use support::papers::Papers;
use support::peer::{Peer, Request, ack, read_request, response, write};
use support::{Way, message, way};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What the token server answers to its n-th request, from 1.
type Answers = fn(u64) -> (&'static str, String);

/// A token server and a receiver of messages, and what each was asked.
struct Pair {
    tokens: Peer,
    receiver: Peer,
    asked: Arc<Mutex<Vec<Request>>>,
    /// The `Authorization` of each message, in their order.
    shown: Arc<Mutex<Vec<String>>>,
}

fn token(number: u64, rest: &str) -> String {
    format!(r#"{{"access_token":"token-{number}","token_type":"Bearer"{rest}}}"#)
}

fn plain(number: u64) -> (&'static str, String) {
    ("200 OK", token(number, r#","expires_in":3600"#))
}

async fn serve(mut stream: TcpStream, mut answer: impl FnMut(Request) -> Vec<u8>) {
    while stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0) {
        let request = read_request(&mut stream).await;
        write(&mut stream, &answer(request)).await;
    }
}

impl Pair {
    /// The receiver takes what carries one of these tokens, and says 401 to the rest.
    async fn start(answers: Answers, taken: &'static [&'static str]) -> Self {
        let asked = Arc::<Mutex<Vec<Request>>>::default();
        let list = Arc::clone(&asked);
        let tokens = Peer::start(move |_, stream| {
            let list = Arc::clone(&list);
            serve(stream, move |request| {
                let mut list = list.lock().unwrap();
                list.push(request);
                let (status, body) = answers(list.len() as u64);
                response(status, "Content-Type: application/json\r\n", body.as_bytes())
            })
        })
        .await;
        let shown = Arc::<Mutex<Vec<String>>>::default();
        let list = Arc::clone(&shown);
        let receiver = Peer::start(move |_, stream| {
            let list = Arc::clone(&list);
            serve(stream, move |request| {
                let header = request.header("authorization").unwrap_or_default().to_owned();
                let is_taken = taken.iter().any(|token| header == format!("Bearer {token}"));
                list.lock().unwrap().push(header);
                let id = request.header("x-message-control-id").unwrap();
                if is_taken {
                    return response("200 OK", "", ack(id).as_bytes());
                }
                response("401 Unauthorized", "", b"")
            })
        })
        .await;
        Self { tokens, receiver, asked, shown }
    }

    fn way(&self) -> Way {
        self.way_with(&json!({}))
    }

    fn way_with(&self, more: &Value) -> Way {
        let mut oauth2 = json!({
            "tokenUrl": format!("http://{}/token?tenant=1", self.tokens.addr),
            "clientId": "clinic & co",
            "clientSecret": "a-secret/with=signs",
        });
        oauth2.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let url = format!("http://{}/receive", self.receiver.addr);
        way(json!({ "url": url, "auth": { "oauth2": oauth2 }, "timeouts": { "totalMs": 10_000 } }))
    }

    fn fetched(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_token_is_asked_for_as_the_rfc_says_and_kept() {
    let pair = Pair::start(plain, &["token-1"]).await;
    let way = pair.way_with(&json!({ "scope": "hl7 write" }));
    for number in 1..=3 {
        assert!(way.send(&format!("CTL-{number}")).await.verdict.acknowledged);
    }
    assert_eq!((pair.fetched(), pair.shown()), (1, vec!["Bearer token-1".to_owned(); 3]));
    let asked = pair.asked.lock().unwrap();
    let request = &asked[0];
    assert!(request.head.starts_with("POST /token?tenant=1 HTTP/1.1\r\n"), "{}", request.head);
    // clinic+%26+co:a-secret%2Fwith%3Dsigns
    let basic = "Basic Y2xpbmljKyUyNitjbzphLXNlY3JldCUyRndpdGglM0RzaWducw==";
    assert_eq!(request.header("authorization"), Some(basic));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body, b"grant_type=client_credentials&scope=hl7+write");
}

#[tokio::test]
async fn attempts_at_the_same_time_share_one_fetch() {
    let pair = Pair::start(plain, &["token-1"]).await;
    let way = Arc::new(pair.way());
    let attempts: Vec<_> = (1..=8)
        .map(|number| {
            let way = Arc::clone(&way);
            tokio::spawn(async move { way.send(&format!("CTL-{number}")).await })
        })
        .collect();
    for attempt in attempts {
        assert!(attempt.await.unwrap().verdict.acknowledged);
    }
    assert_eq!(pair.fetched(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    // A life of nothing is over at once.
    let pair = Pair::start(|number| ("200 OK", token(number, r#","expires_in":0"#)), &["token-1", "token-2"]).await;
    let way = pair.way();
    assert!(way.send("CTL-1").await.verdict.acknowledged);
    assert!(way.send("CTL-2").await.verdict.acknowledged);
    assert_eq!(pair.shown(), ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn after_a_401_the_message_goes_once_more_with_a_new_token() {
    let pair = Pair::start(plain, &["token-2"]).await;
    let way = pair.way();
    let handed = way.send("CTL-1").await;
    assert!(handed.verdict.acknowledged, "{handed:?}");
    assert_eq!(pair.shown(), ["Bearer token-1", "Bearer token-2"]);
    assert!(way.send("CTL-2").await.verdict.acknowledged);
    assert_eq!(pair.fetched(), 2);
}

#[tokio::test]
async fn a_second_401_is_a_fault_of_the_set_up() {
    let pair = Pair::start(plain, &[]).await;
    let handed = pair.way().send("CTL-1").await;
    assert_eq!((handed.outcome(), handed.verdict.row.as_str()), ("misconfigured", "http-401"));
    assert_eq!((pair.fetched(), pair.shown().len()), (2, 2));
}

#[tokio::test]
async fn a_401_with_an_acknowledgement_is_no_reason_to_send_again() {
    let sent = Arc::<Mutex<u32>>::default();
    let count = Arc::clone(&sent);
    let receiver = Peer::start(move |_, stream| {
        let count = Arc::clone(&count);
        serve(stream, move |request| {
            *count.lock().unwrap() += 1;
            response("401 Unauthorized", "", ack(request.header("x-message-control-id").unwrap()).as_bytes())
        })
    })
    .await;
    let pair = Pair { receiver, ..Pair::start(plain, &[]).await };
    assert_eq!(pair.way().send("CTL-1").await.outcome(), "accepted");
    assert_eq!(*sent.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_token_server_that_refuses_or_makes_no_sense_is_a_fault_of_the_set_up() {
    let answers: [Answers; 8] = [
        |_| ("400 Bad Request", r#"{"error":"invalid_client"}"#.to_owned()),
        |_| ("401 Unauthorized", String::new()),
        |_| ("403 Forbidden", String::new()),
        |_| ("302 Found", String::new()),
        |_| ("200 OK", "<html>Sign in</html>".to_owned()),
        |_| ("200 OK", r#"{"access_token":""}"#.to_owned()),
        |_| ("200 OK", token(1, r#","expires_in":-5"#)),
        |_| ("200 OK", format!("{{\"access_token\":\"{}", "a".repeat(2 << 20))),
    ];
    for (index, answers) in answers.into_iter().enumerate() {
        let pair = Pair::start(answers, &["token-1"]).await;
        let handed = pair.way().send("CTL-1").await;
        assert_eq!((handed.outcome(), handed.verdict.row.as_str()), ("misconfigured", "token-refused"), "{index}");
        assert_eq!((handed.bytes_sent, pair.shown().len()), (0, 0));
        let shown = format!("{handed:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("token-1") && !shown.contains("invalid_client"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_token_server_that_is_down_or_busy_is_unreachable() {
    let answers: [Answers; 3] = [
        |_| ("503 Service Unavailable", String::new()),
        |_| ("500 Internal Server Error", String::new()),
        |_| ("429 Too Many Requests", String::new()),
    ];
    for answers in answers {
        let pair = Pair::start(answers, &["token-1"]).await;
        let handed = pair.way().send("CTL-1").await;
        assert_eq!(handed.seen, Seen::NotDelivered { fault: "token-server-failed" });
        assert_eq!(handed.outcome(), "unreachable");
    }
    let silent = Peer::start(|_, mut stream| async move {
        read_request(&mut stream).await;
        stream.shutdown().await.unwrap();
    })
    .await;
    let pair = Pair { tokens: silent, ..Pair::start(plain, &[]).await };
    assert_eq!(pair.way().send("CTL-1").await.seen, Seen::NotDelivered { fault: "token-server-lost" });
    let nobody = pair.way_with(&json!({ "tokenUrl": "http://127.0.0.1:1/token" }));
    assert_eq!(nobody.send("CTL-1").await.seen, Seen::NotDelivered { fault: "token-server-unreachable" });
}

#[tokio::test]
async fn those_who_waited_for_a_fetch_that_failed_share_its_failure_and_the_next_one_asks_again() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, gate) = (Arc::clone(&arrived), Arc::clone(&go));
    let tokens = Peer::start(move |number, mut stream| {
        let (tell, gate) = (Arc::clone(&tell), Arc::clone(&gate));
        async move {
            read_request(&mut stream).await;
            if number > 1 {
                return write(&mut stream, &response("200 OK", "", plain(1).1.as_bytes())).await;
            }
            tell.notify_one();
            gate.notified().await;
            write(&mut stream, &response("500 X", "", b"")).await;
        }
    })
    .await;
    let pair = Pair { tokens, ..Pair::start(plain, &["token-1"]).await };
    let way = Arc::new(pair.way());
    let attempt = |number: u32| {
        let way = Arc::clone(&way);
        tokio::spawn(async move { way.send(&format!("CTL-{number}")).await })
    };
    let first = attempt(1);
    arrived.notified().await;
    let waiting = [attempt(2), attempt(3)];
    // They take their turn behind the first, on this test's one thread.
    tokio::task::yield_now().await;
    go.notify_one();
    assert_eq!(first.await.unwrap().outcome(), "unreachable");
    for attempt in waiting {
        assert_eq!(attempt.await.unwrap().outcome(), "unreachable");
    }
    assert_eq!(pair.tokens.connections(), 1);
    assert!(way.hand("CTL-4", message("CTL-4")).await.verdict.acknowledged);
}

#[tokio::test]
async fn the_token_server_is_held_to_the_same_authorities_but_not_to_the_receiver_s_key_and_name() {
    let papers = Papers::new();
    let (paper, other) = (papers.server("hl7.receiver.invalid"), papers.server("localhost"));
    let tls = TlsConfig { cert: paper.cert.clone(), key: paper.key.clone(), client_ca: None };
    let bearer = Some("token-1".to_owned());
    let receiver = Receiver::start(ReceiverConfig { tls: Some(tls), bearer, ..ReceiverConfig::default() });
    let receiver = receiver.await.unwrap();
    let chain = vec![CertificateDer::from_pem_slice(other.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(other.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let tokens = Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_request(&mut stream).await;
            stream.write_all(&response("200 OK", "", plain(1).1.as_bytes())).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let way = |ca: Value| {
        let token_url = format!("https://localhost:{}/token", tokens.addr.port());
        let oauth2 = json!({ "tokenUrl": token_url, "clientId": "clinic", "clientSecret": "a-secret" });
        let url = format!("https://localhost:{}/receive", receiver.http_addr().unwrap().port());
        let mut tls = ca;
        tls["pins"] = json!([paper.pin]);
        tls["serverName"] = json!("hl7.receiver.invalid");
        support::way(json!({ "url": url, "auth": { "oauth2": oauth2 }, "tls": tls }))
    };
    assert!(way(papers.trusted()).send("CTL-1").await.verdict.acknowledged);
    let handed = way(Papers::new().trusted()).send("CTL-2").await;
    assert_eq!(handed.seen, Seen::CertificateRefused { fault: "server-certificate-refused" });
    assert_eq!(receiver.total(), 1);
}
