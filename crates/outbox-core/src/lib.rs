//! The heart of hl7-outbox, without any database, socket or JavaScript.
//!
//! The modules stand in the order in which a message travels:
//!
//! enqueue → store → dispatch → transport → acknowledgement → status
//!
//! [`outbox::Outbox`] joins them. The crates beside this one furnish the seams: `outbox-sqlite` the [`store::Store`] and
//! the [`dispatch::election::Election`], `outbox-transport` the [`transport::Transport`].

pub mod hl7;
pub mod message;
pub mod state;

pub mod acknowledgement;
pub mod dispatch;
pub mod enqueue;
pub mod retry;
pub mod status;
pub mod store;
pub mod transport;

pub mod alert;
pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod faults;
pub mod health;
mod live;
pub mod metrics;
pub mod outbox;
pub mod refusals;
pub mod retention;
