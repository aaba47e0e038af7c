//! `checkHl7`: pure, so it needs no outbox, no thread and no promise.

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use outbox_core::hl7::check::{CheckOptions, check};
use outbox_core::hl7::{Limits, Source};

use crate::convert::FlatCheck;

/// All findings as JSON. `message_bytes` is the size limit; the configuration's default if absent.
#[napi(catch_unwind)]
pub fn check_hl7(message: Either<&[u8], String>, options: Option<FlatCheck>, message_bytes: Option<u32>) -> String {
    let (bytes, source) = match &message {
        Either::A(bytes) => (*bytes, Source::Bytes),
        Either::B(text) => (text.as_bytes(), Source::Text),
    };
    let default = outbox_core::config::Limits::default().message_bytes;
    let message_bytes = message_bytes.map_or(default, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let options = options.map(CheckOptions::from).unwrap_or_default();
    let findings = check(bytes, source, &Limits { message_bytes }, &options);
    serde_json::to_string(&findings).unwrap_or_default()
}
