//! One MLLP connection, one message at a time.
//!
//! Like an HTTP one it lives inside the future that uses it: dropping the future drops the socket at once, with RST while a
//! message is under way. So a late answer has nowhere to arrive.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use outbox_core::acknowledgement::{MllpEnd, MllpWord, Seen, word_of};
use outbox_core::transport::Parcel;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{BEGIN, CR, Decoder, END, Next};
use crate::connector::{Connector, Stream};
use crate::deadline::Deadlines;
use crate::fault;
use crate::meter::Meter;
use crate::pool::Idle;

/// Most bytes that are read for one message, whatever they are.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Most frames of them. Two are normal: a commit and an application acknowledgement.
const ANSWER_FRAMES_MAX: usize = 64;
/// How long the CR behind an answer is waited for. An answer counts without it.
const CR_WAIT: Duration = Duration::from_millis(5);
const READ_BYTES: usize = 8 << 10;

/// An open connection that is free for a message.
pub(crate) struct Connection {
    stream: Stream,
    decoder: Decoder,
    meter: Meter,
    /// It has carried a message before, so an answer that names none could be for that one.
    has_carried: bool,
}

/// What came of one message on a connection.
pub(crate) struct Exchange {
    pub(crate) seen: Seen,
    pub(crate) bytes_sent: u64,
    /// Not one byte has left.
    pub(crate) is_untouched: bool,
    /// The connection, if it is free for the next message.
    pub(crate) connection: Option<Connection>,
}

/// Why no more can be read.
enum End {
    Eof,
    Error(io::Error),
    /// More came than an answer may have.
    TooLarge,
}

/// How a conversation about one message ended.
enum Ended {
    /// With the receiver's last word; whether the connection may carry another message.
    LastWord { is_clean: bool },
    /// Nothing more can come.
    Cut(End),
    /// The message did not get out in time.
    WriteTimeout,
    /// Time ran out behind the message.
    Deadline,
}

/// A message in its frame, as far as it is not yet written.
struct Outgoing {
    rest: Chain<Chain<Bytes, Bytes>, Bytes>,
}

impl Outgoing {
    fn new(body: &Bytes) -> Self {
        let tail: &'static [u8] = if body.last() == Some(&CR) { &[END, CR] } else { &[CR, END, CR] };
        Self { rest: Bytes::from_static(&[BEGIN]).chain(body.clone()).chain(Bytes::from_static(tail)) }
    }
}

impl Connection {
    pub(crate) async fn open(connector: &Connector, deadline: Instant) -> Result<Self, Seen> {
        let meter = Meter::default();
        let stream = connector.connect(meter.clone(), deadline).await?;
        Ok(Self { stream, decoder: Decoder::new(), meter, has_carried: false })
    }

    /// Sends one message and reads until the last word on it, or until a deadline.
    pub(crate) async fn exchange(mut self, parcel: &Parcel, deadlines: Deadlines) -> Exchange {
        let sole_message = !std::mem::replace(&mut self.has_carried, true);
        let length = parcel.body.reveal().len() as u64;
        let meter = self.meter.clone();
        meter.begin();
        self.decoder.expect(ANSWER_BYTES_MAX);
        let mut frames = Vec::new();
        let ended = self.converse(parcel, sole_message, &mut frames, deadlines).await;
        // All of the message behind the frame's first byte: there are receivers that do not wait for its end.
        let is_complete = meter.handed() > length;
        let is_inside = self.decoder.is_inside();
        let mllp = |frames, end| Seen::Mllp { frames, sole_message, end };
        let mut connection = None;
        let seen = match ended {
            Ended::LastWord { is_clean } => {
                meter.end();
                if is_clean && is_complete && self.is_at_rest().await {
                    connection = Some(self);
                }
                mllp(frames, MllpEnd::Open)
            }
            Ended::Cut(_) | Ended::WriteTimeout if !frames.is_empty() => {
                mllp(frames, if is_complete { MllpEnd::Closed } else { MllpEnd::Cut })
            }
            Ended::WriteTimeout => fault::timeout(is_complete),
            Ended::Cut(End::Error(error)) => fault::of_mllp(&error, is_complete),
            Ended::Cut(_) if !is_complete => Seen::NotDelivered { fault: "connection-lost" },
            Ended::Cut(End::TooLarge) => Seen::NoAnswer { fault: "answer-too-large" },
            Ended::Cut(End::Eof) if is_inside => Seen::NoAnswer { fault: "answer-truncated" },
            Ended::Cut(End::Eof) => mllp(frames, MllpEnd::Closed),
            Ended::Deadline if frames.is_empty() => deadlines.missed_answer(),
            Ended::Deadline => mllp(frames, MllpEnd::Deadline),
        };
        let bytes_sent = meter.handed().saturating_sub(1).min(length);
        Exchange { seen, bytes_sent, is_untouched: meter.is_untouched(), connection }
    }

