//! A token bucket: tokens come at a fixed rate and gather up to a capacity; whoever has none waits.

use std::time::Duration;

use purlin_block_core::Nanoseconds;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Tokens of one kind: requests or bytes.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Tokens a second, at least 1.
    rate: u64,
    /// Most tokens that gather.
    capacity: u64,
    /// Billionths of tokens there are. Below zero after a request longer than the capacity, which
    /// would otherwise never come through: its debt is paid before the next.
    level: i128,
    filled_at: Nanoseconds,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn full(rate: u64, capacity: u64, now: Nanoseconds) -> Self {
        let (rate, capacity) = (rate.max(1), capacity.max(1));
        Self { rate, capacity, level: scaled(capacity), filled_at: now }
    }

    /// Changes rate and capacity; what has gathered stays as far as it fits.
    pub fn change(&mut self, rate: u64, capacity: u64, now: Nanoseconds) {
        self.fill(now);
        (self.rate, self.capacity) = (rate.max(1), capacity.max(1));
        self.level = self.level.min(scaled(self.capacity));
    }

    /// How long until `tokens` may be taken; zero when they may be now.
    pub fn wait_for(&mut self, tokens: u64, now: Nanoseconds) -> Duration {
        self.fill(now);
        let missing = scaled(tokens.min(self.capacity)) - self.level;
        let Ok(missing) = u128::try_from(missing) else { return Duration::ZERO };
        let nanos = missing.div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes `tokens`, which [`Self::wait_for`] has said may be taken.
    pub fn take(&mut self, tokens: u64) {
        self.level -= scaled(tokens);
    }

    fn fill(&mut self, now: Nanoseconds) {
        let elapsed = now.0.saturating_sub(self.filled_at.0);
        let gained = i128::from(elapsed) * i128::from(self.rate);
        self.level = (self.level + gained).min(scaled(self.capacity));
        self.filled_at = self.filled_at.max(now);
    }
}

fn scaled(tokens: u64) -> i128 {
    i128::from(tokens) * NANOS_PER_SECOND.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Takes single tokens as soon as they come, for `seconds`; how many there were.
    fn drain(bucket: &mut Bucket, tokens: u64, from: u64, seconds: u64) -> u64 {
        let (mut now, mut taken) = (from, 0);
        loop {
            let wait = u64::try_from(bucket.wait_for(tokens, Nanoseconds(now)).as_nanos()).unwrap();
            now += wait;
            if now > from + seconds * SECOND {
                return taken;
            }
            bucket.take(tokens);
            taken += tokens;
        }
    }

    #[test]
    fn what_is_taken_is_the_rate_and_what_had_gathered() {
        let mut bucket = Bucket::full(1000, 5000, Nanoseconds(0));
        assert_eq!(drain(&mut bucket, 1, 0, 10), 5000 + 10 * 1000);
        assert_eq!(drain(&mut bucket, 1, 10 * SECOND, 10), 10 * 1000);
    }

    #[test]
    fn idleness_gathers_tokens_up_to_the_capacity() {
        let mut bucket = Bucket::full(100, 300, Nanoseconds(0));
        drain(&mut bucket, 1, 0, 1);
        assert_eq!(drain(&mut bucket, 1, 100 * SECOND, 1), 300 + 100);
    }

    #[test]
    fn a_request_beyond_the_capacity_passes_and_is_paid_off_before_the_next() {
        let mut bucket = Bucket::full(1000, 1000, Nanoseconds(0));
        assert_eq!(bucket.wait_for(10_000, Nanoseconds(0)), Duration::ZERO);
        bucket.take(10_000);
        assert_eq!(bucket.wait_for(1000, Nanoseconds(0)), Duration::from_secs(10));
    }

    #[test]
    fn a_change_in_use_holds_from_then_on() {
        let mut bucket = Bucket::full(1000, 1000, Nanoseconds(0));
        drain(&mut bucket, 1, 0, 1);
        bucket.change(10, 10, Nanoseconds(SECOND));
        assert_eq!(drain(&mut bucket, 1, 2 * SECOND, 10), 10 + 10 * 10);
    }

    #[test]
    fn a_clock_that_steps_back_gives_no_tokens() {
        let mut bucket = Bucket::full(1, 1, Nanoseconds(5 * SECOND));
        bucket.take(1);
        assert_eq!(bucket.wait_for(1, Nanoseconds(0)), Duration::from_secs(1));
    }
}
