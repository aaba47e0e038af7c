//! Who is to blame for a failure: the message, or its destination? A destination that is down, overloaded or wrongly set up
//! rests, and no message pays for it. A message that fails while others pass pays itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::acknowledgement::{Outcome, Row, Verdict};
use crate::status::DestinationState;

const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(60);
const MISCONFIGURED_PROBE: Duration = Duration::from_secs(15 * 60);
/// Failures in a row, with no acceptance between them, that speak against the destination …
const STREAK: usize = 5;
/// … when they come from so many lanes: one patient's messages alone prove nothing.
const STREAK_LANES: usize = 3;
/// What breaks a message that has begun to leave; every other code of `not-delivered` says that no connection came about.
const BEGUN: [&str; 3] = ["CONNECTION_LOST", "WRITE_TIMEOUT", "ANSWERED_EARLY"];
/// Messages in a row, from as many lanes, refused with one code: the set-up is wrong, not every message.
const REFUSALS: usize = 10;
/// Most failures and suspects that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// What is known of a destination's health.
#[derive(Debug, Default)]
pub struct Breaker {
    open: Option<Open>,
    /// Counted failures since the last acceptance.
    streak: Vec<Case>,
    /// Refusals in a row: their code, and the lanes they came from.
    refusals: (String, Vec<u128>),
    /// Acceptances so far.
    accepted: u64,
    /// Messages that made the destination rest, with the acceptances until then.
    suspects: HashMap<i64, u64>,
}

#[derive(Debug)]
struct Open {
    state: DestinationState,
    probes: u32,
    since: Instant,
    until: Instant,
}

/// An attempt that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The message.
    pub seq: i64,
    /// The attempt.
    pub attempt: u32,
    /// What tells its lane from others.
    pub lane: u128,
}

/// Who pays for a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// As the outcome says: a refusal and a fault are the message's, an outage the destination's.
    AsUsual,
    /// The destination: the attempt is given back.
    Destination,
    /// The message, although the outcome speaks against the destination: others pass.
    Message,
}

/// What an attempt changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Nothing that others need to know.
    No,
    /// The destination rests now, or for another reason than before.
    Rests(DestinationState),
    /// It works again, after so long.
    Works(Duration),
    /// So many refusals with one code that a person must look: the destination is to be paused.
    RefusesAll,
}

/// The judgement of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Who pays.
    pub blame: Blame,
    /// What it changed.
    pub turned: Turned,
    /// Earlier attempts that the destination is to blame for after all: they are given back.
    pub given_back: Vec<Case>,
}

impl Judgement {
    fn new(blame: Blame, turned: Turned) -> Self {
        Self { blame, turned, given_back: Vec::new() }
    }
}

impl Breaker {
    /// How many attempts may begin: all that are `wanted`, or a single probe once the rest is over.
    pub fn allows(&self, wanted: u32, in_flight: usize, now: Instant) -> u32 {
        match &self.open {
            None => wanted,
            Some(open) if now >= open.until && in_flight == 0 => wanted.min(1),
            Some(_) => 0,
        }
    }

