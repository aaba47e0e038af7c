//! Counters over everything received since the start or the last clearing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::when::rfc3339;

/// Over how many whole seconds the recent rate is taken.
const RECENT_S: usize = 10;

/// What the receiver has seen, in numbers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Messages that arrived in full.
    pub total: u64,
    /// Those the receiver considers delivered.
    pub taken: u64,
    /// Requests and frames turned away without being kept: wrong token, too large, an outage, closed before the body.
    pub turned_away: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Different control ids.
    pub distinct: u64,
    /// Arrivals of a control id that had arrived before.
    pub duplicates: u64,
    /// Arrivals taken although one with the same control id had been taken before: what a sender must keep rare.
    pub taken_again: u64,
    /// Arrivals whose control id was not remembered, because there were too many; the last three then tell too little.
    pub control_ids_forgotten: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Arrivals by the answer chosen.
    pub by_answer: BTreeMap<Cow<'static, str>, u64>,
    /// The first arrival, in RFC 3339.
    pub first_at: Option<String>,
    /// The last arrival.
    pub last_at: Option<String>,
    /// Arrivals a second, from the first to the last.
    pub per_second: f64,
    /// Arrivals a second over the last ten whole seconds.
    pub per_second_recent: f64,
}

/// The arrivals on the time line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    first_us: Option<i64>,
    last_us: i64,
    count: u64,
    /// The last seconds in a ring: which second, and how many.
    recent: [(i64, u64); RECENT_S + 1],
}

impl Pace {
    pub(crate) fn add(&mut self, at_us: i64) {
        self.first_us.get_or_insert(at_us);
        self.last_us = at_us;
        self.count += 1;
        let second = at_us.div_euclid(1_000_000);
        let slots = self.recent.len();
        let at = usize::try_from(second).unwrap_or_default() % slots;
        if let Some(slot) = self.recent.get_mut(at) {
            *slot = if slot.0 == second { (second, slot.1 + 1) } else { (second, 1) };
        }
    }

    pub(crate) fn first_at(&self) -> Option<String> {
        self.first_us.map(rfc3339)
    }

    pub(crate) fn last_at(&self) -> Option<String> {
        self.first_us.map(|_| rfc3339(self.last_us))
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn per_second(&self) -> f64 {
        let lasted_us = self.first_us.map_or(0, |first| self.last_us - first);
        if lasted_us <= 0 { 0.0 } else { (self.count - 1) as f64 * 1e6 / lasted_us as f64 }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn per_second_recent(&self, now_us: i64) -> f64 {
        let now = now_us.div_euclid(1_000_000);
        let span = i64::try_from(RECENT_S).unwrap_or_default();
        let whole = |second: i64| second < now && second >= now - span;
        let count: u64 = self.recent.iter().filter(|(second, _)| whole(*second)).map(|(_, count)| count).sum();
        count as f64 / RECENT_S as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn a_steady_pace_is_told_as_it_is() {
        let mut pace = Pace::default();
        (0..2_001).for_each(|n| pace.add(n * 10_000));
        assert!((pace.per_second() - 100.0).abs() < 0.001);
        assert!((pace.per_second_recent(20_500_000) - 100.0).abs() < 0.001);
        assert!(pace.per_second_recent(90_000_000).abs() < 0.001);
    }
}
