//! The memory that is worked on.

use crate::Request;

/// Where an arena begins: every shard stream then aliases in the caches as contiguous stripes do.
const ALIGNMENT: usize = 2 << 20;

/// Random bytes for a ring of stripes, each of k data, m parity and k spare shards, back to back.
pub struct Arena {
    bytes: Vec<u8>,
    start: usize,
    stripe_bytes: usize,
}

impl Arena {
    /// Fills an arena for `request`; the same bytes each time.
    #[must_use]
    pub fn new(request: &Request) -> Self {
        let stripe_bytes = request.stripe_bytes();
        let size = stripe_bytes * request.stripes;
        let mut bytes = vec![0; size + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let mut x = 88_172_645_463_325_252_u64;
        for chunk in bytes[start..start + size].chunks_mut(8) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            chunk.copy_from_slice(&x.to_le_bytes()[..chunk.len()]);
        }
        bytes.truncate(start + size);
        Self { bytes, start, stripe_bytes }
    }

    /// All bytes, where the borders of stripes do not matter.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// The stripes in order.
    pub fn stripes(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let stripe_bytes = self.stripe_bytes;
        self.bytes_mut().chunks_exact_mut(stripe_bytes)
    }
}