    /// When the next probe may begin.
    pub fn until(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.until)
    }

    /// A person asked for a probe now.
    pub fn nudge(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            open.until = now;
        }
    }

    /// Judges an attempt and learns from it.
    pub fn judge(&mut self, case: Case, verdict: &Verdict, now: Instant) -> Judgement {
        match verdict.outcome {
            Outcome::Accepted => {
                self.accepted += 1;
                self.suspects.remove(&case.seq);
                self.streak.clear();
                self.refusals.1.clear();
                Judgement::new(Blame::AsUsual, self.close(now))
            }
            Outcome::Rejected => self.refused(case, verdict, now),
            Outcome::Retry | Outcome::Indeterminate => self.failed(case, now),
            Outcome::Unreachable if has_begun(verdict) => {
                self.rest_or_blame(case, DestinationState::BreakerOpen, None, now)
            }
            Outcome::Misconfigured if has_begun(verdict) => {
                self.rest_or_blame(case, DestinationState::Misconfigured, Some(MISCONFIGURED_PROBE), now)
            }
            Outcome::Unreachable => self.rest(DestinationState::BreakerOpen, None, now),
            Outcome::Misconfigured => self.rest(DestinationState::Misconfigured, Some(MISCONFIGURED_PROBE), now),
            Outcome::Throttled => {
                let turned = self.begin(DestinationState::Throttled, verdict.retry_after, now);
                self.spare(turned)
            }
        }
    }

    /// A refusal with an MSA comes from the receiver's application: the way there works. Without one it may be a gateway's.
    fn refused(&mut self, case: Case, verdict: &Verdict, now: Instant) -> Judgement {
        self.suspects.remove(&case.seq);
        let mut turned = Turned::No;
        if verdict.ack_code.is_some() {
            self.streak.clear();
            turned = self.close(now);
        } else if let Some(open) = &mut self.open {
            open.again(now, None);
        }
        if self.refusals.0 != verdict.code {
            self.refusals = (verdict.code.clone(), Vec::new());
        }
        self.refusals.1.push(case.lane);
        if self.refusals.1.len() >= REFUSALS && lanes(self.refusals.1.iter().copied()) >= STREAK_LANES {
            self.refusals.1.clear();
            turned = Turned::RefusesAll;
        }
        self.refusals.1.truncate(REMEMBERED_MAX);
        Judgement::new(Blame::AsUsual, turned)
    }

    fn failed(&mut self, case: Case, now: Instant) -> Judgement {
        if let Some(open) = &mut self.open {
            open.again(now, None);
            return Judgement::new(Blame::Destination, Turned::No);
        }
        if self.streak.len() + 1 >= STREAK
            && lanes(self.streak.iter().chain([&case]).map(|case| case.lane)) >= STREAK_LANES
        {
            let turned = self.begin(DestinationState::BreakerOpen, None, now);
            return self.spare(turned);
        }
        if self.streak.len() < REMEMBERED_MAX {
            self.streak.push(case);
        }
        Judgement::new(Blame::AsUsual, Turned::No)
    }

    /// The destination rests, unless this message made it rest before and others have passed since.
    fn rest_or_blame(
        &mut self,
        case: Case,
        state: DestinationState,
        delay: Option<Duration>,
        now: Instant,
    ) -> Judgement {
        let passed_since = self.suspects.get(&case.seq).is_some_and(|accepted| self.accepted > *accepted);
        if self.suspects.len() < REMEMBERED_MAX || self.suspects.contains_key(&case.seq) {
            self.suspects.insert(case.seq, self.accepted);
        }
        if passed_since && self.open.is_none() {
            return Judgement::new(Blame::Message, Turned::No);
        }
        self.rest(state, delay, now)
    }

    fn rest(&mut self, state: DestinationState, delay: Option<Duration>, now: Instant) -> Judgement {
        let turned = self.begin(state, delay, now);
        self.spare(turned)
    }

    /// The failures before belong to the same outage.
    fn spare(&mut self, turned: Turned) -> Judgement {
        Judgement { blame: Blame::Destination, turned, given_back: std::mem::take(&mut self.streak) }
    }

    fn close(&mut self, now: Instant) -> Turned {
        self.open.take().map_or(Turned::No, |open| Turned::Works(now.saturating_duration_since(open.since)))
    }

    fn begin(&mut self, state: DestinationState, delay: Option<Duration>, now: Instant) -> Turned {
        // Attempts that were already on their way when the rest began fail too; they must not lengthen it.
        if let Some(open) = self.open.as_mut().filter(|open| open.state == state && now < open.until) {
            if let Some(delay) = delay {
                open.until = open.until.max(now + delay);
            }
            return Turned::No;
        }
        let before = self.open.take();
        let same = before.as_ref().is_some_and(|open| open.state == state);
        let (probes, since) = before.map_or((0, now), |open| (open.probes, open.since));
        let mut open = Open { state, probes, since, until: now };
        open.again(now, delay);
        self.open = Some(open);
        if same { Turned::No } else { Turned::Rests(state) }
    }
}

impl Open {
    /// Sets the time of the next probe: as asked, or 1, 2, 4, … 60 s.
    fn again(&mut self, now: Instant, delay: Option<Duration>) {
        let grown = PROBE_FIRST.saturating_mul(1 << self.probes.min(6)).min(PROBE_MAX);
        self.probes = self.probes.saturating_add(1);
        self.until = now + delay.unwrap_or(grown);
    }
}

