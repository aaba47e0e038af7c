//! Whom alerts are told to, and from when on something is worth one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::Secret;
use super::destination::{DestinationConfig, Proxy, Timeouts, Tls, given};
use super::resolve::resolve_destination;
use super::settings::{Destination, Environment, at_least_one, wrong};
use super::url::Address;
use crate::alert::AlertType;
use crate::error::OutboxError;

/// Most webhooks of one configuration.
const WEBHOOKS_MAX: usize = 20;
/// Most keys of one webhook: the present one and those it replaces.
const SECRETS_MAX: usize = 4;
const TIMEOUT_MS: u64 = 10_000;
const TIMEOUT_MS_MAX: u64 = 60_000;
/// What is well for less than this flaps.
const ENDS_AFTER_MS: u64 = 60_000;
const EXPIRES_IN_MS: u64 = 86_400_000;
const EXPIRES_IN_MS_MAX: u64 = 7 * 86_400_000;
/// Shorter would be one alert after the other.
const REPEAT_MS_MIN: u64 = 60_000;

/// Alerts, as the caller writes them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertsConfig {
    /// Where alerts are posted to.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
    /// From when on something is worth an alert.
    #[serde(default)]
    pub thresholds: ThresholdsConfig,
    /// How long something must be well before its end is told; default a minute.
    pub ends_after_ms: Option<u64>,
    /// How often what lasts is told again; default `null`, never.
    #[serde(default, deserialize_with = "given")]
    pub repeat_ms: Option<Option<u64>>,
    /// How long an alert is tried to be handed over; default a day.
    pub expires_in_ms: Option<u64>,
}

/// One webhook, as the caller writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookConfig {
    /// `https://…`; `http://…` on loopback, elsewhere only with `allowPlaintext`.
    pub url: String,
    /// What alerts are signed with: `whsec_` and base64, or a reference to the environment. Several while one is replaced.
    pub secret: Secrets,
    /// Further request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The types that it gets; absent: all.
    pub only: Option<Vec<AlertType>>,
    /// The whole attempt; default 10,000.
    pub timeout_ms: Option<u64>,
    /// As of a destination.
    pub tls: Option<Tls>,
    /// As of a destination.
    pub proxy: Option<Proxy>,
    /// Permits `http://` beyond loopback.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// One key, or several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Secrets {
    /// One.
    One(Secret),
    /// The first is the newest; each signs.
    Several(Vec<Secret>),
}

/// Thresholds as written; `null` turns a type of alert off.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThresholdsConfig {
    /// How long a destination must rest.
    #[serde(default, deserialize_with = "given")]
    pub outage_ms: Option<Option<u64>>,
    /// How long a destination must be paused or misconfigured.
    #[serde(default, deserialize_with = "given")]
    pub needs_person_ms: Option<Option<u64>>,
    /// How long a kind of refusal must stay away before it counts as new.
    #[serde(default, deserialize_with = "given")]
    pub refusal_quiet_ms: Option<Option<u64>>,
    /// How many dead letters a destination may have.
    #[serde(default, deserialize_with = "given")]
    pub dead_letters: Option<Option<u64>>,
    /// How old the oldest message that waits may be.
    #[serde(default, deserialize_with = "given")]
    pub oldest_waiting_ms: Option<Option<u64>>,
    /// How long nobody may dispatch.
    #[serde(default, deserialize_with = "given")]
    pub dispatcher_missing_ms: Option<Option<u64>>,
    /// How much room the disk must have.
    #[serde(default, deserialize_with = "given")]
    pub disk_free_bytes: Option<Option<u64>>,
    /// How many days before its end a certificate is told of.
    #[serde(default, deserialize_with = "given")]
    pub certificate_days: Option<Option<u32>>,
    /// How long a number, an age or a disk must be beyond its limit.
    pub lasts_ms: Option<u64>,
}

