//! Where a page belongs in the index: a set, and a tag that is exact within the set.
//!
//! The page number is permuted within its bits, which spreads neighbours; sets are equal parts of
//! the permuted range, so the set and the offset in its part give the page back. Three bytes
//! a page are enough that way, without two pages ever being taken for each other.

#![allow(clippy::cast_possible_truncation, reason = "parts of the range are below 2^32, asserted")]

/// A permutation of the numbers below 2^bits, cut into equal sets.
#[derive(Debug, Clone, Copy)]
pub struct Permutation {
    half_bits: u32,
    half_mask: u64,
    sets: u64,
}

/// The set of a page and its tag in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the set.
    pub set: usize,
    /// Which of the set's pages it is.
    pub tag: u32,
}

/// Odd constants of the rounds: digits of the golden ratio and of the square roots of 2, 3 and 5.
const ROUNDS: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

impl Permutation {
    /// For pages below 2^`address_bits` and `sets` sets. A set must have fewer than 2^32 pages.
    #[must_use]
    pub fn new(address_bits: u32, sets: usize) -> Self {
        let half_bits = address_bits.div_ceil(2).max(1);
        assert!(half_bits <= 28, "addresses are below 2^56 pages");
        let sets = sets as u64;
        let permutation = Self { half_bits, half_mask: (1 << half_bits) - 1, sets };
        assert!(permutation.range() / sets < 1 << 32, "a tag has 32 bits");
        permutation
    }

    const fn range(&self) -> u64 {
        1 << (2 * self.half_bits)
    }

    const fn mix(&self, half: u64, round: u64) -> u64 {
        let product = (half + 1).wrapping_mul(round);
        (product ^ product >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 34 & self.half_mask
    }

    /// Where `page` belongs.
    #[must_use]
    pub fn place(&self, page: u64) -> Place {
        let (mut high, mut low) = (page >> self.half_bits & self.half_mask, page & self.half_mask);
        for round in ROUNDS {
            (high, low) = (low, high ^ self.mix(low, round));
        }
        let permuted = high << self.half_bits | low;
        let set = ((u128::from(permuted) * u128::from(self.sets)) >> (2 * self.half_bits)) as u64;
        Place { set: set as usize, tag: (permuted - self.start(set)) as u32 }
    }

    /// The page that belongs there.
    #[must_use]
    pub fn page(&self, place: Place) -> u64 {
        let permuted = self.start(place.set as u64) + u64::from(place.tag);
        let (mut high, mut low) = (permuted >> self.half_bits, permuted & self.half_mask);
        for round in ROUNDS.iter().rev() {
            (high, low) = (low ^ self.mix(high, *round), high);
        }
        high << self.half_bits | low
    }

    /// Whether tags are below 2^24.
    pub const fn has_short_tags(&self) -> bool {
        self.range().div_ceil(self.sets) <= 1 << 24
    }

    /// All pages of a set, also those beyond the end of what is cached.
    pub fn pages(&self, set: usize) -> impl Iterator<Item = u64> {
        let count = self.start(set as u64 + 1) - self.start(set as u64);
        (0..count as u32).map(move |tag| self.page(Place { set, tag }))
    }

    /// The first permuted number of `set`.
    fn start(&self, set: u64) -> u64 {
        (u128::from(set) << (2 * self.half_bits)).div_ceil(u128::from(self.sets)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_place_of_its_own_and_comes_back_from_it() {
        for (bits, sets) in [(10, 1), (10, 7), (11, 64), (12, 100)] {
            let permutation = Permutation::new(bits, sets);
            let mut seen = std::collections::HashSet::new();
            for page in 0..1 << bits {
                let place = permutation.place(page);
                assert!(place.set < sets);
                assert!(seen.insert((place.set, place.tag)));
                assert_eq!(permutation.page(place), page);
            }
        }
    }

    #[test]
    fn neighbours_are_spread_over_the_sets() {
        let permutation = Permutation::new(40, 1000);
        let mut counts = vec![0u32; 1000];
        for page in 0..64_000 {
            counts[permutation.place(page).set] += 1;
        }
        // The mean is 64; eight standard deviations of a fair throw are 64.
        assert!(counts.iter().all(|count| *count < 128), "{:?}", counts.iter().max());
    }

    #[test]
    fn the_largest_addresses_come_back() {
        let permutation = Permutation::new(48, 1 << 22);
        for page in [0, 1, (1 << 48) - 1, 0x1234_5678_9abc] {
            assert_eq!(permutation.page(permutation.place(page)), page);
        }
    }
}
