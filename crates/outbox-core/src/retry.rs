//! What follows from an attempt: pure functions from counters and a verdict to the message's next step.

use std::time::Duration;

use crate::acknowledgement::{Outcome, Verdict};
use crate::clock::Timestamp;
use crate::dispatch::breaker::Blame;

/// When to try again, and when to give up.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The delay before the second attempt, the third, …; the last one repeats.
    pub schedule: Vec<Duration>,
    /// The share of a delay that chance may add.
    pub jitter: f64,
    /// Counted attempts before a message becomes a dead letter.
    pub attempts_max: u32,
    /// Attempts with an unknown end before a message becomes a dead letter.
    pub indeterminate_max: u32,
    /// How long a message may wait that says nothing itself; `None` for ever.
    pub expires: Option<Duration>,
}

impl Default for RetryPolicy {
    /// 30 s, 1, 2, 5, 10, 30 min, 1 h, then hourly; 12 attempts, so about six hours.
    fn default() -> Self {
        let seconds = [30, 60, 120, 300, 600, 1_800, 3_600];
        Self {
            schedule: seconds.into_iter().map(Duration::from_secs).collect(),
            jitter: 0.2,
            attempts_max: 12,
            indeterminate_max: 10,
            expires: None,
        }
    }
}

impl RetryPolicy {
    /// The delay after `attempts` counted attempts (1 or more), with `chance` between 0 and 1.
    ///
    /// Without jitter the default curve is 30, 60, 120, 300, 600, 1 800, 3 600, 3 600, … seconds; chance adds at most a
    /// fifth, so the longest wait is 4 320 s.
    pub fn delay(&self, attempts: u32, chance: f64) -> Duration {
        let step = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let base = self.schedule.get(step).or(self.schedule.last()).copied().unwrap_or(Duration::from_secs(30));
        base.mul_f64(1.0 + self.jitter * chance.clamp(0.0, 1.0))
    }
}

/// What a message has been through, this attempt not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Counted attempts.
    pub attempts: u32,
    /// Attempts whose end is unknown.
    pub indeterminates: u32,
    /// The message's own limit of counted attempts.
    pub attempts_max: Option<u32>,
}

/// Why a message became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The receiver refused it for good.
    Rejected,
    /// Its attempts are spent.
    Exhausted,
    /// Its fate stayed unknown too often.
    Indeterminate,
    /// It waited longer than it may.
    Expired,
    /// Its record cannot be read.
    Unreadable,
}

impl Reason {
    /// The word of `failure.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Indeterminate => "indeterminate",
            Self::Expired => "expired",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The next step of a message after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The receiver has it; `acknowledged` by HL7, or at transport level only.
    Deliver {
        /// ACKNOWLEDGED rather than SENT.
        acknowledged: bool,
    },
    /// It stays PENDING, first of its lane.
    Again {
        /// When it is due.
        due: Timestamp,
        /// The delay that led there, so that a clock jump can be mended.
        delay: Duration,
    },
    /// It becomes a dead letter.
    Fail(Reason),
}

