//! From an address to a connection: name, TCP, TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use outbox_core::acknowledgement::Seen;
use outbox_core::config::{Address, Destination};
use outbox_core::error::{OutboxError, code};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::Expiry;
use crate::deadline::Patience;
use crate::fault;
use crate::meter::Meter;
use crate::proxy::Proxy;
use crate::socket::Socket;
use crate::tls::{self, Whom};

/// What every connection to one address has in common.
pub(crate) struct Connector {
    host: String,
    port: u16,
    /// Between us and the address; none, none.
    proxy: Option<Proxy>,
    /// Without it, plain TCP.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// For name, TCP, proxy and TLS together.
    timeout: Duration,
}

impl Connector {
    /// The way to the destination itself, or to the server that gives its tokens. `key` is where the address is configured.
    pub(crate) fn new(
        destination: &Destination,
        whom: Whom,
        key: &str,
        address: &Address,
        expiry: Arc<Expiry>,
    ) -> Result<Self, OutboxError> {
        let tls = if address.scheme.is_tls() {
            let alpn = (!address.scheme.is_mllp()).then_some(b"http/1.1".as_slice());
            let config = tls::client(destination, whom, alpn, expiry)?;
            let configured = if whom == Whom::Receiver { tls::server_name(destination)? } else { None };
            let name = match configured {
                Some(name) => name,
                None => ServerName::try_from(address.host.clone())
                    .map_err(|_| OutboxError::new(code::ERR_CONFIG, format!("`{key}` is not a valid URL")))?,
            };
            Some((TlsConnector::from(config), name))
        } else {
            None
        };
        let proxy = match &destination.proxy {
            None => None,
            Some(proxy) => Some(Proxy::new(&format!("destinations.{}.proxy", destination.name), proxy, address)?),
        };
        let timeout = Patience::of(destination).connect;
        Ok(Self { host: address.host.clone(), port: address.port, proxy, tls, timeout })
    }

    /// Opens a connection, before `deadline` and within its own timeout.
    pub(crate) async fn connect(&self, meter: Meter, deadline: Instant) -> Result<Stream, Seen> {
        let until = deadline.min(Instant::now() + self.timeout);
        match tokio::time::timeout_at(until, self.open(meter, until)).await {
            Ok(opened) => opened,
            Err(_) => Err(Seen::NotDelivered { fault: "connect-timeout" }),
        }
    }

    async fn open(&self, meter: Meter, until: Instant) -> Result<Stream, Seen> {
        outbox_core::fault!("connect", |_| Err(Seen::NotDelivered { fault: "connect-failed" }));
        let tcp = match &self.proxy {
            None => open_tcp(&self.host, self.port, until).await?,
            Some(proxy) => proxy.connect(until).await?,
        };
        // A message is one write and must not wait for the peer's delayed ACK. Where it fails, it is only slower.
        let _ = tcp.set_nodelay(true);
        outbox_core::fault!("connect-tls", |_| Err(Seen::NotDelivered { fault: "connect-failed" }));
        let socket = Socket::new(tcp, meter);
        match &self.tls {
            None => Ok(Stream::Plain(socket)),
            Some((tls, name)) => match tls.connect(name.clone(), socket).await {
                Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
                Err(error) => Err(fault::of_handshake(&error)),
            },
        }
    }
}

/// Tries the addresses of a host in turn, each with its share of the time that is left: a dead one must not use up all of it.
pub(crate) async fn open_tcp(host: &str, port: u16, until: Instant) -> Result<TcpStream, Seen> {
    let unknown = |_| Seen::NotDelivered { fault: "name-not-found" };
    let mut addresses: Vec<_> = lookup_host((host, port)).await.map_err(unknown)?.collect();
    addresses.dedup();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut failed = Seen::NotDelivered { fault: "name-not-found" };
    for address in addresses {
        let share = until.saturating_duration_since(Instant::now()) / left;
        left -= 1;
        let error = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        failed = fault::of_connecting(&error);
    }
    Err(failed)
}

/// A connection as its reader and writer see it.
pub(crate) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// Passes each call on to whichever it is.
macro_rules! either {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain(socket) => {
                let $inner = Pin::new(socket);
                $call
            }
            Self::Tls(tls) => {
                let $inner = Pin::new(tls.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_shutdown(cx))
    }
}
