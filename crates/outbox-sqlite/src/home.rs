//! The process that opened the file. One that was forked from it has its memory and none of its threads: whatever it queued
//! would wait for ever.

use outbox_core::error::{OutboxError, code};

#[derive(Clone, Copy)]
pub(crate) struct Home {
    pid: u32,
}

impl Home {
    pub(crate) fn here() -> Self {
        Self { pid: std::process::id() }
    }

    /// Refuses a process that was forked.
    pub(crate) fn check(self) -> Result<(), OutboxError> {
        if self.pid == std::process::id() { Ok(()) } else { Err(OutboxError::plain(code::ERR_FORKED)) }
    }

    /// As a forked process sees it.
    #[cfg(test)]
    pub(crate) fn elsewhere() -> Self {
        Self { pid: std::process::id().wrapping_add(1) }
    }
}