/// Decides the next step, and whether the attempt counts.
///
/// An attempt that the destination is to blame for is given back: an outage costs no message its attempts. The destination
/// rests instead (see `dispatch::breaker`), so the message itself is due at once. With [`Blame::Message`] others pass while
/// this one fails: what would speak against the destination counts against the message.
pub fn decide(
    policy: &RetryPolicy,
    progress: Progress,
    verdict: &Verdict,
    blame: Blame,
    now: Timestamp,
    chance: f64,
) -> (Next, bool) {
    let attempts = progress.attempts + 1;
    let attempts_max = progress.attempts_max.unwrap_or(policy.attempts_max);
    let again = |reason: Reason| {
        if attempts >= attempts_max {
            return Next::Fail(reason);
        }
        let delay = policy.delay(attempts, chance);
        Next::Again { due: now.plus(delay), delay }
    };
    match (verdict.outcome, blame) {
        (Outcome::Accepted, _) => (Next::Deliver { acknowledged: verdict.acknowledged }, true),
        (Outcome::Rejected, _) | (Outcome::Misconfigured, Blame::Message) => (Next::Fail(Reason::Rejected), true),
        (Outcome::Retry | Outcome::Indeterminate, Blame::Destination)
        | (Outcome::Unreachable | Outcome::Misconfigured, Blame::AsUsual | Blame::Destination)
        | (Outcome::Throttled, _) => (Next::Again { due: now, delay: Duration::ZERO }, false),
        (Outcome::Retry, _) | (Outcome::Unreachable, Blame::Message) => (again(Reason::Exhausted), true),
        (Outcome::Indeterminate, _) if progress.indeterminates + 1 >= policy.indeterminate_max => {
            (Next::Fail(Reason::Indeterminate), true)
        }
        (Outcome::Indeterminate, _) => (again(Reason::Indeterminate), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acknowledgement::verdict_of as verdict;

    #[test]
    fn the_default_curve_in_seconds() {
        let policy = RetryPolicy::default();
        let curve: Vec<u64> = (1..=9).map(|n| policy.delay(n, 0.0).as_secs()).collect();
        assert_eq!(curve, [30, 60, 120, 300, 600, 1_800, 3_600, 3_600, 3_600]);
        assert_eq!(policy.delay(u32::MAX, 1.0).as_secs(), 4_320);
        let hours: f64 = (1..policy.attempts_max).map(|n| policy.delay(n, 0.0).as_secs_f64()).sum::<f64>() / 3_600.0;
        assert!((5.5..6.5).contains(&hours), "{hours}");
    }

    #[test]
    fn an_outage_costs_no_attempt() {
        let policy = RetryPolicy::default();
        let spent = Progress { attempts: 11, ..Progress::default() };
        for outcome in [Outcome::Unreachable, Outcome::Throttled, Outcome::Misconfigured] {
            let (next, counted) = decide(&policy, spent, &verdict(outcome), Blame::AsUsual, Timestamp(7), 0.5);
            assert_eq!((next, counted), (Next::Again { due: Timestamp(7), delay: Duration::ZERO }, false));
        }
    }

    #[test]
    fn blame_turns_the_usual_around() {
        let policy = RetryPolicy::default();
        let last = Progress { attempts: 11, indeterminates: 9, ..Progress::default() };
        let decided = |outcome, blame| decide(&policy, last, &verdict(outcome), blame, Timestamp(7), 0.0);
        for outcome in [Outcome::Retry, Outcome::Indeterminate] {
            let again = Next::Again { due: Timestamp(7), delay: Duration::ZERO };
            assert_eq!(decided(outcome, Blame::Destination), (again, false));
        }
        assert_eq!(decided(Outcome::Misconfigured, Blame::Message), (Next::Fail(Reason::Rejected), true));
        assert_eq!(decided(Outcome::Unreachable, Blame::Message), (Next::Fail(Reason::Exhausted), true));
    }

    #[test]
    fn the_last_attempt_makes_a_dead_letter_and_the_message_own_limit_wins() {
        let policy = RetryPolicy::default();
        let last = Progress { attempts: 11, ..Progress::default() };
        assert_eq!(
            decide(&policy, last, &verdict(Outcome::Retry), Blame::AsUsual, Timestamp(0), 0.0).0,
            Next::Fail(Reason::Exhausted)
        );
        let own = Progress { attempts: 2, attempts_max: Some(3), ..Progress::default() };
        assert_eq!(
            decide(&policy, own, &verdict(Outcome::Retry), Blame::AsUsual, Timestamp(0), 0.0).0,
            Next::Fail(Reason::Exhausted)
        );
        let unknown = Progress { indeterminates: 9, attempts: 9, ..Progress::default() };
        assert_eq!(
            decide(&policy, unknown, &verdict(Outcome::Indeterminate), Blame::AsUsual, Timestamp(0), 0.0).0,
            Next::Fail(Reason::Indeterminate)
        );
    }

    #[test]
    fn a_refusal_is_a_dead_letter_at_once() {
        let (next, counted) = decide(
            &RetryPolicy::default(),
            Progress::default(),
            &verdict(Outcome::Rejected),
            Blame::AsUsual,
            Timestamp(0),
            0.0,
        );
        assert_eq!((next, counted), (Next::Fail(Reason::Rejected), true));
    }
}
