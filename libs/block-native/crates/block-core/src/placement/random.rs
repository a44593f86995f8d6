//! Numbers that look random and depend on their seed alone.

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: usize) -> usize {
        scale(self.next(), bound)
    }
}

/// Its finaliser: a bijection of 64 bits under which each bit of the answer depends on all.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Spreads all values of 64 bits evenly over the numbers below `bound`.
#[allow(clippy::cast_possible_truncation, reason = "the answer is below `bound`")]
pub(super) fn scale(value: u64, bound: usize) -> usize {
    ((u128::from(value) * bound as u128) >> 64) as usize
}
