//! The exports over one outbox: convert, call, convert.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{Either, Env, FunctionRef, PromiseRaw, Result};
use napi_derive::napi;
use outbox_core::dispatch::election::Reading;
use outbox_core::error::OutboxError;
use outbox_core::metrics::Scope;
use outbox_core::store::Done;

use crate::convert::{self, FlatOptions};
use crate::course::NativeCourse;
use crate::handle::{Ears, Handle, Source};
use crate::log;
use crate::port::{self, ErrorArguments, EventArguments, Ticket};
use crate::registry::Open;
use crate::settle::Settlement;
use crate::tools;

/// Binds the facade of this environment: what makes its errors, and what hears events.
#[napi(
    catch_unwind,
    ts_args_type = "errorOf: (code: string, message: string, hint: string | undefined, details: string | undefined) => Error, onEvent: (outbox: number, changes: string) => void"
)]
pub fn bind(
    env: &Env,
    error_of: FunctionRef<ErrorArguments, napi::Unknown<'static>>,
    on_event: FunctionRef<EventArguments, ()>,
) -> Result<()> {
    port::bind(env, error_of, on_event)
}

/// An outbox that is open or being opened.
#[napi]
pub struct NativeOutbox {
    pub(crate) handle: Arc<Handle>,
    /// Names under which this environment reads the changes; freed with it.
    pub(crate) readings: Arc<Mutex<HashMap<String, Reading>>>,
}

/// Takes the log lines that wait for an outbox of this environment: `{ lines, dropped }` as JSON.
#[napi(catch_unwind)]
pub fn take_log(outbox: u32) -> String {
    log::take(outbox)
}

/// Ends to hear the log for an outbox.
#[napi(catch_unwind)]
pub fn unhear_log(outbox: u32) {
    log::unhear(outbox);
}

/// A message of a batch.
#[napi(object, object_to_js = false)]
pub struct BatchItem {
    /// The bytes or the text.
    #[napi(ts_type = "Uint8Array | string")]
    pub message: Either<napi::bindgen_prelude::Uint8Array, String>,
    /// Its options.
    pub options: Option<FlatOptions>,
}

#[napi]
impl NativeOutbox {
    /// Begins to open the outbox; answers at once. Nothing touches the file system on this thread.
    #[napi(factory, catch_unwind)]
    pub fn open(
        env: &Env,
        config_json: Option<String>,
        environment_json: String,
        working_directory: String,
        hears_log: Option<bool>,
        hears_alerts: Option<bool>,
        follows_attempts: Option<bool>,
    ) -> Result<Self> {
        let source = Source {
            json: config_json,
            environment: convert::environment(&environment_json),
            working_directory: PathBuf::from(working_directory),
        };
        let heard = |is: Option<bool>| is.unwrap_or(false).then(|| port::port(env)).transpose();
        let ears = Ears { log: heard(hears_log)?, attempts: heard(follows_attempts)?, alerts: heard(hears_alerts)? };
        Ok(Self { handle: Handle::open(source, ears), readings: Arc::default() })
    }

    /// Names this outbox in events.
    #[napi(getter, catch_unwind)]
    pub fn id(&self) -> u32 {
        self.handle.id
    }

