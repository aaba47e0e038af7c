//! The exports by which an application hears: the feed of changes, its own function for alerts, events.

use std::sync::{Arc, PoisonError};

use napi::bindgen_prelude::{Env, PromiseRaw, Result};
use napi_derive::napi;

use crate::outbox::NativeOutbox;
use crate::port;
use crate::settle::Settlement;

#[napi]
impl NativeOutbox {
    /// Changes after a cursor; JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn changes<'env>(&self, env: &'env Env, after: Option<String>, limit: u32) -> Result<PromiseRaw<'env, ()>> {
        self.call(env, move |open, done| open.outbox.changes(after, limit, done), |changes| Settlement::json(&changes))
    }

    /// Becomes the one reader of the changes under a name; `false` while another is it.
    #[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
    pub fn hold_consumer<'env>(&self, env: &'env Env, name: String) -> Result<PromiseRaw<'env, ()>> {
        let held = Arc::clone(&self.readings);
        self.call(
            env,
            {
                let name = name.clone();
                move |open, done| open.outbox.read_as(name, done)
            },
            move |reading| {
                let taken = reading.is_some();
                if let Some(reading) = reading {
                    held.lock().unwrap_or_else(PoisonError::into_inner).insert(name, reading);
                }
                Settlement::Truth(taken)
            },
        )
    }

    /// Gives the name back; `false` if it was not held here.
    #[napi(catch_unwind)]
    pub fn release_consumer(&self, name: String) -> bool {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).remove(&name).is_some()
    }

    /// Where a named reader has come to.
    #[napi(catch_unwind, ts_return_type = "Promise<string | null>")]
    pub fn consumer<'env>(&self, env: &'env Env, name: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| open.outbox.consumer(name, done),
            |cursor| cursor.map_or(Settlement::Null, Settlement::Json),
        )
    }

    /// Remembers where a named reader has come to.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn note_consumer<'env>(&self, env: &'env Env, name: String, cursor: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(env, move |open, done| open.outbox.note_consumer(name, cursor, done), |()| Settlement::Nothing)
    }

    /// The next alert for this process's function, if one is due: `{ n, tries, id, body }` as JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string | null>")]
    pub fn claim_alert<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            |open, done| open.outbox.claim_alert(done),
            |notice| notice.map_or(Settlement::Null, |notice| Settlement::json(&notice)),
        )
    }

    /// Whether the function took it; `n` and `tries` as claimed.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn alert_told<'env>(&self, env: &'env Env, n: i64, tries: u32, taken: bool) -> Result<PromiseRaw<'env, ()>> {
        self.call(env, move |open, done| open.outbox.alert_told(n, tries, taken, done), |()| Settlement::Nothing)
    }

    /// Begins or ends to hear changes of status in this environment.
    #[napi(catch_unwind)]
    pub fn listen(&self, env: &Env, on: bool) -> Result<()> {
        let (port, id) = (port::port(env)?, self.handle.id);
        self.handle.with(move |open| {
            if let Ok(open) = open {
                if on { open.listeners.add(id, port) } else { open.listeners.remove(id) }
            }
        });
        Ok(())
    }

    /// Begins to hear of attempts that end. Of the environments of a process that do, one is told.
    #[napi(catch_unwind)]
    pub fn follow_attempts(&self, env: &Env) -> Result<()> {
        let (port, id) = (port::port(env)?, self.handle.id);
        self.handle.with(move |open| {
            if let Ok(open) = open {
                open.listeners.follow(id, port);
            }
        });
        Ok(())
    }
}
