//! Changes of a destination's configuration at run time.

use serde_json::{Map, Value};

use super::destination::DestinationConfig;
use crate::error::{OutboxError, code};

/// Words in the names of headers that carry credentials, in lower case. One too many refused is better than one too few.
const SECRET_WORDS: &[&str] = &["auth", "cookie", "key", "token", "secret", "password", "credential"];

/// Reads a patch: an object with some keys of a destination. What the file may not hold in the clear is refused.
pub fn read_patch(json: &str) -> Result<Map<String, Value>, OutboxError> {
    let patch: Map<String, Value> = super::parse(json, code::ERR_OPTION, "the patch")?;
    if patch.is_empty() {
        return Err(OutboxError::new(code::ERR_OPTION, "the patch names no key"));
    }
    let secret = |key: &str| {
        let what = format!("`{key}` holds credentials, which the file does not keep; change the start configuration");
        Err(OutboxError::new(code::ERR_OPTION, what))
    };
    if patch.contains_key("auth") {
        return secret("auth");
    }
    if patch.get("proxy").is_some_and(|proxy| proxy.get("auth").is_some()) {
        return secret("proxy.auth");
    }
    let headers = patch.get("headers").and_then(Value::as_object);
    let carries = |name: &str| SECRET_WORDS.iter().any(|word| name.to_ascii_lowercase().contains(word));
    match headers.into_iter().flatten().find(|(name, _)| carries(name)) {
        Some((name, _)) => secret(&format!("headers.{name}")),
        None => Ok(patch),
    }
}

impl DestinationConfig {
    /// The same with the keys of a patch instead of its own. A key stands for the whole of its value.
    pub fn patched(mut self, patch: &Map<String, Value>) -> Result<Self, OutboxError> {
        let mut whole = patch.clone();
        whole.entry("url").or_insert_with(|| Value::String(self.url.clone()));
        let given: Self = super::parse(&Value::Object(whole).to_string(), code::ERR_OPTION, "the patch")?;
        for key in patch.keys() {
            match key.as_str() {
                "url" => self.url.clone_from(&given.url),
                "headers" => self.headers.clone_from(&given.headers),
                "tls" => self.tls.clone_from(&given.tls),
                "proxy" => self.proxy.clone_from(&given.proxy),
                "allowPlaintext" => self.allow_plaintext = given.allow_plaintext,
                "processingIds" => self.processing_ids.clone_from(&given.processing_ids),
                "enabled" => self.enabled = given.enabled,
                "concurrency" => self.concurrency = given.concurrency,
                "rateLimit" => self.rate_limit = given.rate_limit,
                "timeouts" => self.timeouts = given.timeouts.clone(),
                "retry" => self.retry = given.retry.clone(),
                "orderBy" => self.order_by.clone_from(&given.order_by),
                "afterFailure" => self.after_failure = given.after_failure,
                "requireHl7Ack" => self.require_hl7_ack = given.require_hl7_ack,
                "outcomes" => self.outcomes.clone_from(&given.outcomes),
                _ => {
                    let what = format!("`{key}` cannot be changed at run time");
                    return Err(OutboxError::new(code::ERR_OPTION, what));
                }
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> DestinationConfig {
        let json = r#"{"url":"https://hl7.example/receive","concurrency":2,"rateLimit":{"perSecond":5}}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_patch_replaces_its_keys_and_leaves_the_others() {
        let patch = read_patch(r#"{"concurrency":7,"rateLimit":null,"enabled":false}"#).unwrap();
        let patched = base().patched(&patch).unwrap();
        assert_eq!((patched.concurrency, patched.rate_limit, patched.enabled), (Some(7), Some(None), Some(false)));
        assert_eq!(patched.url, "https://hl7.example/receive");
    }

    #[test]
    fn credentials_unknown_keys_and_empty_patches_are_refused_by_name() {
        for (json, name) in [
            (r#"{"auth":{"bearer":"x"}}"#, "auth"),
            (r#"{"headers":{"Authorization":"x"}}"#, "headers.Authorization"),
            ("{}", "no key"),
        ] {
            let error = read_patch(json).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
        }
        let unknown = read_patch(r#"{"concurency":7}"#).unwrap();
        assert!(base().patched(&unknown).unwrap_err().message.contains("concurency"));
        let wrong = read_patch(r#"{"concurrency":"many"}"#).unwrap();
        assert!(base().patched(&wrong).unwrap_err().message.contains("concurrency"));
    }
}
