//! The transports: the only crate that knows sockets and TLS.
//!
//! The parts, in the order a message travels:
//!
//! | part | what it is |
//! |---|---|
//! | `https`, `headers` | one POST a message, with headers as configured |
//! | `pool` | connections that wait for the next message |
//! | `connector`, `tls` | name, TCP and TLS, where no connection waits |
//! | `link` | one connection, one message at a time, and its answer |
//! | `body`, `socket` | what is counted on the way out |
//! | `fault` | what a failure says about how far the message came |

mod body;
mod connector;
mod fault;
mod headers;
mod https;
mod link;
mod pool;
mod socket;
mod tls;

use std::sync::Arc;

use outbox_core::config::Destination;
use outbox_core::error::OutboxError;
use outbox_core::transport::Transport;

/// The way to a destination. Fails when its certificates or headers cannot be used.
pub fn connect(destination: &Destination) -> Result<Arc<dyn Transport>, OutboxError> {
    Ok(Arc::new(https::Https::new(destination)?))
}
