//! What the tests share: invented messages, and clients that speak HTTP and MLLP by hand, so that they see every byte.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use outbox_receiver::{Receiver, ReceiverConfig};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a receiver from its JSON.
pub(crate) async fn start(config: &str) -> Receiver {
    let config: ReceiverConfig = serde_json::from_str(config).unwrap();
    Receiver::start(config).await.unwrap()
}

/// Starts one with both transports that behaves so.
pub(crate) async fn behaving(behaviour: &str) -> Receiver {
    start(&format!(r#"{{"mllp":"127.0.0.1:0","behaviour":{behaviour}}}"#)).await
}

pub(crate) fn message(control_id: &str) -> String {
    message_of(control_id, "P-1", "ADT^A08^ADT_A01")
}

pub(crate) fn message_of(control_id: &str, patient: &str, kind: &str) -> String {
    format!(
        "MSH|^~\\&|TESTAPP|TESTFAC|STANDIN|NOWHERE|20300102030405+0400||{kind}|{control_id}|T|2.5.1\r\
         EVN||20300102030405+0400\rPID|1||{patient}^^^&TESTFAC||INVENTED^PERSON||19000101|U\r"
    )
}

pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A connection, over TCP or over TLS.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    pub(crate) buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn http(receiver: &Receiver) -> Self {
        Self::to(receiver.http_addr().unwrap()).await
    }

    pub(crate) async fn mllp(receiver: &Receiver) -> Self {
        Self::to(receiver.mllp_addr().unwrap()).await
    }

    pub(crate) async fn to(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), buffer: Vec::new() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Reads once more; false at the end of the stream.
    async fn more(&mut self) -> io::Result<bool> {
        Ok(timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("the receiver hangs")? > 0)
    }

    /// Reads to the end of the stream and says how it ended.
    pub(crate) async fn until_end(&mut self) -> (Vec<u8>, io::Result<()>) {
        loop {
            match self.more().await {
                Ok(true) => {}
                Ok(false) => return (std::mem::take(&mut self.buffer), Ok(())),
                Err(error) => return (std::mem::take(&mut self.buffer), Err(error)),
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a request with a body; `headers` are whole lines.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.write(&[head.as_bytes(), body].concat()).await;
    }

    /// Sends a message as the clinic's software does.
    pub(crate) async fn post(&mut self, control_id: &str, message: &str) {
        let headers = format!("Content-Type: application/hl7-v2\r\nX-Message-Control-ID: {control_id}\r\n");
        self.ask("POST", "/receive", &headers, message.as_bytes()).await;
    }

    /// Sends a message with this control id and reads the answer.
    pub(crate) async fn deliver(&mut self, control_id: &str) -> Answered {
        self.post(control_id, &message(control_id)).await;
        self.answer().await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answered {
        self.ask("GET", path, "", b"").await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answered {
        self.try_answer().await.unwrap()
    }

    /// Reads one response of a known length.
    pub(crate) async fn try_answer(&mut self) -> io::Result<Answered> {
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let headers = String::from_utf8(self.buffer.drain(..head + 4).collect()).unwrap();
        let status = headers.get(9..12).unwrap().parse().unwrap();
        let mut answered = Answered { status, headers, body: Vec::new() };
        let length: usize = answered.header("content-length").map_or(0, |value| value.parse().unwrap());
        while self.buffer.len() < length {
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        answered.body = self.buffer.drain(..length).collect();
        Ok(answered)
    }

    /// Sends a message in its frame.
    pub(crate) async fn frame(&mut self, message: &str) {
        self.write(format!("\u{b}{message}\u{1c}\r").as_bytes()).await;
    }

    /// Reads one frame.
    pub(crate) async fn framed(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\x1c\x0d") {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                assert_eq!(frame.first(), Some(&0x0B));
                return String::from_utf8_lossy(frame.get(1..end).unwrap()).into_owned();
            }
            assert!(self.more().await.unwrap(), "the receiver closed before its frame was complete");
        }
    }

    /// Sends a message with this control id and reads the acknowledgement.
    pub(crate) async fn exchange(&mut self, control_id: &str) -> String {
        self.frame(&message(control_id)).await;
        self.framed().await
    }
}

/// MSA-1 and MSA-2.
pub(crate) fn msa(ack: &str) -> (&str, &str) {
    let segment = ack.split('\r').find(|segment| segment.starts_with("MSA|")).expect("an MSA segment");
    let mut fields = segment.split('|').skip(1);
    (fields.next().unwrap(), fields.next().unwrap())
}

pub(crate) fn is_reset(ended: &io::Result<()>) -> bool {
    ended.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}
