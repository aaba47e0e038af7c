//! Random histories of a store against a model of it.
//!
//! A history is a list of steps ([`step`]): enqueues, turns, orders of persons, take-overs, jumps of the clock, reopenings.
//! They name messages by numbers, so that a failing history can be made shorter. [`plan`] makes calls of them, [`run`] makes
//! the calls, and the [`model`] says what each must have come to. The model knows the promises only: lanes are computed from
//! scratch each time, and where a promise leaves a choice (which of the lanes that are due comes first) it follows what the
//! store did and asks whether that was permitted ([`apply`], [`claims`]). After every step all that callers can see is
//! compared ([`check`]).

pub mod seeds;

mod apply;
mod check;
mod claims;
mod model;
mod orders;
mod plan;
mod run;
mod step;

pub use self::run::run;
pub use self::step::{History, histories};

/// What a check says.
type Checked<T = ()> = Result<T, proptest::test_runner::TestCaseError>;
