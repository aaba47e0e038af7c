//! One MLLP connection from its first byte to its end. It carries many messages, one after another.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::conduct::Conduct;
use crate::desk::{Desk, Judged};
use crate::message::Message;
use crate::mllp::frame::{BEGIN, Frames, Next};
use crate::mllp::render::{Act, render};
use crate::outage::OutageKind;
use crate::received::Transport;
use crate::socket::Stream;
use crate::verdict::{AckCode, AckError, Verdict};

/// Serves messages until either side has had enough.
pub(crate) async fn serve(stream: Stream, desk: Arc<Desk>, number: u64) {
    let frames = Frames::new(desk.limits.message_bytes_max);
    let mut connection = Connection { stream, desk, number, frames, late: BTreeMap::new(), judged_early: false };
    // A peer that goes away in the middle of anything is the peer's business.
    let _ = connection.run().await;
}

struct Connection {
    stream: Stream,
    desk: Arc<Desk>,
    number: u64,
    frames: Frames,
    /// Answers whose time is still to come, by that time and the message they belong to.
    late: BTreeMap<(Instant, u64), Bytes>,
    /// The message that is arriving has been looked at for an early closing, and may stay.
    judged_early: bool,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    GoOn,
    End,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let turn = match self.frames.next() {
                Next::Message(body) => self.message(&body).await?,
                Next::TooLarge => {
                    self.desk.turn_away();
                    Turn::End
                }
                Next::Incomplete if self.ends_early() => Turn::End,
                Next::Incomplete => self.wait().await?,
            };
            if turn == Turn::End {
                return Ok(());
            }
        }
    }

    /// Waits for bytes, or for the time of a late answer.
    async fn wait(&mut self) -> io::Result<Turn> {
        let due = self.late.first_key_value().map(|(key, _)| *key);
        let due_at = due.map_or_else(Instant::now, |(at, _)| at);
        let room = self.frames.room();
        tokio::select! {
            read = timeout(self.desk.idle(), self.stream.read_buf(room)) => match read {
                Ok(Ok(bytes)) if bytes > 0 => Ok(Turn::GoOn),
                Ok(Ok(_)) | Err(_) => Ok(Turn::End),
                Ok(Err(error)) => Err(error),
            },
            () = sleep_until(due_at), if due.is_some() => {
                if let Some((_, bytes)) = self.late.pop_first() {
                    self.write(&bytes).await?;
                }
                if let Some((_, seq)) = due {
                    self.desk.mark_answered(seq);
                }
                Ok(Turn::GoOn)
            }
        }
    }

    /// Whether the connection is to be closed before the message is there. Its MSH segment is the head here.
    fn ends_early(&mut self) -> bool {
        let Some(begun) = self.frames.begun().filter(|begun| !self.judged_early && Message::header_is_complete(begun))
        else {
            return false;
        };
        self.judged_early = true;
        let conduct = self.desk.conduct();
        let reset = early_end(&conduct, begun);
        if let Some(reset) = reset {
            self.end_early(reset);
        }
        reset.is_some()
    }

    fn end_early(&mut self, reset: bool) {
        self.desk.turn_away();
        if reset {
            self.stream.reset_when_dropped();
        }
    }

    async fn message(&mut self, body: &Bytes) -> io::Result<Turn> {
        let desk = Arc::clone(&self.desk);
        let conduct = desk.conduct();
        let judged_early = std::mem::take(&mut self.judged_early);
        if conduct.is_out(OutageKind::Drop) || conduct.is_out(OutageKind::Unavailable) {
            desk.turn_away();
            return Ok(Turn::End);
        }
        if !judged_early && let Some(reset) = early_end(&conduct, body) {
            self.end_early(reset);
            return Ok(Turn::End);
        }
        let taken = desk.take_in(&conduct, (Transport::Mllp, self.number), None, None, body);
        let act = match &taken.judged {
            // Over HTTP a status says it; here nobody but an AR without a control id can.
            Judged::NotHl7(why) => {
                let errors = [AckError::at("100", "", &why.to_string())];
                let verdict = Verdict { errors: &errors, ..Verdict::plain(AckCode::Ar, b"") };
                Act::Write(super::frame::framed(&desk.acknowledge(None, &verdict)))
            }
            Judged::Mismatch => Act::Nothing,
            Judged::Refused(message, refusal) => Act::Write(super::frame::framed(&desk.refuse(message, refusal))),
            Judged::Chosen(message, choice) => {
                if !choice.wait.is_zero() {
                    sleep(choice.wait).await;
                }
                let act = render(&desk, choice.answer, message);
                if !choice.wait.is_zero() && !matches!(act, Act::Nothing | Act::Later(..) | Act::Close { .. }) {
                    desk.mark_answered(taken.seq);
                }
                act
            }
        };
        self.act(act, taken.seq).await
    }

    async fn act(&mut self, act: Act, seq: u64) -> io::Result<Turn> {
        match act {
            Act::Write(bytes) => self.write(&bytes).await?,
            Act::Later(after, bytes) => self.later(after, seq, bytes),
            Act::Twice(first, after, second) => {
                self.write(&first).await?;
                self.later(after, seq, second);
            }
            Act::Drip(bytes, every) => {
                for byte in &bytes {
                    self.write(&[*byte]).await?;
                    sleep(every).await;
                }
            }
            Act::LastWords(bytes) => {
                self.write(&bytes).await?;
                self.stream.shutdown().await?;
                return Ok(Turn::End);
            }
            Act::Endless(bytes) => {
                self.write(&[BEGIN]).await?;
                loop {
                    self.write(&bytes).await?;
                }
            }
            Act::Nothing => {}
            Act::Close { reset } => {
                if reset {
                    self.stream.reset_when_dropped();
                }
                return Ok(Turn::End);
            }
        }
        Ok(Turn::GoOn)
    }

    fn later(&mut self, after: Duration, seq: u64, bytes: Bytes) {
        // A moment beyond the clock's end never comes.
        if let Some(at) = Instant::now().checked_add(after) {
            self.late.insert((at, seq), bytes);
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A peer that reads nothing for so long has gone.
        let idle = self.desk.idle();
        let written = timeout(idle, async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        });
        written.await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// The early closing for a message of which at least MSH is there; `Some(true)`, with RST.
fn early_end(conduct: &Conduct, begun: &[u8]) -> Option<bool> {
    if !conduct.acts_early {
        return None;
    }
    let control_id = Message::read(begun).map(|message| message.control_id().to_vec()).unwrap_or_default();
    conduct.closes_early(&control_id)
}
