//! The counts of one message on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far the message at hand has come on a connection. What decides between *unreachable* and *indeterminate* is whether
/// its last byte was handed to the kernel, and no library tells: whoever writes the message counts what is taken from it,
/// and the socket learns at each flush that all that was taken before has been written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Bytes of the message that were taken for writing.
    taken: AtomicU64,
    /// Those of them that the kernel has.
    handed: AtomicU64,
    /// Bytes of whatever kind (head, body, TLS) that the kernel took.
    wrote: AtomicU64,
    /// A message is under way: begun, and not answered in full.
    busy: AtomicBool,
    /// The connection is idle, and is being asked whether it is still good.
    probing: AtomicBool,
}

impl Meter {
    /// Begins to count for the next message.
    pub(crate) fn begin(&self) {
        self.0.busy.store(true, Ordering::Release);
        for count in [&self.0.taken, &self.0.handed, &self.0.wrote] {
            count.store(0, Ordering::Release);
        }
    }

    /// The message is through and answered.
    pub(crate) fn end(&self) {
        self.0.busy.store(false, Ordering::Release);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::Acquire)
    }

    /// So many bytes of the message were taken for writing.
    pub(crate) fn take(&self, bytes: usize) {
        self.0.taken.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// The socket wrote something.
    pub(crate) fn write(&self, bytes: usize) {
        self.0.wrote.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// All that was taken so far is written. hyper and rustls flush what is below them only when they hold nothing back.
    pub(crate) fn flush(&self) {
        self.0.handed.store(self.0.taken.load(Ordering::Acquire), Ordering::Release);
    }

    /// Bytes of the message that the kernel certainly has; all of them only after the last one.
    pub(crate) fn handed(&self) -> u64 {
        self.0.handed.load(Ordering::Acquire)
    }

    pub(crate) fn set_probing(&self, probing: bool) {
        self.0.probing.store(probing, Ordering::Release);
    }

    pub(crate) fn is_probing(&self) -> bool {
        self.0.probing.load(Ordering::Acquire)
    }

    /// Not one byte has left.
    pub(crate) fn is_untouched(&self) -> bool {
        self.0.wrote.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;

    #[test]
    fn any_byte_written_touches_the_receiver() {
        let meter = Meter::default();
        assert!(meter.is_untouched());
        meter.write(1);
        assert!(!meter.is_untouched());
        meter.begin();
        assert!(meter.is_untouched());
    }
}
