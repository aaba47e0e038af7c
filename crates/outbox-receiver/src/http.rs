//! The HTTP side: hyper frames, `connection` ends, `intake` takes messages, `render` answers, `inspect` shows.

mod body;
mod connection;
mod inspect;
mod intake;
mod parting;
mod render;

pub(crate) use connection::serve;
pub(crate) use render::{filling, garbage};
