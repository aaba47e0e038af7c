//! One HTTP connection from its first byte to its end.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;

use crate::desk::Desk;
use crate::http::parting::Parting;
use crate::http::{inspect, intake};
use crate::socket::Stream;

/// hyper panics below this.
const HEAD_BYTES_MIN: usize = 8 << 10;

/// Who is on the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    pub(crate) connection: u64,
}

/// Serves requests until either side has had enough.
pub(crate) async fn serve(stream: Stream, desk: Arc<Desk>, connection: u64, addr: SocketAddr) {
    let peer = Peer { addr, connection };
    let limits = desk.limits;
    let idle = desk.idle();
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let desk = Arc::clone(&desk);
        async move {
            if request.method() == http::Method::POST {
                intake::receive(&desk, peer, request).await
            } else {
                Ok(inspect::show(&desk, peer, request).await)
            }
        }
    });
    let mut served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(limits.header_bytes_max.max(HEAD_BYTES_MIN))
        .serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut served).await else { return };
    let Some(parting) = error.source().and_then(|source| source.downcast_ref::<Parting>()).cloned() else { return };
    let mut stream = served.into_parts().io.into_inner();
    match parting {
        Parting::Close => {}
        Parting::Reset => stream.reset_when_dropped(),
        Parting::LastWords(bytes) => {
            // A peer that does not want them has gone already.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    }
}
