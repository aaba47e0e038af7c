//! Whether a destination can be reached: name, TCP, proxy and TLS, and never a byte of a message or of credentials.

use std::sync::Arc;
use std::time::Duration;

use outbox_core::acknowledgement::Seen;
use outbox_core::clock::Timestamp;
use outbox_core::config::{Address, Auth, Destination};
use outbox_core::error::OutboxError;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use crate::certificate::Expiry;
use crate::connector::{Connector, Stream};
use crate::fault;
use crate::meter::Meter;
use crate::tls::Whom;

/// With TLS 1.3 the other side refuses our certificate only after our handshake is through; so its word is waited for.
const LAST_WORD: Duration = Duration::from_millis(300);

/// The addresses of one destination, ready to be tried.
pub struct Probe {
    ways: Vec<(&'static str, Address, Connector)>,
    expiry: Arc<Expiry>,
}

/// What came of trying one address.
#[derive(Clone, Debug)]
pub struct Way {
    /// `receiver`, or `token-server`.
    pub whom: &'static str,
    /// Host and port.
    pub address: String,
    /// Why there is no connection; the words of `failure.code` in lower case.
    pub fault: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
    /// When the receiver's certificate expires, if it was trusted.
    pub certificate_expires_at: Option<Timestamp>,
}

/// Reads certificates, keys and pins of a destination; the error names the key that is wrong.
pub fn probe(destination: &Destination) -> Result<Probe, OutboxError> {
    let expiry = Arc::<Expiry>::default();
    let mut ways = Vec::new();
    let mut add = |whom: &'static str, who, key: String, url: &str, expiry| {
        let address = Address::read(&key, url)?;
        let connector = Connector::new(destination, who, &key, &address, expiry)?;
        ways.push((whom, address, connector));
        Ok::<_, OutboxError>(())
    };
    let key = |rest: &str| format!("destinations.{}.{rest}", destination.name);
    add("receiver", Whom::Receiver, key("url"), &destination.url, Arc::clone(&expiry))?;
    if let Some(Auth::OAuth2(oauth2)) = &destination.auth {
        add("token-server", Whom::TokenServer, key("auth.oauth2.tokenUrl"), &oauth2.token_url, Arc::default())?;
    }
    Ok(Probe { ways, expiry })
}

impl Probe {
    /// When our client certificate expires, if one is configured.
    pub fn client_certificate_expires_at(&self) -> Option<Timestamp> {
        self.expiry.client()
    }

    /// Tries each address once, each within `limit`.
    pub async fn run(&self, limit: Duration) -> Vec<Way> {
        let mut seen = Vec::with_capacity(self.ways.len());
        for (whom, address, connector) in &self.ways {
            let began = Instant::now();
            let fault = reach(connector, began + limit, address.scheme.is_tls()).await;
            let certificate_expires_at = if *whom == "receiver" { self.expiry.server() } else { None };
            let took = began.elapsed();
            seen.push(Way { whom, address: address.authority.clone(), fault, took, certificate_expires_at });
        }
        seen
    }
}

async fn reach(connector: &Connector, deadline: Instant, sealed: bool) -> Option<&'static str> {
    match connector.connect(Meter::default(), deadline).await {
        Err(seen) => Some(fault_of(&seen)),
        Ok(stream) if sealed => last_word(stream).await,
        Ok(_) => None,
    }
}

async fn last_word(mut stream: Stream) -> Option<&'static str> {
    match timeout(LAST_WORD, stream.read_u8()).await {
        // Nothing more is said, or something is: both belong to a connection that stands.
        Err(_) | Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(fault_of(&fault::of_handshake(&error))),
    }
}

fn fault_of(seen: &Seen) -> &'static str {
    match seen {
        Seen::NotDelivered { fault }
        | Seen::CertificateRefused { fault }
        | Seen::ProxyRefused { fault }
        | Seen::TokenRefused { fault }
        | Seen::NoAnswer { fault } => fault,
        Seen::Http { .. } | Seen::Mllp { .. } => "connection-lost",
    }
}
