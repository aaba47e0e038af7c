//! A receiver that is down for a day, which is long against the six hours of the retry schedule.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use outbox_core::state::State;
use outbox_core::status::ListRequest;
use outbox_core::store::wait;
use outbox_testing::network::{Fate, Network};

use crate::world::{World, changes, control_id, count, enqueue, first_taken, lane_of};

const LANES: usize = 250;
const EACH: usize = 40;
const ALL: usize = LANES * EACH;
const DAY: Duration = Duration::from_secs(24 * 3_600);
const CONCURRENCY: usize = 32;
/// Failures in a row that open the breaker.
const FAILURES: usize = 5;
const PER_SECOND: f64 = 200.0;
const BURST: f64 = 20.0;

#[test]
fn a_receiver_that_is_not_reached_for_a_day_costs_nothing() {
    a_day_without(|_| (Fate::Unreachable, Duration::from_millis(5)));
}

#[test]
fn a_receiver_that_fails_or_keeps_silent_for_a_day_costs_nothing() {
    a_day_without(|n| {
        if n % 2 == 0 { (Fate::ServerError, Duration::from_millis(50)) } else { (Fate::Lost, Duration::from_secs(30)) }
    });
}

/// `fate` tells what becomes of the n-th attempt while the receiver is down.
fn a_day_without(fate: impl Fn(usize) -> (Fate, Duration) + Send + Sync + 'static) {
    let world = World::new();
    let time = world.time.clone();
    let up_again = Arc::new(OnceLock::<Duration>::new());
    let (until, attempts) = (Arc::clone(&up_again), AtomicUsize::new(0));
    let network = Network::new(lane_of, move |_| {
        if until.get().is_some_and(|until| time.elapsed() >= *until) {
            (Fate::Acknowledged, Duration::from_millis(100))
        } else {
            fate(attempts.fetch_add(1, Ordering::SeqCst))
        }
    });
    let rate = format!(r#""rateLimit":{{"perSecond":{PER_SECOND},"burst":{BURST}}}"#);
    let outbox = world.open(&network, &format!(r#""concurrency":{CONCURRENCY},{rate}"#));
    for n in 0..EACH {
        let call: Vec<String> = (0..LANES).map(|lane| control_id(lane, n)).collect();
        enqueue(&outbox, &call);
    }
    up_again.set(world.time.elapsed() + DAY).unwrap();
    world.wait_until(&outbox, "after the outage", |stats| count(stats, State::Acknowledged) == ALL as u64);

    let up_again = *up_again.get().unwrap();
    assert!(changes(&outbox).iter().all(|change| change.to != State::Failed), "none became a dead letter");
    assert_no_attempt_was_spent(&outbox);
    assert_in_order(&network);
    assert_one_probe_at_a_time(&world, &network, up_again);
    assert_drained_at_the_rate(&world, &network, up_again);
    outbox.stop(Duration::from_secs(5));
}

fn assert_no_attempt_was_spent(outbox: &outbox_core::outbox::Outbox) {
    let mut cursor = None;
    loop {
        let request = ListRequest { cursor, limit: Some(1_000), ..ListRequest::default() };
        let page = wait(|done| outbox.list(request, done)).unwrap();
        for view in page.items {
            assert_eq!(view.attempts, 1, "of {} only the one that was accepted counts", view.control_id);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return;
        }
    }
}

fn assert_in_order(network: &Network) {
    let taken = network.taken();
    assert_eq!(taken.len(), ALL, "everything arrived once");
    assert!(network.overlaps().is_empty());
    for (lane, first) in first_taken(&taken) {
        assert_eq!(first.len(), EACH);
        assert!(first.values().is_sorted(), "{lane} in its order");
    }
}

/// Until the breaker has opened, as many as may; from then on one at a time, 1 s to a minute after the one before has ended.
fn assert_one_probe_at_a_time(world: &World, network: &Network, up_again: Duration) {
    let begun = network.begun();
    let during: Vec<_> = begun.iter().filter(|begun| world.time.since_began(begun.at) < up_again).collect();
    let apart = |n: usize| during[n].at - during[n - 1].at;
    let is_probe = |n: usize| n > 0 && during[n].others == 0 && apart(n) >= Duration::from_secs(1);
    let first = (0..during.len()).rposition(|n| !is_probe(n)).map_or(0, |n| n + 1);
    assert!(first < CONCURRENCY + FAILURES, "{first} attempts before there was one at a time");
    let probes = during.len() - first;
    // One that ends in silence takes half a minute itself.
    let minutes = usize::try_from(up_again.as_secs() / 60).unwrap();
    assert!((minutes * 2 / 3 - 10..minutes + 20).contains(&probes), "{probes} probes in {minutes} minutes");
    assert!((first + 1..during.len()).all(|n| apart(n) <= Duration::from_secs(91)));
}

fn assert_drained_at_the_rate(world: &World, network: &Network, up_again: Duration) {
    let begun: Vec<Duration> = network.begun().iter().map(|begun| world.time.since_began(begun.at)).collect();
    let begun: Vec<f64> = begun.iter().filter(|at| **at >= up_again).map(Duration::as_secs_f64).collect();
    for (n, from) in begun.iter().enumerate() {
        for (later, to) in begun.iter().enumerate().skip(n + 1).step_by(97) {
            #[expect(clippy::cast_precision_loss, reason = "ten thousand at most")]
            let sent = (later - n + 1) as f64;
            let allowed = (to - from).mul_add(PER_SECOND, BURST) + 1.0;
            assert!(sent <= allowed, "{sent} in {} s", to - from);
        }
    }
    let took = begun.last().unwrap() - begun.first().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "ten thousand")]
    let shortest = ALL as f64 / PER_SECOND;
    // A commit takes no time of this world, but what is under way goes on meanwhile.
    assert!(took <= shortest * 1.5, "the rate was there to be used: {took} s instead of {shortest}");
}
