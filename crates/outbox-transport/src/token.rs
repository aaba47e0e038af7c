//! Tokens of OAuth 2.0, by the client credentials grant (RFC 6749, 4.4).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Uri};
use outbox_core::acknowledgement::Seen;
use outbox_core::config::{Address, Destination, OAuth2};
use outbox_core::error::{OutboxError, code};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::connector::Connector;
use crate::deadline::Deadlines;
use crate::link::Link;
use crate::tls::Whom;

/// A token is not used any more so long before its end, for the message has to travel too; at most a fifth of its life.
const SLACK: Duration = Duration::from_secs(30);
/// How long a token is used whose end the server does not tell. A 401 ends it earlier.
const LIFE_UNKNOWN: Duration = Duration::from_secs(3_600);
/// Longer lives than this are as good as this, and cannot overflow the clock.
const LIFE_MAX: Duration = Duration::from_secs(86_400);

/// A token as it is sent.
#[derive(Clone)]
pub(crate) struct Token {
    header: HeaderValue,
    until: Instant,
    /// Counts the tokens of a destination.
    number: u64,
}

impl Token {
    /// The value of `Authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// The tokens of one destination: one at a time, shared by all its attempts.
pub(crate) struct Tokens {
    connector: Connector,
    path: Uri,
    host: HeaderValue,
    /// Who we are.
    authorization: HeaderValue,
    form: Bytes,
    /// Held while a token is fetched, so that attempts at the same time share one.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    number: u64,
    /// The last failure and when it came: for those who were waiting then.
    failed: Option<(Instant, Seen)>,
}

impl Tokens {
    pub(crate) fn new(destination: &Destination, oauth2: &OAuth2) -> Result<Self, OutboxError> {
        let key = format!("destinations.{}.auth.oauth2.tokenUrl", destination.name);
        let wrong = || OutboxError::new(code::ERR_CONFIG, format!("`{key}` is not a valid URL"));
        let address = Address::read(&key, &oauth2.token_url)?;
        let mut form = String::from("grant_type=client_credentials");
        if let Some(scope) = &oauth2.scope {
            form.push_str("&scope=");
            form.push_str(&encoded(scope));
        }
        let client = format!("{}:{}", encoded(&oauth2.client_id), encoded(oauth2.client_secret.reveal()));
        let basic = format!("Basic {}", BASE64_STANDARD.encode(client));
        let mut authorization = HeaderValue::from_str(&basic).map_err(|_| wrong())?;
        authorization.set_sensitive(true);
        Ok(Self {
            connector: Connector::new(destination, Whom::TokenServer, &key, &address, Arc::default())?,
            path: address.path.parse().map_err(|_| wrong())?,
            host: HeaderValue::from_str(&address.authority).map_err(|_| wrong())?,
            authorization,
            form: Bytes::from(form),
            kept: Mutex::default(),
        })
    }

    /// A token that is good for a while; `refused` is one that the receiver did not take, and is not given again.
    pub(crate) async fn get(&self, refused: Option<&Token>, deadlines: Deadlines) -> Result<Token, Seen> {
        let asked = Instant::now();
        let late = |_| Seen::NotDelivered { fault: "token-timeout" };
        let mut kept = timeout_at(deadlines.total, self.kept.lock()).await.map_err(late)?;
        let is_good = |token: &&Token| {
            token.until > Instant::now() && refused.is_none_or(|refused| refused.number != token.number)
        };
        if let Some(token) = kept.token.as_ref().filter(is_good) {
            return Ok(token.clone());
        }
        if let Some((_, seen)) = kept.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(seen.clone());
        }
        kept.token = None;
        match self.fetch(deadlines).await {
            Ok((header, life)) => {
                kept.number += 1;
                let until = Instant::now() + life - SLACK.min(life / 5);
                let token = Token { header, until, number: kept.number };
                kept.token = Some(token.clone());
                Ok(token)
            }
            Err(seen) => {
                kept.failed = Some((Instant::now(), seen.clone()));
                Err(seen)
            }
        }
    }

    async fn fetch(&self, deadlines: Deadlines) -> Result<(HeaderValue, Duration), Seen> {
        outbox_core::fault!("token-fetch", |_| Err(Seen::NotDelivered { fault: "token-server-lost" }));
        let link = match Link::open(&self.connector, deadlines.total).await {
            Ok(link) => link,
            Err(Seen::NotDelivered { .. }) => return Err(Seen::NotDelivered { fault: "token-server-unreachable" }),
            Err(seen) => return Err(seen),
        };
        match link.exchange(self.request(), deadlines).await.seen {
            Seen::Http { status: 200..=299, body, truncated: false, .. } => {
                read(&body).ok_or(Seen::TokenRefused { fault: "token-unreadable" })
            }
            // Not our set-up, but a bad day of the token server.
            Seen::Http { status: 408 | 425 | 429 | 500..=599, .. } => {
                Err(Seen::NotDelivered { fault: "token-server-failed" })
            }
            Seen::Http { .. } => Err(Seen::TokenRefused { fault: "token-refused" }),
            seen @ (Seen::CertificateRefused { .. } | Seen::ProxyRefused { .. }) => Err(seen),
            // Whatever came of the request for a token, no message has left.
            _ => Err(Seen::NotDelivered { fault: "token-server-lost" }),
        }
    }

    fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.form.clone());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }
}

/// RFC 6749, 5.1. Other members are of no use here.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// A number, or a number in a string, as some servers send it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

/// The header to send and how long it is good.
fn read(body: &[u8]) -> Option<(HeaderValue, Duration)> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    if answer.access_token.is_empty() || answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {}", answer.access_token)).ok()?;
    header.set_sensitive(true);
    let seconds = match answer.expires_in {
        None => None,
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => Some(text.parse().ok()?),
    };
    let life = match seconds {
        None => LIFE_UNKNOWN,
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?.min(LIFE_MAX),
    };
    Some((header, life))
}

/// As a form carries it (RFC 6749, appendix B).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => {
                // Writing into a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_carry_any_character() {
        assert_eq!(encoded("a b&c=d/é*"), "a+b%26c%3Dd%2F%C3%A9*");
    }

    #[test]
    fn a_token_is_read_with_its_life_and_nothing_else_passes_for_one() {
        let life = |body: &str| read(body.as_bytes()).map(|(_, life)| life.as_secs());
        assert_eq!(life(r#"{"access_token":"t","token_type":"Bearer","expires_in":60}"#), Some(60));
        assert_eq!(life(r#"{"access_token":"t","expires_in":"90","scope":"x"}"#), Some(90));
        assert_eq!(life(r#"{"access_token":"t"}"#), Some(3_600));
        assert_eq!(life(r#"{"access_token":"t","expires_in":1e300}"#), None);
        assert_eq!(life(r#"{"access_token":"t","expires_in":1e9}"#), Some(86_400));
        for wrong in [
            "",
            "<html>",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\r\nb"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
            r#"{"access_token":"t","expires_in":-1}"#,
            r#"{"access_token":"t","expires_in":"soon"}"#,
        ] {
            assert_eq!(life(wrong), None, "{wrong}");
        }
    }
}
