//! One receiver in force: its written configuration, checked, with the defaults filled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::destination::{
    AfterFailure, Auth, DestinationConfig, Exponential, OAuth2, OrderBy, Proxy, RateLimit, Retry, Tls,
};
use super::settings::{Destination, Environment, at_least_one, wrong};
use super::url::{Address, Scheme};
use crate::acknowledgement::{Outcome, Policy};
use crate::error::OutboxError;
use crate::retry::RetryPolicy;

const CONCURRENCY_MAX: u32 = 1_024;
const DESTINATION_NAME_MAX: usize = 64;
/// Longest delay of a growing schedule: a week.
const DELAY_MAX_MS: u64 = 604_800_000;
const CONNECT_MS: u64 = 10_000;
const WRITE_MS: u64 = 60_000;
const TOTAL_MS: u64 = 120_000;

pub(super) fn resolve_destination(
    name: &str,
    written: DestinationConfig,
    environment: &Environment,
) -> Result<Destination, OutboxError> {
    let key = |rest: &str| format!("destinations.{name}.{rest}");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > DESTINATION_NAME_MAX || !name.chars().all(plain) {
        return Err(wrong("destinations", "has a name that is not 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    let address = resolve_address(&key, &written)?;
    let loopback = address.is_loopback();
    let auth = match written.auth {
        None => None,
        Some(auth) => Some(resolve_auth(&key("auth"), auth, written.allow_plaintext, environment)?),
    };
    let proxy = match written.proxy {
        None => None,
        Some(proxy) => Some(resolve_proxy(&key("proxy"), proxy, environment)?),
    };
    let concurrency = written.concurrency.unwrap_or(4);
    if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
        return Err(wrong(&key("concurrency"), "must be 1 to 1,024"));
    }
    let milliseconds = |rest: &str, value: Option<u64>, default: u64| {
        at_least_one(&key(rest), value).map(|value| Duration::from_millis(value.unwrap_or(default)))
    };
    let timeouts = written.timeouts;
    let total_ms = timeouts.total_ms.unwrap_or(TOTAL_MS);
    Ok(Destination {
        name: Arc::from(name),
        loopback,
        url: written.url,
        scheme: address.scheme,
        auth,
        headers: written.headers,
        tls: resolve_tls(&key, written.tls.unwrap_or_default(), address.scheme)?,
        proxy,
        processing_ids: written.processing_ids,
        enabled: written.enabled.unwrap_or(true),
        concurrency,
        rate: resolve_rate(&key, written.rate_limit, loopback)?,
        connect_timeout: milliseconds("timeouts.connectMs", timeouts.connect_ms, CONNECT_MS)?,
        write_timeout: milliseconds("timeouts.writeMs", timeouts.write_ms, WRITE_MS)?,
        first_byte_timeout: milliseconds("timeouts.firstByteMs", timeouts.first_byte_ms, total_ms)?,
        total_timeout: milliseconds("timeouts.totalMs", timeouts.total_ms, total_ms)?,
        retry: resolve_retry(&key("retry"), written.retry)?,
        order_by: written.order_by.unwrap_or(Some(OrderBy::Patient)),
        holds_lane: written.after_failure == AfterFailure::Hold,
        policy: resolve_policy(&key("outcomes"), written.require_hl7_ack, written.outcomes)?,
    })
}

/// Reads the address, and refuses what a message over MLLP has no place for: a key that has no effect would be trusted.
fn resolve_address(key: &impl Fn(&str) -> String, written: &DestinationConfig) -> Result<Address, OutboxError> {
    let address = Address::read(&key("url"), &written.url)?;
    address.check_sealed(&key("url"), written.allow_plaintext)?;
    if address.scheme.is_mllp() {
        if address.path != "/" {
            return Err(wrong(&key("url"), "has a path or query, which MLLP does not know"));
        }
        if written.auth.is_some() {
            return Err(wrong(&key("auth"), "cannot be sent over MLLP; use a client certificate (`tls.certFile`)"));
        }
        if !written.headers.is_empty() {
            return Err(wrong(&key("headers"), "cannot be sent over MLLP, which has none"));
        }
    }
    Ok(address)
}

fn resolve_auth(
    key: &str,
    written: Auth,
    allow_plaintext: bool,
    environment: &Environment,
) -> Result<Auth, OutboxError> {
    Ok(match written {
        Auth::Bearer(token) => Auth::Bearer(token.resolve(&format!("{key}.bearer"), environment)?),
        Auth::Basic { user, password } => {
            Auth::Basic { user, password: password.resolve(&format!("{key}.basic.password"), environment)? }
        }
        Auth::OAuth2(oauth2) => {
            let token_url = format!("{key}.oauth2.tokenUrl");
            let address = Address::read(&token_url, &oauth2.token_url)?;
            if address.scheme.is_mllp() {
                return Err(wrong(&token_url, "must begin with https:// (or http:// on loopback)"));
            }
            address.check_sealed(&token_url, allow_plaintext)?;
            if oauth2.client_id.is_empty() {
                return Err(wrong(&format!("{key}.oauth2.clientId"), "is empty"));
            }
            let secret = oauth2.client_secret.resolve(&format!("{key}.oauth2.clientSecret"), environment)?;
            Auth::OAuth2(OAuth2 { client_secret: secret, ..oauth2 })
        }
    })
}

fn resolve_proxy(key: &str, written: Proxy, environment: &Environment) -> Result<Proxy, OutboxError> {
    let address = Address::read(&format!("{key}.url"), &written.url)?;
    if address.scheme != Scheme::Http || address.path != "/" {
        return Err(wrong(&format!("{key}.url"), "must be http://host:port"));
    }
    let auth = match written.auth {
        None => None,
        Some(Auth::OAuth2(_)) => return Err(wrong(&format!("{key}.auth"), "must be `bearer` or `basic`")),
        Some(auth) => Some(resolve_auth(&format!("{key}.auth"), auth, false, environment)?),
    };
    Ok(Proxy { url: written.url, auth })
}

fn resolve_tls(key: &impl Fn(&str) -> String, tls: Tls, scheme: Scheme) -> Result<Tls, OutboxError> {
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        return Err(wrong(&key("tls"), "needs `certFile` and `keyFile` together"));
    }
    if !matches!(tls.min_version.as_deref(), None | Some("1.2" | "1.3")) {
        return Err(wrong(&key("tls.minVersion"), "must be \"1.2\" or \"1.3\""));
    }
    // An empty list reads like "no pins" and would have to mean "no receiver".
    if tls.pins.as_ref().is_some_and(Vec::is_empty) {
        return Err(wrong(&key("tls.pins"), "is empty; leave it out, or name at least one key"));
    }
    for (name, is_set) in [("tls.pins", tls.pins.is_some()), ("tls.serverName", tls.server_name.is_some())] {
        if is_set && !scheme.is_tls() {
            return Err(wrong(&key(name), "has no meaning without TLS: the address is not https:// or mllps://"));
        }
    }
    Ok(tls)
}

#[expect(clippy::option_option, reason = "three cases: absent, null, a value")]
fn resolve_rate(
    key: &impl Fn(&str) -> String,
    written: Option<Option<RateLimit>>,
    loopback: bool,
) -> Result<Option<(f64, u32)>, OutboxError> {
    let limit = match written {
        None => return Ok((!loopback).then_some((1.0, 1))),
        Some(None) => return Ok(None),
        Some(Some(limit)) => limit,
    };
    if !(limit.per_second.is_finite() && limit.per_second > 0.0 && limit.per_second <= 1e6) {
        return Err(wrong(&key("rateLimit.perSecond"), "must be more than 0 and at most 1,000,000"));
    }
    // Timers have a granularity of a millisecond or more: a fast limit needs a small burst to be reached at all.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 10,000 by the check above")]
    let burst = limit.burst.unwrap_or((limit.per_second / 100.0).ceil().max(1.0) as u32);
    if burst == 0 {
        return Err(wrong(&key("rateLimit.burst"), "must be at least 1"));
    }
    Ok(Some((limit.per_second, burst)))
}

fn resolve_policy(key: &str, require_hl7_ack: bool, written: BTreeMap<String, Outcome>) -> Result<Policy, OutboxError> {
    let mut overrides = BTreeMap::new();
    for (row, outcome) in written {
        let name = row.parse().map_err(|_| wrong(key, "names a row that docs/outcomes.md does not list"))?;
        overrides.insert(name, outcome);
    }
    let policy = Policy { require_hl7_ack, overrides };
    policy.check().map_err(|problem| wrong(key, &format!("cannot hold: {problem}")))?;
    Ok(policy)
}

fn resolve_retry(key: &str, written: Retry) -> Result<RetryPolicy, OutboxError> {
    let mut policy = RetryPolicy::default();
    let written_schedule = written.schedule_ms.is_some();
    if let Some(schedule) = written.schedule_ms {
        if schedule.is_empty() || schedule.iter().all(|&step| step == 0) {
            return Err(wrong(&format!("{key}.scheduleMs"), "needs at least one delay above zero"));
        }
        policy.schedule = schedule.into_iter().map(Duration::from_millis).collect();
    }
    if let Some(growth) = written.exponential {
        if written_schedule {
            return Err(wrong(key, "takes `scheduleMs` or `exponential`, not both"));
        }
        policy.schedule = exponential(&format!("{key}.exponential"), growth)?;
    }
    if written.expires_in_ms == Some(Some(0)) {
        return Err(wrong(&format!("{key}.expiresInMs"), "must be at least 1, or null"));
    }
    policy.expires = written.expires_in_ms.flatten().map(Duration::from_millis);
    if let Some(jitter) = written.jitter {
        if !(0.0..=0.2).contains(&jitter) {
            return Err(wrong(&format!("{key}.jitter"), "must be 0 to 0.2"));
        }
        policy.jitter = jitter;
    }
    let count = |rest: &str, value: Option<u32>, default: u32| match value {
        Some(0) => Err(wrong(&format!("{key}.{rest}"), "must be at least 1")),
        other => Ok(other.unwrap_or(default)),
    };
    policy.attempts_max = count("maxAttempts", written.max_attempts, policy.attempts_max)?;
    policy.indeterminate_max = count("maxIndeterminate", written.max_indeterminate, policy.indeterminate_max)?;
    Ok(policy)
}

/// Delays that grow by a factor up to a cap, written out as a schedule.
fn exponential(key: &str, growth: Exponential) -> Result<Vec<Duration>, OutboxError> {
    if growth.first_ms == 0 || growth.cap_ms < growth.first_ms || growth.cap_ms > DELAY_MAX_MS {
        return Err(wrong(key, "needs `firstMs` of at least 1 and a `capMs` from there to 604,800,000 (a week)"));
    }
    let factor = growth.factor.unwrap_or(2.0);
    if !(1.1..=10.0).contains(&factor) {
        return Err(wrong(&format!("{key}.factor"), "must be 1.1 to 10"));
    }
    let (first, cap) = (Duration::from_millis(growth.first_ms), Duration::from_millis(growth.cap_ms));
    let mut schedule = vec![first];
    while let Some(last) = schedule.last().copied().filter(|last| *last < cap) {
        schedule.push(last.mul_f64(factor).min(cap));
    }
    Ok(schedule)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use super::super::{Secret, Settings, read};
    use super::*;
    use crate::error::code;

    /// A destination `d` from its JSON, with `TOKEN` in the environment.
    fn resolve(json: &str) -> Result<Arc<Destination>, OutboxError> {
        let environment = Environment::new(HashMap::from([("TOKEN".to_owned(), "t".to_owned())]));
        let config = read(&format!(r#"{{"destinations":{{"d":{json}}}}}"#), "the configuration")?;
        Settings::resolve(config, &environment, Path::new("/")).map(|settings| Arc::clone(&settings.destinations["d"]))
    }

    fn assert_names(json: &str, key: &str) {
        let error = resolve(json).unwrap_err();
        assert_eq!(error.code, code::ERR_CONFIG);
        assert!(error.message.contains(&format!("`destinations.d.{key}`")), "{json}: {}", error.message);
        assert!(!error.message.contains("sk-"), "{}", error.message);
    }

    #[test]
    fn mllp_is_for_loopback_or_by_explicit_setting_and_mllps_for_everywhere() {
        let local = resolve(r#"{"url":"mllp://127.0.0.1:2576"}"#).unwrap();
        assert_eq!((local.scheme, local.rate, local.loopback), (Scheme::Mllp, None, true));
        assert_names(r#"{"url":"mllp://hl7.example:2575"}"#, "url");
        assert!(resolve(r#"{"url":"mllp://hl7.example:2575","allowPlaintext":true}"#).is_ok());
        let far = resolve(r#"{"url":"mllps://hl7.example"}"#).unwrap();
        assert_eq!((far.scheme, far.rate), (Scheme::Mllps, Some((1.0, 1))));
    }

    #[test]
    fn what_mllp_cannot_carry_is_refused_by_its_key() {
        assert_names(r#"{"url":"mllps://hl7.example/receive"}"#, "url");
        assert_names(r#"{"url":"mllps://hl7.example","auth":{"bearer":"sk-1"}}"#, "auth");
        assert_names(r#"{"url":"mllps://hl7.example","headers":{"X-Site":"1"}}"#, "headers");
    }

    #[test]
    fn every_timeout_has_its_default_and_none_is_zero() {
        let ms = Duration::from_millis;
        let plain = resolve(r#"{"url":"https://x.example/"}"#).unwrap();
        assert_eq!((plain.connect_timeout, plain.write_timeout), (ms(10_000), ms(60_000)));
        assert_eq!((plain.first_byte_timeout, plain.total_timeout), (ms(120_000), ms(120_000)));
        let short = resolve(r#"{"url":"https://x.example/","timeouts":{"totalMs":500}}"#).unwrap();
        assert_eq!((short.first_byte_timeout, short.total_timeout), (ms(500), ms(500)));
        for key in ["connectMs", "writeMs", "firstByteMs", "totalMs"] {
            let json = format!(r#"{{"url":"https://x.example/","timeouts":{{"{key}":0}}}}"#);
            assert_names(&json, &format!("timeouts.{key}"));
        }
    }

    #[test]
    fn the_token_server_of_oauth2_is_checked_like_the_receiver() {
        let with = |rest: &str| format!(r#"{{"url":"https://x.example/","auth":{{"oauth2":{{{rest}}}}}}}"#);
        let good = with(r#""tokenUrl":"https://id.example/token","clientId":"c","clientSecret":"env:TOKEN""#);
        let Some(Auth::OAuth2(oauth2)) = resolve(&good).unwrap().auth.clone() else { panic!("no oauth2") };
        assert_eq!((oauth2.client_secret, oauth2.scope), (Secret::new("t"), None));
        for (rest, key) in [
            (r#""tokenUrl":"http://id.example/token","clientId":"c","clientSecret":"sk-1""#, "auth.oauth2.tokenUrl"),
            (r#""tokenUrl":"mllps://id.example","clientId":"c","clientSecret":"sk-1""#, "auth.oauth2.tokenUrl"),
            (r#""tokenUrl":"https://id.example","clientId":"","clientSecret":"sk-1""#, "auth.oauth2.clientId"),
            (r#""tokenUrl":"https://id.example","clientId":"c","clientSecret":"env:NO""#, "auth.oauth2.clientSecret"),
        ] {
            assert_names(&with(rest), key);
        }
        let missing = resolve(&with(r#""tokenUrl":"https://id.example","clientId":"c""#)).unwrap_err();
        assert!(missing.message.contains("clientSecret"), "{}", missing.message);
    }

    #[test]
    fn a_proxy_is_a_plain_address_with_credentials_of_its_own() {
        let with = |proxy: &str| format!(r#"{{"url":"https://x.example/","proxy":{proxy}}}"#);
        let good = with(r#"{"url":"http://proxy.example:3128","auth":{"basic":{"user":"u","password":"env:TOKEN"}}}"#);
        let proxy = resolve(&good).unwrap().proxy.clone().unwrap();
        assert_eq!(proxy.auth, Some(Auth::Basic { user: "u".to_owned(), password: Secret::new("t") }));
        for proxy in ["https://proxy.example", "http://proxy.example/way", "http://u:sk-1@proxy.example", "proxy"] {
            assert_names(&with(&format!(r#"{{"url":"{proxy}"}}"#)), "proxy.url");
        }
        let oauth2 = r#"{"oauth2":{"tokenUrl":"https://id.example","clientId":"c","clientSecret":"sk-1"}}"#;
        assert_names(&with(&format!(r#"{{"url":"http://proxy.example:3128","auth":{oauth2}}}"#)), "proxy.auth");
    }

    #[test]
    fn pins_and_a_server_name_that_would_check_nothing_are_refused() {
        assert_names(r#"{"url":"https://x.example/","tls":{"pins":[]}}"#, "tls.pins");
        assert_names(r#"{"url":"http://127.0.0.1/","tls":{"pins":["sha256/x"]}}"#, "tls.pins");
        assert_names(r#"{"url":"mllp://127.0.0.1","tls":{"serverName":"x"}}"#, "tls.serverName");
    }
}
