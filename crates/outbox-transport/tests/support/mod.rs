//! What the tests share: destinations as users write them, invented messages, and peers that misbehave byte by byte.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod papers;
pub(crate) mod peer;
pub(crate) mod scripted;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outbox_core::acknowledgement::{Asked, Seen, Verdict, judge};
use outbox_core::config::{Destination, Environment, Settings, read};
use outbox_core::error::OutboxError;
use outbox_core::hl7::AckCondition;
use outbox_core::message::Body;
use outbox_core::transport::{Delivery, Parcel, Transport};
use outbox_receiver::{Receiver, ReceiverConfig};
use serde_json::{Value, json};

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must come.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this takes too long")
}

/// A destination and the way to it.
pub(crate) struct Way {
    pub(crate) destination: Arc<Destination>,
    pub(crate) transport: Arc<dyn Transport>,
}

/// What is known of a message beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// MSH-16.
    pub(crate) application_ack: Option<AckCondition>,
    pub(crate) earlier_indeterminate: bool,
}

/// What came of one message, and what it is worth.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) seen: Seen,
    pub(crate) bytes_sent: u64,
    pub(crate) verdict: Verdict,
}

impl Handed {
    /// The outcome's name.
    pub(crate) fn outcome(&self) -> &'static str {
        self.verdict.outcome.as_str()
    }

    /// The status, whether there was a `Location`, the body, and whether it was cut.
    pub(crate) fn http(&self) -> (u16, bool, &[u8], bool) {
        match &self.seen {
            Seen::Http { status, location, body, truncated, .. } => (*status, *location, body, *truncated),
            other => panic!("expected an HTTP answer, saw {other:?}"),
        }
    }
}

/// Resolves a destination from the JSON that a user would write.
pub(crate) fn destination(rest: Value) -> Arc<Destination> {
    let mut config = json!({});
    config["destinations"]["d"] = rest;
    let config = read(&config.to_string(), "the configuration").unwrap();
    let settings = Settings::resolve(config, &Environment::default(), Path::new("/")).unwrap();
    Arc::clone(&settings.destinations["d"])
}

/// The way to a destination that can be connected to.
pub(crate) fn way(rest: Value) -> Way {
    let destination = destination(rest);
    let transport = outbox_transport::connect(&destination).unwrap();
    Way { destination, transport }
}

/// The way to an address, with nothing else configured but short deadlines.
pub(crate) fn way_to(addr: SocketAddr, total_ms: u64) -> Way {
    way(json!({ "url": format!("http://{addr}/receive"), "timeouts": { "totalMs": total_ms } }))
}

/// The same over MLLP.
pub(crate) fn mllp_way_to(addr: SocketAddr, total_ms: u64) -> Way {
    way(json!({ "url": format!("mllp://{addr}"), "timeouts": { "totalMs": total_ms } }))
}

/// The error of a destination that cannot be connected to.
pub(crate) fn refused(rest: Value) -> OutboxError {
    outbox_transport::connect(&destination(rest)).err().expect("this configuration must be refused")
}

impl Way {
    /// Hands one message over and judges what was seen.
    pub(crate) async fn hand(&self, control_id: &str, body: impl Into<Vec<u8>>) -> Handed {
        self.hand_as(control_id, body, Told::default()).await
    }

    /// The same, with more known of the message.
    pub(crate) async fn hand_as(&self, control_id: &str, body: impl Into<Vec<u8>>, told: Told) -> Handed {
        let Told { application_ack, earlier_indeterminate } = told;
        let parcel = Parcel { body: Body::new(body.into()), control_id: Arc::from(control_id), application_ack };
        let Delivery { seen, bytes_sent } = soon(self.transport.deliver(parcel)).await;
        let asked = Asked { control_id, application_ack, earlier_indeterminate, now: SystemTime::UNIX_EPOCH };
        let verdict = judge(&seen, &asked, &self.destination.policy);
        Handed { seen, bytes_sent, verdict }
    }

    /// Hands an ordinary small message over.
    pub(crate) async fn send(&self, control_id: &str) -> Handed {
        self.hand(control_id, message(control_id)).await
    }
}

/// An invented message.
pub(crate) fn message(control_id: &str) -> String {
    format!(
        "MSH|^~\\&|TESTAPP|TESTFAC|STANDIN|NOWHERE|20300102030405+0400||ADT^A08^ADT_A01|{control_id}|T|2.5.1\r\
         EVN||20300102030405+0400\rPID|1||P-1^^^&TESTFAC||INVENTED^PERSON||19000101|U\r"
    )
}

/// An invented message of at least so many bytes.
pub(crate) fn large_message(control_id: &str, bytes: usize) -> String {
    let mut message = message(control_id);
    let note = "NTE|1||nothing of any meaning, only length, and then more of it\r";
    while message.len() < bytes {
        message.push_str(note);
    }
    message
}

/// Starts the stand-in receiver from its JSON.
pub(crate) async fn receiver(config: Value) -> Receiver {
    let config: ReceiverConfig = serde_json::from_value(config).unwrap();
    Receiver::start(config).await.unwrap()
}

/// Starts one that always answers so.
pub(crate) async fn answering(answer: Value) -> Receiver {
    receiver(json!({ "behaviour": { "answer": answer } })).await
}
