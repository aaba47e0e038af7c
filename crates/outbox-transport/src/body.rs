//! A request body that counts.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::meter::Meter;

/// Bytes of one frame. The HTTP library reads a frame only when it has room for it, so small ones keep close to the socket
/// what was read and not yet written.
const FRAME_BYTES: usize = 16 << 10;

/// A body of known length that counts what is taken from it.
pub(crate) struct CountedBody {
    rest: Bytes,
    meter: Meter,
}

impl CountedBody {
    pub(crate) fn new(bytes: Bytes, meter: Meter) -> Self {
        Self { rest: bytes, meter }
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
        self.meter.take(length);
        outbox_core::fault!("http-body-piece");
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;
    use http_body::Body;

    use super::{CountedBody, FRAME_BYTES};
    use crate::meter::Meter;

    fn frame(body: &mut CountedBody) -> Option<Bytes> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }

    #[test]
    fn a_body_comes_in_small_frames_whose_sum_is_itself() {
        let whole: Vec<u8> = (0..=255).cycle().take(2 * FRAME_BYTES + 7).collect();
        let mut body = CountedBody::new(Bytes::from(whole.clone()), Meter::default());
        let mut got = Vec::new();
        let mut lengths = Vec::new();
        while let Some(data) = frame(&mut body) {
            lengths.push(data.len());
            got.extend_from_slice(&data);
            assert_eq!(body.size_hint().exact(), Some((whole.len() - got.len()) as u64));
            assert_eq!(body.is_end_stream(), got.len() == whole.len());
        }
        assert_eq!(lengths, [FRAME_BYTES, FRAME_BYTES, 7]);
        assert_eq!(got, whole);
    }

    #[test]
    fn an_empty_body_has_no_frame() {
        let mut body = CountedBody::new(Bytes::new(), Meter::default());
        assert!(body.is_end_stream());
        assert_eq!(frame(&mut body), None);
    }

    #[test]
    fn what_is_taken_counts_as_handed_only_at_the_next_flush() {
        let meter = Meter::default();
        let mut body = CountedBody::new(Bytes::from(vec![0; FRAME_BYTES + 1]), meter.clone());
        meter.flush();
        assert_eq!(meter.handed(), 0);
        frame(&mut body);
        assert_eq!(meter.handed(), 0);
        meter.flush();
        assert_eq!(meter.handed(), FRAME_BYTES as u64);
        frame(&mut body);
        assert_eq!(meter.handed(), FRAME_BYTES as u64);
        meter.flush();
        assert_eq!(meter.handed(), FRAME_BYTES as u64 + 1);
        meter.begin();
        assert_eq!(meter.handed(), 0);
    }
}
