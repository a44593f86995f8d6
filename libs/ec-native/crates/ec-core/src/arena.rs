//! Memory for stripes, aligned as the kernels like it best.

use crate::EcError;

/// Shards begin at multiples of a page where they are whole pages, and of a cache line always.
const PAGE_BYTES: usize = 4096;

/// Zeroed memory for stripes that lie one after the other, each of `shards` shards of
/// `shard_bytes`, the first at the beginning of a page. It is what [`crate::Codec::encode_batch`]
/// takes; shards that are a multiple of 64 bytes are all aligned for [`crate::Store::Stream`].
#[derive(Debug)]
pub struct StripeArena {
    memory: Vec<u8>,
    start: usize,
    stripes: usize,
    shards: usize,
    shard_bytes: usize,
}

impl StripeArena {
    /// Allocates.
    ///
    /// # Errors
    /// [`EcError::OutOfMemory`] if there is not enough, or a count is 0.
    pub fn new(stripes: usize, shards: usize, shard_bytes: usize) -> Result<Self, EcError> {
        let failed = || EcError::OutOfMemory { stripes, shards, shard_bytes };
        let bytes = stripes
            .checked_mul(shards)
            .and_then(|count| count.checked_mul(shard_bytes))
            .filter(|&bytes| bytes > 0)
            .ok_or_else(failed)?;
        let reserved = bytes.checked_add(PAGE_BYTES).ok_or_else(failed)?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(reserved).map_err(|_| failed())?;
        memory.resize(reserved, 0);
        let start = memory.as_ptr().addr().next_multiple_of(PAGE_BYTES) - memory.as_ptr().addr();
        Ok(Self { memory, start, stripes, shards, shard_bytes })
    }

    /// How many stripes there are.
    #[must_use]
    pub fn stripes(&self) -> usize {
        self.stripes
    }

    /// The length of a shard in bytes.
    #[must_use]
    pub fn shard_bytes(&self) -> usize {
        self.shard_bytes
    }

    /// All stripes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.memory[self.start..][..self.stripes * self.stripe_bytes()]
    }

    /// All stripes, to be written.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        let bytes = self.stripes * self.stripe_bytes();
        &mut self.memory[self.start..][..bytes]
    }

    /// One stripe; `None` beyond the last.
    #[must_use]
    pub fn stripe(&self, index: usize) -> Option<&[u8]> {
        self.as_bytes().chunks_exact(self.stripe_bytes()).nth(index)
    }

    /// One stripe, to be written; `None` beyond the last.
    pub fn stripe_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        let stripe_bytes = self.stripe_bytes();
        self.as_bytes_mut().chunks_exact_mut(stripe_bytes).nth(index)
    }

    fn stripe_bytes(&self) -> usize {
        self.shards * self.shard_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_begin_at_a_page_and_lie_one_after_the_other() {
        for (stripes, shards, shard_bytes) in [(1, 1, 1), (3, 6, 4096), (7, 11, 100)] {
            let mut arena = StripeArena::new(stripes, shards, shard_bytes).unwrap();
            assert!(arena.as_bytes().as_ptr().addr().is_multiple_of(4096));
            assert_eq!(arena.as_bytes().len(), stripes * shards * shard_bytes);
            for stripe in 0..stripes {
                arena.stripe_mut(stripe).unwrap().fill(u8::try_from(stripe + 1).unwrap());
            }
            let last = arena.stripe(stripes - 1).unwrap();
            assert!(last.iter().all(|&byte| usize::from(byte) == stripes));
            assert_eq!(arena.stripe(stripes), None);
            assert_eq!((arena.stripes(), arena.shard_bytes()), (stripes, shard_bytes));
        }
    }

    #[test]
    fn nothing_and_more_than_there_is_are_refused() {
        for (stripes, shards, shard_bytes) in
            [(0, 6, 64), (1, 6, 0), (usize::MAX, 6, 64), (1 << 40, 6, 1 << 20), (1, 1, usize::MAX)]
        {
            let error = StripeArena::new(stripes, shards, shard_bytes).unwrap_err();
            assert_eq!(error.code(), "PUR_EC_MEMORY");
        }
    }
}
