//! How a destination's driver is woken.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Rung after a commit; many rings before the driver looks are one.
#[derive(Debug, Default)]
pub(super) struct Bell {
    work: AtomicBool,
    command: AtomicBool,
    notify: Notify,
}

impl Bell {
    /// There may be a message to claim.
    pub(super) fn ring_work(&self) {
        if !self.work.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// The driver itself knows of work for later.
    pub(super) fn expect_work(&self) {
        self.work.store(true, Ordering::Release);
    }

    /// Something may have changed by a command, here or in another process: look even while resting or paused.
    pub(super) fn ring_command(&self) {
        let rung = self.command.swap(true, Ordering::AcqRel);
        self.work.store(true, Ordering::Release);
        if !rung {
            self.notify.notify_one();
        }
    }

    /// Whether there may be work, without answering the bell.
    pub(super) fn has_work(&self) -> bool {
        self.work.load(Ordering::Acquire)
    }

    /// Answers for work. Cleared before the look, so that a ring during it is not lost.
    pub(super) fn answer_work(&self) {
        self.work.store(false, Ordering::Release);
    }

    /// Answers for a command.
    pub(super) fn answer_command(&self) -> bool {
        self.command.swap(false, Ordering::AcqRel)
    }

    pub(super) async fn rung(&self) {
        self.notify.notified().await;
    }
}
