//! When a whole destination rests: it is down, overloaded or wrongly set up, and no message is to blame.

use std::time::Duration;

use tokio::time::Instant;

use crate::acknowledgement::{Outcome, Verdict};
use crate::status::DestinationState;

const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(60);
const MISCONFIGURED_PROBE: Duration = Duration::from_secs(15 * 60);

/// Whether a destination rests, and until when.
#[derive(Debug, Default)]
pub struct Rest {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    state: DestinationState,
    probes: u32,
    until: Instant,
}

/// What an attempt changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Nothing that others need to know.
    No,
    /// The destination rests now, or for another reason than before.
    Rests(DestinationState),
    /// It works again.
    Works,
}

impl Rest {
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

    /// Learns from an attempt. An acceptance, or a refusal or fault that the receiver's application itself answered,
    /// proves that the way there works; an unknown end proves nothing either way.
    pub fn learn(&mut self, verdict: &Verdict, now: Instant) -> Turned {
        match verdict.outcome {
            Outcome::Accepted | Outcome::Rejected | Outcome::Retry => match self.open.take() {
                Some(_) => Turned::Works,
                None => Turned::No,
            },
            Outcome::Indeterminate => {
                if let Some(open) = &mut self.open {
                    open.again(now, None);
                }
                Turned::No
            }
            Outcome::Unreachable => self.begin(DestinationState::BreakerOpen, None, now),
            Outcome::Throttled => self.begin(DestinationState::Throttled, verdict.retry_after, now),
            Outcome::Misconfigured => self.begin(DestinationState::Misconfigured, Some(MISCONFIGURED_PROBE), now),
        }
    }

    fn begin(&mut self, state: DestinationState, delay: Option<Duration>, now: Instant) -> Turned {
        let same = self.open.as_ref().is_some_and(|open| open.state == state);
        // Attempts that were already on their way when the rest began fail too; they must not lengthen it.
        if let Some(open) = self.open.as_mut().filter(|open| open.state == state && now < open.until) {
            if let Some(delay) = delay {
                open.until = open.until.max(now + delay);
            }
            return Turned::No;
        }
        let probes = self.open.as_ref().map_or(0, |open| open.probes);
        let mut open = Open { state, probes, until: now };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acknowledgement::verdict_of as verdict;

    #[test]
    fn one_unreachable_attempt_opens_it_and_one_probe_at_a_time_goes_out_at_growing_intervals() {
        let (mut rest, mut now) = (Rest::default(), Instant::now());
        assert_eq!(rest.allows(4, 0, now), 4);
        assert_eq!(rest.learn(&verdict(Outcome::Unreachable), now), Turned::Rests(DestinationState::BreakerOpen));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let until = rest.until().unwrap();
            waits.push((until - now).as_secs());
            assert_eq!(rest.allows(4, 0, now), 0);
            now = until;
            assert_eq!(rest.allows(4, 0, now), 1);
            assert_eq!(rest.allows(4, 1, now), 0);
            assert_eq!(rest.learn(&verdict(Outcome::Unreachable), now), Turned::No);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(rest.learn(&verdict(Outcome::Accepted), now), Turned::Works);
        assert_eq!(rest.allows(4, 0, now), 4);
    }

    #[test]
    fn attempts_that_were_on_their_way_do_not_lengthen_the_rest() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        rest.learn(&verdict(Outcome::Unreachable), now);
        let until = rest.until();
        rest.learn(&verdict(Outcome::Unreachable), now);
        assert_eq!(rest.until(), until);
    }

    #[test]
    fn retry_after_is_honoured_and_a_person_may_ask_for_a_probe_at_once() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        let throttled = Verdict { retry_after: Some(Duration::from_secs(90)), ..verdict(Outcome::Throttled) };
        assert_eq!(rest.learn(&throttled, now), Turned::Rests(DestinationState::Throttled));
        assert_eq!(rest.until(), Some(now + Duration::from_secs(90)));
        rest.nudge(now);
        assert_eq!(rest.allows(4, 0, now), 1);
    }

    #[test]
    fn a_wrong_set_up_is_probed_every_quarter_of_an_hour() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        assert_eq!(rest.learn(&verdict(Outcome::Misconfigured), now), Turned::Rests(DestinationState::Misconfigured));
        assert_eq!(rest.until(), Some(now + Duration::from_secs(900)));
    }
}
