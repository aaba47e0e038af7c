//! A token bucket on the monotonic clock.

use std::time::Duration;

use tokio::time::Instant;

/// How many attempts may begin now.
#[derive(Debug)]
pub struct Bucket {
    limit: Option<(f64, u32)>,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A bucket of `(tokens a second, most kept)`; `None` never limits. It starts empty, so that a change of dispatcher
    /// cannot double the rate.
    pub fn new(limit: Option<(f64, u32)>, now: Instant) -> Self {
        Self { limit, tokens: 0.0, filled: now }
    }

    /// Attempts that may begin at `now`, at most `wanted`.
    pub fn available(&mut self, wanted: u32, now: Instant) -> u32 {
        let Some((per_second, burst)) = self.limit else { return wanted };
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = elapsed.mul_add(per_second, self.tokens).min(f64::from(burst));
        self.filled = now;
        let whole = (1..=wanted.min(burst)).rev().find(|n| f64::from(*n) <= self.tokens + 1e-9);
        whole.unwrap_or(0)
    }

    /// Takes the tokens of attempts that begin.
    pub fn take(&mut self, count: usize) {
        if self.limit.is_some() {
            self.tokens -= f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// When the next attempt may begin, if that is later than `now`.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let (per_second, _) = self.limit?;
        let missing = 1.0 - self.tokens;
        // A microsecond more than computed, so that rounding never wakes the driver a token too early.
        (missing > 1e-9).then(|| now + Duration::from_secs_f64(missing / per_second) + Duration::from_micros(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_starts_empty_fills_evenly_and_keeps_no_more_than_its_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some((2.0, 3)), start);
        assert_eq!(bucket.available(9, start), 0);
        assert_eq!(bucket.next(start), Some(start + Duration::from_micros(500_001)));
        assert_eq!(bucket.available(9, start + Duration::from_millis(500)), 1);
        bucket.take(1);
        assert_eq!(bucket.available(9, start + Duration::from_millis(600)), 0);
        assert_eq!(bucket.available(9, start + Duration::from_secs(60)), 3);
        assert_eq!(bucket.available(2, start + Duration::from_secs(60)), 2);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let now = Instant::now();
        let mut bucket = Bucket::new(None, now);
        assert_eq!(bucket.available(7, now), 7);
        bucket.take(7);
        assert_eq!(bucket.next(now), None);
    }
}
