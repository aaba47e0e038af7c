//! Random answers, outages, clocks, restarts and orders of persons; what the receiver sees is what was promised.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use outbox_core::acknowledgement::Outcome;
use outbox_core::event::StatusChange;
use outbox_core::message::MessageId;
use outbox_core::outbox::Outbox;
use outbox_core::state::State;
use outbox_core::status::{AttemptView, MessageFilter, OneOrMany};
use outbox_core::store::{Command, MessageRef, wait};
use outbox_testing::histories::seeds::{again, seeds};
use outbox_testing::network::{Fate, Network};
use outbox_testing::subject::by_ids;

use crate::world::{World, changes, control_id, count, enqueue, first_taken, lane_of, order};

const LANES: usize = 6;
const CONCURRENCY: usize = 4;

#[test]
fn in_any_weather_the_receiver_sees_what_was_promised() {
    for seed in seeds(40) {
        let ran = std::panic::catch_unwind(|| Story::new(seed).run());
        assert!(ran.is_ok(), "seed {seed} failed (see above); {}", again(seed));
    }
}

/// What the receiver does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Fair,
    /// Most attempts fail, each in its own way.
    Moody,
    /// Nobody reaches it.
    Away,
    /// Every attempt fails on its side, or brings no answer.
    Broken,
}

