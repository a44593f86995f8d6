//! Sizes that follow from a pool's policy and are fixed when it is made.

use super::entry::{Entry, STRIPE_BLOCKS_MAX, Shape};
use crate::buffer::BLOCK_BYTES;
use crate::error::BlockError;
use crate::policy::{COPIES_MAX, Policy};

/// What a pool's stripes and pages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Blocks of a stripe of a volume, a power of two not needed.
    pub stripe_blocks: usize,
    /// Bytes of a leaf entry, enough for every shape the policy may take.
    pub entry_bytes: usize,
    /// Entries of a leaf.
    pub leaf_entries: u64,
}

/// Pointers of an inner page.
pub const FAN_OUT: u64 = 63;

impl Geometry {
    /// That of a policy with shards of `shard_bytes`.
    ///
    /// # Errors
    /// [`BlockError::Invalid`] if a stripe would have more than 64 blocks.
    pub fn new(policy: Policy, shard_bytes: Option<u32>) -> Result<Self, BlockError> {
        let usual = if policy.data_shards() == 1 { 65536 } else { 16384 };
        let shard_bytes = shard_bytes.unwrap_or(usual) as usize;
        let stripe_blocks = policy.data_shards() * (shard_bytes / BLOCK_BYTES);
        if !shard_bytes.is_multiple_of(BLOCK_BYTES)
            || !(1..=STRIPE_BLOCKS_MAX).contains(&stripe_blocks)
        {
            let reason = format!(
                "shards of {shard_bytes} bytes make stripes of {stripe_blocks} blocks of 4096 \
                 bytes; 1 to 64 are possible"
            );
            return Err(BlockError::Invalid { reason });
        }
        let parity = policy.parity_shards();
        let shapes = (1..=policy.data_shards()).map(|data| Self::cut(stripe_blocks, data, parity));
        let places = policy.shards().max(COPIES_MAX);
        let checksums = shapes.map(Shape::checksums).max().unwrap_or(stripe_blocks);
        let entry_bytes = Entry::size_bytes(places, checksums);
        let leaf_entries = (BLOCK_BYTES / entry_bytes) as u64;
        Ok(Self { stripe_blocks, entry_bytes, leaf_entries })
    }

    /// The stripe cut into `data` shards, the last of which may be padded with zeros.
    pub fn shape(self, data: usize, parity: usize) -> Shape {
        Self::cut(self.stripe_blocks, data, parity)
    }

    fn cut(stripe_blocks: usize, data: usize, parity: usize) -> Shape {
        Shape { data, parity, shard_blocks: stripe_blocks.div_ceil(data) }
    }

    /// Levels of a tree for a volume of `blocks`; 1 is a leaf alone.
    pub fn height(self, blocks: u64) -> u8 {
        let stripes = blocks.div_ceil(self.stripe_blocks as u64);
        let (mut height, mut reach) = (1, self.leaf_entries);
        while reach < stripes {
            reach = reach.saturating_mul(FAN_OUT);
            height += 1;
        }
        height
    }

    /// Stripes below one page of `level` (0 a leaf).
    pub fn reach(self, level: u8) -> u64 {
        (0..level).fold(self.leaf_entries, |reach, _| reach.saturating_mul(FAN_OUT))
    }
}
