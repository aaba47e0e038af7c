//! A peer that plays raw bytes from a script, step by step, and waits for events instead of times.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::peer::{Peer, ack, read_request, response};
use super::soon;

/// How messages are framed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http,
    Mllp,
}

type Words = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// One step of a script.
#[derive(Clone)]
pub(crate) enum Step {
    /// Reads one whole message.
    Read,
    /// Reads at least so many bytes of one.
    ReadSome(usize),
    /// Says what the words make of the control id read last.
    Say(Words),
    /// Says the same thing again and again, until the sender has gone.
    SayForEver(Vec<u8>),
    /// Waits for the test.
    Wait(Arc<Notify>),
    /// Closes its own side, and goes on reading.
    HalfClose,
    /// Closes with RST.
    Reset,
    /// Begins again with the first step.
    Again,
}

/// What the test hears of the peer; the number is that of the connection, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole message, with its bytes.
    Message(u64, Vec<u8>),
    /// The peer has closed by its script.
    Closed(u64),
    /// The script is through and the sender has closed; whether with RST.
    Gone(u64, bool),
}

/// A peer with a script for each connection; the last one is for all that follow.
pub(crate) struct ScriptedPeer {
    pub(crate) addr: SocketAddr,
    peer: Peer,
    heard: mpsc::UnboundedReceiver<Heard>,
}

/// These bytes.
pub(crate) fn say(bytes: impl Into<Vec<u8>>) -> Step {
    let bytes = bytes.into();
    Step::Say(Arc::new(move |_| bytes.clone()))
}

/// An AA for the message read last.
pub(crate) fn accept(wire: Wire) -> Step {
    Step::Say(Arc::new(move |id| match wire {
        Wire::Http => response("200 OK", "", ack(id).as_bytes()),
        Wire::Mllp => framed(&ack(id)),
    }))
}

/// Bytes in a frame.
pub(crate) fn framed(payload: &str) -> Vec<u8> {
    [b"\x0b", payload.as_bytes(), b"\x1c\x0d"].concat()
}

impl ScriptedPeer {
    pub(crate) async fn start(wire: Wire, scripts: Vec<Vec<Step>>) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let scripts = Arc::new(scripts);
        let peer = Peer::start(move |number, stream| {
            let index = usize::try_from(number - 1).unwrap().min(scripts.len() - 1);
            let actor = Actor { wire, number, stream, id: String::new(), tell: tell.clone() };
            let script = scripts[index].clone();
            async move { actor.play(&script).await }
        })
        .await;
        Self { addr: peer.addr, peer, heard }
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.peer.connections()
    }

    /// The next thing that happens.
    pub(crate) async fn hear(&mut self) -> Heard {
        soon(self.heard.recv()).await.unwrap()
    }
}

struct Actor {
    wire: Wire,
    number: u64,
    stream: TcpStream,
    id: String,
    tell: mpsc::UnboundedSender<Heard>,
}

impl Actor {
    async fn play(mut self, script: &[Step]) {
        let mut at = 0;
        while let Some(step) = script.get(at) {
            at = if matches!(step, Step::Again) { 0 } else { at + 1 };
            match step {
                Step::Read => {
                    let Some(message) = self.read().await else { break };
                    self.tell(Heard::Message(self.number, message));
                }
                Step::ReadSome(bytes) => {
                    let mut some = vec![0; *bytes];
                    self.stream.read_exact(&mut some).await.unwrap();
                }
                // A sender that has gone is the matter of the test, not of the peer.
                Step::Say(words) => drop(self.stream.write_all(&words(&self.id)).await),
                Step::SayForEver(bytes) => while self.stream.write_all(bytes).await.is_ok() {},
                Step::Wait(gate) => gate.notified().await,
                Step::HalfClose => {
                    self.stream.shutdown().await.unwrap();
                    self.tell(Heard::Closed(self.number));
                }
                Step::Reset => {
                    self.stream.set_zero_linger().unwrap();
                    let Self { stream, number, tell, .. } = self;
                    drop(stream);
                    // The test may have ended.
                    let _ = tell.send(Heard::Closed(number));
                    return;
                }
                Step::Again => {}
            }
        }
        let mut sink = vec![0; 64 << 10];
        let is_reset = loop {
            match self.stream.read(&mut sink).await {
                Ok(0) => break false,
                Ok(_) => {}
                Err(_) => break true,
            }
        };
        self.tell(Heard::Gone(self.number, is_reset));
    }

    fn tell(&self, heard: Heard) {
        // The test may have ended.
        let _ = self.tell.send(heard);
    }

    /// One message; none, the sender closed instead.
    async fn read(&mut self) -> Option<Vec<u8>> {
        let message = match self.wire {
            Wire::Http => {
                self.stream.peek(&mut [0]).await.ok().filter(|&bytes| bytes > 0)?;
                read_request(&mut self.stream).await.body
            }
            Wire::Mllp => {
                let mut frame = Vec::new();
                while !frame.ends_with(b"\x1c\x0d") {
                    frame.push(self.stream.read_u8().await.ok()?);
                }
                assert_eq!(frame.first(), Some(&0x0b), "a frame begins with 0x0B and nothing stands before it");
                frame[1..frame.len() - 2].to_vec()
            }
        };
        let text = String::from_utf8_lossy(&message);
        text.split('|').nth(9).unwrap_or_default().clone_into(&mut self.id);
        Some(message)
    }
}