struct Story {
    seed: u64,
    random: Rng,
    world: World,
    network: Arc<Network>,
    mood: Arc<Mutex<Mood>>,
    outages: usize,
    restarts: usize,
    /// Messages of each lane so far.
    sent: [usize; LANES],
    resent: HashSet<MessageId>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mood = Arc::new(Mutex::new(Mood::Fair));
        let (present, sends) = (Arc::clone(&mood), Mutex::new(BTreeMap::<String, u64>::new()));
        let network = Network::new(lane_of, move |control_id| {
            let mut sends = sends.lock().unwrap();
            let n = sends.entry(control_id.to_owned()).or_default();
            *n += 1;
            // Of the message and the attempt, not of the moment: threads take turns as they like.
            let mut random = Rng::with_seed(seed ^ fnv(control_id) ^ *n << 40);
            (fate(*present.lock().unwrap(), &mut random, control_id, *n), Duration::from_millis(random.u64(0..200)))
        });
        Self {
            seed,
            random: Rng::with_seed(seed),
            world: World::new(),
            network,
            mood,
            outages: 0,
            restarts: 0,
            sent: [0; LANES],
            resent: HashSet::new(),
        }
    }

    fn open(&self) -> Outbox {
        self.world.open(&self.network, &format!(r#""concurrency":{CONCURRENCY}"#))
    }

    fn run(mut self) {
        let mut outbox = self.open();
        for _ in 0..30 {
            match self.random.u8(..21) {
                0..8 => self.enqueue(&outbox),
                8..11 => self.change_mood(),
                11..16 => self.order(&outbox),
                16..18 => self.let_some_be_delivered(&outbox),
                18 => self.world.time.jump(self.random.i64(-100_000_000..100_000_000)),
                _ => {
                    // No patience: what is in flight is cut short.
                    outbox.stop(Duration::from_millis(self.random.u64(..2) * 500));
                    drop(outbox);
                    self.restarts += 1;
                    outbox = self.open();
                }
            }
        }
        self.come_to_an_end(&outbox);
        self.check(&outbox);
        outbox.stop(Duration::from_secs(5));
    }

    fn enqueue(&mut self, outbox: &Outbox) {
        let call: Vec<String> = (0..self.random.usize(1..12))
            .map(|_| {
                let lane = self.random.usize(..LANES);
                self.sent[lane] += 1;
                control_id(lane, self.sent[lane])
            })
            .collect();
        enqueue(outbox, &call);
    }

    fn change_mood(&mut self) {
        let mood = *self.random.choice(&[Mood::Fair, Mood::Moody, Mood::Away, Mood::Broken]).unwrap();
        self.outages += usize::from(mood == Mood::Away);
        *self.mood.lock().unwrap() = mood;
    }

    /// Waits for an event of the outbox's own, when there is sure to be one.
    fn let_some_be_delivered(&mut self, outbox: &Outbox) {
        *self.mood.lock().unwrap() = Mood::Fair;
        let waiting = |stats: &outbox_core::status::Stats| count(stats, State::Pending);
        let now = wait(|done| outbox.stats(MessageFilter::default(), done)).unwrap();
        let most = waiting(&now) / 2;
        order(outbox, Command::Resume { destination: String::from("test") });
        self.world.wait_until(outbox, &format!("seed {}", self.seed), |stats| waiting(stats) <= most);
    }

    fn order(&mut self, outbox: &Outbox) {
        let ids: Vec<MessageId> =
            changes(outbox).into_iter().filter(|change| change.from.is_none()).map(|change| change.id).collect();
        let Some(id) = self.random.choice(&ids).copied() else { return };
        let (filter, allow_overtaken) = (by_ids(&[id]), self.random.bool());
        let destination = String::from("test");
        let command = match self.random.u8(..8) {
            0 => Command::Cancel { filter },
            1 => Command::Hold { filter },
            2 | 3 => Command::Release { filter: all(State::Held), allow_overtaken },
            4 => Command::Retry { filter: all(State::Failed), allow_overtaken },
            5 => Command::Resend { filter, allow_overtaken },
            6 => Command::Pause { destination },
            _ => Command::Resume { destination },
        };
        let resends = matches!(command, Command::Resend { .. });
        let changed = order(outbox, command);
        if resends {
            self.resent.extend(changed.changed);
        }
    }

    /// The sun shines, and persons clear up.
    fn come_to_an_end(&mut self, outbox: &Outbox) {
        *self.mood.lock().unwrap() = Mood::Fair;
        order(outbox, Command::Resume { destination: String::from("test") });
        order(outbox, Command::Release { filter: all(State::Held), allow_overtaken: true });
        let context = format!("seed {}", self.seed);
        self.world.wait_until(outbox, &context, |stats| count(stats, State::Pending) == 0);
    }

    fn check(&self, outbox: &Outbox) {
        let seed = self.seed;
        let lines = changes(outbox);
        let taken = self.network.taken();
        assert!(self.network.overlaps().is_empty(), "seed {seed}: one message of a lane at a time");
        self.check_order(&lines, &taken);
        let begun = self.network.begun();
        for line in lines.iter().filter(|line| line.from.is_none()) {
            let context = format!("seed {seed}: {}", line.control_id);
            let view = wait(|done| outbox.message(MessageRef::Id(line.id), done)).unwrap().unwrap();
            let attempts = wait(|done| outbox.attempts(line.id, done)).unwrap();
            let arrivals = taken.iter().filter(|taken| **taken == line.control_id).count();
            let sends = begun.iter().filter(|begun| begun.control_id == line.control_id).count();
            let of = |outcome| attempts.iter().filter(|attempt| attempt.outcome == Some(outcome)).count();
            let (accepted, doubts) = (of(Outcome::Accepted), of(Outcome::Indeterminate));
            assert!(sends <= attempts.len(), "{context}: a claim is on disk before the first byte leaves");
            assert!(arrivals >= accepted && arrivals <= accepted + doubts, "{context}: {arrivals} arrivals");
            assert!(accepted <= 1 || self.resent.contains(&line.id), "{context}: sent again after it was accepted");
            assert!(arrivals <= 1 || view.possible_duplicate, "{context}: arrived twice, and is not marked");
            let expected = [State::Acknowledged, State::Cancelled, State::Failed];
            assert!(expected.contains(&view.status), "{context}: {:?}", view.status);
            if view.status == State::Acknowledged {
                assert!(arrivals >= 1, "{context} never arrived");
            }
            self.check_costs(&attempts, &context);
        }
        self.check_probes();
    }

    /// Messages that nobody took out of their lane arrive in the order in which they were stored.
    fn check_order(&self, lines: &[StatusChange], taken: &[String]) {
        let out = |state| matches!(state, State::Held | State::Cancelled | State::Failed);
        let taken_out: BTreeSet<&str> =
            lines.iter().filter(|line| out(line.to)).map(|line| line.control_id.as_str()).collect();
        for (lane, first) in first_taken(taken) {
            let stayed = first.iter().filter(|(control_id, _)| !taken_out.contains(control_id.as_str()));
            assert!(stayed.map(|(_, n)| n).is_sorted(), "seed {}: {lane}: {first:?}", self.seed);
        }
    }

    /// An outage costs no attempt; a message may be blamed for one only when others passed after it was suspected.
    fn check_costs(&self, attempts: &[AttemptView], context: &str) {
        let counted = |outcome| attempts.iter().filter(|one| one.outcome == Some(outcome) && one.counted).count();
        let unreachable = counted(Outcome::Unreachable);
        assert!(unreachable < self.outages.max(1), "{context}: {unreachable} of {} outages", self.outages);
        assert_eq!(counted(Outcome::Throttled), 0, "{context}");
    }

    /// While nobody is reached one attempt at a time goes out, but for those that left before that was known.
    fn check_probes(&self) {
        let begun = self.network.begun();
        let crowded = begun.iter().filter(|begun| begun.fate == Fate::Unreachable && begun.others > 0).count();
        let most = CONCURRENCY * (self.outages + self.restarts);
        assert!(crowded <= most, "seed {}: {crowded} attempts beside others during outages", self.seed);
    }
}

fn all(state: State) -> MessageFilter {
    MessageFilter { status: Some(OneOrMany::One(state)), ..MessageFilter::default() }
}

fn fate(mood: Mood, random: &mut Rng, control_id: &str, n: u64) -> Fate {
    // A few are refused, whatever the weather, until a person has looked twice.
    if fnv(control_id).is_multiple_of(23) && n <= 2 && mood != Mood::Away {
        return Fate::Refused;
    }
    match (mood, random.u8(..10)) {
        (Mood::Fair, 0) | (Mood::Moody, 0..2) => Fate::AnswerLost,
        (Mood::Moody, 2..4) | (Mood::Broken, 0..5) => Fate::ServerError,
        (Mood::Moody, 4) | (Mood::Broken, _) => Fate::Lost,
        (Mood::Moody, 5) => Fate::Throttled,
        (Mood::Fair | Mood::Moody, _) => Fate::Acknowledged,
        (Mood::Away, _) => Fate::Unreachable,
    }
}

/// A number made of a name.
fn fnv(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
