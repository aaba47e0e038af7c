//! A transport whose answers a test decides, and which watches what is in flight.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbox_core::acknowledgement::Seen;
use outbox_core::transport::{Delivering, Delivery, Parcel, Transport};

/// What the network does with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver takes it and says so.
    Acknowledged,
    /// The receiver takes it, and the answer is lost.
    AnswerLost,
    /// The receiver is not reached.
    Unreachable,
    /// The receiver answers 500.
    ServerError,
    /// The receiver refuses it for good.
    Refused,
}

type Decide = dyn Fn(&str) -> (Fate, Duration) + Send + Sync;

/// A network under a test's control.
pub struct Network {
    decide: Box<Decide>,
    taken: Mutex<Vec<String>>,
    in_flight: Mutex<HashSet<String>>,
    lane_of: fn(&str) -> String,
    overlaps: Mutex<Vec<String>>,
}

impl Network {
    /// `decide` tells the fate of a control id and how long it takes; `lane_of` which lane a control id belongs to.
    pub fn new(
        lane_of: fn(&str) -> String,
        decide: impl Fn(&str) -> (Fate, Duration) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            decide: Box::new(decide),
            taken: Mutex::default(),
            in_flight: Mutex::default(),
            lane_of,
            overlaps: Mutex::default(),
        })
    }

    /// Control ids in the order in which the receiver took them, repeats included.
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lanes of which two messages were under way at once; must be empty.
    pub fn overlaps(&self) -> Vec<String> {
        self.overlaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&self, lane: &str) {
        let fresh = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(lane.to_owned());
        if !fresh {
            self.overlaps.lock().unwrap_or_else(PoisonError::into_inner).push(lane.to_owned());
        }
    }
}

/// The transport over a [`Network`].
pub struct NetworkTransport(pub Arc<Network>);

impl Transport for NetworkTransport {
    fn deliver(&self, parcel: Parcel) -> Delivering {
        let network = Arc::clone(&self.0);
        Box::pin(async move {
            let control_id = parcel.control_id.to_string();
            let lane = (network.lane_of)(&control_id);
            let (fate, delay) = (network.decide)(&control_id);
            network.begin(&lane);
            tokio::time::sleep(delay).await;
            if matches!(fate, Fate::Acknowledged | Fate::AnswerLost) {
                network.taken.lock().unwrap_or_else(PoisonError::into_inner).push(control_id.clone());
            }
            network.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&lane);
            Delivery { seen: seen(fate, &control_id), bytes_sent: parcel.body.reveal().len() as u64 }
        })
    }
}

fn seen(fate: Fate, control_id: &str) -> Seen {
    let http = |status, body: String| Seen::Http {
        status,
        retry_after: None,
        location: false,
        content_type: None,
        body: body.into_bytes(),
        truncated: false,
    };
    match fate {
        Fate::Acknowledged => http(200, answer("AA", control_id)),
        Fate::Refused => http(200, answer("AE", control_id) + "ERR||PV1^1^7|103^Table value not found^HL70357|E\r"),
        Fate::ServerError => http(500, String::new()),
        Fate::AnswerLost => Seen::NoAnswer { fault: "connection-lost" },
        Fate::Unreachable => Seen::NotDelivered { fault: "connect-refused" },
    }
}

fn answer(code: &str, control_id: &str) -> String {
    format!("MSH|^~\\&|TESTRECEIVER||MF0000||20260101080000||ACK|A{control_id}|T|2.5.1\rMSA|{code}|{control_id}\r")
}
