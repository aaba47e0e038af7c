//! HTTPS: one POST a message over kept connections.

use std::sync::Once;
use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use outbox_core::acknowledgement::Seen;
use outbox_core::config::Destination;
use outbox_core::error::{OutboxError, code};
use outbox_core::transport::{Delivering, Delivery, Parcel, Transport};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url, tls};

use crate::body::{CountedBody, Handed};
use crate::fault;
use crate::headers::Headers;

/// Most bytes of an answer that are read and kept.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Most header lines of an answer.
const ANSWER_HEADERS_MAX: usize = 100;
/// An idle connection is closed after this: before the five seconds after which many servers do it, for a close that
/// crosses a request leaves the request's fate unknown.
const IDLE: Duration = Duration::from_secs(3);

/// A way to one destination over HTTPS.
pub(crate) struct Https {
    client: Client,
    url: Url,
    headers: std::sync::Arc<Headers>,
    total: Duration,
}

impl Https {
    pub(crate) fn new(destination: &Destination) -> Result<Self, OutboxError> {
        install_provider();
        let wrong = |key: &str, what: &str| {
            OutboxError::new(code::ERR_CONFIG, format!("`destinations.{}.{key}` {what}", destination.name))
        };
        let url = Url::parse(&destination.url).map_err(|_| wrong("url", "is not a valid URL"))?;
        let builder = Client::builder()
            .http1_only()
            // A redirect would take the token and the patient's data elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            // Every resend is the dispatcher's decision.
            .retry(reqwest::retry::never())
            // Only what is configured, never what the environment happens to say.
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .http1_max_headers(ANSWER_HEADERS_MAX)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(destination.concurrency as usize)
            .connect_timeout(destination.connect_timeout);
        let builder = with_tls(builder, destination, &wrong)?;
        let client =
            builder.build().map_err(|_| wrong("tls", "cannot be set up; a certificate or key does not fit"))?;
        let headers = std::sync::Arc::new(Headers::of(destination)?);
        Ok(Self { client, url, headers, total: destination.total_timeout })
    }
}

/// The TLS library takes its cryptography from one provider per process; a second installation is refused, harmlessly.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn with_tls(
    mut builder: ClientBuilder,
    destination: &Destination,
    wrong: &dyn Fn(&str, &str) -> OutboxError,
) -> Result<ClientBuilder, OutboxError> {
    let read = |key: &str, path: &str| {
        std::fs::read(path).map_err(|error| wrong(key, &format!("names a file that cannot be read ({})", error.kind())))
    };
    let settings = &destination.tls;
    builder = builder.tls_version_min(match settings.min_version.as_deref() {
        Some("1.3") => tls::Version::TLS_1_3,
        _ => tls::Version::TLS_1_2,
    });
    if let Some(path) = &settings.ca_file {
        let pem = read("tls.caFile", path)?;
        let certificates =
            Certificate::from_pem_bundle(&pem).map_err(|_| wrong("tls.caFile", "holds no usable PEM certificates"))?;
        if certificates.is_empty() {
            return Err(wrong("tls.caFile", "holds no PEM certificate"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some(certificate), Some(key)) = (&settings.cert_file, &settings.key_file) {
        let mut pem = read("tls.certFile", certificate)?;
        pem.push(b'\n');
        pem.extend(read("tls.keyFile", key)?);
        let identity = Identity::from_pem(&pem)
            .map_err(|_| wrong("tls", "has a `certFile` or `keyFile` that is no usable PEM"))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

impl Transport for Https {
    fn deliver(&self, parcel: Parcel) -> Delivering {
        let handed = Handed::default();
        let bytes = parcel.body.reveal().clone();
        let length = bytes.len() as u64;
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.for_message(&parcel.control_id))
            .body(reqwest::Body::wrap(CountedBody::new(bytes, handed.clone())));
        let total = self.total;
        Box::pin(async move {
            let seen = match tokio::time::timeout(total, exchange(request)).await {
                Ok(Ok(seen)) => seen,
                Ok(Err(error)) => fault::seen(&error, handed.bytes() == length),
                Err(_) => fault::timeout(handed.bytes() == length),
            };
            Delivery { seen, bytes_sent: handed.bytes() }
        })
    }
}

/// Sends and reads the answer, up to its limit.
async fn exchange(request: reqwest::RequestBuilder) -> Result<Seen, reqwest::Error> {
    let mut answer = request.send().await?;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (retry_after, content_type) = (header(RETRY_AFTER), header(CONTENT_TYPE));
    let location = answer.headers().contains_key(LOCATION);
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    let mut truncated = false;
    while let Some(chunk) = answer.chunk().await? {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Seen::Http { status, retry_after, location, content_type, body, truncated })
}
