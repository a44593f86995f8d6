//! Time as the policy counts it: in requests, as parts of the cache's capacity.
//!
//! A tick is as many requests as a sixteenth of the cache has pages. A stamp is a tick number that
//! wraps; stamps that grow old are moved on before they could be taken for young ones.

/// Ticks in which as many requests pass as the cache has pages.
pub const TICKS_PER_CAPACITY: u16 = 16;
/// Stamps wrap at this many ticks.
const STAMP_BITS: u32 = 10;
const STAMP_MASK: u16 = (1 << STAMP_BITS) - 1;
/// An age that is not told from any above it, in ticks: 32 times the capacity in requests.
pub const AGE_MAX_TICKS: u16 = 512;
/// In so many ticks every stamp is looked at once.
pub const SWEEP_TICKS: u16 = 48;
/// Ages told apart in an octave.
const PER_OCTAVE: u16 = 1 << SUB_BITS;
const SUB_BITS: u32 = 2;
/// How many ages are told apart.
pub const AGES: usize = 36;

/// The bucket of an age of as many requests as the cache has pages.
pub const CAPACITY_BUCKET: usize = bucket(TICKS_PER_CAPACITY);

const _: () = {
    assert!(AGE_MAX_TICKS + SWEEP_TICKS < 1 << STAMP_BITS, "an old stamp never looks young");
    assert!(bucket(AGE_MAX_TICKS + SWEEP_TICKS) < AGES, "every age has its bucket");
};

/// The tick of a page's last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(u16);

impl Stamp {
    /// The stamp in the low bits of `bits`.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & STAMP_MASK)
    }

    /// The stamp as a number below 2^10.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The next tick.
    pub const fn next(self) -> Self {
        Self((self.0 + 1) & STAMP_MASK)
    }

    /// Ticks from this stamp to `now`.
    pub const fn age_ticks(self, now: Self) -> u16 {
        now.0.wrapping_sub(self.0) & STAMP_MASK
    }

    /// The stamp of what is `age_ticks` old at `now`.
    pub const fn before(now: Self, age_ticks: u16) -> Self {
        Self(now.0.wrapping_sub(age_ticks) & STAMP_MASK)
    }
}

/// The bucket of an age, 0 to `AGES` - 1.
pub const fn bucket(age_ticks: u16) -> usize {
    if age_ticks < PER_OCTAVE {
        return age_ticks as usize;
    }
    #[allow(clippy::cast_possible_truncation, reason = "at most 16")]
    let octaves = (age_ticks.ilog2() - SUB_BITS) as u16;
    let step = age_ticks >> octaves & (PER_OCTAVE - 1);
    ((octaves + 1) * PER_OCTAVE + step) as usize
}

/// The first age of `bucket`, in ticks.
pub const fn bucket_start_ticks(bucket: usize) -> u16 {
    #[allow(clippy::cast_possible_truncation, reason = "there are few buckets")]
    let bucket = bucket as u16;
    if bucket < PER_OCTAVE {
        return bucket;
    }
    (PER_OCTAVE + bucket % PER_OCTAVE) << (bucket / PER_OCTAVE - 1)
}

/// How long a page stays in `bucket`, in requests for each page of the cache.
pub fn bucket_length(bucket: usize) -> f32 {
    let ticks = bucket_start_ticks(bucket + 1) - bucket_start_ticks(bucket);
    f32::from(ticks) / f32::from(TICKS_PER_CAPACITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_age_lies_between_its_buckets_start_and_the_next() {
        for age in 0..=AGE_MAX_TICKS + SWEEP_TICKS {
            let found = bucket(age);
            assert!(bucket_start_ticks(found) <= age && age < bucket_start_ticks(found + 1));
        }
    }

    #[test]
    fn a_stamps_age_survives_the_wrap() {
        let mut now = Stamp::default();
        for _ in 0..1020 {
            now = now.next();
        }
        let then = now;
        for expected in 0..600 {
            assert_eq!(then.age_ticks(now), expected);
            assert_eq!(Stamp::before(now, expected), then);
            now = now.next();
        }
    }
}
