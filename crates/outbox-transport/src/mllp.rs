//! MLLP: one message at a time over kept connections.

mod client;
mod connection;
mod frame;

pub(crate) use client::Mllp;
