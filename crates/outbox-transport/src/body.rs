//! A request body that knows how far it was read.
//!
//! What decides between *unreachable* and *indeterminate* is whether the last byte left. The HTTP library does not tell,
//! but it reads the body in frames, and never reads a frame before it has room for it. Small frames therefore bound what
//! can be unsent when the last one is read; until then the receiver cannot have the whole message. Where this is not
//! exact it errs to the safe side: "may have arrived".

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes of one frame.
const FRAME_BYTES: usize = 16 << 10;

/// How many bytes of a body were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handed(Arc<AtomicU64>);

impl Handed {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A body of known length that counts.
pub(crate) struct CountedBody {
    rest: Bytes,
    handed: Handed,
}

impl CountedBody {
    pub(crate) fn new(bytes: Bytes, handed: Handed) -> Self {
        Self { rest: bytes, handed }
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(FRAME_BYTES);
        let frame = self.rest.split_to(length);
        self.handed.0.fetch_add(length as u64, Ordering::AcqRel);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
