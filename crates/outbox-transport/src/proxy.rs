//! Through a proxy: CONNECT, and then as if it were not there (RFC 9110, 9.3.6).

use outbox_core::acknowledgement::Seen;
use outbox_core::config::{Address, Proxy as Configured};
use outbox_core::error::OutboxError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::connector::open_tcp;
use crate::headers::authorization;

/// Most bytes of the proxy's answer.
const HEAD_BYTES_MAX: usize = 16 << 10;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The way through a proxy to one address.
pub(crate) struct Proxy {
    host: String,
    port: u16,
    /// The whole request; it holds credentials.
    request: Vec<u8>,
}

impl Proxy {
    /// `key` is where the proxy is configured, `target` where it is asked to connect us.
    pub(crate) fn new(key: &str, configured: &Configured, target: &Address) -> Result<Self, OutboxError> {
        let Address { host, port, .. } = Address::read(&format!("{key}.url"), &configured.url)?;
        let is_v6 = target.host.contains(':');
        let host_of_target = if is_v6 { format!("[{}]", target.host) } else { target.host.clone() };
        let to = format!("{host_of_target}:{}", target.port);
        let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
        if let Some(auth) = &configured.auth {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization(&format!("{key}.auth"), auth)?.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        Ok(Self { host, port, request })
    }

    /// A connection to the target; the proxy has said its last word on it.
    pub(crate) async fn connect(&self, until: Instant) -> Result<TcpStream, Seen> {
        let unreachable = |_| Seen::NotDelivered { fault: "proxy-unreachable" };
        let mut tcp = open_tcp(&self.host, self.port, until).await.map_err(unreachable)?;
        let lost = |_| Seen::NotDelivered { fault: "proxy-lost" };
        tcp.write_all(&self.request).await.map_err(lost)?;
        let head = read_head(&mut tcp).await.map_err(lost)?;
        match status(&head) {
            Some(200..=299) => Ok(tcp),
            // It is not our set-up that it cannot get through.
            Some(500..=599 | 408 | 429) => Err(Seen::NotDelivered { fault: "proxy-cannot-connect" }),
            Some(401 | 407) => Err(Seen::ProxyRefused { fault: "proxy-credentials-refused" }),
            Some(_) => Err(Seen::ProxyRefused { fault: "proxy-refused" }),
            None => Err(Seen::ProxyRefused { fault: "proxy-answer-not-http" }),
        }
    }
}

/// Reads exactly the head: what follows it comes from the target.
async fn read_head(tcp: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut window = [0; 1024];
    while head.len() < HEAD_BYTES_MAX {
        let known = head.len();
        let seen = tcp.peek(&mut window).await?;
        head.extend_from_slice(&window[..seen]);
        let from = known.saturating_sub(END_OF_HEAD.len() - 1);
        let end = head[from..].windows(END_OF_HEAD.len()).position(|four| four == END_OF_HEAD);
        if let Some(end) = end {
            head.truncate(from + end + END_OF_HEAD.len());
        }
        tcp.read_exact(&mut window[..head.len() - known]).await?;
        if end.is_some() || !b"HTTP/1".starts_with(&head[..head.len().min(6)]) {
            return Ok(head);
        }
        if seen == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// The status of an HTTP/1 head that is whole.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?.strip_suffix(END_OF_HEAD)?;
    let digits = line.get(1..)?.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn only_a_whole_http_1_head_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\nProxy-Authenticate: Basic\r\n\r\n"), Some(407));
        for wrong in
            [b"".as_slice(), b"HTTP/1.1 200 OK\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2x0\r\n\r\n", b"\r\n\r\n"]
        {
            assert_eq!(status(wrong), None);
        }
    }
}
