//! Response bodies, right ones and wrong ones.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A body as it is sent.
#[derive(Debug)]
pub(crate) enum Reply {
    /// All of it at once.
    Whole(Bytes),
    /// The beginning of a body whose announced length is never reached.
    Cut { part: Bytes, announced: u64, flushed: bool },
    /// A byte per tick.
    Drip { rest: Bytes, tick: Interval },
    /// The same bytes, for ever.
    Endless(Bytes),
}

/// The body ends before its announced length: hyper then closes the connection.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the behaviour cuts this body")]
pub(crate) struct CutShort;

impl Reply {
    pub(crate) fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    pub(crate) fn cut(whole: &Bytes, bytes: usize) -> Self {
        let part = whole.slice(..bytes.min(whole.len()));
        Self::Cut { part, announced: length(whole), flushed: false }
    }

    pub(crate) fn drip(rest: Bytes, every: Duration) -> Self {
        // An interval of nothing would panic, and one without end could.
        let mut tick = interval(every.clamp(Duration::from_millis(1), Duration::from_secs(3_600)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Drip { rest, tick }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let bytes = match &mut *self {
            Self::Whole(bytes) => std::mem::take(bytes),
            Self::Cut { part, flushed, .. } => {
                if part.is_empty() {
                    if !*flushed {
                        // hyper flushes while a body is pending; an error at once would take the part with it.
                        *flushed = true;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    return Poll::Ready(Some(Err(CutShort)));
                }
                std::mem::take(part)
            }
            Self::Drip { rest, tick } => {
                if !rest.is_empty() && tick.poll_tick(cx).is_pending() {
                    return Poll::Pending;
                }
                rest.split_to(rest.len().min(1))
            }
            Self::Endless(bytes) => bytes.clone(),
        };
        Poll::Ready(Some(bytes).filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) | Self::Drip { rest: bytes, .. } => SizeHint::with_exact(length(bytes)),
            Self::Cut { announced, .. } => SizeHint::with_exact(*announced),
            Self::Endless(_) => SizeHint::default(),
        }
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
