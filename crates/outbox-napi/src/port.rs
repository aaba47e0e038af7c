//! Settling promises in batches: one threadsafe function per environment.
//!
//! napi-rs offers a promise per call with a threadsafe function each, or one hop to the event loop per call; both cost
//! about three times as much on the JS thread. Here a call creates a bare promise; whichever thread has its result puts
//! it on a list, and one hop to the event loop settles the whole list. The price is raw calls of Node-API, all in this
//! file. What keeps them sound:
//!
//! - a `deferred` is used exactly once: [`Ticket`] gives it away by an atomic swap;
//! - the threadsafe function is called only under the lock from which the environment's teardown removes it;
//! - everything else of Node-API happens on the environment's own thread: on creation, in `call_js`, in `teardown`.
#![expect(
    unsafe_code,
    reason = "the raw Node-API calls of batched promises; the head of this file says why they are sound"
)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{Env, FnArgs, FromNapiValue, FunctionRef, PromiseRaw, Result};
use napi::{check_status, sys};
use outbox_core::error::{OutboxError, code};

use crate::settle::Settlement;

/// Most promises settled in one turn of the event loop: what follows them in JavaScript must not hold up everything else.
const SETTLED_PER_TURN_MAX: usize = 256;

/// Code, message, hint, details.
pub(crate) type ErrorArguments = FnArgs<(String, String, Option<String>, Option<String>)>;
/// The outbox and its changes as JSON.
pub(crate) type EventArguments = FnArgs<(u32, String)>;

/// One environment's list of results.
pub(crate) struct Port {
    tsfn: Mutex<Option<usize>>,
    done: Mutex<Vec<Item>>,
    /// A hop to the event loop is under way.
    woken: AtomicBool,
}

enum Item {
    Promise(usize, std::result::Result<Settlement, OutboxError>),
    Event(u32, String),
}

/// What belongs to one environment and is touched by its thread only.
struct EnvironmentState {
    port: Arc<Port>,
    /// Promises not yet settled; while there are any, the event loop stays alive.
    pending: usize,
    error_of: Option<FunctionRef<ErrorArguments, napi::Unknown<'static>>>,
    on_event: Option<FunctionRef<EventArguments, ()>>,
}

thread_local! {
    static STATE: RefCell<Option<EnvironmentState>> = const { RefCell::new(None) };
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Port {
    fn push(&self, item: Item) {
        locked(&self.done).push(item);
        self.wake();
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // Held across the call, so that teardown cannot free the function meanwhile.
            let tsfn = locked(&self.tsfn);
            if let Some(tsfn) = *tsfn {
                // SAFETY: teardown removes the function from under this lock before it is freed.
                unsafe {
                    sys::napi_call_threadsafe_function(
                        tsfn as _,
                        ptr::null_mut(),
                        sys::ThreadsafeFunctionCallMode::nonblocking,
                    );
                }
            } else {
                // The environment is gone, and its promises with it.
                locked(&self.done).clear();
                self.woken.store(false, Ordering::Release);
            }
        }
    }

    /// Hands an event to the environment's listener.
    pub(crate) fn tell(&self, outbox: u32, json: String) {
        self.push(Item::Event(outbox, json));
    }
}

/// The right to settle one promise, once. Dropped unused, it rejects: no caller waits in vain.
pub(crate) struct Ticket {
    port: Arc<Port>,
    deferred: AtomicUsize,
}

impl Ticket {
    /// Settles the promise, unless that was done before. Answers whether it was done now.
    pub(crate) fn settle(&self, result: std::result::Result<Settlement, OutboxError>) -> bool {
        outbox_core::fault!("port-push");
        self.give(result)
    }

    fn give(&self, result: std::result::Result<Settlement, OutboxError>) -> bool {
        let deferred = self.deferred.swap(0, Ordering::AcqRel);
        if deferred != 0 {
            self.port.push(Item::Promise(deferred, result));
        }
        deferred != 0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give(Err(OutboxError::plain(code::ERR_PANIC)));
    }
}

