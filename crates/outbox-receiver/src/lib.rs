//! A stand-in for an HL7 v2 receiver: it takes messages over HTTP and MLLP, keeps what it received, answers with real
//! acknowledgements, and misbehaves on request. For tests and benchmarks; never for patient data.
//!
//! It reads HL7 with a small reader of its own and shares no code with the outbox, so that it can contradict it.
//!
//! The parts, in the order a message travels:
//!
//! | part | what it is |
//! |---|---|
//! | `config`, `error` | what [`Receiver::start`] is given, and how it can refuse |
//! | `receiver` | the handle: start, change behaviour, look, restart, stop |
//! | `listener`, `outage`, `socket`, `tls` | one address that is open or refuses, and the connections behind it |
//! | `http`, `mllp` | the two transports: framing, connection and answer apart |
//! | `desk` | what all connections share, and the one way a message is taken in |
//! | `message`, `check` | the reader, and what a receiver refuses by itself |
//! | `behaviour`, `answer`, `conduct`, `dice`, `shorthand` | what is to be answered, and the choice for one message |
//! | `kept`, `received`, `stats` | what was received, within bounds |
//! | `verdict`, `ack`, `when` | what an acknowledgement says, how it is written, and points in time as text |

mod ack;
mod answer;
mod behaviour;
mod check;
mod conduct;
mod config;
mod desk;
mod dice;
mod error;
mod http;
mod kept;
mod listener;
mod message;
mod mllp;
mod outage;
mod received;
mod receiver;
mod shorthand;
mod socket;
mod stats;
mod tls;
mod verdict;
mod when;

// The public list.
pub use answer::{Answer, FollowUp};
pub use behaviour::{Behaviour, Latency, Rule, When};
pub use config::{KeepMode, KeepPolicy, Limits, ReceiverConfig, TlsConfig};
pub use error::{BehaviourError, ReceiverError, TlsError};
pub use outage::{Outage, OutageKind};
pub use received::{Page, Received, Transport};
pub use receiver::Receiver;
pub use stats::Stats;
pub use verdict::{AckCode, AckError, Severity};