    /// Resolves when the outbox is open.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn opened<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        self.call(env, |_, done: Done<()>| done(Ok(())), |()| Settlement::Nothing)
    }

    /// Resolves when the message is on disk.
    #[napi(
        catch_unwind,
        ts_args_type = "message: Uint8Array | string, options?: FlatOptions",
        ts_return_type = "Promise<import('../../index.js').Enqueued>"
    )]
    pub fn enqueue<'env>(
        &self,
        env: &'env Env,
        message: Either<&[u8], String>,
        options: Option<FlatOptions>,
    ) -> Result<PromiseRaw<'env, ()>> {
        let several = options.as_ref().is_some_and(|options| options.destinations.is_some());
        let request = convert::request(message, options);
        self.take_in(env, vec![request], move |mut admitted| match (several, admitted.pop()) {
            (false, Some(one)) => Settlement::One(one),
            (_, last) => {
                admitted.extend(last);
                Settlement::Several(admitted)
            }
        })
    }

    /// Resolves when all messages are on disk, in one commit.
    #[napi(catch_unwind, ts_return_type = "Promise<import('../../index.js').Enqueued[]>")]
    pub fn enqueue_batch<'env>(&self, env: &'env Env, items: Vec<BatchItem>) -> Result<PromiseRaw<'env, ()>> {
        let mut sizes = Vec::with_capacity(items.len());
        let mut requests = Vec::with_capacity(items.len());
        for BatchItem { message, options } in items {
            sizes.push(options.as_ref().and_then(|options| options.destinations.as_ref()).map_or(1, Vec::len));
            requests.push(match message {
                Either::A(bytes) => convert::request(Either::A(&bytes), options),
                Either::B(text) => convert::request(Either::B(text), options),
            });
        }
        self.take_in(env, requests, move |admitted| Settlement::Batch(admitted, sizes))
    }

    /// One message, by id or by control id; JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string | null>")]
    pub fn message<'env>(
        &self,
        env: &'env Env,
        id: Option<String>,
        control_id: Option<String>,
        destination: Option<String>,
    ) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| {
                let settings = open.outbox.settings();
                let destination = destination
                    .or_else(|| settings.default_destination.as_deref().map(str::to_owned))
                    .unwrap_or_default();
                match convert::reference(id, control_id, destination) {
                    Ok(which) => open.outbox.message(which, done),
                    Err(error) => done(Err(error)),
                }
            },
            |message| message.map_or(Settlement::Null, |message| Settlement::json(&message)),
        )
    }

    /// The bytes of a message.
    #[napi(catch_unwind, ts_return_type = "Promise<Uint8Array | null>")]
    pub fn content<'env>(&self, env: &'env Env, id: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(env, move |open, done| with(convert::id(&id), done, |id, done| open.outbox.content(id, done)), bytes)
    }

    /// The attempts of a message; JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn attempts<'env>(&self, env: &'env Env, id: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::id(&id), done, |id, done| open.outbox.attempts(id, done)),
            |attempts| Settlement::json(&attempts),
        )
    }

    /// The raw answer of one attempt.
    #[napi(catch_unwind, ts_return_type = "Promise<Uint8Array | null>")]
    pub fn answer<'env>(&self, env: &'env Env, id: String, attempt: u32) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::id(&id), done, |id, done| open.outbox.answer(id, attempt, done)),
            bytes,
        )
    }

    /// A page of messages; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn list<'env>(&self, env: &'env Env, request: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::list(&request), done, |request, done| open.outbox.list(request, done)),
            |page| Settlement::json(&page),
        )
    }

    /// A page of messages with lane and position; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn laid_out<'env>(&self, env: &'env Env, request: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::list(&request), done, |request, done| open.outbox.laid_out(request, done)),
            |page| Settlement::json(&page),
        )
    }

    /// Copies the file; JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn backup<'env>(&self, env: &'env Env, to: String, replace: bool) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| {
                let path = open.outbox.path().clone();
                tools::apart(done, move || outbox_sqlite::backup(&path, Path::new(&to), replace));
            },
            |backup| Settlement::json(&backup),
        )
    }

    /// How many messages a filter matches; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn count<'env>(&self, env: &'env Env, filter: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::filter(&filter), done, |filter, done| open.outbox.count(filter, done)),
            |counted| Settlement::json(&counted),
        )
    }

    /// Figures; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn stats<'env>(&self, env: &'env Env, filter: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::filter(&filter), done, |filter, done| open.outbox.stats(filter, done)),
            |stats| Settlement::json(&stats),
        )
    }

    /// Dead letters by what they failed of; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn refusals<'env>(&self, env: &'env Env, filter: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| with(convert::parse(&filter), done, |filter, done| open.outbox.refusals(filter, done)),
            |found| Settlement::json(&found),
        )
    }

    /// Notes on a group of them who sees to it, what to know of it, and whether it is rectified; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn update_refusal<'env>(&self, env: &'env Env, update: String, by: String) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| {
                let parsed =
                    convert::commander(&by).and_then(|commander| Ok((convert::parse(&update)?, commander.by())));
                with(parsed, done, |(update, by), done| open.outbox.update_refusal(update, by, done));
            },
            |refusal| Settlement::json(&refusal),
        )
    }

    /// Health; JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn health<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        self.call(env, |open, done| open.outbox.health(done), |health| Settlement::json(&health))
    }

    /// Figures as text for Prometheus; only those of the file, if so.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn metrics<'env>(&self, env: &'env Env, file_only: bool) -> Result<PromiseRaw<'env, ()>> {
        let scope = if file_only { Scope::File } else { Scope::All };
        self.call(
            env,
            move |open, done| {
                open.outbox.counters().log_lines_dropped(log::dropped());
                open.outbox.metrics(scope, done);
            },
            Settlement::Json,
        )
    }

    /// Carries out an order of a person, by its name; JSON in, JSON out.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn command<'env>(
        &self,
        env: &'env Env,
        name: String,
        argument: String,
        by: String,
        course: Option<&NativeCourse>,
    ) -> Result<PromiseRaw<'env, ()>> {
        let course = course.map(|course| Arc::clone(&course.0)).unwrap_or_default();
        self.call(
            env,
            move |open, done| {
                let parsed = convert::commander(&by).and_then(|commander| {
                    Ok((convert::command(&name, &argument, commander.allow_overtaken)?, commander.by()))
                });
                match parsed {
                    Ok((command, by)) => open.outbox.command(command, by, course, done),
                    Err(error) => done(Err(error)),
                }
            },
            |changed| Settlement::json(&changed),
        )
    }

    /// Changes a destination's configuration while running; the patch as JSON, or none to take all changes back.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn configure<'env>(
        &self,
        env: &'env Env,
        destination: String,
        patch: Option<String>,
        by: String,
    ) -> Result<PromiseRaw<'env, ()>> {
        self.call(
            env,
            move |open, done| {
                with(convert::commander(&by), done, |commander, done| {
                    open.outbox.configure(destination, patch, commander.by(), done);
                });
            },
            |()| Settlement::Nothing,
        )
    }

    /// Stores a corrected message in the lane place of a refused one.
    #[napi(catch_unwind, ts_return_type = "Promise<import('../../index.js').Enqueued>")]
    pub fn replace<'env>(
        &self,
        env: &'env Env,
        id: String,
        message: Either<&[u8], String>,
        by: String,
    ) -> Result<PromiseRaw<'env, ()>> {
        let request = convert::request(message, None);
        self.call(
            env,
            move |open, done| {
                let parsed = convert::commander(&by).and_then(|commander| Ok((convert::id(&id)?, commander.by())));
                with(parsed, done, |(id, by), done| open.outbox.replace(id, request, by, done));
            },
            Settlement::One,
        )
    }

    /// Closes; resolves with whether every attempt ended within the time.
    #[napi(catch_unwind, ts_return_type = "Promise<boolean>")]
    pub fn close<'env>(&self, env: &'env Env, timeout_ms: f64) -> Result<PromiseRaw<'env, ()>> {
        let (ticket, promise) = port::promise(env)?;
        let readings = Arc::clone(&self.readings);
        settled_by_its_ticket(|| {
            self.handle.close(Duration::from_secs_f64((timeout_ms / 1_000.0).clamp(0.0, 3_600.0)), move |drained| {
                // A loop that nobody goes on with would keep its names for as long as the process lives.
                readings.lock().unwrap_or_else(PoisonError::into_inner).clear();
                ticket.settle(Ok(Settlement::Truth(drained)));
            });
        });
        Ok(promise)
    }
}

