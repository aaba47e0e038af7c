//! Whether the outbox does its work: pure functions from facts to what callers see.

use std::collections::BTreeMap;

use crate::alert::{CALLBACK, Undelivered};
use crate::clock::Timestamp;
use crate::config::{Fingerprint, Settings};
use crate::dispatch::election::Leader;
use crate::state::State;
use crate::status::{
    DestinationHealth, DestinationState, DispatcherView, FileHealth, Health, HealthStatus, MessageView, Problem,
    RESTORED, WaitingFor,
};
use crate::store::{DestinationRecord, StoreInfo};

/// A dispatcher that has not said "still here" for this long is stalled.
const BEAT_STALE_MS: i64 = 5_000;
/// A certificate that expires sooner than this is worth a word: renewing one takes some people, and weeks.
const CERTIFICATE_SOON_MS: i64 = 30 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// A write-ahead log beyond this is worth a word: something reads the file for too long.
const WAL_LARGE_BYTES: u64 = 64 << 20;
/// Less free disk than this is worth a word.
const DISK_LOW_BYTES: u64 = 256 << 20;

/// What health is judged from.
pub struct Facts<'a> {
    /// What is in force in this process.
    pub settings: &'a Settings,
    /// What this process would send with.
    pub fingerprint: Fingerprint,
    /// The file.
    pub info: StoreInfo,
    /// What the file remembers of destinations.
    pub records: &'a [DestinationRecord],
    /// The present dispatcher.
    pub leader: Option<Leader>,
    /// Whether it is this process.
    pub leads: bool,
    /// Changes of destinations' configurations that this process cannot follow, and why.
    pub refused: &'a BTreeMap<String, String>,
    /// When certificates expire, by destination, as far as this process knows.
    pub certificates: BTreeMap<String, Timestamp>,
    /// What last went wrong while standing for the lead.
    pub trouble: Option<String>,
    /// Now.
    pub now: Timestamp,
}

/// Judges.
pub fn assess(facts: &Facts<'_>) -> Health {
    let mut problems = Problems::default();
    if let Some(failed) = &facts.info.failed {
        problems.down(
            "store-failed",
            format!("the disk failed ({failed}); nothing more is taken"),
            "Check the disk and the system log, then restart the application.",
        );
    }
    if let Some(trouble) = &facts.trouble {
        problems.degraded(
            "dispatcher-trouble",
            format!("this process cannot take or keep the lead ({trouble})"),
            "See docs/errors.md for the code.",
        );
    }
    let dispatcher = facts.leader.as_ref().map(|leader| DispatcherView {
        pid: leader.pid,
        host: leader.host.clone(),
        since: leader.since,
        here: facts.leads,
        beat_age_ms: (facts.now.0 - leader.beat.0).max(0),
    });
    match &dispatcher {
        None => problems.degraded(
            "no-dispatcher",
            String::from("no process dispatches this file; messages are safe and wait"),
            "Start a process with `dispatch` on, or `hl7-outbox worker`.",
        ),
        Some(view) if view.beat_age_ms > BEAT_STALE_MS => problems.degraded(
            "dispatcher-stalled",
            format!(
                "the dispatcher (process {} on {}) has been silent for {} s",
                view.pid,
                view.host,
                view.beat_age_ms / 1_000
            ),
            "If the process is stopped, continue or end it; another takes over as soon as it is gone.",
        ),
        Some(_) => {}
    }
    for (name, why) in facts.refused {
        problems.degraded(
            "configuration",
            format!("a change of `{name}` at run time cannot be followed in this process: {why}"),
            "Correct it with configureDestination, or take it back with resetDestination.",
        );
    }
    compare(facts, &mut problems);
    if facts.info.disk_free_bytes < DISK_LOW_BYTES {
        problems.degraded(
            "disk-low",
            format!("{} MiB are free on the file system of the outbox", facts.info.disk_free_bytes >> 20),
            "Free space.",
        );
    }
    if facts.info.wal_bytes > WAL_LARGE_BYTES {
        problems.degraded(
            "wal-large",
            format!(
                "the write-ahead log has grown to {} MiB: something reads the file for too long",
                facts.info.wal_bytes >> 20
            ),
            "End what keeps the file open in a read transaction: a shell, or a backup tool that is not ours.",
        );
    }
    for one in &facts.info.undelivered {
        undelivered(one, &mut problems);
    }
    let destinations = destinations(facts, &mut problems);
    Health { status: problems.status(), problems: problems.list, dispatcher, destinations, file: file(facts) }
}