/// A new promise and the right to settle it.
pub(crate) fn promise<T: FromNapiValue>(env: &Env) -> Result<(Ticket, PromiseRaw<'_, T>)> {
    outbox_core::fault!("port-promise");
    let port = with_state(env, |state| {
        state.pending += 1;
        if state.pending == 1
            && let Some(tsfn) = *locked(&state.port.tsfn)
        {
            // SAFETY: on the environment's thread, and the function lives as long as it stands in the port.
            unsafe { sys::napi_ref_threadsafe_function(env.raw(), tsfn as _) };
        }
        Arc::clone(&state.port)
    })?;
    let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: plain out-parameters, on the environment's thread.
    check_status!(unsafe { sys::napi_create_promise(env.raw(), &raw mut deferred, &raw mut promise) })?;
    Ok((Ticket { port, deferred: AtomicUsize::new(deferred as usize) }, PromiseRaw::new(env.raw(), promise)))
}

/// The environment's port, for events.
pub(crate) fn port(env: &Env) -> Result<Arc<Port>> {
    with_state(env, |state| Arc::clone(&state.port))
}

/// Takes the facade's functions: one makes errors of its own class, the other hears events.
pub(crate) fn bind(
    env: &Env,
    error_of: FunctionRef<ErrorArguments, napi::Unknown<'static>>,
    on_event: FunctionRef<EventArguments, ()>,
) -> Result<()> {
    with_state(env, |state| {
        state.error_of = Some(error_of);
        state.on_event = Some(on_event);
    })
}

fn with_state<T>(env: &Env, use_it: impl FnOnce(&mut EnvironmentState) -> T) -> Result<T> {
    STATE.with_borrow_mut(|state| {
        let state = match state {
            Some(state) => state,
            None => state.insert(create(env)?),
        };
        Ok(use_it(state))
    })
}

fn create(env: &Env) -> Result<EnvironmentState> {
    // Our threads run code of this image whatever becomes of the environment that loaded it.
    napi::bindgen_prelude::retain_current_module_for_unload_safety();
    let port = Arc::new(Port { tsfn: Mutex::new(None), done: Mutex::default(), woken: AtomicBool::new(false) });
    let context = Arc::into_raw(Arc::clone(&port)).cast_mut().cast::<c_void>();
    let (mut name, mut tsfn) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: on the environment's thread; `context` is a reference of the port that `finalize` gives back; the function
    // is unreferenced at once, so that it does not keep the event loop alive while nothing is pending.
    unsafe {
        check_status!(sys::napi_create_string_utf8(env.raw(), c"hl7-outbox".as_ptr(), 10, &raw mut name))?;
        check_status!(sys::napi_create_threadsafe_function(
            env.raw(),
            ptr::null_mut(),
            ptr::null_mut(),
            name,
            0,
            1,
            context,
            Some(finalize),
            context,
            Some(call_js),
            &raw mut tsfn,
        ))?;
        check_status!(sys::napi_unref_threadsafe_function(env.raw(), tsfn))?;
        // Registered after the function, so it runs before the function's own teardown.
        check_status!(sys::napi_add_env_cleanup_hook(env.raw(), Some(teardown), ptr::null_mut()))?;
    }
    *locked(&port.tsfn) = Some(tsfn as usize);
    Ok(EnvironmentState { port, pending: 0, error_of: None, on_event: None })
}

/// The environment is going away: nobody may call its function any more.
unsafe extern "C" fn teardown(_: *mut c_void) {
    let state = STATE.with_borrow_mut(Option::take);
    let Some(state) = state else { return };
    let tsfn = locked(&state.port.tsfn).take();
    if let Some(tsfn) = tsfn {
        // SAFETY: taken from the port under its lock, so no other thread can be calling it.
        unsafe { sys::napi_release_threadsafe_function(tsfn as _, sys::ThreadsafeFunctionReleaseMode::abort) };
    }
    locked(&state.port.done).clear();
    // References to functions may not be given back during teardown; the environment frees them itself.
    std::mem::forget((state.error_of, state.on_event));
}

unsafe extern "C" fn finalize(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the very reference that `create` gave away, returned once.
    drop(unsafe { Arc::from_raw(data.cast::<Port>()) });
}

