//! The dispatcher over a real file and a network under control: order, outages, restarts, random weather.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use outbox_core::clock::SystemClock;
use outbox_core::config::{Environment, Settings, read};
use outbox_core::enqueue::{EnqueueOptions, EnqueueRequest};
use outbox_core::event::{Observer, StatusChange};
use outbox_core::hl7::Source;
use outbox_core::outbox::{AlertParts, Outbox, OutboxParts};
use outbox_core::state::State;
use outbox_core::status::{HealthStatus, ListRequest, MessageFilter, OneOrMany};
use outbox_core::store::{By, Command, wait};
use outbox_sqlite::{FileElection, Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::text;
use outbox_testing::network::{Fate, Network, NetworkTransport};
use tokio::runtime::Runtime;

/// Counts messages that came to an end, so that a test can wait for it.
#[derive(Default)]
struct Ends {
    ended: Mutex<usize>,
    rung: Condvar,
}

impl Observer for Ends {
    fn listens(&self) -> bool {
        true
    }

    fn hear(&self, changes: Vec<StatusChange>) {
        let ended = |state| matches!(state, State::Sent | State::Acknowledged | State::Failed | State::Cancelled);
        *self.ended.lock().unwrap() += changes.iter().filter(|change| ended(change.to)).count();
        self.rung.notify_all();
    }
}

impl Ends {
    fn wait_for(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut ended = self.ended.lock().unwrap();
        while *ended < count {
            let left = deadline
                .checked_duration_since(Instant::now())
                .unwrap_or_else(|| panic!("{} of {count} ended in time", *ended));
            ended = self.rung.wait_timeout(ended, left).unwrap().0;
        }
    }
}

struct Rig {
    outbox: Outbox,
    ends: Arc<Ends>,
    _runtime: Runtime,
}

const RETRY: &str = r#""retry":{"scheduleMs":[5],"jitter":0,"maxAttempts":1000,"maxIndeterminate":1000}"#;

fn rig(directory: &Path, network: &Arc<Network>, destination: &str) -> Rig {
    let path = directory.join("outbox.db");
    let json =
        serde_json::json!({ "path": path, "destinations": { "test": { "url": "http://127.0.0.1:9/" } } }).to_string();
    let json = json.replace(r#""url":"http://127.0.0.1:9/""#, &format!(r#""url":"http://127.0.0.1:9/",{destination}"#));
    let settings = Settings::resolve(read(&json, "the test").unwrap(), &Environment::default(), directory).unwrap();
    let clock = Arc::new(SystemClock);
    let ends = Arc::<Ends>::default();
    let options = StoreOptions {
        clock: Arc::clone(&clock) as _,
        observer: Some(Arc::clone(&ends) as _),
        pending_max: 1_000_000,
        wal_max: 1 << 30,
        parts: Parts::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let network = Arc::clone(network);
    let outbox = Outbox::start(OutboxParts {
        store: Arc::new(SqliteStore::open(&path, options).unwrap()),
        election: Arc::new(FileElection::new(&path)),
        settings,
        clock,
        runtime: runtime.handle().clone(),
        connect: Arc::new(move |_| Ok(Arc::new(NetworkTransport(Arc::clone(&network))))),
        alerts: AlertParts::default(),
    })
    .unwrap();
    Rig { outbox, ends, _runtime: runtime }
}

/// Control ids are `L<lane>-<n>`.
fn lane_of(control_id: &str) -> String {
    control_id.split('-').next().unwrap().to_owned()
}

fn enqueue(outbox: &Outbox, lane: u32, n: u32) {
    let control_id = format!("L{lane}-{n:04}");
    let message = text(&control_id, &format!("PATIENT{lane}")).into_bytes();
    let request = EnqueueRequest { message, source: Source::Text, options: EnqueueOptions::default() };
    wait(|done| outbox.enqueue(vec![request], done)).unwrap();
}

/// The order of first arrivals in every lane.
fn first_arrivals(taken: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut lanes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for control_id in taken {
        let lane = lanes.entry(lane_of(control_id)).or_default();
        if !lane.contains(control_id) {
            lane.push(control_id.clone());
        }
    }
    lanes
}

fn assert_in_order(taken: &[String], each: usize, context: &str) {
    for (lane, arrived) in first_arrivals(taken) {
        assert!(arrived.is_sorted() && arrived.len() == each, "{context} {lane}: {arrived:?}");
    }
}

#[test]
fn messages_leave_as_they_come_and_each_lane_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::new(lane_of, |_| (Fate::Acknowledged, Duration::from_micros(fastrand::u64(..2_000))));
    let rig = rig(directory.path(), &network, r#""concurrency":16"#);
    for n in 0..40 {
        for lane in 0..10 {
            enqueue(&rig.outbox, lane, n);
        }
    }
    rig.ends.wait_for(400);
    assert_eq!(network.taken().len(), 400);
    assert!(network.overlaps().is_empty());
    assert_in_order(&network.taken(), 40, "");
    assert!(rig.outbox.stop(Duration::from_secs(5)));
}

#[test]
fn in_random_weather_nothing_is_lost_or_reordered_and_only_doubts_are_repeated() {
    for seed in 0..4 {
        random_weather(seed);
    }
}

fn random_weather(seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let random = Mutex::new(fastrand::Rng::with_seed(seed));
    let doubts = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let counted = Arc::clone(&doubts);
    let network = Network::new(lane_of, move |control_id| {
        let mut random = random.lock().unwrap();
        let fate = match random.u8(..10) {
            0 => Fate::AnswerLost,
            1 | 2 => Fate::ServerError,
            _ => Fate::Acknowledged,
        };
        if fate == Fate::AnswerLost {
            *counted.lock().unwrap().entry(control_id.to_owned()).or_default() += 1;
        }
        (fate, Duration::from_micros(random.u64(..3_000)))
    });
    let rig = rig(directory.path(), &network, &format!(r#""concurrency":8,{RETRY}"#));
    for n in 0..25 {
        for lane in 0..8 {
            enqueue(&rig.outbox, lane, n);
        }
    }
    rig.ends.wait_for(200);
    assert!(network.overlaps().is_empty(), "seed {seed}");
    let taken = network.taken();
    assert_in_order(&taken, 25, &format!("seed {seed}"));
    let doubts = doubts.lock().unwrap();
    for (control_id, lost) in doubts.iter() {
        let arrivals = taken.iter().filter(|taken| *taken == control_id).count();
        assert_eq!(arrivals, lost + 1, "seed {seed}: {control_id} is repeated once per doubt");
    }
    assert_eq!(taken.len(), 200 + doubts.values().sum::<usize>(), "seed {seed}: nothing else is repeated");
    let marked = ListRequest {
        filter: MessageFilter { possible_duplicate: Some(true), ..MessageFilter::default() },
        limit: Some(1_000),
        ..ListRequest::default()
    };
    let marked = wait(|done| rig.outbox.list(marked, done)).unwrap().items;
    assert_eq!(marked.len(), doubts.len(), "seed {seed}: exactly the doubtful ones are marked");
    rig.outbox.stop(Duration::from_secs(5));
}

#[test]
fn an_outage_costs_no_attempt_and_is_over_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let until = Instant::now() + Duration::from_millis(1_500);
    let network = Network::new(lane_of, move |_| {
        (if Instant::now() < until { Fate::Unreachable } else { Fate::Acknowledged }, Duration::from_millis(1))
    });
    let rig = rig(directory.path(), &network, r#""concurrency":4,"retry":{"maxAttempts":1}"#);
    for n in 0..20 {
        enqueue(&rig.outbox, n % 5, n);
    }
    let health = loop {
        let health = wait(|done| rig.outbox.health(done)).unwrap();
        if health.status == HealthStatus::Degraded
            && health.problems.iter().any(|problem| problem.code == "destination")
        {
            break health;
        }
        assert!(Instant::now() < until, "the outage shows in health: {:?}", health.problems);
        std::thread::yield_now();
    };
    assert!(health.dispatcher.is_some());
    rig.ends.wait_for(20);
    assert_eq!(network.taken().len(), 20);
    let views = wait(|done| rig.outbox.list(ListRequest::default(), done)).unwrap().items;
    assert!(
        views.iter().all(|view| view.status == State::Acknowledged && view.attempts == 1 && !view.possible_duplicate)
    );
    rig.outbox.stop(Duration::from_secs(5));
}

#[test]
fn what_was_not_delivered_before_a_stop_is_delivered_after_the_next_start_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let slow = Network::new(lane_of, |_| (Fate::Acknowledged, Duration::from_millis(20)));
    let first = rig(directory.path(), &slow, r#""concurrency":2"#);
    for n in 0..10 {
        for lane in 0..4 {
            enqueue(&first.outbox, lane, n);
        }
    }
    first.ends.wait_for(5);
    // No patience: attempts in flight are cut, and their claims stay on disk.
    first.outbox.stop(Duration::ZERO);
    drop(first);
    let quick = Network::new(lane_of, |_| (Fate::Acknowledged, Duration::ZERO));
    let second = rig(directory.path(), &quick, r#""concurrency":2"#);
    let deadline = Instant::now() + Duration::from_secs(30);
    while wait(|done| second.outbox.stats(MessageFilter::default(), done)).unwrap().by_status[&State::Acknowledged] < 40
    {
        assert!(Instant::now() < deadline, "the rest is delivered");
        std::thread::yield_now();
    }
    let all: Vec<String> = slow.taken().into_iter().chain(quick.taken()).collect();
    assert_in_order(&all, 10, "");
    assert!(all.len() <= 42, "at most what was in flight is sent twice: {}", all.len());
    second.outbox.stop(Duration::from_secs(5));
}

#[test]
fn a_standby_takes_over_within_a_second_and_only_one_dispatches() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::new(lane_of, |_| (Fate::Acknowledged, Duration::ZERO));
    let leader = rig(directory.path(), &network, r#""concurrency":2"#);
    enqueue(&leader.outbox, 0, 0);
    leader.ends.wait_for(1);
    let standby = rig(directory.path(), &network, r#""concurrency":2"#);
    // Through the standby's own connections: the leader hears of it by the file's change counter.
    enqueue(&standby.outbox, 0, 1);
    leader.ends.wait_for(2);
    leader.outbox.stop(Duration::from_secs(5));
    let freed = Instant::now();
    enqueue(&standby.outbox, 0, 2);
    standby.ends.wait_for(1);
    assert!(freed.elapsed() < Duration::from_secs(1), "{:?}", freed.elapsed());
    assert_eq!(network.taken(), ["L0-0000", "L0-0001", "L0-0002"]);
    standby.outbox.stop(Duration::from_secs(5));
}

#[test]
fn a_rate_limit_paces_and_a_pause_holds_until_it_is_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::new(lane_of, |_| (Fate::Acknowledged, Duration::ZERO));
    let rig = rig(directory.path(), &network, r#""concurrency":8,"rateLimit":{"perSecond":50,"burst":1}"#);
    let by = || By { actor: String::from("tester"), reason: Some(String::from("planned maintenance")) };
    let order = |command| wait(|done| rig.outbox.command(command, by(), Arc::default(), done)).unwrap();
    order(Command::Pause { destination: String::from("test") });
    for lane in 0..11 {
        enqueue(&rig.outbox, lane, 0);
    }
    let health = wait(|done| rig.outbox.health(done)).unwrap();
    assert_eq!(health.destinations["test"].reason.as_deref(), Some("planned maintenance"));
    assert!(network.taken().is_empty());
    let resumed = Instant::now();
    order(Command::Resume { destination: String::from("test") });
    rig.ends.wait_for(11);
    assert!(
        resumed.elapsed() >= Duration::from_millis(195),
        "ten intervals of 20 ms after the token at hand: {:?}",
        resumed.elapsed()
    );
    rig.outbox.stop(Duration::from_secs(5));
}

#[test]
fn a_person_s_retry_sends_dead_letters_again_in_their_old_place() {
    let directory = tempfile::tempdir().unwrap();
    let refuse = Arc::new(AtomicBool::new(true));
    let refusing = Arc::clone(&refuse);
    let network = Network::new(lane_of, move |_| {
        (if refusing.load(Ordering::SeqCst) { Fate::Refused } else { Fate::Acknowledged }, Duration::ZERO)
    });
    let rig = rig(directory.path(), &network, r#""concurrency":4"#);
    for n in 0..6 {
        enqueue(&rig.outbox, n % 2, n);
    }
    rig.ends.wait_for(6);
    refuse.store(false, Ordering::SeqCst);
    let filter = MessageFilter { status: Some(OneOrMany::One(State::Failed)), ..MessageFilter::default() };
    let by = By { actor: String::from("tester"), reason: None };
    let changed =
        wait(|done| rig.outbox.command(Command::Retry { filter, allow_overtaken: false }, by, Arc::default(), done))
            .unwrap();
    assert_eq!(changed.count, 6);
    rig.ends.wait_for(12);
    assert_in_order(&network.taken(), 3, "");
    rig.outbox.stop(Duration::from_secs(5));
}
