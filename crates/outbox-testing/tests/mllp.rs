//! The whole way over MLLP: store, dispatcher and sockets, to the stand-in receiver.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use outbox_core::clock::{Clock, SystemClock};
use outbox_core::config::{Environment, Settings, read};
use outbox_core::enqueue::{EnqueueOptions, EnqueueRequest};
use outbox_core::event::{Observer, StatusChange};
use outbox_core::hl7::Source;
use outbox_core::outbox::{AlertParts, Outbox, OutboxParts};
use outbox_core::state::State;
use outbox_core::store::wait;
use outbox_receiver::{Receiver, ReceiverConfig};
use outbox_sqlite::{FileElection, Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::text;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const LANES: u32 = 8;
const EACH: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells each message that came to an end, and how.
struct Ends(mpsc::Sender<State>);

impl Observer for Ends {
    fn listens(&self) -> bool {
        true
    }

    fn hear(&self, changes: Vec<StatusChange>) {
        for change in changes.into_iter().filter(|change| change.to != State::Pending) {
            // The test may have ended.
            let _ = self.0.send(change.to);
        }
    }
}

fn outbox(directory: &Path, runtime: &Runtime, url: &str, more: &Value) -> (Outbox, mpsc::Receiver<State>) {
    let path = directory.join("outbox.db");
    let timeouts = json!({ "totalMs": 500 });
    let retry = json!({ "scheduleMs": [5], "jitter": 0, "maxAttempts": 1000, "maxIndeterminate": 1000 });
    let mut destination = json!({ "url": url, "concurrency": 4, "timeouts": timeouts, "retry": retry });
    destination.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let config = json!({ "path": path, "destinations": { "test": destination } }).to_string();
    let settings = Settings::resolve(read(&config, "the test").unwrap(), &Environment::default(), directory).unwrap();
    let clock = Arc::new(SystemClock);
    let (tell, ends) = mpsc::channel();
    let observer = Some(Arc::new(Ends(tell)) as _);
    let options = StoreOptions {
        clock: Arc::clone(&clock) as _,
        observer,
        pending_max: 1_000_000,
        wal_max: 1 << 30,
        parts: Parts::default(),
    };
    let outbox = Outbox::start(OutboxParts {
        store: Arc::new(SqliteStore::open(&path, options).unwrap()),
        election: Arc::new(FileElection::new(&path)),
        settings,
        clock,
        runtime: runtime.handle().clone(),
        connect: Arc::new(outbox_transport::connect),
        alerts: AlertParts::default(),
    });
    (outbox.unwrap(), ends)
}

fn enqueue(outbox: &Outbox, control_id: &str, patient: &str) {
    let message = text(control_id, patient).into_bytes();
    let request = EnqueueRequest { message, source: Source::Text, options: EnqueueOptions::default() };
    wait(|done| outbox.enqueue(vec![request], done)).unwrap();
}

/// Sends everything to a receiver that behaves so; answers its arrivals, when all have ended ACKNOWLEDGED.
fn deliver(behaviour: &Value) -> Vec<outbox_receiver::Received> {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = json!({ "http": null, "mllp": "127.0.0.1:0", "behaviour": behaviour });
    let config: ReceiverConfig = serde_json::from_value(config).unwrap();
    let receiver = runtime.block_on(Receiver::start(config)).unwrap();
    let url = format!("mllp://{}", receiver.mllp_addr().unwrap());
    let (outbox, ends) = outbox(directory.path(), &runtime, &url, &json!({}));
    for n in 0..EACH {
        for lane in 0..LANES {
            enqueue(&outbox, &format!("L{lane}-{n:04}"), &format!("PATIENT{lane}"));
        }
    }
    for _ in 0..LANES * EACH {
        assert_eq!(ends.recv_timeout(PATIENCE).expect("every message ends"), State::Acknowledged);
    }
    assert!(outbox.stop(PATIENCE));
    receiver.received()
}

/// Control ids by lane, in the order of arrival, each only when it comes first.
fn first_arrivals(received: &[outbox_receiver::Received]) -> BTreeMap<String, Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut lanes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in received {
        if seen.insert(one.control_id.clone()) {
            lanes.entry(one.patient.clone()).or_default().push(one.control_id.clone());
        }
    }
    lanes
}

