//! The whole core over a real file, a network under control, and time that runs as fast as everybody sleeps.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod outage;
mod weather;
mod world;
