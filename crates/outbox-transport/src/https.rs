//! HTTPS: one POST a message over kept connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};
use outbox_core::config::Destination;
use outbox_core::error::{OutboxError, code};
use outbox_core::transport::{Delivering, Delivery, Parcel, Transport};
use tokio::time::Instant;

use crate::connector::Connector;
use crate::headers::Headers;
use crate::link::{Exchange, Link};
use crate::pool::Pool;
use crate::tls;

/// Longer deadlines are as good as none, and cannot overflow the clock.
const TOTAL_MAX: Duration = Duration::from_secs(86_400);

/// A way to one destination over HTTPS. Nothing is followed, proxied, inflated or repeated here.
pub(crate) struct Https {
    way: Arc<Way>,
    pool: Arc<Pool>,
    total: Duration,
}

/// What is the same for every message.
struct Way {
    connector: Connector,
    path: Uri,
    host: HeaderValue,
    headers: Headers,
}

impl Https {
    pub(crate) fn new(destination: &Destination) -> Result<Self, OutboxError> {
        let wrong = || {
            OutboxError::new(code::ERR_CONFIG, format!("`destinations.{}.url` is not a valid URL", destination.name))
        };
        let url: Uri = destination.url.parse().map_err(|_| wrong())?;
        let authority = url.authority().ok_or_else(wrong)?;
        let is_tls = url.scheme() == Some(&Scheme::HTTPS);
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let config = if is_tls { Some(tls::client(destination, Some(b"http/1.1"))?) } else { None };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let connector = Connector::new(host, port, config, destination.connect_timeout.min(TOTAL_MAX));
        let path = url.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let way = Way {
            connector: connector.ok_or_else(wrong)?,
            path: Uri::from(path),
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            headers: Headers::of(destination)?,
        };
        let pool = Pool::new(destination.concurrency as usize);
        Ok(Self { way: Arc::new(way), pool, total: destination.total_timeout.min(TOTAL_MAX) })
    }
}

impl Transport for Https {
    fn deliver(&self, parcel: Parcel) -> Delivering {
        let (way, pool) = (Arc::clone(&self.way), Arc::clone(&self.pool));
        let deadline = Instant::now() + self.total;
        Box::pin(async move {
            // A kept connection may have ended unnoticed. As long as not one byte went over it, nothing was tried yet.
            while let Some(link) = pool.take() {
                let meter = link.meter.clone();
                let exchange = link.exchange(way.request(&parcel), deadline).await;
                if exchange.link.is_some() || !meter.is_untouched() {
                    return finish(exchange, meter.handed(), &pool);
                }
            }
            match Link::open(&way.connector, deadline).await {
                Ok(link) => {
                    let meter = link.meter.clone();
                    let exchange = link.exchange(way.request(&parcel), deadline).await;
                    finish(exchange, meter.handed(), &pool)
                }
                Err(seen) => Delivery { seen, bytes_sent: 0 },
            }
        })
    }
}

fn finish(exchange: Exchange, bytes_sent: u64, pool: &Arc<Pool>) -> Delivery {
    if let Some(link) = exchange.link {
        pool.put(link);
    }
    Delivery { seen: exchange.seen, bytes_sent }
}

impl Way {
    fn request(&self, parcel: &Parcel) -> Request<Bytes> {
        let mut request = Request::new(parcel.body.reveal().clone());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.for_message(&parcel.control_id);
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }
}