/// Whether the attempt came so far that the message can be to blame. No connection, or a refused certificate, proxy or token,
/// says nothing of a message that nobody has seen, however often it meets the same one: of two machines behind one name the
/// second may be the broken one.
fn has_begun(verdict: &Verdict) -> bool {
    match verdict.row {
        Row::CertificateRefused | Row::ProxyRefused | Row::TokenRefused => false,
        Row::NotDelivered => BEGUN.contains(&verdict.code.as_str()),
        _ => true,
    }
}

fn lanes(all: impl Iterator<Item = u128>) -> usize {
    all.collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acknowledgement::verdict_of as verdict;

    fn case(seq: i64) -> Case {
        Case { seq, attempt: 1, lane: u128::try_from(seq).unwrap() }
    }

    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { breaker: Breaker::default(), now: Instant::now() }
        }

        fn ends(&mut self, case: Case, outcome: Outcome) -> Judgement {
            self.breaker.judge(case, &verdict(outcome), self.now)
        }

        fn allows(&self) -> u32 {
            self.breaker.allows(4, 0, self.now)
        }
    }

    #[test]
    fn one_unreachable_attempt_opens_it_and_one_probe_at_a_time_goes_out_at_growing_intervals() {
        let mut bench = Bench::new();
        let began = bench.now;
        assert_eq!(bench.allows(), 4);
        let opened = bench.ends(case(1), Outcome::Unreachable);
        assert_eq!(opened.turned, Turned::Rests(DestinationState::BreakerOpen));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let until = bench.breaker.until().unwrap();
            waits.push((until - bench.now).as_secs());
            assert_eq!(bench.allows(), 0);
            bench.now = until;
            assert_eq!(bench.allows(), 1);
            assert_eq!(bench.breaker.allows(4, 1, bench.now), 0);
            assert_eq!(bench.ends(case(1), Outcome::Unreachable).turned, Turned::No);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let works = bench.ends(case(2), Outcome::Accepted);
        assert_eq!(works.turned, Turned::Works(bench.now - began));
        assert_eq!(bench.allows(), 4);
    }

    #[test]
    fn attempts_that_were_on_their_way_do_not_lengthen_the_rest() {
        let mut bench = Bench::new();
        bench.ends(case(1), Outcome::Unreachable);
        let until = bench.breaker.until();
        bench.ends(case(2), Outcome::Unreachable);
        assert_eq!(bench.breaker.until(), until);
    }

    #[test]
    fn retry_after_is_honoured_and_a_person_may_ask_for_a_probe_at_once() {
        let mut bench = Bench::new();
        let throttled = Verdict { retry_after: Some(Duration::from_secs(90)), ..verdict(Outcome::Throttled) };
        let judged = bench.breaker.judge(case(1), &throttled, bench.now);
        assert_eq!((judged.blame, judged.turned), (Blame::Destination, Turned::Rests(DestinationState::Throttled)));
        assert_eq!(bench.breaker.until(), Some(bench.now + Duration::from_secs(90)));
        bench.breaker.nudge(bench.now);
        assert_eq!(bench.allows(), 1);
    }

    #[test]
    fn five_failures_from_three_lanes_open_it_and_are_given_back() {
        let mut bench = Bench::new();
        for seq in [1, 2, 3, 1] {
            assert_eq!(bench.ends(case(seq), Outcome::Retry), Judgement::new(Blame::AsUsual, Turned::No));
        }
        let fifth = bench.ends(case(2), Outcome::Indeterminate);
        assert_eq!(fifth.blame, Blame::Destination);
        assert_eq!(fifth.turned, Turned::Rests(DestinationState::BreakerOpen));
        assert_eq!(fifth.given_back.iter().map(|case| case.seq).collect::<Vec<_>>(), [1, 2, 3, 1]);
        // What fails while it is open is never counted, and a gateway's answer does not close it.
        assert_eq!(bench.ends(case(3), Outcome::Retry).blame, Blame::Destination);
        assert_eq!(bench.ends(case(3), Outcome::Rejected).turned, Turned::No);
        assert_eq!(bench.allows(), 0);
        let refusal = Verdict { ack_code: Some(String::from("AE")), ..verdict(Outcome::Rejected) };
        let judged = bench.breaker.judge(case(4), &refusal, bench.now);
        assert_eq!(judged.turned, Turned::Works(Duration::ZERO), "the receiver's application refused it: it is there");
    }

    #[test]
    fn failures_of_two_lanes_or_with_an_acceptance_between_them_are_the_messages_own() {
        let mut bench = Bench::new();
        for n in 0..20 {
            assert_eq!(bench.ends(case(n % 2), Outcome::Retry).blame, Blame::AsUsual);
        }
        bench.ends(case(9), Outcome::Accepted);
        for n in 0..20 {
            assert_eq!(bench.ends(case(n), Outcome::Retry).blame, Blame::AsUsual);
            if n % 4 == 3 {
                bench.ends(case(99), Outcome::Accepted);
            }
        }
    }

    #[test]
    fn a_message_that_fails_while_others_pass_pays_itself() {
        for (outcome, row, code) in [
            (Outcome::Misconfigured, Row::Http403, "HTTP_403"),
            (Outcome::Unreachable, Row::NotDelivered, "CONNECTION_LOST"),
        ] {
            let mut bench = Bench::new();
            let failure = Verdict { row, code: code.to_owned(), ..verdict(outcome) };
            let fails = |bench: &mut Bench, seq| bench.breaker.judge(case(seq), &failure, bench.now);
            assert_eq!(fails(&mut bench, 1).blame, Blame::Destination);
            bench.now = bench.breaker.until().unwrap();
            assert_eq!(fails(&mut bench, 1).blame, Blame::Destination, "nobody has passed yet");
            assert!(matches!(bench.ends(case(2), Outcome::Accepted).turned, Turned::Works(_)));
            assert_eq!(fails(&mut bench, 1), Judgement::new(Blame::Message, Turned::No));
            assert_eq!(bench.allows(), 4, "the others go on");
            assert_eq!(fails(&mut bench, 3).blame, Blame::Destination, "another one is not a suspect yet");
        }
    }

    #[test]
    fn a_message_that_never_began_to_leave_is_not_to_blame_however_often_others_pass() {
        for (outcome, row, code) in [
            (Outcome::Misconfigured, Row::CertificateRefused, "SERVER_CERTIFICATE_REFUSED"),
            (Outcome::Misconfigured, Row::ProxyRefused, "PROXY_REFUSED"),
            (Outcome::Misconfigured, Row::TokenRefused, "TOKEN_REFUSED"),
            (Outcome::Unreachable, Row::NotDelivered, "CONNECT_REFUSED"),
        ] {
            let mut bench = Bench::new();
            let failure = Verdict { row, code: code.to_owned(), ..verdict(outcome) };
            for _ in 0..20 {
                assert_eq!(bench.breaker.judge(case(1), &failure, bench.now).blame, Blame::Destination, "{code}");
                assert!(matches!(bench.ends(case(2), Outcome::Accepted).turned, Turned::Works(_)));
            }
        }
    }

    #[test]
    fn a_wrong_set_up_is_probed_every_quarter_of_an_hour() {
        let mut bench = Bench::new();
        let judged = bench.ends(case(1), Outcome::Misconfigured);
        assert_eq!(judged.turned, Turned::Rests(DestinationState::Misconfigured));
        assert_eq!(bench.breaker.until(), Some(bench.now + Duration::from_secs(900)));
    }

    #[test]
    fn ten_refusals_in_a_row_with_one_code_from_three_lanes_ask_for_a_person() {
        let mut bench = Bench::new();
        for seq in 0..9 {
            assert_eq!(bench.ends(case(seq), Outcome::Rejected).turned, Turned::No);
        }
        bench.ends(case(9), Outcome::Accepted);
        for seq in 0..9 {
            assert_eq!(bench.ends(case(seq), Outcome::Rejected).turned, Turned::No);
        }
        let other = Verdict { code: String::from("OTHER"), ..verdict(Outcome::Rejected) };
        assert_eq!(bench.breaker.judge(case(10), &other, bench.now).turned, Turned::No);
        for seq in 0..9 {
            assert_eq!(bench.ends(case(seq % 2), Outcome::Rejected).turned, Turned::No, "two lanes only");
        }
        assert_eq!(bench.ends(case(7), Outcome::Rejected).turned, Turned::RefusesAll);
        assert_eq!(bench.ends(case(8), Outcome::Rejected).turned, Turned::No, "it counts anew");
    }
}
