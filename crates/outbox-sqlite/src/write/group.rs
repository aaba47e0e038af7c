//! The writer's thread: gather, begin, apply, commit, tell.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvError, TryRecvError};
use outbox_core::clock::Clock;
use outbox_core::error::{OutboxError, code};
use outbox_core::event::{Observer, StatusChange};
use rusqlite::Connection;

use super::checkpoint::Checkpointer;
use super::unit::Unit;
use super::{Failed, Operation, Order};
use crate::digest::Digests;
use crate::error::Failure;

/// Most operations of one transaction.
const GROUP_MAX: usize = 1_024;
/// How long the thread looks for the next operation before it sleeps.
const LOOK_BEFORE_SLEEP: Duration = Duration::from_micros(120);
/// A transaction stops taking further operations after this long: other processes wait for the write lock.
const GROUP_TIME_MAX: Duration = Duration::from_millis(8);

/// The writer's own state; it lives on its thread.
pub(crate) struct Writer {
    /// Before the connection, which must be the last to be closed.
    pub(crate) _checkpointer: Checkpointer,
    pub(crate) connection: Connection,
    pub(crate) digests: Digests,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) pending_max: u64,
    pub(crate) failed: Failed,
}

impl Writer {
    /// Runs until told to end or until nobody can send any more.
    pub(crate) fn run(self, orders: &Receiver<Order>) {
        let mut left: Vec<Box<dyn Operation>> = Vec::new();
        let mut ending = false;
        loop {
            let mut group = std::mem::take(&mut left);
            if group.is_empty() {
                if ending {
                    break;
                }
                match next(orders) {
                    Ok(Order::Run(operation)) => group.push(operation),
                    Ok(Order::End) | Err(_) => ending = true,
                }
            }
            while !ending && group.len() < GROUP_MAX {
                match orders.try_recv() {
                    Ok(Order::Run(operation)) => group.push(operation),
                    Ok(Order::End) => ending = true,
                    Err(_) => break,
                }
            }
            left = self.group(group);
        }
        // Whoever sent after the end is told so; nobody waits in vain.
        while let Ok(Order::Run(operation)) = orders.try_recv() {
            operation.finish(Err(OutboxError::plain(code::ERR_STOPPED)));
        }
    }

    /// Commits a group; answers what did not fit into its time.
    fn group(&self, mut group: Vec<Box<dyn Operation>>) -> Vec<Box<dyn Operation>> {
        if let Some(why) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            finish(
                group,
                &Err(OutboxError::new(code::ERR_STORE_FAILED, format!("the outbox takes nothing more: {why}"))),
            );
            return Vec::new();
        }
        for operation in &mut group {
            operation.prepare(&self.digests);
        }
        let mut applied = 0;
        let committed = self.transaction(&mut group, &mut applied);
        match committed {
            Ok(changes) => {
                let rest = group.split_off(applied);
                finish(group, &Ok(()));
                self.tell(changes);
                rest
            }
            Err(failure) => {
                if failure.is_disk_failure() {
                    self.poison(&failure);
                }
                finish(group, &Err(failure.into_error()));
                Vec::new()
            }
        }
    }

    /// Runs a group: without savepoints, and again with them if that left something untidy.
    fn transaction(&self, group: &mut [Box<dyn Operation>], applied: &mut usize) -> Result<Vec<StatusChange>, Failure> {
        if let Some(changes) = self.attempt(group, applied, false)? {
            return Ok(changes);
        }
        self.roll_back();
        *applied = 0;
        let again = self.attempt(group, applied, true)?;
        Ok(again.unwrap_or_default())
    }

    /// One transaction; `None` when it must be given up for a careful one.
    fn attempt(
        &self,
        group: &mut [Box<dyn Operation>],
        applied: &mut usize,
        careful: bool,
    ) -> Result<Option<Vec<StatusChange>>, Failure> {
        let began = Instant::now();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let observed = self.observer.as_ref().is_some_and(|observer| observer.listens());
        let mut unit = Unit::new(&self.connection, self.clock.now(), &self.digests, observed, self.pending_max);
        if careful {
            unit = unit.careful();
        }
        for operation in group {
            operation.apply(&mut unit);
            *applied += 1;
            if let Some(fatal) = unit.fatal.take() {
                self.roll_back();
                return Err(fatal);
            }
            if unit.untidy {
                return Ok(None);
            }
            if began.elapsed() >= GROUP_TIME_MAX {
                break;
            }
        }
        let changes = unit.close().inspect_err(|_| self.roll_back())?;
        if let Err(error) = self.connection.prepare_cached("COMMIT")?.execute([]) {
            self.roll_back();
            return Err(error.into());
        }
        Ok(Some(changes))
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(code = error.sqlite_error().map_or(0, |inner| inner.extended_code), "a rollback failed");
        }
    }

    /// After a failed flush nothing may be promised any more: a repeated flush can succeed falsely.
    fn poison(&self, failure: &Failure) {
        let why = match failure {
            Failure::Sqlite(error) => format!("SQLite {}", error.sqlite_error().map_or(0, |inner| inner.extended_code)),
            Failure::Refused(error) => error.code.to_owned(),
        };
        tracing::error!(why, "the disk failed; the outbox takes nothing more");
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn tell(&self, changes: Vec<StatusChange>) {
        if let Some(observer) = self.observer.as_ref().filter(|_| !changes.is_empty()) {
            observer.hear(changes);
        }
    }
}

/// Waits for an order. A caller that awaits each message answers a commit with the next one within microseconds, and
/// waking a sleeping thread costs more than that: so the thread looks for a moment before it sleeps.
fn next(orders: &Receiver<Order>) -> Result<Order, RecvError> {
    let began = Instant::now();
    while began.elapsed() < LOOK_BEFORE_SLEEP {
        match orders.try_recv() {
            Ok(order) => return Ok(order),
            Err(TryRecvError::Disconnected) => return Err(RecvError),
            Err(TryRecvError::Empty) => std::hint::spin_loop(),
        }
    }
    orders.recv()
}

fn finish(group: Vec<Box<dyn Operation>>, committed: &Result<(), OutboxError>) {
    for operation in group {
        operation.finish(committed.clone());
    }
}
