//! A peer that does what its script says with each connection, and counts them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A listener with a script; it ends with the test.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Runs the script for every connection, each in a task of its own; the number counts from 1.
    pub(crate) async fn start<F, S>(script: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(u64, TcpStream) -> F + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(script(number, stream));
            }
        });
        Self { addr, connections, task }
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One request as it stood on the wire.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of a header, if it is there exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next();
        assert!(values.next().is_none(), "{name} came twice");
        value
    }
}

/// Reads until the end of the head; answers it and what came of the body with it.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return (String::from_utf8(bytes).unwrap(), body);
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the sender closed before its head was complete");
    }
}

/// Reads one whole request; none, the sender closed before one.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Request {
    let (head, body) = read_head(stream).await;
    let mut request = Request { head, body };
    let length: usize = request.header("content-length").expect("a length").parse().unwrap();
    while request.body.len() < length {
        assert!(
            stream.read_buf(&mut request.body).await.unwrap() > 0,
            "the sender closed before its body was complete"
        );
    }
    assert_eq!(request.body.len(), length, "bytes follow the request");
    request
}

/// Reads and forgets until the sender has closed, in whatever way.
pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut sink = vec![0; 64 << 10];
    while matches!(stream.read(&mut sink).await, Ok(count) if count > 0) {}
}

/// A response with a known length.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An acknowledgement that accepts.
pub(crate) fn ack(control_id: &str) -> String {
    format!("MSH|^~\\&|STANDIN|NOWHERE|TESTAPP|TESTFAC|20300102030405+0400||ACK^A08|A1|T|2.5.1\rMSA|AA|{control_id}\r")
}

/// Writes what the sender may no longer want.
pub(crate) async fn write(stream: &mut TcpStream, bytes: &[u8]) {
    // A sender that has gone is the matter of the test, not of the peer.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

/// Empties what has arrived, so that closing sends FIN and not RST.
pub(crate) fn read_the_rest(stream: &mut std::net::TcpStream) {
    stream.set_nonblocking(true).unwrap();
    // It ends in WouldBlock.
    let _ = std::io::Read::read_to_end(stream, &mut Vec::new());
}