/// What the environment did not close itself: its worker ended, or nobody holds it any more.
impl Drop for NativeOutbox {
    fn drop(&mut self) {
        log::unhear(self.handle.id);
        self.handle.close(Duration::ZERO, |_| {});
    }
}

impl NativeOutbox {
    /// Makes a call whose result is settled from whichever thread has it.
    pub(crate) fn call<'env, T: Send + 'static>(
        &self,
        env: &'env Env,
        operation: impl FnOnce(&Arc<Open>, Done<T>) + Send + 'static,
        convert: impl FnOnce(T) -> Settlement + Send + 'static,
    ) -> Result<PromiseRaw<'env, ()>> {
        let (ticket, promise) = port::promise(env)?;
        let done: Done<T> = Box::new(move |result| {
            ticket.settle(result.map(convert));
        });
        settled_by_its_ticket(|| {
            self.handle.with(move |open| match open {
                Ok(open) => operation(open, done),
                Err(error) => done(Err(error)),
            });
        });
        Ok(promise)
    }

    /// Takes messages in, within the limits of bytes and of time.
    fn take_in<'env>(
        &self,
        env: &'env Env,
        requests: Vec<outbox_core::enqueue::EnqueueRequest>,
        convert: impl FnOnce(Vec<outbox_core::store::Admitted>) -> Settlement + Send + 'static,
    ) -> Result<PromiseRaw<'env, ()>> {
        let (ticket, promise) = port::promise(env)?;
        settled_by_its_ticket(|| {
            let bytes = requests.iter().map(|request| request.message.len()).sum();
            let intake = match self.handle.take_in(bytes) {
                Ok(intake) => intake,
                Err(error) => {
                    ticket.settle(Err(error));
                    return;
                }
            };
            let ticket: Arc<Ticket> = Arc::new(ticket);
            self.handle.limit(&ticket);
            let done: Done<_> = Box::new(move |result| {
                drop(intake);
                ticket.settle(result.map(convert));
            });
            self.handle.with(move |open| match open {
                Ok(open) => open.outbox.enqueue(requests, done),
                Err(error) => done(Err(error)),
            });
        });
        Ok(promise)
    }
}

/// Runs what follows the making of a promise. A panic drops the ticket, and that rejects the promise: the caller has one answer,
/// and no second promise is left that nobody hears the rejection of.
fn settled_by_its_ticket(call: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err() {
        tracing::error!("a panic in a call");
    }
}

fn with<A, T>(argument: std::result::Result<A, OutboxError>, done: Done<T>, call: impl FnOnce(A, Done<T>)) {
    match argument {
        Ok(argument) => call(argument, done),
        Err(error) => done(Err(error)),
    }
}

fn bytes(bytes: Option<Vec<u8>>) -> Settlement {
    bytes.map_or(Settlement::Null, Settlement::Bytes)
}