/// Thresholds in force. The defaults are those of monitoring/alerts.yml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// A destination that is down or overloaded: 15 minutes.
    pub outage: Option<Duration>,
    /// One that is paused or misconfigured: 5 minutes.
    pub needs_person: Option<Duration>,
    /// A kind of refusal is new after so long: a day.
    pub refusal_quiet: Option<Duration>,
    /// Dead letters of a destination: none.
    pub dead_letters: Option<u64>,
    /// The oldest message that waits: an hour.
    pub oldest_waiting: Option<Duration>,
    /// Nobody dispatches: 2 minutes.
    pub dispatcher_missing: Option<Duration>,
    /// Free room: 1,000,000,000 bytes.
    pub disk_free_bytes: Option<u64>,
    /// A certificate's end: 21 days.
    pub certificate_days: Option<u32>,
    /// A number, an age or a disk must be beyond its limit so long: 5 minutes.
    pub lasts: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            outage: Some(minutes(15)),
            needs_person: Some(minutes(5)),
            refusal_quiet: Some(minutes(24 * 60)),
            dead_letters: Some(0),
            oldest_waiting: Some(minutes(60)),
            dispatcher_missing: Some(minutes(2)),
            disk_free_bytes: Some(1_000_000_000),
            certificate_days: Some(21),
            lasts: minutes(5),
        }
    }
}

/// Alerts in force.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSettings {
    /// Where they are posted to.
    pub webhooks: Vec<WebhookSettings>,
    /// When something is worth one.
    pub thresholds: Thresholds,
    /// How long something must be well before its end is told.
    pub ends_after: Duration,
    /// How often what lasts is told again.
    pub repeat: Option<Duration>,
    /// How long an alert is tried to be handed over.
    pub expires_in: Duration,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            webhooks: Vec::new(),
            thresholds: Thresholds::default(),
            ends_after: Duration::from_millis(ENDS_AFTER_MS),
            repeat: None,
            expires_in: Duration::from_millis(EXPIRES_IN_MS),
        }
    }
}

/// A webhook in force.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSettings {
    /// Its name in the file: host, and a hash of the address, for the path of an address may be a secret.
    pub target: String,
    /// Host and port, for people.
    pub host: String,
    /// How it is reached. Its name is where it is configured.
    pub destination: Arc<Destination>,
    /// What alerts are signed with.
    pub secrets: Vec<Secret>,
    /// The types that it gets; `None`: all.
    pub only: Option<Vec<AlertType>>,
}

impl WebhookSettings {
    /// Whether it gets alerts of this type.
    pub fn wants(&self, r#type: AlertType) -> bool {
        r#type == AlertType::Test || self.only.as_ref().is_none_or(|only| only.contains(&r#type))
    }

    /// What is wrong with it, in the words of where it is configured: it is reached as a destination is.
    pub fn blame(&self, error: OutboxError) -> OutboxError {
        blame(error)
    }
}

/// The name of the webhook's way begins so.
const PREFIX: &str = "alerts.webhooks.";

fn blame(error: OutboxError) -> OutboxError {
    let message = error.message.replace(&format!("destinations.{PREFIX}"), PREFIX);
    OutboxError { message, ..error }
}

pub(super) fn resolve_alerts(
    written: Option<AlertsConfig>,
    environment: &Environment,
) -> Result<Option<AlertSettings>, OutboxError> {
    let Some(written) = written else { return Ok(None) };
    let defaults = AlertSettings::default();
    if written.webhooks.len() > WEBHOOKS_MAX {
        return Err(wrong("alerts.webhooks", &format!("has more than {WEBHOOKS_MAX} entries")));
    }
    let mut webhooks: Vec<WebhookSettings> = Vec::new();
    for (n, webhook) in written.webhooks.into_iter().enumerate() {
        let resolved = resolve_webhook(n, webhook, environment)?;
        if webhooks.iter().any(|other| other.target == resolved.target) {
            return Err(wrong(
                &format!("{PREFIX}{n}.url"),
                "stands in the list before: it would be told everything twice",
            ));
        }
        webhooks.push(resolved);
    }
    let ms = Duration::from_millis;
    let repeat = match written.repeat_ms.flatten() {
        Some(..REPEAT_MS_MIN) => {
            return Err(wrong(
                "alerts.repeatMs",
                &format!("must be at least {REPEAT_MS_MIN} (a minute), or null for never"),
            ));
        }
        repeat => repeat.map(ms),
    };
    let expires_in = at_least_one("alerts.expiresInMs", written.expires_in_ms)?;
    if expires_in.is_some_and(|expires_in| expires_in > EXPIRES_IN_MS_MAX) {
        return Err(wrong("alerts.expiresInMs", &format!("must be at most {EXPIRES_IN_MS_MAX} (7 days)")));
    }
    Ok(Some(AlertSettings {
        webhooks,
        thresholds: resolve_thresholds(&written.thresholds)?,
        ends_after: written.ends_after_ms.map_or(defaults.ends_after, ms),
        repeat,
        expires_in: expires_in.map_or(defaults.expires_in, ms),
    }))
}

