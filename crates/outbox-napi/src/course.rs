//! A command on many messages, as JavaScript watches it and ends it.

use std::sync::Arc;

use napi_derive::napi;
use outbox_core::store::Course;

/// How far a command has come, for who waits for it.
#[napi]
pub struct NativeCourse(pub(crate) Arc<Course>);

#[napi]
impl NativeCourse {
    /// Of a command that is not given yet.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Messages that are changed and on disk.
    #[napi(getter, catch_unwind)]
    pub fn changed(&self) -> u32 {
        u32::try_from(self.0.changed()).unwrap_or(u32::MAX)
    }

    /// The command is to end at its next seam.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        self.0.end();
    }
}
