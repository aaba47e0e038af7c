//! What is in force: the written configuration, the environment and the defaults together.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alerts::{AlertSettings, resolve_alerts};
use super::destination::{Auth, DestinationConfig, OrderBy, Proxy, Tls};
pub use super::lasting::LogSettings;
use super::lasting::{resolve_log, resolve_retention};
use super::resolve::resolve_destination;
use super::url::Scheme;
use super::{OutboxConfig, Secret};
use crate::acknowledgement::Policy;
use crate::error::{OutboxError, code};
use crate::retention::Retention;
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
    /// Largest part of the write-ahead log that cannot be folded back: 1 GiB.
    pub wal_bytes: u64,
    /// Longest wait for a commit: 5 s.
    pub enqueue_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 16 << 20,
            pending_messages: 1_000_000,
            intake_bytes: 256 << 20,
            wal_bytes: 1 << 30,
            enqueue_timeout: Duration::from_secs(5),
        }
    }
}

/// A receiver in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Its configured name.
    pub name: Arc<str>,
    /// Scheme, host, port and path.
    pub url: String,
    /// What is spoken there.
    pub scheme: Scheme,
    /// Whether the address is this machine itself.
    pub loopback: bool,
    /// Credentials, resolved.
    pub auth: Option<Auth>,
    /// Headers as written.
    pub headers: BTreeMap<String, String>,
    /// Certificates, pins and versions.
    pub tls: Tls,
    /// The proxy that connections go through, its credentials resolved; `None`: none, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// MSH-11 values that it may get.
    pub processing_ids: Option<Vec<String>>,
    /// `false`: messages wait.
    pub enabled: bool,
    /// Most attempts at once.
    pub concurrency: u32,
    /// Attempts a second and the largest burst; `None` is unlimited.
    pub rate: Option<(f64, u32)>,
    /// Name resolution, TCP, proxy and TLS.
    pub connect_timeout: Duration,
    /// From the open connection until the kernel has the last byte of the message.
    pub write_timeout: Duration,
    /// From the last byte of the message until an answer begins.
    pub first_byte_timeout: Duration,
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
    /// How long is kept what nobody waits for any more.
    pub retention: Retention,
    /// What is logged, and where to.
    pub log: LogSettings,
    /// Whom alerts are told to; `None`: nobody here.
    pub alerts: Option<AlertSettings>,
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
        let retention = resolve_retention(&config.retention)?;
        let log = resolve_log(config.log, environment, working_directory)?;
        let alerts = resolve_alerts(config.alerts, environment)?;
        let defaults = Limits::default();
        let limits = Limits {
            message_bytes: size("limits.messageBytes", config.limits.message_bytes, defaults.message_bytes)?,
            pending_messages: at_least_one("limits.pendingMessages", config.limits.pending_messages)?
                .unwrap_or(defaults.pending_messages),
            intake_bytes: size("limits.intakeBytes", config.limits.intake_bytes, defaults.intake_bytes)?,
            wal_bytes: wal_bytes(config.limits.wal_bytes)?.unwrap_or(defaults.wal_bytes),
            enqueue_timeout: at_least_one("limits.enqueueTimeoutMs", config.limits.enqueue_timeout_ms)?
                .map_or(defaults.enqueue_timeout, Duration::from_millis),
        };
        Ok(Self { path, destinations, default_destination, dispatch, limits, retention, log, alerts, resolver })
    }
}

/// What processes compare: whether they would send in the same way. Credentials are not in it, for they are shown nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of the program: only the same version compares.
    version: String,
    /// A hash of each destination's settings at the start.
    destinations: BTreeMap<String, u64>,
}

impl Fingerprint {
    /// Names of our destinations that the other process has otherwise, or not at all.
    pub fn differences(&self, other: &Self) -> Vec<&str> {
        if self.version != other.version {
            return Vec::new();
        }
        let differs = |name: &&String| self.destinations.get(*name) != other.destinations.get(*name);
        self.destinations.keys().filter(differs).map(String::as_str).collect()
    }
}

impl Settings {
    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = |destination: &Destination| {
            // Always the same keys: the hash is the same in every process of one version.
            let mut hasher = DefaultHasher::new();
            format!("{destination:?}").hash(&mut hasher);
            hasher.finish()
        };
        let destinations = self.destinations.iter().map(|(name, destination)| (name.clone(), hash(destination)));
        Fingerprint { version: env!("CARGO_PKG_VERSION").to_owned(), destinations: destinations.collect() }
    }
}

pub(super) fn wrong(key: &str, what: &str) -> OutboxError {
    OutboxError::new(code::ERR_CONFIG, format!("`{key}` {what}"))
}

pub(super) fn at_least_one(key: &str, value: Option<u64>) -> Result<Option<u64>, OutboxError> {
    match value {
        Some(0) => Err(wrong(key, "must be at least 1")),
        other => Ok(other),
    }
}

/// The log's own room and what one group of large messages may add must fit, or nothing would ever be taken.
const WAL_BYTES_MIN: u64 = 64 << 20;

fn wal_bytes(value: Option<u64>) -> Result<Option<u64>, OutboxError> {
    match value {
        Some(..WAL_BYTES_MIN) => Err(wrong("limits.walBytes", &format!("must be at least {WAL_BYTES_MIN} (64 MiB)"))),
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
    let destination = DestinationConfig { auth, ..DestinationConfig::at(url.to_owned()) };
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
