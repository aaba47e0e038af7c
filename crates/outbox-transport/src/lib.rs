//! The transports: the only crate that knows sockets and TLS.
//!
//! The parts, in the order a message travels:
//!
//! | part | what it is |
//! |---|---|
//! | `https`, `headers`, `token` | one POST a message, with headers and credentials as configured |
//! | `mllp` | one frame a message, and the frames that answer it |
//! | `pool` | connections that wait for the next message |
//! | `connector`, `proxy`, `tls`, `verifier`, `certificate` | name, TCP, proxy and TLS, where no connection waits |
//! | `link` | one HTTP connection, one message at a time, and its answer |
//! | `body`, `meter`, `socket` | what is counted on the way out |
//! | `deadline`, `fault` | how long it may take, and what a failure says about how far the message came |
//! | `probe` | whether a destination can be reached, without a message |
//! | `webhook` | alerts, signed |

mod body;
mod certificate;
mod connector;
mod deadline;
mod fault;
mod headers;
mod https;
mod link;
mod meter;
mod mllp;
mod pool;
mod probe;
mod proxy;
mod socket;
mod tls;
mod token;
mod verifier;
mod webhook;

use std::sync::Arc;

use outbox_core::config::Destination;
use outbox_core::error::OutboxError;
use outbox_core::transport::Transport;

pub use probe::{Probe, Way, probe};
pub use webhook::connect_webhook;

/// The way to a destination. Fails when its certificates, pins, headers or credentials cannot be used; the error names the
/// key.
pub fn connect(destination: &Destination) -> Result<Arc<dyn Transport>, OutboxError> {
    Ok(if destination.scheme.is_mllp() {
        Arc::new(mllp::Mllp::new(destination)?)
    } else {
        Arc::new(https::Https::new(destination)?)
    })
}
