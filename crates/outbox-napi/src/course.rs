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
    #[expect(clippy::new_without_default, reason = "made by JavaScript only")]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Messages that are changed and on disk.
    #[napi(getter, catch_unwind)]
    #[expect(clippy::cast_precision_loss, reason = "fewer messages than a number of JavaScript can count")]
    pub fn changed(&self) -> f64 {
        self.0.changed() as f64
    }

    /// The command is to end at its next seam.
    #[napi(catch_unwind)]
    pub fn end(&self) {
        self.0.end();
    }
}
