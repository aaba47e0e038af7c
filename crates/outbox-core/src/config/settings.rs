//! What is in force: the written configuration, the environment and the defaults together.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::destination::{AfterFailure, Auth, DestinationConfig, Exponential, OrderBy, Retry, Tls};
use super::{LogLevel, OutboxConfig, Secret};
use crate::acknowledgement::{Outcome, Policy};
use crate::error::{OutboxError, code};
use crate::retry::RetryPolicy;

/// The environment variables of the process, as read once on the JS thread: reading them from another thread while
/// JavaScript writes them is a data race in libc.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// Wraps a snapshot.
    pub fn new(variables: HashMap<String, String>) -> Self {
        Self(variables)
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest accepted message: 16 MiB.
    pub message_bytes: usize,
    /// Most messages PENDING or HELD: 1,000,000.
    pub pending_messages: u64,
    /// Most bytes waiting for the disk in this process: 256 MiB.
    pub intake_bytes: usize,
    /// Longest wait for a commit: 5 s.
    pub enqueue_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 16 << 20,
            pending_messages: 1_000_000,
            intake_bytes: 256 << 20,
            enqueue_timeout: Duration::from_secs(5),
        }
    }
}

/// Longest delay of a growing schedule: a week.
const DELAY_MAX_MS: u64 = 604_800_000;

/// A receiver in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Its configured name.
    pub name: Arc<str>,
    /// Scheme, host, port and path.
    pub url: String,
    /// Whether the address is this machine itself.
    pub loopback: bool,
    /// Credentials, resolved.
    pub auth: Option<Auth>,
    /// Headers as written.
    pub headers: BTreeMap<String, String>,
    /// Certificates and versions.
    pub tls: Tls,
    /// MSH-11 values that it may get.
    pub processing_ids: Option<Vec<String>>,
    /// `false`: messages wait.
    pub enabled: bool,
    /// Most attempts at once.
    pub concurrency: u32,
    /// Attempts a second and the largest burst; `None` is unlimited.
    pub rate: Option<(f64, u32)>,
    /// Name resolution, TCP and TLS.
    pub connect_timeout: Duration,
    /// The whole attempt.
    pub total_timeout: Duration,
    /// When to try again.
    pub retry: RetryPolicy,
    /// What orders messages.
    pub order_by: Option<OrderBy>,
    /// After a dead letter its lane waits for a person.
    pub holds_lane: bool,
    /// How answers are judged.
    pub policy: Policy,
}

/// The whole configuration in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The outbox file, absolute.
    pub path: PathBuf,
    /// Receivers by name.
    pub destinations: BTreeMap<String, Arc<Destination>>,
    /// Where a message goes that names no destination.
    pub default_destination: Option<Arc<str>>,
    /// Whether this process may become the dispatcher.
    pub dispatch: bool,
    /// Limits.
    pub limits: Limits,
    /// The least severe line that is logged.
    pub log_level: LogLevel,
    /// How a destination is resolved anew when persons change it.
    pub resolver: Resolver,
}

/// What destinations were resolved from. It holds secrets, so Debug shows nothing.
#[derive(Clone)]
pub struct Resolver(Arc<(BTreeMap<String, DestinationConfig>, Environment)>);

impl Resolver {
    /// A destination as written, with a patch over it.
    pub fn destination(&self, name: &str, patch: Option<&str>) -> Result<Destination, OutboxError> {
        let (written, environment) = &*self.0;
        let written = written.get(name).cloned().ok_or_else(|| OutboxError::plain(code::ERR_UNKNOWN_DESTINATION))?;
        let written = match patch {
            Some(patch) => written.patched(&super::read_patch(patch)?)?,
            None => written,
        };
        resolve_destination(name, written, environment)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver(…)")
    }
}