/// Whom alerts do not reach. The part of its name behind `#` is for programs.
fn undelivered(one: &Undelivered, problems: &mut Problems) {
    let whom = one.target.split('#').next().unwrap_or_default();
    let (whom, remedy) = if whom == CALLBACK {
        (
            String::from("`alerts.onAlert`"),
            "See the application's own log: the function threw, or no process that has it is running.",
        )
    } else {
        (
            format!("the webhook at {whom}"),
            "Check its address and its secret with `hl7-outbox alerts test`; alerts are tried again until they expire.",
        )
    };
    let message = format!(
        "alerts do not reach {whom} since {} ({}): {} wait, {} given up",
        one.since.to_iso(),
        one.error,
        one.waiting,
        one.given_up
    );
    problems.degraded("alert-undelivered", message, remedy);
}

/// Whether the dispatcher, another process, would send otherwise than this one.
fn compare(facts: &Facts<'_>, problems: &mut Problems) {
    let Some(leader) = facts.leader.as_ref().filter(|_| !facts.leads) else { return };
    let Some(theirs) = facts.info.configuration.as_deref().and_then(|text| serde_json::from_str(text).ok()) else {
        return;
    };
    let names = facts.fingerprint.differences(&theirs);
    if names.is_empty() {
        return;
    }
    problems.degraded(
        "configuration-differs",
        format!("the dispatcher (process {}) has another configuration of `{}` than this process", leader.pid, names.join("`, `")),
        "Normal while a rolling reload goes on. Otherwise give all processes of the file the same configuration and restart them.",
    );
}

fn file(facts: &Facts<'_>) -> FileHealth {
    FileHealth {
        path: facts.settings.path.display().to_string(),
        bytes: facts.info.bytes,
        wal_bytes: facts.info.wal_bytes,
        disk_free_bytes: facts.info.disk_free_bytes,
        sqlite_version: facts.info.engine_version.clone(),
        schema: facts.info.schema,
    }
}

fn destinations(facts: &Facts<'_>, problems: &mut Problems) -> BTreeMap<String, DestinationHealth> {
    let mut all = BTreeMap::new();
    for name in
        facts.settings.destinations.keys().map(String::as_str).chain(facts.records.iter().map(|r| r.name.as_str()))
    {
        if all.contains_key(name) {
            continue;
        }
        let record = facts.records.iter().find(|record| record.name == name);
        let (state, since, reason) = state_of(facts.settings, name, record, facts.now);
        let pending = record.map_or(0, |record| record.pending);
        match state {
            DestinationState::Ok => {}
            DestinationState::Disabled if pending == 0 => {}
            state => problems.degraded(
                "destination",
                format!(
                    "`{name}` is {}: {pending} messages wait{}",
                    state.as_str(),
                    reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default()
                ),
                remedy(state, reason.as_deref()),
            ),
        }
        let in_flight = record.map_or(0, |record| record.in_flight);
        let certificate_expires_at = facts.certificates.get(name).copied();
        if let Some(at) = certificate_expires_at {
            check_certificate(name, at, facts.now, problems);
        }
        all.insert(
            name.to_owned(),
            DestinationHealth { state, since, reason, pending, in_flight, certificate_expires_at },
        );
    }
    all
}

fn check_certificate(name: &str, at: Timestamp, now: Timestamp, problems: &mut Problems) {
    let left_ms = at.0.saturating_sub(now.0);
    if left_ms >= CERTIFICATE_SOON_MS {
        return;
    }
    let when = match left_ms {
        ..=0 => String::from("has expired"),
        left_ms => format!("expires in {} days", left_ms / DAY_MS),
    };
    problems.degraded(
        "certificate-expires",
        format!("a certificate of `{name}`, the receiver's own or our client certificate, {when} ({})", at.to_iso()),
        "Renew `tls.certFile` and restart, or ask the receiver to renew its certificate.",
    );
}

fn remedy(state: DestinationState, reason: Option<&str>) -> &'static str {
    match state {
        DestinationState::Paused if reason == Some(RESTORED) => {
            "Compare the file with what the receiver has: messages may be missing, or be sent twice. Then resume."
        }
        DestinationState::Paused => "Resume it when the reason is gone.",
        DestinationState::Misconfigured => "Check credentials, certificate and address; a manual retry probes at once.",
        DestinationState::Disabled => {
            "Add the destination to the dispatcher's configuration, or set `enabled` to true."
        }
        _ => "Nothing: it is probed, and messages leave in order when it answers.",
    }
}

