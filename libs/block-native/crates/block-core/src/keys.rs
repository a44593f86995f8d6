//! Maps whose keys nobody from outside chooses: numbers given out here need no hash that withstands
//! an opponent, which costs more than all else of a look-up.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers of our own.
pub type KeyMap<Key, Value> = HashMap<Key, Value, BuildHasherDefault<KeyHasher>>;

/// Multiplies by an odd number near 2^64 over the golden ratio (Knuth, The Art of Computer
/// Programming 6.4), and folds the high bits, which are the good ones, down.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbouring_numbers_differ_in_the_low_bits_and_in_the_high_ones() {
        let hashes: Vec<u64> = (0..1024_u64)
            .map(|number| {
                let mut hasher = KeyHasher::default();
                hasher.write_u64(number << 12);
                hasher.finish()
            })
            .collect();
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 1023).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 550, "{}", low.len());
        assert_eq!(high.len(), 128);
    }
}