fn resolve_thresholds(written: &ThresholdsConfig) -> Result<Thresholds, OutboxError> {
    let defaults = Thresholds::default();
    let ms = |written: Option<Option<u64>>, default| written.map_or(default, |ms| ms.map(Duration::from_millis));
    at_least_one("alerts.thresholds.refusalQuietMs", written.refusal_quiet_ms.flatten())?;
    Ok(Thresholds {
        outage: ms(written.outage_ms, defaults.outage),
        needs_person: ms(written.needs_person_ms, defaults.needs_person),
        refusal_quiet: ms(written.refusal_quiet_ms, defaults.refusal_quiet),
        dead_letters: written.dead_letters.unwrap_or(defaults.dead_letters),
        oldest_waiting: ms(written.oldest_waiting_ms, defaults.oldest_waiting),
        dispatcher_missing: ms(written.dispatcher_missing_ms, defaults.dispatcher_missing),
        disk_free_bytes: written.disk_free_bytes.unwrap_or(defaults.disk_free_bytes),
        certificate_days: written.certificate_days.unwrap_or(defaults.certificate_days),
        lasts: written.lasts_ms.map_or(defaults.lasts, Duration::from_millis),
    })
}

fn resolve_webhook(
    n: usize,
    written: WebhookConfig,
    environment: &Environment,
) -> Result<WebhookSettings, OutboxError> {
    let key = |rest: &str| format!("{PREFIX}{n}.{rest}");
    let address = Address::read(&key("url"), &written.url)?;
    if address.scheme.is_mllp() {
        return Err(wrong(&key("url"), "must begin with https:// (or http:// on loopback)"));
    }
    let timeout_ms = at_least_one(&key("timeoutMs"), written.timeout_ms)?.unwrap_or(TIMEOUT_MS);
    if timeout_ms > TIMEOUT_MS_MAX {
        return Err(wrong(&key("timeoutMs"), &format!("must be at most {TIMEOUT_MS_MAX} (a minute)")));
    }
    let written_secrets = match written.secret {
        Secrets::One(secret) => vec![secret],
        Secrets::Several(secrets) => secrets,
    };
    if !(1..=SECRETS_MAX).contains(&written_secrets.len()) {
        return Err(wrong(&key("secret"), &format!("must be one key, or 1 to {SECRETS_MAX} in a list")));
    }
    let secrets =
        written_secrets.iter().map(|secret| secret.resolve(&key("secret"), environment)).collect::<Result<_, _>>()?;
    let mut headers = written.headers;
    let is_given = headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
    if !is_given {
        headers.insert(String::from("Content-Type"), String::from("application/json"));
    }
    // A destination's own; an alert is about no single message.
    headers.insert(String::from("X-Message-Control-ID"), String::new());
    let timeout = Some(timeout_ms);
    let way = DestinationConfig {
        headers,
        tls: written.tls,
        proxy: written.proxy,
        allow_plaintext: written.allow_plaintext,
        timeouts: Timeouts { connect_ms: timeout, write_ms: timeout, first_byte_ms: timeout, total_ms: timeout },
        ..DestinationConfig::at(written.url.clone())
    };
    let destination = resolve_destination(&format!("{PREFIX}{n}"), way, environment).map_err(blame)?;
    Ok(WebhookSettings {
        target: format!("{}#{:016x}", address.authority, hash(&written.url)),
        host: address.authority,
        destination: Arc::new(destination),
        secrets,
        only: written.only,
    })
}

