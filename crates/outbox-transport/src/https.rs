//! HTTPS: one POST a message over kept connections.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request, Uri};
use outbox_core::acknowledgement::{Asked, Outcome, Policy, Row, Seen, Verdict, judge};
use outbox_core::clock::Timestamp;
use outbox_core::config::{Address, Auth, Destination};
use outbox_core::error::{OutboxError, code};
use outbox_core::transport::{Delivering, Delivery, Parcel, Transport};

use crate::certificate::Expiry;
use crate::connector::Connector;
use crate::deadline::{Deadlines, Patience};
use crate::headers::Headers;
use crate::link::{Exchange, Link};
use crate::pool::Pool;
use crate::tls::Whom;
use crate::token::{Token, Tokens};

/// Before the five seconds after which many servers close an idle connection.
const IDLE: Duration = Duration::from_secs(3);

/// A way to one destination over HTTPS. Nothing is followed, inflated or repeated here, but for one case: a 401 where we
/// fetch the token ourselves. It says that the message was not taken, and that the token may have ended before its time; so
/// the message goes once more, within the same attempt and its deadlines, with a new one.
pub(crate) struct Https {
    way: Arc<Way>,
    patience: Patience,
    expiry: Arc<Expiry>,
}

/// What is the same for every message.
struct Way {
    connector: Connector,
    pool: Arc<Pool<Link>>,
    path: Uri,
    host: HeaderValue,
    headers: Headers,
    tokens: Option<Tokens>,
}

impl Https {
    pub(crate) fn new(destination: &Destination) -> Result<Self, OutboxError> {
        let key = format!("destinations.{}.url", destination.name);
        let wrong = || OutboxError::new(code::ERR_CONFIG, format!("`{key}` is not a valid URL"));
        let address = Address::read(&key, &destination.url)?;
        let expiry = Arc::<Expiry>::default();
        let tokens = match &destination.auth {
            Some(Auth::OAuth2(oauth2)) => Some(Tokens::new(destination, oauth2)?),
            _ => None,
        };
        let way = Way {
            connector: Connector::new(destination, Whom::Receiver, &key, &address, Arc::clone(&expiry))?,
            pool: Pool::new(destination.concurrency as usize, IDLE),
            path: address.path.parse().map_err(|_| wrong())?,
            host: HeaderValue::from_str(&address.authority).map_err(|_| wrong())?,
            headers: Headers::of(destination)?,
            tokens,
        };
        Ok(Self { way: Arc::new(way), patience: Patience::of(destination), expiry })
    }
}

impl Transport for Https {
    fn deliver(&self, parcel: Parcel) -> Delivering {
        let way = Arc::clone(&self.way);
        let deadlines = self.patience.begin();
        Box::pin(async move { way.deliver(&parcel, deadlines).await })
    }

    fn certificate_expires_at(&self) -> Option<Timestamp> {
        self.expiry.first()
    }
}

impl Way {
    async fn deliver(&self, parcel: &Parcel, deadlines: Deadlines) -> Delivery {
        let Some(tokens) = &self.tokens else { return self.send(parcel, None, deadlines).await };
        let token = match tokens.get(None, deadlines).await {
            Ok(token) => token,
            Err(seen) => return Delivery { seen, bytes_sent: 0 },
        };
        let delivery = self.send(parcel, Some(&token), deadlines).await;
        if !is_unauthorized(&delivery, parcel) {
            return delivery;
        }
        match tokens.get(Some(&token), deadlines).await {
            Ok(token) => self.send(parcel, Some(&token), deadlines).await,
            Err(seen) => Delivery { seen, bytes_sent: delivery.bytes_sent },
        }
    }

    async fn send(&self, parcel: &Parcel, token: Option<&Token>, deadlines: Deadlines) -> Delivery {
        // A kept connection may have ended unnoticed. As long as not one byte went over it, nothing was tried yet.
        while let Some(link) = self.pool.take() {
            let meter = link.meter.clone();
            let exchange = link.exchange(self.request(parcel, token), deadlines).await;
            if exchange.link.is_some() || !meter.is_untouched() {
                return self.finish(exchange, parcel, meter.handed());
            }
        }
        match Link::open(&self.connector, deadlines.total).await {
            Ok(link) => {
                let meter = link.meter.clone();
                let exchange = link.exchange(self.request(parcel, token), deadlines).await;
                self.finish(exchange, parcel, meter.handed())
            }
            Err(seen) => Delivery { seen, bytes_sent: 0 },
        }
    }

    fn finish(&self, exchange: Exchange, parcel: &Parcel, bytes_sent: u64) -> Delivery {
        if let Some(link) = exchange.link {
            self.pool.put(link);
        }
        // An early refusal is an answer; but nobody can accept what has not left, and now it never will.
        let is_early = !exchange.is_complete && judged(&exchange.seen, parcel).outcome == Outcome::Accepted;
        let seen = if is_early { Seen::NotDelivered { fault: "answered-early" } } else { exchange.seen };
        Delivery { seen, bytes_sent }
    }

    fn request(&self, parcel: &Parcel, token: Option<&Token>) -> Request<Bytes> {
        let mut request = Request::new(parcel.body.reveal().clone());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.headers.for_message(&parcel.control_id);
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token.header());
        }
        request
    }
}

/// Whether the receiver turned the message away for its token; not when it says otherwise in an acknowledgement.
fn is_unauthorized(delivery: &Delivery, parcel: &Parcel) -> bool {
    judged(&delivery.seen, parcel).row == Row::Http401
}

/// What an answer comes to by the table alone.
fn judged(seen: &Seen, parcel: &Parcel) -> Verdict {
    let asked = Asked {
        control_id: &parcel.control_id,
        application_ack: parcel.application_ack,
        earlier_indeterminate: false,
        now: SystemTime::UNIX_EPOCH,
    };
    judge(seen, &asked, &Policy::default())
}
