//! A way to one destination over MLLP.

use std::sync::Arc;
use std::time::Duration;

use outbox_core::clock::Timestamp;
use outbox_core::config::{Address, Destination};
use outbox_core::error::OutboxError;
use outbox_core::transport::{Delivering, Delivery, Parcel, Transport};

use super::connection::{Connection, Exchange};
use crate::certificate::Expiry;
use crate::connector::Connector;
use crate::deadline::{Deadlines, Patience};
use crate::pool::Pool;
use crate::tls::Whom;

/// MLLP receivers expect connections to stay; what stands between often forgets them after half a minute or more.
const IDLE: Duration = Duration::from_secs(20);

/// A way to one destination over MLLP, with a connection for each attempt that goes on at once.
pub(crate) struct Mllp {
    way: Arc<Way>,
    patience: Patience,
    expiry: Arc<Expiry>,
}

struct Way {
    connector: Connector,
    pool: Arc<Pool<Connection>>,
}

impl Mllp {
    pub(crate) fn new(destination: &Destination) -> Result<Self, OutboxError> {
        let key = format!("destinations.{}.url", destination.name);
        let address = Address::read(&key, &destination.url)?;
        let expiry = Arc::<Expiry>::default();
        let way = Way {
            connector: Connector::new(destination, Whom::Receiver, &key, &address, Arc::clone(&expiry))?,
            pool: Pool::new(destination.concurrency as usize, IDLE),
        };
        Ok(Self { way: Arc::new(way), patience: Patience::of(destination), expiry })
    }
}

impl Transport for Mllp {
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
        // A kept connection may have ended unnoticed. As long as not one byte went over it, nothing was tried yet.
        while let Some(connection) = self.pool.take() {
            let exchange = connection.exchange(parcel, deadlines).await;
            if exchange.connection.is_some() || !exchange.is_untouched {
                return self.finish(exchange);
            }
        }
        match Connection::open(&self.connector, deadlines.total).await {
            Ok(connection) => self.finish(connection.exchange(parcel, deadlines).await),
            Err(seen) => Delivery { seen, bytes_sent: 0 },
        }
    }

    fn finish(&self, exchange: Exchange) -> Delivery {
        if let Some(connection) = exchange.connection {
            self.pool.put(connection);
        }
        Delivery { seen: exchange.seen, bytes_sent: exchange.bytes_sent }
    }
}
