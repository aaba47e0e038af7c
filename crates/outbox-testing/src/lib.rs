//! What the tests of this workspace share.
//!
//! - [`conformance`]: what every store must do, as cases that a store's own tests run one by one;
//! - [`histories`]: random histories of a store against a model of what is promised;
//! - [`subject`]: a store under test, spoken to as a thread that may wait;
//! - [`clock`]: wall time that a test moves, backwards too;
//! - [`messages`]: invented messages;
//! - [`network`]: a transport whose answers a test decides.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test library: a panic is its way to say no"
)]

pub mod clock;
pub mod conformance;
pub mod histories;
pub mod messages;
pub mod network;
pub mod subject;