/// What it resolves to is compared.
impl PartialEq for Resolver {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a destination is called when only the environment describes it.
const DEFAULT_DESTINATION: &str = "malaffi";
const DEFAULT_FILE: &str = "hl7-outbox.db";
const CONCURRENCY_MAX: u32 = 1_024;
const DESTINATION_NAME_MAX: usize = 64;

impl Settings {
    /// Fills in the environment and the defaults; `working_directory` anchors relative paths outside production.
    pub fn resolve(
        config: OutboxConfig,
        environment: &Environment,
        working_directory: &Path,
    ) -> Result<Self, OutboxError> {
        let path = resolve_path(
            config.path.as_deref().or_else(|| environment.get("HL7_OUTBOX_PATH")),
            environment,
            working_directory,
        )?;
        let written = match config.destinations {
            Some(written) => written,
            None => from_environment(environment),
        };
        let mut destinations = BTreeMap::new();
        for (name, destination) in &written {
            let resolved = resolve_destination(name, destination.clone(), environment)?;
            destinations.insert(name.clone(), Arc::new(resolved));
        }
        let resolver = Resolver(Arc::new((written, environment.clone())));
        let default_destination = default_destination(config.default_destination, &destinations)?;
        let dispatch = config.dispatch.unwrap_or(environment.get("HL7_OUTBOX_DISPATCH") != Some("off"));
        let log_level = match (config.log.level, environment.get("HL7_OUTBOX_LOG")) {
            (Some(level), _) => level,
            (None, None | Some("warn")) => LogLevel::Warn,
            (None, Some("error")) => LogLevel::Error,
            (None, Some("info")) => LogLevel::Info,
            (None, Some("debug")) => LogLevel::Debug,
            (None, Some(_)) => return Err(wrong("HL7_OUTBOX_LOG", "is not one of error, warn, info, debug")),
        };
        let defaults = Limits::default();
        let limits = Limits {
            message_bytes: size("limits.messageBytes", config.limits.message_bytes, defaults.message_bytes)?,
            pending_messages: at_least_one("limits.pendingMessages", config.limits.pending_messages)?
                .unwrap_or(defaults.pending_messages),
            intake_bytes: size("limits.intakeBytes", config.limits.intake_bytes, defaults.intake_bytes)?,
            enqueue_timeout: at_least_one("limits.enqueueTimeoutMs", config.limits.enqueue_timeout_ms)?
                .map_or(defaults.enqueue_timeout, Duration::from_millis),
        };
        Ok(Self { path, destinations, default_destination, dispatch, limits, log_level, resolver })
    }
}

fn wrong(key: &str, what: &str) -> OutboxError {
    OutboxError::new(code::ERR_CONFIG, format!("`{key}` {what}"))
}

fn at_least_one(key: &str, value: Option<u64>) -> Result<Option<u64>, OutboxError> {
    match value {
        Some(0) => Err(wrong(key, "must be at least 1")),
        other => Ok(other),
    }
}

fn size(key: &str, value: Option<u64>, default: usize) -> Result<usize, OutboxError> {
    match at_least_one(key, value)? {
        Some(value) => usize::try_from(value).map_err(|_| wrong(key, "is larger than this machine can address")),
        None => Ok(default),
    }
}

fn resolve_path(
    written: Option<&str>,
    environment: &Environment,
    working_directory: &Path,
) -> Result<PathBuf, OutboxError> {
    let production = environment.get("NODE_ENV") == Some("production");
    match written {
        Some(written) if Path::new(written).is_absolute() => Ok(PathBuf::from(written)),
        Some(_) if production => Err(OutboxError::new(
            code::ERR_PATH_RELATIVE,
            "`path` is relative, and NODE_ENV is production: the file would move with the working directory",
        )),
        None if production => Err(OutboxError::new(
            code::ERR_PATH_RELATIVE,
            "neither `path` nor HL7_OUTBOX_PATH is set, and NODE_ENV is production",
        )),
        written => Ok(working_directory.join(written.unwrap_or(DEFAULT_FILE))),
    }
}

fn from_environment(environment: &Environment) -> BTreeMap<String, DestinationConfig> {
    let Some(url) = environment.get("MALAFFI_API_URL") else { return BTreeMap::new() };
    let auth = environment.get("MALAFFI_API_KEY").map(|key| Auth::Bearer(Secret::new(key)));
    let destination = DestinationConfig {
        url: url.to_owned(),
        auth,
        headers: BTreeMap::new(),
        tls: None,
        allow_plaintext: false,
        processing_ids: None,
        enabled: None,
        concurrency: None,
        rate_limit: None,
        timeouts: super::Timeouts::default(),
        retry: Retry::default(),
        order_by: None,
        after_failure: AfterFailure::Continue,
        require_hl7_ack: false,
        outcomes: BTreeMap::new(),
    };
    BTreeMap::from([(DEFAULT_DESTINATION.to_owned(), destination)])
}

fn default_destination(
    written: Option<String>,
    destinations: &BTreeMap<String, Arc<Destination>>,
) -> Result<Option<Arc<str>>, OutboxError> {
    if let Some(name) = written {
        return match destinations.get(&name) {
            Some(destination) => Ok(Some(Arc::clone(&destination.name))),
            None => Err(wrong("defaultDestination", "names no configured destination")),
        };
    }
    let only = if destinations.len() == 1 { destinations.values().next() } else { None };
    Ok(only.or_else(|| destinations.get(DEFAULT_DESTINATION)).map(|destination| Arc::clone(&destination.name)))
}

fn resolve_destination(
    name: &str,
    written: DestinationConfig,
    environment: &Environment,
) -> Result<Destination, OutboxError> {
    let key = |rest: &str| format!("destinations.{name}.{rest}");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > DESTINATION_NAME_MAX || !name.chars().all(plain) {
        return Err(wrong("destinations", "has a name that is not 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    let loopback = check_url(&key("url"), &written.url, written.allow_plaintext)?;
    let auth = match written.auth {
        None => None,
        Some(Auth::Bearer(token)) => Some(Auth::Bearer(token.resolve(&key("auth.bearer"), environment)?)),
        Some(Auth::Basic { user, password }) => {
            Some(Auth::Basic { user, password: password.resolve(&key("auth.basic.password"), environment)? })
        }
    };
    let concurrency = written.concurrency.unwrap_or(4);
    if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
        return Err(wrong(&key("concurrency"), "must be 1 to 1,024"));
    }
    let rate = match written.rate_limit {
        None if loopback => None,
        None => Some((1.0, 1)),
        Some(None) => None,
        Some(Some(limit)) => {
            if !(limit.per_second.is_finite() && limit.per_second > 0.0 && limit.per_second <= 1e6) {
                return Err(wrong(&key("rateLimit.perSecond"), "must be more than 0 and at most 1,000,000"));
            }
            // Timers have a granularity of a millisecond or more: a fast limit needs a small burst to be reached at all.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most 10,000 by the check above"
            )]
            let burst = limit.burst.unwrap_or((limit.per_second / 100.0).ceil().max(1.0) as u32);
            if burst == 0 {
                return Err(wrong(&key("rateLimit.burst"), "must be at least 1"));
            }
            Some((limit.per_second, burst))
        }
    };
    let tls = written.tls.unwrap_or_default();
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        return Err(wrong(&key("tls"), "needs `certFile` and `keyFile` together"));
    }
    if !matches!(tls.min_version.as_deref(), None | Some("1.2" | "1.3")) {
        return Err(wrong(&key("tls.minVersion"), "must be \"1.2\" or \"1.3\""));
    }
    let milliseconds = |rest: &str, value: Option<u64>, default: u64| {
        at_least_one(&key(rest), value).map(|value| Duration::from_millis(value.unwrap_or(default)))
    };
    Ok(Destination {
        name: Arc::from(name),
        loopback,
        url: written.url,
        auth,
        headers: written.headers,
        tls,
        processing_ids: written.processing_ids,
        enabled: written.enabled.unwrap_or(true),
        concurrency,
        rate,
        connect_timeout: milliseconds("timeouts.connectMs", written.timeouts.connect_ms, 10_000)?,
        total_timeout: milliseconds("timeouts.totalMs", written.timeouts.total_ms, 120_000)?,
        retry: resolve_retry(&key("retry"), written.retry)?,
        order_by: written.order_by.unwrap_or(Some(OrderBy::Patient)),
        holds_lane: written.after_failure == AfterFailure::Hold,
        policy: resolve_policy(&key("outcomes"), written.require_hl7_ack, written.outcomes)?,
    })
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

/// Checks scheme and host; answers whether the address is loopback. Credentials in an address would end up in logs of
/// proxies and receivers, so they are refused.
fn check_url(key: &str, url: &str, allow_plaintext: bool) -> Result<bool, OutboxError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(key, "is not an absolute URL"))?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return Err(wrong(key, "contains credentials; use `auth`"));
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    if host.is_empty() || url.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(wrong(key, "is not a valid URL"));
    }
    let loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(loopback),
        "http" if loopback || allow_plaintext => Ok(loopback),
        "http" => Err(wrong(
            key,
            "is plain http:// beyond loopback: patients' data would travel in the clear; use https://, or set `allowPlaintext` if the network is sealed by other means",
        )),
        _ => Err(wrong(key, "must begin with https:// (or http:// on loopback)")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn resolve(json: &str, pairs: &[(&str, &str)]) -> Result<Settings, OutboxError> {
        Settings::resolve(read(json, "the configuration").unwrap(), &environment(pairs), Path::new("/srv/app"))
    }

    #[test]
    fn the_environment_alone_describes_malaffi() {
        let settings =
            resolve("{}", &[("MALAFFI_API_URL", "https://hl7.example/receive"), ("MALAFFI_API_KEY", "k")]).unwrap();
        let malaffi = &settings.destinations["malaffi"];
        assert_eq!(settings.default_destination.as_deref(), Some("malaffi"));
        assert_eq!(malaffi.rate, Some((1.0, 1)));
        assert_eq!(malaffi.auth, Some(Auth::Bearer(Secret::new("k"))));
        assert_eq!(malaffi.total_timeout, Duration::from_secs(120));
        assert_eq!(settings.path, Path::new("/srv/app/hl7-outbox.db"));
    }

    #[test]
    fn production_wants_an_absolute_path() {
        let error = resolve(r#"{"path":"data/x.db"}"#, &[("NODE_ENV", "production")]).unwrap_err();
        assert_eq!(error.code, code::ERR_PATH_RELATIVE);
        assert_eq!(resolve("{}", &[("NODE_ENV", "production")]).unwrap_err().code, code::ERR_PATH_RELATIVE);
    }

    #[test]
    fn plain_http_is_for_loopback_or_by_explicit_setting() {
        let one =
            |url: &str, rest: &str| resolve(&format!(r#"{{"destinations":{{"d":{{"url":"{url}"{rest}}}}}}}"#), &[]);
        assert!(one("http://hl7.example/", "").unwrap_err().message.contains("destinations.d.url"));
        assert!(one("http://hl7.example/", r#","allowPlaintext":true"#).is_ok());
        for url in ["http://127.0.0.1:9/", "http://localhost/x", "http://[::1]:8080/"] {
            assert_eq!(one(url, "").unwrap().destinations["d"].rate, None, "{url}");
        }
        for url in ["ftp://x/", "https://user:pass@x/", "https://", "hl7.example", "https://a b/"] {
            assert_eq!(one(url, "").unwrap_err().code, code::ERR_CONFIG, "{url}");
        }
    }

    #[test]
    fn a_secret_may_be_a_reference_and_a_missing_one_is_named() {
        let json = r#"{"destinations":{"d":{"url":"https://x.example/","auth":{"bearer":"env:TOKEN"}}}}"#;
        assert!(resolve(json, &[]).unwrap_err().message.contains("TOKEN"));
        let settings = resolve(json, &[("TOKEN", "t")]).unwrap();
        assert_eq!(settings.destinations["d"].auth, Some(Auth::Bearer(Secret::new("t"))));
    }

    #[test]
    fn wrong_limits_are_refused_by_name() {
        for (json, name) in [
            (r#"{"limits":{"messageBytes":0}}"#, "limits.messageBytes"),
            (
                r#"{"destinations":{"d":{"url":"https://x.example/","rateLimit":{"perSecond":0}}}}"#,
                "rateLimit.perSecond",
            ),
            (r#"{"destinations":{"d":{"url":"https://x.example/","retry":{"scheduleMs":[0,0]}}}}"#, "retry.scheduleMs"),
            (r#"{"destinations":{"d":{"url":"https://x.example/","concurrency":0}}}"#, "concurrency"),
            (r#"{"destinations":{"d":{"url":"https://x.example/","outcomes":{"no-such-row":"retry"}}}}"#, "outcomes"),
            (r#"{"defaultDestination":"x"}"#, "defaultDestination"),
        ] {
            let error = resolve(json, &[]).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
        }
    }

    #[test]
    fn null_lifts_the_rate_limit_and_the_order() {
        let json = r#"{"destinations":{"d":{"url":"https://x.example/","rateLimit":null,"orderBy":null}}}"#;
        let settings = resolve(json, &[]).unwrap();
        assert_eq!(settings.destinations["d"].rate, None);
        assert_eq!(settings.destinations["d"].order_by, None);
    }
}
