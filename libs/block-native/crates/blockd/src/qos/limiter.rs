//! The limits of one volume: requests a second, bytes read and bytes written a second.

use std::time::Duration;

use purlin_block_core::Nanoseconds;

use super::bucket::Bucket;

/// What a volume may use; what is `None` is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VolumeLimits {
    /// Requests a second in the long run.
    pub iops: Option<u64>,
    /// Requests a second of a burst: while it lasts no more than this.
    pub iops_burst: Option<u64>,
    /// Bytes read a second.
    pub read_bytes_per_second: Option<u64>,
    /// Bytes written a second.
    pub write_bytes_per_second: Option<u64>,
    /// How long a burst may last after idleness; 1 unless given.
    pub burst_seconds: Option<u32>,
}

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A request without bytes.
    Request,
    /// A read of so many bytes.
    Read(u64),
    /// A write of so many bytes.
    Write(u64),
}

/// The buckets of a volume; a request goes when all that it needs have tokens.
#[derive(Debug, Default)]
pub struct Limiter {
    /// The long run and bursts.
    requests: Option<Bucket>,
    /// The rate within a burst.
    peak: Option<Bucket>,
    read: Option<Bucket>,
    write: Option<Bucket>,
}

impl Limiter {
    /// Sets the limits, at any time.
    pub fn set(&mut self, limits: &VolumeLimits, now: Nanoseconds) {
        let seconds = u64::from(limits.burst_seconds.unwrap_or(1).max(1));
        let over = limits.iops.zip(limits.iops_burst).map(|(rate, burst)| burst.max(rate) - rate);
        let gathered = |rate: u64| over.unwrap_or(rate).max(1).saturating_mul(seconds);
        place(&mut self.requests, limits.iops.map(|rate| (rate, gathered(rate))), now);
        // A tenth of a second of the burst rate at once, so that deep queues are not torn apart.
        let peak = limits.iops_burst.map(|burst| (burst, (burst / 10).max(1)));
        place(&mut self.peak, peak, now);
        let bytes = |rate: Option<u64>| rate.map(|rate| (rate, rate.saturating_mul(seconds)));
        place(&mut self.read, bytes(limits.read_bytes_per_second), now);
        place(&mut self.write, bytes(limits.write_bytes_per_second), now);
    }

    /// Takes what a request costs.
    ///
    /// # Errors
    /// How long it has to wait for that.
    pub fn admit(&mut self, cost: Cost, now: Nanoseconds) -> Result<(), Duration> {
        let mut needed = [
            (&mut self.requests, 1),
            (&mut self.peak, 1),
            match cost {
                Cost::Request => (&mut None, 0),
                Cost::Read(bytes) => (&mut self.read, bytes),
                Cost::Write(bytes) => (&mut self.write, bytes),
            },
        ];
        let wait = needed
            .iter_mut()
            .filter_map(|(bucket, tokens)| Some(bucket.as_mut()?.wait_for(*tokens, now)))
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        for (bucket, tokens) in needed {
            if let Some(bucket) = bucket {
                bucket.take(tokens);
            }
        }
        Ok(())
    }
}

fn place(bucket: &mut Option<Bucket>, limit: Option<(u64, u64)>, now: Nanoseconds) {
    match (bucket.as_mut(), limit) {
        (Some(bucket), Some((rate, capacity))) => bucket.change(rate, capacity, now),
        (None, Some((rate, capacity))) => *bucket = Some(Bucket::full(rate, capacity, now)),
        (_, None) => *bucket = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Sends requests of `cost` one after the other; how many a second of `seconds` went through.
    fn run(limiter: &mut Limiter, cost: Cost, from: u64, seconds: u64) -> u64 {
        let (mut now, mut done) = (from, 0);
        loop {
            match limiter.admit(cost, Nanoseconds(now)) {
                Ok(()) => done += 1,
                Err(wait) => now += u64::try_from(wait.as_nanos()).unwrap(),
            }
            if now >= from + seconds * SECOND {
                return done;
            }
        }
    }

    fn limited(limits: VolumeLimits) -> Limiter {
        let mut limiter = Limiter::default();
        limiter.set(&limits, Nanoseconds(0));
        limiter
    }

    #[test]
    fn a_burst_goes_at_its_rate_for_its_seconds_and_then_at_the_volume_s() {
        let limits = VolumeLimits {
            iops: Some(2000),
            iops_burst: Some(4000),
            burst_seconds: Some(5),
            ..VolumeLimits::default()
        };
        let mut limiter = limited(limits);
        let burst = run(&mut limiter, Cost::Read(4096), 0, 5);
        assert!((19_900..=20_500).contains(&burst), "{burst} in the burst");
        let after = run(&mut limiter, Cost::Read(4096), 5 * SECOND, 5);
        assert!((9_900..=10_500).contains(&after), "{after} after it");
    }

    #[test]
    fn reads_and_writes_have_bandwidths_of_their_own() {
        let limits = VolumeLimits {
            read_bytes_per_second: Some(100 << 20),
            write_bytes_per_second: Some(50 << 20),
            ..VolumeLimits::default()
        };
        let mut limiter = limited(limits);
        let reads = run(&mut limiter, Cost::Read(1 << 20), 0, 10);
        let writes = run(&mut limiter, Cost::Write(1 << 20), 0, 10);
        assert!((1098..=1101).contains(&reads), "{reads} reads");
        assert!((548..=551).contains(&writes), "{writes} writes");
    }

    #[test]
    fn limits_can_be_lowered_and_lifted_in_use() {
        let mut limiter = limited(VolumeLimits { iops: Some(1000), ..VolumeLimits::default() });
        run(&mut limiter, Cost::Request, 0, 1);
        let lower = VolumeLimits { iops: Some(10), ..VolumeLimits::default() };
        limiter.set(&lower, Nanoseconds(SECOND));
        let lowered = run(&mut limiter, Cost::Request, SECOND, 10);
        assert!((100..=112).contains(&lowered), "{lowered} at the lower limit");
        limiter.set(&VolumeLimits::default(), Nanoseconds(11 * SECOND));
        assert_eq!(limiter.admit(Cost::Write(u64::MAX), Nanoseconds(11 * SECOND)), Ok(()));
    }

    #[test]
    fn a_request_that_has_to_wait_takes_nothing() {
        let limits = VolumeLimits {
            iops: Some(1),
            write_bytes_per_second: Some(4096),
            ..VolumeLimits::default()
        };
        let mut limiter = limited(limits);
        assert_eq!(limiter.admit(Cost::Request, Nanoseconds(0)), Ok(()));
        assert!(limiter.admit(Cost::Write(4096), Nanoseconds(0)).is_err());
        assert_eq!(limiter.admit(Cost::Write(4096), Nanoseconds(SECOND)), Ok(()));
    }
}
