//! What a promise is resolved with, as JavaScript values.
#![expect(unsafe_code, reason = "values are made by raw Node-API calls: objects of five properties are the hot path")]

use std::ptr;

use napi::bindgen_prelude::{BufferSlice, Env, Result};
use napi::{JsValue, check_status, sys};
use outbox_core::error::OutboxError;
use outbox_core::store::Admitted;

/// The result of an operation, on its way to the event loop.
pub(crate) enum Settlement {
    /// `Enqueued`, one message to one destination.
    One(Admitted),
    /// `Enqueued` with `deliveries`, one message to several destinations.
    Several(Vec<Admitted>),
    /// A list of `Enqueued`, in the order of a batch; each message went to as many destinations as the number says.
    Batch(Vec<Admitted>, Vec<usize>),
    /// Text that the facade parses; everything off the hot path.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `null`.
    Null,
    /// `undefined`.
    Nothing,
    /// A truth.
    Truth(bool),
}

impl Settlement {
    /// Serialises plain data.
    pub(crate) fn json<T: serde::Serialize>(value: &T) -> Self {
        serde_json::to_string(value).map_or(Self::Null, Self::Json)
    }

    /// On the environment's thread only.
    pub(crate) fn into_js(self, env: &Env) -> Result<sys::napi_value> {
        let raw = env.raw();
        match self {
            Self::One(admitted) => enqueued(raw, &admitted),
            Self::Several(all) => several(raw, &all),
            Self::Batch(all, sizes) => {
                let mut rest = all.as_slice();
                let values = sizes.into_iter().map(|size| {
                    let (these, others) = rest.split_at(size.min(rest.len()));
                    rest = others;
                    if let [one] = these { enqueued(raw, one) } else { several(raw, these) }
                });
                list(raw, values.collect::<Result<Vec<_>>>()?)
            }
            Self::Json(text) => string(raw, &text),
            Self::Bytes(bytes) => Ok(BufferSlice::copy_from(env, &bytes)?.value().value),
            Self::Null => value(|out| unsafe { sys::napi_get_null(raw, out) }),
            Self::Nothing => value(|out| unsafe { sys::napi_get_undefined(raw, out) }),
            Self::Truth(truth) => boolean(raw, truth),
        }
    }
}

// SAFETY, for all calls below: they run on the environment's thread inside an open handle scope, with pointers to live
// Rust data and plain out-parameters.

fn value(make: impl FnOnce(*mut sys::napi_value) -> sys::napi_status) -> Result<sys::napi_value> {
    let mut out = ptr::null_mut();
    check_status!(make(&raw mut out))?;
    Ok(out)
}

#[expect(clippy::cast_possible_wrap, reason = "lengths of Rust strings fit")]
fn string(env: sys::napi_env, text: &str) -> Result<sys::napi_value> {
    value(|out| unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, out) })
}

fn boolean(env: sys::napi_env, truth: bool) -> Result<sys::napi_value> {
    value(|out| unsafe { sys::napi_get_boolean(env, truth, out) })
}

fn set(env: sys::napi_env, object: sys::napi_value, name: &std::ffi::CStr, value: sys::napi_value) -> Result<()> {
    check_status!(unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), value) })
}

fn enqueued(env: sys::napi_env, admitted: &Admitted) -> Result<sys::napi_value> {
    let object = value(|out| unsafe { sys::napi_create_object(env, out) })?;
    set(env, object, c"id", string(env, &admitted.id.to_string())?)?;
    set(env, object, c"controlId", string(env, &admitted.control_id)?)?;
    set(env, object, c"destination", string(env, &admitted.destination)?)?;
    set(env, object, c"status", string(env, admitted.state.as_str())?)?;
    set(env, object, c"duplicate", boolean(env, admitted.duplicate)?)?;
    Ok(object)
}

/// The first destination's `Enqueued`, with all of them in `deliveries`.
fn several(env: sys::napi_env, all: &[Admitted]) -> Result<sys::napi_value> {
    let Some(first) = all.first() else { return value(|out| unsafe { sys::napi_get_null(env, out) }) };
    let object = enqueued(env, first)?;
    let deliveries = all.iter().map(|admitted| enqueued(env, admitted)).collect::<Result<Vec<_>>>()?;
    set(env, object, c"deliveries", list(env, deliveries)?)?;
    Ok(object)
}

fn list(env: sys::napi_env, values: Vec<sys::napi_value>) -> Result<sys::napi_value> {
    let array = value(|out| unsafe { sys::napi_create_array_with_length(env, values.len(), out) })?;
    for (n, element) in (0_u32..).zip(values) {
        check_status!(unsafe { sys::napi_set_element(env, array, n, element) })?;
    }
    Ok(array)
}

/// An `Error` with a code, when there is no facade to make a better one.
pub(crate) fn plain_error(env: &Env, error: &OutboxError) -> sys::napi_value {
    let made = string(env.raw(), error.code).and_then(|code| {
        let message = string(env.raw(), &error.message)?;
        value(|out| unsafe { sys::napi_create_error(env.raw(), code, message, out) })
    });
    made.unwrap_or(ptr::null_mut())
}
