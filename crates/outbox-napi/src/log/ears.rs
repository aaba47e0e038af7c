//! Environments that hear the log. Each has a list of its own that the event loop empties; when it does not keep up, lines are
//! dropped and counted: a log must not fill the memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::port::Port;

/// Lines that wait for one environment.
const LINES_MAX: usize = 1_000;
/// What the facade is told instead of changes: there are lines to be taken.
const CALL: &str = "\"log\"";

static EARS: Mutex<Vec<Ear>> = Mutex::new(Vec::new());
static DROPPED: AtomicU64 = AtomicU64::new(0);

struct Ear {
    outbox: u32,
    port: Arc<Port>,
    lines: VecDeque<String>,
    dropped: u64,
    /// It was called and has not come yet.
    called: bool,
}

fn ears() -> MutexGuard<'static, Vec<Ear>> {
    EARS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on an environment hears the log under the number of its outbox.
pub(crate) fn hear(outbox: u32, port: Arc<Port>) {
    ears().push(Ear { outbox, port, lines: VecDeque::new(), dropped: 0, called: false });
}

/// It hears no more.
pub(crate) fn unhear(outbox: u32) {
    ears().retain(|ear| ear.outbox != outbox);
}

/// Puts a line on every list. Answers whether there is one.
pub(super) fn tell(line: &str) -> bool {
    let mut ears = ears();
    for ear in ears.iter_mut() {
        if ear.lines.len() < LINES_MAX {
            ear.lines.push_back(line.to_owned());
        } else {
            ear.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        if !std::mem::replace(&mut ear.called, true) {
            ear.port.tell(ear.outbox, CALL.to_owned());
        }
    }
    !ears.is_empty()
}

/// Takes the lines that wait, with how many were dropped since the last time, as JSON.
pub(crate) fn take(outbox: u32) -> String {
    let taken = ears().iter_mut().find(|ear| ear.outbox == outbox).map(|ear| {
        ear.called = false;
        (std::mem::take(&mut ear.lines), std::mem::take(&mut ear.dropped))
    });
    let (lines, dropped) = taken.unwrap_or_default();
    format!("{{\"lines\":[{}],\"dropped\":{dropped}}}", Vec::from(lines).join(","))
}

/// Lines of this process that were dropped so far.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}
