//! When the receiver is away: windows on a time line that starts when the behaviour takes effect.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::BehaviourError;

/// One window, or one that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outage {
    /// How it shows.
    #[serde(default)]
    pub kind: OutageKind,
    /// When it begins.
    #[serde(default)]
    pub after_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// From one beginning to the next; none, it comes once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
}

/// How an outage shows to the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutageKind {
    /// The listener is really closed and its connections are cut with RST: new ones are refused.
    #[default]
    Refuse,
    /// Messages are read, not kept, and answered with 503; over MLLP the connection is closed.
    Unavailable,
    /// Connections are accepted, and closed when a message comes.
    Drop,
}

impl Outage {
    pub(crate) fn check(&self, outage: usize) -> Result<(), BehaviourError> {
        match self.every_ms {
            Some(every_ms) if every_ms <= self.for_ms => {
                Err(BehaviourError::OutageNeverEnds { outage, for_ms: self.for_ms, every_ms })
            }
            _ => Ok(()),
        }
    }

    /// Where on its time line this outage stands.
    fn phase(&self, elapsed: Duration) -> Phase {
        let (after, lasts) = (Duration::from_millis(self.after_ms), Duration::from_millis(self.for_ms));
        let Some(since) = elapsed.checked_sub(after) else {
            return Phase { active: false, changes_at: Some(after) };
        };
        // How far into its round the outage is; without `everyMs` there is one round, and it lasts for ever.
        let every = self.every_ms.map(|every_ms| Duration::from_millis(every_ms.max(1)));
        let into = every.map_or(since, |every| rest(since, every));
        let begun = elapsed.saturating_sub(into);
        if into < lasts {
            return Phase { active: true, changes_at: Some(begun.saturating_add(lasts)) };
        }
        Phase { active: false, changes_at: every.map(|every| begun.saturating_add(every)) }
    }
}

/// What remains of `time` after whole rounds.
fn rest(time: Duration, round: Duration) -> Duration {
    let nanos = time.as_nanos() % round.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Whether it is the time of an outage, and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) active: bool,
    pub(crate) changes_at: Option<Duration>,
}

/// Whether any outage of this kind is on; `changes_at` is the next moment at which the answer may differ.
pub(crate) fn phase_of(outages: &[Outage], kind: OutageKind, elapsed: Duration) -> Phase {
    let phases = outages.iter().filter(|outage| outage.kind == kind).map(|outage| outage.phase(elapsed));
    phases.fold(Phase { active: false, changes_at: None }, |all, one| Phase {
        active: all.active || one.active,
        changes_at: [all.changes_at, one.changes_at].into_iter().flatten().min(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Outage, OutageKind, Phase, phase_of};
    use std::time::Duration;

    fn at(outages: &[Outage], ms: u64) -> (bool, Option<u64>) {
        let Phase { active, changes_at } = phase_of(outages, OutageKind::Refuse, Duration::from_millis(ms));
        (active, changes_at.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX)))
    }

    #[test]
    fn an_outage_comes_once_or_again_and_overlapping_ones_add_up() {
        let once = Outage { kind: OutageKind::Refuse, after_ms: 100, for_ms: 50, every_ms: None };
        let again = Outage { after_ms: 0, for_ms: 10, every_ms: Some(1_000), ..once };
        assert_eq!(at(&[once], 0), (false, Some(100)));
        assert_eq!(at(&[once], 100), (true, Some(150)));
        assert_eq!(at(&[once], 150), (false, None));
        assert_eq!(at(&[again], 5), (true, Some(10)));
        assert_eq!(at(&[again], 10), (false, Some(1_000)));
        assert_eq!(at(&[again], 3_009), (true, Some(3_010)));
        assert_eq!(at(&[again, once], 120), (true, Some(150)));
        assert_eq!(at(&[Outage { kind: OutageKind::Drop, ..once }], 120), (false, None));
        assert_eq!(at(&[Outage { for_ms: 0, ..once }], 100), (false, None));
    }

    #[test]
    fn no_numbers_make_the_time_line_overflow() {
        let far = Outage { kind: OutageKind::Refuse, after_ms: u64::MAX, for_ms: u64::MAX, every_ms: None };
        assert!(!at(&[far], u64::MAX - 1).0);
        let fast = Outage { after_ms: 0, for_ms: 0, every_ms: Some(1), ..far };
        assert!(!at(&[fast], u64::MAX).0);
    }
}