/// FNV-1a, which is the same in every version and process; the standard library's hash promises neither.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Settings, read};

    const KEY: &str = "whsec_dGVzdCB0ZXN0IHRlc3QgdGVzdCB0ZXN0IQ==";

    fn resolve(alerts: &str, variables: &[(&str, &str)]) -> Result<AlertSettings, OutboxError> {
        let config = read(&format!(r#"{{"alerts":{alerts}}}"#), "the test")?;
        let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings: Result<Settings, _> = Settings::resolve(config, &Environment::new(pairs), Path::new("/"));
        settings.map(|settings| settings.alerts.unwrap())
    }

    fn webhook(rest: &str) -> String {
        format!(r#"{{"webhooks":[{{"secret":"{KEY}"{rest}}}]}}"#)
    }

    #[test]
    fn thresholds_are_those_of_the_rules_for_prometheus_unless_they_are_written_and_null_turns_one_off() {
        let defaults = resolve("{}", &[]).unwrap();
        assert_eq!(defaults, AlertSettings::default());
        let some = resolve(
            r#"{"thresholds":{"outageMs":0,"deadLetters":7,"diskFreeBytes":null,"oldestWaitingMs":null},"repeatMs":60000}"#,
            &[],
        )
        .unwrap();
        let Thresholds { outage, dead_letters, disk_free_bytes, oldest_waiting, certificate_days, .. } =
            some.thresholds;
        assert_eq!((outage, dead_letters), (Some(Duration::ZERO), Some(7)));
        assert_eq!((disk_free_bytes, oldest_waiting, certificate_days), (None, None, Some(21)));
        assert_eq!(some.repeat, Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_is_wrong_with_a_webhook_is_told_by_where_it_stands() {
        for (json, name) in [
            (webhook(r#","url":"http://hooks.example/""#), "`alerts.webhooks.0.url` is plain http"),
            (webhook(r#","url":"mllp://hooks.example""#), "`alerts.webhooks.0.url` must begin with https://"),
            (webhook(r#","url":"https://u:p@hooks.example/""#), "`alerts.webhooks.0.url` contains credentials"),
            (webhook(r#","url":"https://hooks.example/","timeoutMs":0"#), "`alerts.webhooks.0.timeoutMs`"),
            (webhook(r#","url":"https://hooks.example/","timeoutMs":60001"#), "`alerts.webhooks.0.timeoutMs`"),
            (webhook(r#","url":"https://hooks.example/","only":["outrage"]"#), "alerts.webhooks[0].only[0]"),
            (webhook(r#","url":"https://hooks.example/","tls":{"certFile":"c.pem"}"#), "`alerts.webhooks.0.tls`"),
            (String::from(r#"{"webhooks":[{"url":"https://x.example/"}]}"#), "alerts.webhooks[0]"),
            (String::from(r#"{"webhooks":[{"url":"https://x.example/","secret":"env:NO"}]}"#), "NO, which is not set"),
            (String::from(r#"{"webhooks":[{"url":"https://x.example/","secret":[]}]}"#), "`alerts.webhooks.0.secret`"),
            (String::from(r#"{"repeatMs":59999}"#), "alerts.repeatMs"),
            (String::from(r#"{"expiresInMs":0}"#), "alerts.expiresInMs"),
            (String::from(r#"{"thresholds":{"refusalQuietMs":0}}"#), "refusalQuietMs"),
            (String::from(r#"{"thresholds":{"deadletters":0}}"#), "alerts.thresholds.deadletters"),
        ] {
            let error = resolve(&json, &[]).unwrap_err();
            assert!(error.message.contains(name), "{json}: {}", error.message);
            assert!(!error.message.contains("dGVzd"), "{}", error.message);
        }
        let twice = format!(
            r#"{{"webhooks":[{{"url":"https://x.example/a","secret":"{KEY}"}},{{"url":"https://x.example/a","secret":"{KEY}"}}]}}"#
        );
        assert!(resolve(&twice, &[]).unwrap_err().message.contains("alerts.webhooks.1.url"));
    }

    #[test]
    fn a_target_is_named_by_its_host_and_never_by_its_path() {
        let settings =
            resolve(&webhook(r#","url":"https://hooks.example/T0/secret-path","only":["outage"]"#), &[]).unwrap();
        let [webhook] = &settings.webhooks[..] else { panic!() };
        assert_eq!(webhook.host, "hooks.example");
        assert!(webhook.target.starts_with("hooks.example#") && !webhook.target.contains("secret"));
        assert!(
            webhook.wants(AlertType::Outage) && webhook.wants(AlertType::Test) && !webhook.wants(AlertType::Refusal)
        );
        let plain = webhook_with_permission();
        assert_eq!(plain.webhooks.len(), 1);
    }

    fn webhook_with_permission() -> AlertSettings {
        let json =
            r#"{"webhooks":[{"url":"http://hooks.example/","allowPlaintext":true,"secret":["env:NEW","env:OLD"]}]}"#;
        let settings = resolve(json, &[("NEW", KEY), ("OLD", KEY)]).unwrap();
        assert_eq!(settings.webhooks[0].secrets.len(), 2);
        settings
    }
}
