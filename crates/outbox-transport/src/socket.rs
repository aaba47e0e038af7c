//! A TCP connection that knows what it wrote, reads on when it can write no more, and takes back what it can.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::meter::Meter;

/// The lowest layer of every connection, below TLS.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    meter: Meter,
    /// Writing has failed. That is not told to those above: a peer that refuses early (a 413, a TLS alert) and closes makes
    /// the kernel fail our writes while its last words still wait to be read. They are read first; then reading fails too.
    write_failed: bool,
    /// Reading has come to its end.
    read_ended: bool,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream, meter: Meter) -> Self {
        Self { tcp, meter, write_failed: false, read_ended: false }
    }

    /// Whether something waits to be read (bytes, the peer's end, an error), asked of the kernel itself.
    fn has_news(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        !matches!(SockRef::from(&self.tcp).peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// What a caller gets who wants to write after that failed: nothing, while there may still be something to read.
    fn dead_end<T>(&self) -> Poll<io::Result<T>> {
        if self.read_ended { Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) } else { Poll::Pending }
    }

    fn wrote(&mut self, cx: &Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => self.meter.write(bytes),
            Poll::Ready(Err(_)) => {
                self.write_failed = true;
                // The reader above may have run just before; it has to look again.
                cx.waker().wake_by_ref();
                return self.dead_end();
            }
            Poll::Pending => {}
        }
        wrote
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.meter.is_busy() {
            // RST instead of FIN: what the kernel has not sent yet is thrown away. Otherwise a message that was given up
            // could still arrive after a newer one went over another connection. Where it fails, the connection is gone.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.remaining();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if read.is_pending() && self.meter.is_probing() && self.has_news() {
            // The runtime has not heard of it yet, so it cannot be read now; but this connection is not as idle as it looks.
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.read_ended |= match &read {
            Poll::Ready(Ok(())) => before > 0 && buf.remaining() == before,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return self.dead_end();
        }
        let wrote = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.wrote(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return self.dead_end();
        }
        let wrote = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.wrote(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return self.dead_end();
        }
        // TCP itself has nothing to flush; that we are asked means that nothing is held back above.
        self.meter.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
