//! Alerts: one signed POST each, over a connection of its own, as the Standard Webhooks specification has it.
//!
//! The signature is HMAC-SHA-256 over `id.timestamp.body`, so that receivers can verify it with libraries that others keep.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{HOST, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use outbox_core::acknowledgement::{Seen, code_of_fault};
use outbox_core::alert::{Post, Posting, Webhook};
use outbox_core::config::{Address, Secret, WebhookSettings};
use outbox_core::error::{OutboxError, code};
use ring::hmac;

use crate::connector::Connector;
use crate::deadline::{Deadlines, Patience};
use crate::headers::Headers;
use crate::link::Link;
use crate::tls::Whom;

/// How a key begins, and how long it is in bytes, by the specification.
const KEY_PREFIX: &str = "whsec_";
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The way to one webhook.
struct Hook {
    connector: Connector,
    path: Uri,
    headers: HeaderMap,
    keys: Vec<hmac::Key>,
}

/// The way to a webhook. Fails when its key, its headers or its certificates cannot be used; the error names where they stand.
pub fn connect_webhook(settings: &WebhookSettings) -> Result<Arc<dyn Webhook>, OutboxError> {
    let hook = Hook::new(settings).map_err(|error| settings.blame(error))?;
    let patience = Patience::of(&settings.destination);
    Ok(Arc::new(Way { hook: Arc::new(hook), patience }))
}

struct Way {
    hook: Arc<Hook>,
    patience: Patience,
}

impl Webhook for Way {
    fn post(&self, post: Post) -> Posting {
        let (hook, deadlines) = (Arc::clone(&self.hook), self.patience.begin());
        Box::pin(async move { hook.post(&post, deadlines).await })
    }
}

impl Hook {
    fn new(settings: &WebhookSettings) -> Result<Self, OutboxError> {
        let destination = &settings.destination;
        let at = |rest: &str| format!("destinations.{}.{rest}", destination.name);
        let wrong = || OutboxError::new(code::ERR_CONFIG, format!("`{}` is not a valid URL", at("url")));
        let address = Address::read(&at("url"), &destination.url)?;
        let mut headers = Headers::of(destination)?.for_message("");
        headers.insert(HOST, HeaderValue::from_str(&address.authority).map_err(|_| wrong())?);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("hl7-outbox"));
        Ok(Self {
            connector: Connector::new(destination, Whom::Receiver, &at("url"), &address, Arc::default())?,
            path: address.path.parse().map_err(|_| wrong())?,
            headers,
            keys: settings.secrets.iter().map(|secret| key(&at("secret"), secret)).collect::<Result<_, _>>()?,
        })
    }

    async fn post(&self, post: &Post, deadlines: Deadlines) -> Result<(), String> {
        let request = self.request(post).ok_or_else(|| String::from("UNSENDABLE"))?;
        let link = Link::open(&self.connector, deadlines.total).await.map_err(|seen| refusal(&seen))?;
        match link.exchange(request, deadlines).await.seen {
            Seen::Http { status: 200..=299, .. } => Ok(()),
            seen => Err(refusal(&seen)),
        }
    }

    fn request(&self, post: &Post) -> Option<Request<Bytes>> {
        let seconds = post.at.0.div_euclid(1_000).to_string();
        let mut request = Request::new(Bytes::from(post.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(ID, HeaderValue::from_str(&post.id).ok()?);
        headers.insert(TIMESTAMP, HeaderValue::from_str(&seconds).ok()?);
        headers.insert(SIGNATURE, HeaderValue::from_str(&signature(&self.keys, &post.id, &seconds, &post.body)).ok()?);
        Some(request)
    }
}

/// One signature for each key, so that a key can be replaced while both hold.
fn signature(keys: &[hmac::Key], id: &str, seconds: &str, body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let sign = |key| format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(key, signed.as_bytes())));
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

fn key(at: &str, secret: &Secret) -> Result<hmac::Key, OutboxError> {
    let bytes = secret.reveal().strip_prefix(KEY_PREFIX).and_then(|text| BASE64_STANDARD.decode(text).ok());
    match bytes {
        Some(bytes) if KEY_BYTES.contains(&bytes.len()) => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        _ => Err(OutboxError::new(
            code::ERR_CONFIG,
            format!("`{at}` must be `{KEY_PREFIX}` and the base64 of 24 to 64 random bytes"),
        )),
    }
}

/// A code of our own; what the other side wrote stays where it is.
fn refusal(seen: &Seen) -> String {
    match seen {
        Seen::Http { status, .. } => format!("HTTP_{status}"),
        Seen::NotDelivered { fault }
        | Seen::CertificateRefused { fault }
        | Seen::ProxyRefused { fault }
        | Seen::TokenRefused { fault }
        | Seen::NoAnswer { fault } => code_of_fault(fault),
        Seen::Mllp { .. } => String::from("ANSWER_NOT_HTTP"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let keys = [key("secret", &secret).unwrap()];
        let signed = signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = [key("secret", &secret).unwrap(), key("secret", &secret).unwrap()];
        assert_eq!(signature(&both, "a", "1", "b").matches("v1,").count(), 2);
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_not_repeated() {
        for secret in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all, but long enough for one"] {
            let error = key("destinations.alerts.webhooks.0.secret", &Secret::new(secret)).unwrap_err();
            assert!(error.message.contains("whsec_` and the base64") && !error.message.contains("c2hvcnQ"));
        }
    }
}
