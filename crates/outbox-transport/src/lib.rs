//! The transports: the only crate that knows sockets and TLS.
//!
//! - `https`: one POST a message, with [`headers`] as configured and a [`body`] that knows how far it was read;
//! - `fault`: what a failed request says about how far the message came.

mod body;
mod fault;
mod headers;
mod https;

use std::sync::Arc;

use outbox_core::config::Destination;
use outbox_core::error::OutboxError;
use outbox_core::transport::Transport;

/// The way to a destination. Fails when its certificates or headers cannot be used.
pub fn connect(destination: &Destination) -> Result<Arc<dyn Transport>, OutboxError> {
    Ok(Arc::new(https::Https::new(destination)?))
}