unsafe extern "C" fn call_js(env: sys::napi_env, _: sys::napi_value, context: *mut c_void, _: *mut c_void) {
    if env.is_null() {
        return;
    }
    // SAFETY: `finalize` runs after the last call.
    let port = unsafe { &*context.cast::<Port>() };
    // Before the list is taken: who pushes after this wakes the loop again.
    port.woken.store(false, Ordering::Release);
    let items = {
        let mut done = locked(&port.done);
        let turn = done.len().min(SETTLED_PER_TURN_MAX);
        let rest = done.split_off(turn);
        std::mem::replace(&mut *done, rest)
    };
    let env = Env::from_raw(env);
    let mut settled = 0;
    for item in items {
        match item {
            Item::Promise(deferred, result) => {
                settled += 1;
                settle(&env, deferred as sys::napi_deferred, result);
            }
            // A panic must not unwind into Node.js, which it would end.
            Item::Event(outbox, json) => drop(std::panic::catch_unwind(AssertUnwindSafe(|| event(&env, outbox, json)))),
        }
    }
    STATE.with_borrow_mut(|state| {
        let Some(state) = state else { return };
        state.pending = state.pending.saturating_sub(settled);
        if state.pending == 0
            && let Some(tsfn) = *locked(&port.tsfn)
        {
            // SAFETY: on the environment's thread, and the function lives as long as it stands in the port.
            unsafe { sys::napi_unref_threadsafe_function(env.raw(), tsfn as _) };
        }
    });
    if !locked(&port.done).is_empty() {
        port.wake();
    }
}

fn settle(env: &Env, deferred: sys::napi_deferred, result: std::result::Result<Settlement, OutboxError>) {
    let mut scope = ptr::null_mut();
    // SAFETY: on the environment's thread, inside a callback of Node-API; a scope per promise keeps a long list from
    // holding all its values at once; `deferred` is used here and never again.
    unsafe {
        sys::napi_open_handle_scope(env.raw(), &raw mut scope);
        match converted(env, result) {
            Ok(value) => sys::napi_resolve_deferred(env.raw(), deferred, value),
            Err(value) => sys::napi_reject_deferred(env.raw(), deferred, value),
        };
        sys::napi_close_handle_scope(env.raw(), scope);
    }
}

/// What the promise is settled with. A panic must not unwind into Node.js, which it would end; it rejects the promise instead.
fn converted(
    env: &Env,
    result: std::result::Result<Settlement, OutboxError>,
) -> std::result::Result<sys::napi_value, sys::napi_value> {
    let panicked = || OutboxError::plain(code::ERR_PANIC);
    let value = std::panic::catch_unwind(AssertUnwindSafe(|| {
        outbox_core::fault!("port-settle");
        result.and_then(|settlement| settlement.into_js(env).map_err(|_| panicked()))
    }));
    value.unwrap_or_else(|_| Err(panicked())).map_err(|error| {
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| error_value(env, &error)));
        made.unwrap_or_else(|_| crate::settle::plain_error(env, &error))
    })
}

/// An instance of the facade's error class; a plain `Error` with a code if the facade is not bound.
fn error_value(env: &Env, error: &OutboxError) -> sys::napi_value {
    let details = match error {
        OutboxError { cursor: Some(cursor), .. } => Some(serde_json::json!({ "cursor": cursor }).to_string()),
        OutboxError { segment, field, position, .. } if segment.is_some() || position.is_some() => {
            Some(serde_json::json!({ "segment": segment, "field": field, "position": position }).to_string())
        }
        OutboxError { count: Some(count), .. } => Some(serde_json::json!({ "count": count }).to_string()),
        _ => None,
    };
    let made = STATE.with_borrow(|state| {
        let make = state.as_ref()?.error_of.as_ref()?.borrow_back(env).ok()?;
        let arguments = (error.code.to_owned(), error.message.clone(), error.hint().map(str::to_owned), details);
        make.call(FnArgs::from(arguments)).ok().map(|value| napi::JsValue::value(&value).value)
    });
    made.unwrap_or_else(|| crate::settle::plain_error(env, error))
}

fn event(env: &Env, outbox: u32, json: String) {
    outbox_core::fault!("port-event");
    let listener = STATE.with_borrow(|state| state.as_ref()?.on_event.as_ref()?.borrow_back(env).ok());
    // The facade's listener catches what its own listeners throw.
    if let Some(listener) = listener {
        let _ = listener.call(FnArgs::from((outbox, json)));
    }
}
