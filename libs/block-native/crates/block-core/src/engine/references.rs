//! How often pages and stripes are referred to beyond the first time.

use crate::keys::KeyMap;

/// Keys that differ in these bits alone are counted side by side.
const REGION_BITS: u32 = 12;
const REGION_MASK: u64 = (1 << REGION_BITS) - 1;
/// Most references beyond the first: what is left of a word beside the bits of a region.
const EXTRA_MAX: u32 = (1 << (32 - REGION_BITS)) - 1;

/// References by key, four bytes each, since with snapshots there may be one for every stripe: each
/// region has a sorted list of words, the key's low bits above the number of references.
#[derive(Default)]
pub struct References {
    regions: KeyMap<u64, Vec<u32>>,
    counted: usize,
}

impl References {
    /// Whether a key has any.
    pub fn has(&self, key: u64) -> bool {
        self.counted > 0
            && self.regions.get(&(key >> REGION_BITS)).is_some_and(|r| find(r, key).is_ok())
    }

    /// How many a key has.
    pub fn count(&self, key: u64) -> u32 {
        let region = self.regions.get(&(key >> REGION_BITS)).map_or(&[][..], Vec::as_slice);
        find(region, key).map_or(0, |at| region[at] & EXTRA_MAX)
    }

    /// Adds `count` references of a key.
    ///
    /// # Panics
    /// If there are a million volumes that share one thing: it would be forgotten who does.
    pub fn add(&mut self, key: u64, count: u32) {
        if count == 0 {
            return;
        }
        let region = self.regions.entry(key >> REGION_BITS).or_default();
        match find(region, key) {
            Ok(at) => {
                assert!(EXTRA_MAX - (region[at] & EXTRA_MAX) >= count, "too many references");
                region[at] += count;
            }
            Err(at) => {
                assert!(count <= EXTRA_MAX, "too many references");
                if region.len() == region.capacity() {
                    region.reserve_exact(region.len() / 8 + 2);
                }
                region.insert(at, low_bits(key) << (32 - REGION_BITS) | count);
                self.counted += 1;
            }
        }
    }

    /// Takes one reference away; false if there was none.
    pub fn take_one(&mut self, key: u64) -> bool {
        let Some(region) = self.regions.get_mut(&(key >> REGION_BITS)) else { return false };
        let Ok(at) = find(region, key) else { return false };
        region[at] -= 1;
        if region[at] & EXTRA_MAX == 0 {
            self.remove_at(key, at);
        }
        true
    }

    /// The references of `from` become those of `to`, which had none.
    pub fn rename(&mut self, from: u64, to: u64) {
        let count = self.count(from);
        if count > 0 {
            let region = self.regions.get(&(from >> REGION_BITS)).map(Vec::as_slice);
            if let Some(Ok(at)) = region.map(|region| find(region, from)) {
                self.remove_at(from, at);
            }
            self.add(to, count);
        }
    }

    fn remove_at(&mut self, key: u64, at: usize) {
        if let Some(region) = self.regions.get_mut(&(key >> REGION_BITS)) {
            region.remove(at);
            self.counted -= 1;
            if region.is_empty() {
                self.regions.remove(&(key >> REGION_BITS));
            }
        }
    }

    /// Memory of all of them.
    pub fn memory_bytes(&self) -> u64 {
        let words: usize = self.regions.values().map(Vec::capacity).sum();
        let region_bytes = size_of::<(u64, Vec<u32>)>() + 1;
        (words * size_of::<u32>() + self.regions.capacity() * region_bytes) as u64
    }
}

fn low_bits(key: u64) -> u32 {
    u32::try_from(key & REGION_MASK).unwrap_or_default()
}

fn find(region: &[u32], key: u64) -> Result<usize, usize> {
    region.binary_search_by_key(&low_bits(key), |word| word >> (32 - REGION_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn references_are_counted_as_in_a_plain_map() {
        let (mut references, mut plain) = (References::default(), HashMap::<u64, u32>::new());
        let mut state = 7_u64;
        for step in 0..200_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (state >> 40) % 3000 + (state >> 60 << 48);
            if state >> 33 & 3 > 1 {
                references.add(key, 1);
                *plain.entry(key).or_default() += 1;
            } else if step % 17 == 0 && !references.has(key ^ 1 << 47) {
                references.rename(key, key ^ 1 << 47);
                if let Some(count) = plain.remove(&key) {
                    plain.insert(key ^ 1 << 47, count);
                }
            } else {
                let had = plain.get(&key).is_some_and(|&count| count > 0);
                assert_eq!(references.take_one(key), had);
                if had && plain.insert(key, plain[&key] - 1) == Some(1) {
                    plain.remove(&key);
                }
            }
            assert_eq!(references.count(key), plain.get(&key).copied().unwrap_or(0));
            assert_eq!(references.has(key), plain.contains_key(&key));
        }
        assert!(plain.len() > 1000);
        assert_eq!(references.counted, plain.len());
    }

    #[test]
    fn every_stripe_of_a_tebibyte_may_be_shared_in_less_than_80_mib() {
        let mut references = References::default();
        // An eighth of a tebibyte of stripes of 16 blocks.
        for stripe in 0..1_u64 << 21 {
            references.add(4096 + stripe * 16, 1);
        }
        assert!(references.memory_bytes() * 8 <= 80 << 20, "{}", references.memory_bytes());
    }
}