    async fn converse(
        &mut self,
        parcel: &Parcel,
        sole_message: bool,
        frames: &mut Vec<Vec<u8>>,
        deadlines: Deadlines,
    ) -> Ended {
        outbox_core::fault!("mllp-first-byte", |_| Ended::Cut(End::Eof));
        let mut outgoing = Outgoing::new(parcel.body.reveal());
        let handing_over = poll_fn(|cx| self.poll_hand_over(cx, &mut outgoing, frames));
        match timeout_at(deadlines.write(), handing_over).await {
            Ok(Ok(())) => {}
            Ok(Err(end)) => return Ended::Cut(end),
            Err(_) => return Ended::WriteTimeout,
        }
        outbox_core::fault!("mllp-last-byte", |_| Ended::Cut(End::Eof));
        let first_byte = deadlines.first_byte();
        let (mut judged, mut until) = (0, first_byte);
        loop {
            // An answer that comes byte by byte is not looked at byte by byte.
            if frames.len() > judged {
                judged = frames.len();
                outbox_core::fault!("mllp-answer-read", |_| Ended::Cut(End::Eof));
                let word = word_of(frames, sole_message, &parcel.control_id, parcel.application_ack);
                if let MllpWord::Final { is_clean } = word {
                    return Ended::LastWord { is_clean };
                }
                until = deadlines.total;
            }
            match timeout_at(until, poll_fn(|cx| self.poll_frames(cx, frames))).await {
                Ok(Ok(())) => until = deadlines.total,
                Ok(Err(end)) => return Ended::Cut(end),
                Err(_) => return Ended::Deadline,
            }
        }
    }

    /// Writes, and reads what a receiver says that does not wait for the end.
    fn poll_hand_over(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut Outgoing,
        frames: &mut Vec<Vec<u8>>,
    ) -> Poll<Result<(), End>> {
        loop {
            if let Poll::Ready(wrote) = self.poll_write(cx, outgoing) {
                return Poll::Ready(wrote.map_err(End::Error));
            }
            ready!(self.poll_frames(cx, frames))?;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing) -> Poll<io::Result<()>> {
        while outgoing.rest.has_remaining() {
            let mut pieces = [IoSlice::new(&[]); 3];
            let count = outgoing.rest.chunks_vectored(&mut pieces);
            let wrote = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces[..count]))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outgoing.rest.advance(wrote);
            outbox_core::fault!("mllp-piece");
            self.meter.take(wrote);
            // Only a flush tells the meter that nothing is held back; that it cannot be done yet is no matter.
            if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(cx) {
                flushed?;
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Reads once, and takes out the frames that are complete with it.
    fn poll_frames(&mut self, cx: &mut Context<'_>, frames: &mut Vec<Vec<u8>>) -> Poll<Result<(), End>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)).map_err(End::Error)?;
        let mut input: &[u8] = read.filled();
        if input.is_empty() {
            return Poll::Ready(Err(End::Eof));
        }
        loop {
            match self.decoder.next(&mut input) {
                Next::Frame(frame) if frames.len() < ANSWER_FRAMES_MAX => frames.push(frame),
                Next::Incomplete => return Poll::Ready(Ok(())),
                Next::Frame(_) | Next::TooLarge => return Poll::Ready(Err(End::TooLarge)),
            }
        }
    }

    /// Whether nothing of the answer is still to come: neither the CR behind it nor another frame, and not the peer's end.
    async fn is_at_rest(&mut self) -> bool {
        let mut more = Vec::new();
        if self.decoder.awaits_cr()
            && let Ok(Err(_)) = timeout(CR_WAIT, poll_fn(|cx| self.poll_frames(cx, &mut more))).await
        {
            return false;
        }
        more.is_empty() && !self.decoder.is_inside() && self.is_quiet()
    }
}

impl Idle for Connection {
    fn is_quiet(&mut self) -> bool {
        self.meter.set_probing(true);
        let read = self.poll_frames(&mut Context::from_waker(Waker::noop()), &mut Vec::new());
        self.meter.set_probing(false);
        read.is_pending()
    }

    async fn close(mut self) {
        // A peer that has gone needs no goodbye.
        let _ = self.stream.shutdown().await;
    }
}