type Standing = (DestinationState, Timestamp, Option<String>);

fn state_of(settings: &Settings, name: &str, record: Option<&DestinationRecord>, now: Timestamp) -> Standing {
    match settings.destinations.get(name) {
        None => return (DestinationState::Disabled, now, Some(String::from("not configured in this process"))),
        Some(destination) if !destination.enabled => {
            return (DestinationState::Disabled, now, Some(String::from("enabled is false")));
        }
        Some(_) => {}
    }
    match record {
        None => (DestinationState::Ok, now, None),
        Some(DestinationRecord { paused: Some((since, reason)), .. }) => {
            (DestinationState::Paused, *since, reason.clone())
        }
        Some(record) => (record.state, record.since, record.reason.clone()),
    }
}

/// Says why a PENDING message waits, the reason that a person can act on first.
pub fn complete_view(view: &mut MessageView, settings: &Settings, records: &[DestinationRecord], dispatched: bool) {
    if view.status != State::Pending || view.in_flight {
        view.waiting_for = None;
        return;
    }
    let record = records.iter().find(|record| record.name == view.destination);
    let resting = record.map_or(DestinationState::Ok, |record| record.state);
    let outside = match settings.destinations.get(&view.destination) {
        None => Some(WaitingFor::NotConfigured),
        Some(destination) if !destination.enabled => Some(WaitingFor::Disabled),
        Some(_) if record.is_some_and(|record| record.paused.is_some()) => Some(WaitingFor::Paused),
        Some(_) if !dispatched => Some(WaitingFor::Dispatcher),
        Some(_) if resting != DestinationState::Ok => Some(WaitingFor::Breaker),
        Some(_) => None,
    };
    view.waiting_for = outside.or(view.waiting_for).or(Some(WaitingFor::Rate));
}

#[derive(Default)]
struct Problems {
    list: Vec<Problem>,
    down: usize,
}

impl Problems {
    fn down(&mut self, code: &'static str, message: String, remedy: &str) {
        self.list.insert(self.down, Problem { code, message, remedy: remedy.to_owned() });
        self.down += 1;
    }

    fn degraded(&mut self, code: &'static str, message: String, remedy: &str) {
        self.list.push(Problem { code, message, remedy: remedy.to_owned() });
    }

    fn status(&self) -> HealthStatus {
        match (self.down, self.list.len()) {
            (0, 0) => HealthStatus::Ok,
            (0, _) => HealthStatus::Degraded,
            _ => HealthStatus::Down,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, read};

    fn health_with(expires_at: Option<i64>) -> Health {
        let config = read(r#"{"destinations":{"d":{"url":"mllps://hl7.example"}}}"#, "the test").unwrap();
        let settings = Settings::resolve(config, &Environment::default(), Path::new("/")).unwrap();
        let certificates = expires_at.map(|at| (String::from("d"), Timestamp(at))).into_iter().collect();
        let info = StoreInfo { disk_free_bytes: u64::MAX, ..StoreInfo::default() };
        let now = Timestamp(1_900_000_000_000);
        let (leader, trouble) = (None, None);
        assess(&Facts {
            settings: &settings,
            fingerprint: settings.fingerprint(),
            info,
            records: &[],
            leader,
            leads: false,
            refused: &BTreeMap::new(),
            certificates,
            trouble,
            now,
        })
    }

    fn words(health: &Health) -> Option<&str> {
        let problem = health.problems.iter().find(|problem| problem.code == "certificate-expires")?;
        Some(&problem.message)
    }

    #[test]
    fn a_certificate_is_shown_and_its_end_is_a_problem_thirty_days_before() {
        let now = 1_900_000_000_000;
        assert_eq!(health_with(None).destinations["d"].certificate_expires_at, None);
        let far = health_with(Some(now + 30 * DAY_MS));
        assert_eq!(far.destinations["d"].certificate_expires_at, Some(Timestamp(now + 30 * DAY_MS)));
        assert_eq!(words(&far), None);
        let soon = health_with(Some(now + 30 * DAY_MS - 1));
        assert!(words(&soon).is_some_and(|words| words.contains("`d`") && words.contains("expires in 29 days")));
        assert_eq!(soon.status, HealthStatus::Degraded);
        assert!(words(&health_with(Some(now - 1))).is_some_and(|words| words.contains("has expired")));
    }
}
