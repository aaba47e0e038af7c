//! The SQLite store of hl7-outbox: the only crate that knows SQL.
//!
//! - [`SqliteStore`] joins a writer and its readers;
//! - `write`: one thread, group commit, an operation a file;
//! - `read`: a pool of connections, a question a function;
//! - `schema`: what a file must be, and its migrations;
//! - [`FileElection`]: who dispatches, by the operating system's file lock.

mod connection;
mod cursor;
mod digest;
mod error;
mod file;
mod filter;
mod identity;
mod lock;
mod path;
mod read;
mod schema;
mod store;
mod watch;
mod write;

pub use lock::FileElection;
pub use store::{SqliteStore, StoreOptions};
