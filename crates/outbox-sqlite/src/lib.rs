//! The SQLite store of hl7-outbox: the only crate that knows SQL.
//!
//! - [`SqliteStore`] joins a writer and its readers;
//! - `write`: one thread, group commit, an operation a file;
//! - `bulk`: commands on many messages, part by part; `walk` finds these;
//! - `queue`: whose turn it is to write, among processes;
//! - `read`: a pool of connections, a question a function;
//! - `schema`: what a file must be, and its migrations;
//! - [`FileElection`]: who dispatches, by the operating system's file lock;
//! - [`backup`], [`restore`] and [`inspect`]: the operator's hand on the file as a whole.

mod backup;
mod bulk;
mod companion;
mod connection;
mod cursor;
mod digest;
mod error;
mod file;
mod filter;
mod home;
mod identity;
mod inspect;
mod lock;
mod part;
mod path;
mod queue;
mod read;
mod restore;
mod schema;
mod sealed;
mod store;
mod walk;
mod watch;
mod write;

pub use backup::{Backup, backup};
pub use bulk::Parts;
pub use inspect::{Check, Inspection, inspect};
pub use lock::FileElection;
pub use restore::{Restored, restore};
pub use store::{SqliteStore, StoreOptions};
