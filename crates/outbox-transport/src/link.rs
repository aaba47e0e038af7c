//! One HTTP connection, one message at a time.
//!
//! The connection lives inside the future that uses it, not in a task of its own: dropping the future (a deadline, a stop)
//! drops the socket at once. So nothing of a message leaves after it was given up, and a late answer has nowhere to arrive.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use outbox_core::acknowledgement::Seen;
use tokio::time::{Instant, timeout_at};

use crate::body::CountedBody;
use crate::connector::{Connector, Stream};
use crate::deadline::Deadlines;
use crate::fault;
use crate::meter::Meter;
use crate::pool::Idle;

/// Most bytes of an answer that are read and kept.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Most bytes of an answer's head, and of a message between its body and the socket.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// Most header lines of an answer.
const ANSWER_HEADERS_MAX: usize = 100;

/// An open connection that is free for a message.
pub(crate) struct Link {
    sender: SendRequest<CountedBody>,
    wire: Wire,
    pub(crate) meter: Meter,
}

/// What came of one message on a link.
pub(crate) struct Exchange {
    pub(crate) seen: Seen,
    /// The kernel has the whole message.
    pub(crate) is_complete: bool,
    /// The link, if it is free for the next message.
    pub(crate) link: Option<Link>,
}

/// hyper's side of the connection, which moves only while it is polled.
struct Wire {
    /// Kept after its end, so that the socket is closed with the link, which knows how.
    connection: Connection<TokioIo<Stream>, CountedBody>,
    has_ended: bool,
}

impl Link {
    pub(crate) async fn open(connector: &Connector, deadline: Instant) -> Result<Self, Seen> {
        let meter = Meter::default();
        let stream = connector.connect(meter.clone(), deadline).await?;
        let mut builder = Builder::new();
        builder.max_headers(ANSWER_HEADERS_MAX).max_buf_size(BUFFER_BYTES_MAX);
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|_| Seen::NotDelivered { fault: "connect-failed" })?;
        Ok(Self { sender, wire: Wire { connection, has_ended: false }, meter })
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn exchange(mut self, request: Request<Bytes>, deadlines: Deadlines) -> Exchange {
        let length = request.body().len() as u64;
        self.meter.begin();
        let meter = self.meter.clone();
        let is_complete = || meter.handed() == length;
        let lost = |seen| Exchange { seen, is_complete: is_complete(), link: None };
        outbox_core::fault!("http-first-byte", |_| lost(Seen::NotDelivered { fault: "connection-lost" }));
        let request = request.map(|bytes| CountedBody::new(bytes, meter.clone()));
        let mut answering = std::pin::pin!(self.sender.send_request(request));
        let answer = match timeout_at(deadlines.write(), self.wire.until(answering.as_mut(), &is_complete)).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                outbox_core::fault!("http-last-byte", |_| lost(Seen::NoAnswer { fault: "connection-lost" }));
                match timeout_at(deadlines.first_byte(), self.wire.along(answering)).await {
                    Ok(answer) => answer,
                    Err(_) => return lost(deadlines.missed_answer()),
                }
            }
            Err(_) => return lost(fault::timeout(is_complete())),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return lost(fault::of_exchange(&error, is_complete())),
        };
        let (head, body) = answer.into_parts();
        outbox_core::fault!("http-answer-head", |_| lost(Seen::NoAnswer { fault: "connection-lost" }));
        let (body, truncated) = self.read(body, deadlines.total).await;
        outbox_core::fault!("http-answer-read", |_| lost(Seen::NoAnswer { fault: "connection-lost" }));
        let seen = seen(&Response::from_parts(head, ()), body, truncated);
        // A link that still has an unread answer or an unwritten message in it is of no use to the next one.
        if truncated || !is_complete() {
            return lost(seen);
        }
        self.meter.end();
        let is_free = self.is_free();
        Exchange { seen, is_complete: true, link: is_free.then_some(self) }
    }

    /// The body as far as it comes. Cut short by the limit, the deadline or the end of the connection it is still an answer:
    /// its status counts, and `judge` believes no segment that the cut went through.
    async fn read(&mut self, mut answer: Incoming, deadline: Instant) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let data = match timeout_at(deadline, self.wire.along(answer.frame())).await {
                Ok(None) => return (body, false),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(_))) | Err(_) => return (body, true),
            };
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return (body, true);
            }
        }
    }

    /// Whether hyper is ready for another request. It looks around once for that, and needs nobody to wake it.
    fn is_free(&mut self) -> bool {
        self.wire.poll(&mut Context::from_waker(Waker::noop()));
        !self.wire.has_ended && self.sender.is_ready()
    }
}

impl Idle for Link {
    fn is_quiet(&mut self) -> bool {
        self.meter.set_probing(true);
        let is_free = self.is_free();
        self.meter.set_probing(false);
        is_free
    }

    async fn close(self) {
        drop(self.sender);
        if !self.wire.has_ended {
            let _ = self.wire.connection.await;
        }
    }
}

impl Wire {
    fn poll(&mut self, cx: &mut Context<'_>) {
        // How it ended is told to whoever waits for an answer.
        self.has_ended = self.has_ended || Pin::new(&mut self.connection).poll(cx).is_ready();
    }

    /// Moves the connection along until the future is ready or `done` holds, which gives nothing.
    async fn until<F: Future>(&mut self, mut future: Pin<&mut F>, done: impl Fn() -> bool) -> Option<F::Output> {
        let mut along = std::pin::pin!(self.along(future.as_mut()));
        poll_fn(|cx| match along.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if done() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Moves the connection along until the future is ready; it will be, for hyper tells its waiters when it ends.
    async fn along<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| {
            self.poll(cx);
            match future.as_mut().poll(cx) {
                // What was just asked for (more of the body) may be at hand already.
                Poll::Pending => {
                    self.poll(cx);
                    future.as_mut().poll(cx)
                }
                ready @ Poll::Ready(_) => ready,
            }
        })
        .await
    }
}

fn seen(answer: &Response<()>, body: Vec<u8>, truncated: bool) -> Seen {
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Seen::Http {
        status: answer.status().as_u16(),
        retry_after: header(RETRY_AFTER),
        location: answer.headers().contains_key(LOCATION),
        content_type: header(CONTENT_TYPE),
        body,
        truncated,
    }
}
