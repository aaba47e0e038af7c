//! A transport whose answers a test decides, and which watches what is in flight.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbox_core::acknowledgement::Seen;
use outbox_core::transport::{Delivering, Delivery, Parcel, Transport};
use tokio::time::Instant;

/// What the network does with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver takes it and says so.
    Acknowledged,
    /// The receiver takes it, and the answer is lost.
    AnswerLost,
    /// The bytes leave, and neither do they arrive nor does an answer.
    Lost,
    /// The receiver is not reached.
    Unreachable,
    /// The receiver answers 500.
    ServerError,
    /// The receiver asks for a rest of half a minute.
    Throttled,
    /// The receiver refuses it for good.
    Refused,
}

/// An attempt that began.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The message.
    pub control_id: String,
    /// When, by the clock of the runtime.
    pub at: Instant,
    /// How many others were under way.
    pub others: usize,
    /// What was to become of it.
    pub fate: Fate,
}

type Decide = dyn Fn(&str) -> (Fate, Duration) + Send + Sync;

/// A network under a test's control.
pub struct Network {
    decide: Box<Decide>,
    taken: Mutex<Vec<(String, Instant)>>,
    begun: Mutex<Vec<Begun>>,
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
            begun: Mutex::default(),
            in_flight: Mutex::default(),
            lane_of,
            overlaps: Mutex::default(),
        })
    }

    /// Control ids in the order in which the receiver took them, repeats included.
    pub fn taken(&self) -> Vec<String> {
        self.arrivals().into_iter().map(|(control_id, _)| control_id).collect()
    }

    /// The same with the time of each.
    pub fn arrivals(&self) -> Vec<(String, Instant)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Attempts in the order in which they began.
    pub fn begun(&self) -> Vec<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lanes of which two messages were under way at once; must be empty.
    pub fn overlaps(&self) -> Vec<String> {
        self.overlaps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(self: &Arc<Self>, control_id: &str, fate: Fate) -> UnderWay {
        let lane = (self.lane_of)(control_id);
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let others = in_flight.len();
        if !in_flight.insert(lane.clone()) {
            self.overlaps.lock().unwrap_or_else(PoisonError::into_inner).push(lane.clone());
        }
        drop(in_flight);
        let begun = Begun { control_id: control_id.to_owned(), at: Instant::now(), others, fate };
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(begun);
        UnderWay { network: Arc::clone(self), lane }
    }
}

/// An attempt that is under way until this is dropped, cut short or not.
struct UnderWay {
    network: Arc<Network>,
    lane: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.network.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.lane);
    }
}

/// The transport over a [`Network`].
pub struct NetworkTransport(pub Arc<Network>);

impl Transport for NetworkTransport {
    fn deliver(&self, parcel: Parcel) -> Delivering {
        let network = Arc::clone(&self.0);
        Box::pin(async move {
            let control_id = parcel.control_id.to_string();
            let (fate, delay) = (network.decide)(&control_id);
            let _under_way = network.begin(&control_id, fate);
            // Half of it on the way there: who is cut short on the way back has delivered.
            tokio::time::sleep(delay / 2).await;
            if matches!(fate, Fate::Acknowledged | Fate::AnswerLost) {
                let arrival = (control_id.clone(), Instant::now());
                network.taken.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
            }
            tokio::time::sleep(delay / 2).await;
            Delivery { seen: seen(fate, &control_id), bytes_sent: parcel.body.reveal().len() as u64 }
        })
    }
}

fn seen(fate: Fate, control_id: &str) -> Seen {
    let http = |status, body: String| Seen::Http {
        status,
        retry_after: (fate == Fate::Throttled).then(|| String::from("30")),
        location: false,
        content_type: None,
        body: body.into_bytes(),
        truncated: false,
    };
    match fate {
        Fate::Acknowledged => http(200, answer("AA", control_id)),
        Fate::Refused => http(200, answer("AE", control_id) + "ERR||PV1^1^7|103^Table value not found^HL70357|E\r"),
        Fate::ServerError => http(500, String::new()),
        Fate::Throttled => http(503, String::new()),
        Fate::Lost | Fate::AnswerLost => Seen::NoAnswer { fault: "connection-lost" },
        Fate::Unreachable => Seen::NotDelivered { fault: "connect-refused" },
    }
}

fn answer(code: &str, control_id: &str) -> String {
    format!("MSH|^~\\&|TESTRECEIVER||MF0000||20260101080000||ACK|A{control_id}|T|2.5.1\rMSA|{code}|{control_id}\r")
}