fn assert_in_order(received: &[outbox_receiver::Received]) {
    let lanes = first_arrivals(received);
    assert_eq!(lanes.len(), LANES as usize);
    for arrived in lanes.values() {
        assert!(arrived.is_sorted() && arrived.len() == EACH as usize, "{arrived:?}");
    }
}

#[test]
fn lanes_arrive_in_order_over_four_connections_that_stay_and_nothing_comes_twice() {
    let received = deliver(&json!({ "latency": { "minMs": 0, "maxMs": 3 } }));
    assert_in_order(&received);
    assert_eq!(received.len(), (LANES * EACH) as usize);
    let connections: BTreeSet<_> = received.iter().map(|one| one.connection).collect();
    assert!(connections.len() <= 4, "{connections:?}");
}

#[test]
fn a_receiver_that_misbehaves_gets_everything_in_order_and_is_believed_in_nothing_else() {
    let rule = |probability: f64, answer: Value| json!({ "when": { "probability": probability }, "answer": answer });
    let received = deliver(&json!({
        "seed": 7,
        "rules": [
            rule(0.04, json!({ "type": "closeAfterBody", "reset": true })),
            rule(0.04, json!({ "type": "wrongControlId" })),
            rule(0.04, json!({ "type": "garbage", "framed": true })),
            rule(0.04, json!({ "type": "truncatedAck" })),
            rule(0.02, json!("silent")),
            rule(0.02, json!({ "type": "late", "afterMs": 700 })),
            rule(0.02, json!({ "type": "endless" })),
        ],
    }));
    assert_in_order(&received);
    assert!(received.len() > (LANES * EACH) as usize, "what was in doubt came again");
    // Each was taken by an AA in the end, and only that ended it.
    let acknowledged: BTreeSet<_> =
        received.iter().filter(|one| one.answer == "AA").map(|one| one.control_id.clone()).collect();
    assert_eq!(acknowledged.len(), (LANES * EACH) as usize);
}

#[test]
fn health_shows_when_the_receiver_s_certificate_expires_and_warns_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let now = SystemClock.now();
    let mut params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
    params.not_after = (SystemTime::now() + Duration::from_secs(10 * 86_400)).into();
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let ca = directory.path().join("receiver.pem");
    std::fs::write(&ca, &cert).unwrap();
    let tls = json!({ "cert": cert, "key": key.serialize_pem() });
    let config = json!({ "http": null, "mllp": "127.0.0.1:0", "tls": tls });
    let config: ReceiverConfig = serde_json::from_value(config).unwrap();
    let receiver = runtime.block_on(Receiver::start(config)).unwrap();
    let url = format!("mllps://localhost:{}", receiver.mllp_addr().unwrap().port());
    let (outbox, ends) = outbox(directory.path(), &runtime, &url, &json!({ "tls": { "caFile": ca } }));
    let health = wait(|done| outbox.health(done)).unwrap();
    assert_eq!(health.destinations["test"].certificate_expires_at, None, "nobody has been spoken to");
    enqueue(&outbox, "L0-0001", "PATIENT0");
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), State::Acknowledged);
    let health = wait(|done| outbox.health(done)).unwrap();
    let at = health.destinations["test"].certificate_expires_at.expect("the certificate was seen");
    assert!((9..=10).contains(&(now.until(at).as_secs() / 86_400)), "{}", at.to_iso());
    assert!(health.problems.iter().any(|problem| problem.code == "certificate-expires"));
    assert!(outbox.stop(PATIENCE));
}
