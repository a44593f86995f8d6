//! When the next push is due.
use std::time::Duration;

const LONGEST: Duration = Duration::from_mins(5);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The time until the next push after one that succeeded or not: the interval, doubled with
    /// each failure up to five minutes, and after a failure shortened by up to a half, so that not
    /// all agents come back at once. `chance` is from 0 to 1.
    pub fn next(&mut self, succeeded: bool, interval: Duration, chance: f64) -> Duration {
        if succeeded {
            self.failures = 0;
            return interval;
        }
        let doubled = interval.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST.max(interval)).mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// A number from 0 to 1 that is another on each machine and at each call. It guards nothing.
#[allow(clippy::cast_precision_loss)]
pub fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_secs(15);

    #[test]
    fn a_server_that_is_away_is_asked_less_and_less_and_at_once_in_time_when_it_is_back() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> =
            (0..7).map(|_| backoff.next(false, INTERVAL, 0.0).as_secs()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
        assert_eq!(backoff.next(true, INTERVAL, 0.5), INTERVAL);
        assert_eq!(backoff.next(false, INTERVAL, 1.0), INTERVAL / 2);
    }

    proptest! {
        #[test]
        fn the_wait_is_bounded_at_both_ends(
            outcomes in prop::collection::vec((any::<bool>(), any::<f64>()), 0..99),
            seconds in 5_u64..=3600
        ) {
            let interval = Duration::from_secs(seconds);
            let mut backoff = Backoff::default();
            for (succeeded, chance) in outcomes {
                let chance = if chance.is_nan() { 0.0 } else { chance };
                let wait = backoff.next(succeeded, interval, chance);
                prop_assert!(wait >= interval / 2 && wait <= LONGEST.max(interval));
            }
        }
    }
}
