//! Rewriting what is bad of a stripe.

use std::rc::Rc;

use super::core::{Core, Counters};
use super::entry::{Entry, Place};
use super::read_stripe::is_right;
use super::tasks;
use super::write_stripe::Blocks;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::disk::IoClass;
use crate::error::BlockError;

impl Core {
    /// Looks at the stripes that reads found bad, and rewrites their bad shards where they are:
    /// the map says what must be there, so it does not matter what a crash leaves of that.
    pub async fn repair_stripes(self: &Rc<Self>) -> Result<(), BlockError> {
        let repairs = std::mem::take(&mut *self.wanted.repairs.borrow_mut());
        for (head, stripe) in repairs {
            let root = self.catalogue.borrow().lowest_root(head);
            let Some(root) = root else { continue };
            let entry = self.look_up(root, stripe, IoClass::Recovery).await?.entry;
            if let Some(entry) = entry {
                self.repair_stripe(stripe, &entry, IoClass::Recovery).await;
            }
        }
        Ok(())
    }

    /// Reads every shard of a stripe and rewrites the bad ones. Returns how many were rewritten,
    /// or `None` if too few are good.
    pub async fn repair_stripe(
        self: &Rc<Self>,
        stripe: u64,
        entry: &Rc<Entry>,
        class: IoClass,
    ) -> Option<u64> {
        let rows = entry.shape.shard_blocks;
        let there = (0..entry.shape.shards()).filter(|&s| self.should_have(entry.places[s]));
        let there: Vec<usize> = there.collect();
        let reads = there.iter().map(|&shard| {
            let (core, entry) = (Rc::clone(self), Rc::clone(entry));
            async move { core.read_shard(&entry, shard, 0, rows, class).await }
        });
        let shards = tasks::all(reads.collect()).await;
        let bad = there.iter().zip(&shards).filter(|(shard, read)| {
            !read.as_ref().is_some_and(|read| is_right(entry, **shard, 0, read.as_bytes()))
        });
        let bad: Vec<usize> = bad.map(|(&shard, _)| shard).collect();
        if bad.is_empty() {
            return Some(0);
        }
        let mut blocks: Blocks = vec![None; self.geometry.get().stripe_blocks];
        let kept = self.read_kept(stripe, entry, entry.present, &mut blocks, class).await;
        if kept != Ok(0) {
            return None;
        }
        let mut repaired = 0;
        for (shard, runs) in self.shard_bytes(entry, &blocks, &bad) {
            let mut written = true;
            for (row, slice) in runs {
                let place = Place(entry.places[shard].0 + row as u64);
                written &= self.write(place, vec![slice], class).await.is_ok();
            }
            repaired += u64::from(written);
        }
        Counters::add(&self.counters.repaired, repaired);
        Some(repaired)
    }

    /// What must be in some shards, row by row. Rows without bytes get zeros, so that one that
    /// cannot be read does not have its shard found bad for ever.
    fn shard_bytes(
        &self,
        entry: &Entry,
        blocks: &Blocks,
        wanted: &[usize],
    ) -> Vec<(usize, Vec<(usize, Slice)>)> {
        let shape = entry.shape;
        if shape.is_replicated() {
            let rows = blocks.iter().enumerate();
            let zero = Slice::zero_block;
            let runs: Vec<_> =
                rows.map(|(row, block)| (row, block.clone().unwrap_or_else(zero))).collect();
            return wanted.iter().map(|&shard| (shard, runs.clone())).collect();
        }
        let mut whole = Buffer::zeroed(shape.shards() * shape.shard_blocks);
        for (at, block) in blocks.iter().enumerate() {
            if let Some(block) = block {
                whole.as_bytes_mut()[at * BLOCK_BYTES..][..BLOCK_BYTES]
                    .copy_from_slice(block.as_bytes());
            }
        }
        let shard_bytes = shape.shard_blocks * BLOCK_BYTES;
        let codec = self.codec(shape.data, shape.parity);
        if codec.encode_stripe(whole.as_bytes_mut(), shard_bytes).is_err() {
            return Vec::new();
        }
        let whole = whole.share();
        let shard = |at: usize| whole.blocks_at(at * shape.shard_blocks, shape.shard_blocks);
        wanted.iter().map(|&at| (at, vec![(0, shard(at))])).collect()
    }
}
