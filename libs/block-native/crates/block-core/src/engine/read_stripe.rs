//! Reading blocks of a stripe, checked, from wherever they can be had.

use std::rc::Rc;

use purlin_ec_core::{ShardIndex, ShardSet, crc32c};

use super::core::Core;
use super::entry::{Entry, Place};
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::control::DiskState;
use crate::disk::IoClass;
use crate::policy::COPIES_MAX;

/// Too few good shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    pub found: usize,
    pub needed: usize,
}

/// What a read found out on its way.
#[derive(Debug, Default)]
pub struct Found {
    /// A shard that should be good is not.
    pub bad: bool,
}

impl Core {
    /// Blocks `first..first + count` of the stripe. They may cross shards.
    ///
    /// # Errors
    /// [`TooFew`] where a block cannot be had.
    pub async fn read_stripe(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        first: usize,
        count: usize,
        class: IoClass,
        found: &mut Found,
    ) -> Result<Vec<Slice>, TooFew> {
        let mut slices = Vec::new();
        let mut block = first;
        while block < first + count {
            let (shard, row) = entry.split(block);
            let rows = (entry.shape.shard_blocks - row).min(first + count - block);
            slices.push(self.read_rows(entry, shard, row, rows, class, found).await?);
            block += rows;
        }
        Ok(slices)
    }

    /// Rows of one data shard.
    async fn read_rows(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        shard: usize,
        row: usize,
        rows: usize,
        class: IoClass,
        found: &mut Found,
    ) -> Result<Slice, TooFew> {
        if entry.shape.is_replicated() {
            return self.read_replicas(entry, row, rows, class, found).await;
        }
        match self.read_shard(entry, shard, row, rows, class).await {
            Some(buffer) if is_right(entry, shard, row, buffer.as_bytes()) => {
                return Ok(buffer.share());
            }
            Some(_) => found.bad = true,
            None => found.bad |= self.should_have(entry.places[shard]),
        }
        self.decode_rows(entry, shard, row, rows, class, found).await
    }

    /// Rows of one of several equal shards; the disk that was asked least goes first.
    async fn read_replicas(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        row: usize,
        rows: usize,
        class: IoClass,
        found: &mut Found,
    ) -> Result<Slice, TooFew> {
        let mut order = [0; COPIES_MAX];
        let order = &mut order[..entry.places.len().min(COPIES_MAX)];
        order.iter_mut().enumerate().for_each(|(shard, slot)| *slot = shard);
        if order.len() > 1 {
            let members = self.members.borrow();
            let reads = |shard: &usize| {
                members.get(entry.places[*shard].disk()).map_or(u64::MAX, |member| member.reads)
            };
            order.sort_by_key(reads);
        }
        let mut pieces: Vec<Option<Slice>> = Vec::new();
        for &shard in &*order {
            let Some(buffer) = self.read_shard(entry, shard, row, rows, class).await else {
                found.bad |= self.should_have(entry.places[shard]);
                continue;
            };
            let slice = buffer.share();
            if is_right(entry, shard, row, slice.as_bytes()) {
                return Ok(slice);
            }
            found.bad = true;
            pieces.resize(rows, None);
            // Different copies may be bad in different blocks.
            for (at, piece) in pieces.iter_mut().enumerate() {
                let block = slice.blocks_at(at, 1);
                if piece.is_none() && is_right(entry, shard, row + at, block.as_bytes()) {
                    *piece = Some(block);
                }
            }
            if pieces.iter().all(Option::is_some) {
                let mut whole = Buffer::zeroed(rows);
                let bytes = whole.as_bytes_mut().chunks_mut(BLOCK_BYTES);
                for (bytes, piece) in bytes.zip(pieces.iter().flatten()) {
                    bytes.copy_from_slice(piece.as_bytes());
                }
                return Ok(whole.share());
            }
        }
        Err(TooFew { found: 0, needed: 1 })
    }

    /// Rows of a shard out of the same rows of the others.
    async fn decode_rows(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        wanted: usize,
        row: usize,
        rows: usize,
        class: IoClass,
        found: &mut Found,
    ) -> Result<Slice, TooFew> {
        let others: Vec<usize> = (0..entry.shape.shards()).filter(|&s| s != wanted).collect();
        let reads = others.iter().map(|&shard| {
            let (core, entry) = (Rc::clone(self), Rc::clone(entry));
            async move { core.read_shard(&entry, shard, row, rows, class).await }
        });
        let buffers = tasks::all(reads.collect()).await;
        let codec = self.codec(entry.shape.data, entry.shape.parity);
        let mut whole = Buffer::zeroed(rows);
        for (at, bytes) in whole.as_bytes_mut().chunks_mut(BLOCK_BYTES).enumerate() {
            let range = at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES;
            let mut good: Vec<(usize, &[u8])> = Vec::new();
            for (&shard, buffer) in others.iter().zip(&buffers) {
                let Some(buffer) = buffer else { continue };
                let block = &buffer.as_bytes()[range.clone()];
                if is_right(entry, shard, row + at, block) {
                    good.push((shard, block));
                } else {
                    found.bad = true;
                }
            }
            let short = TooFew { found: good.len(), needed: entry.shape.data };
            let present: ShardSet = good.iter().map(|&(shard, _)| ShardIndex(shard).0).collect();
            let lost: ShardSet = [wanted].into_iter().collect();
            let plan = codec.decode_plan(&present, &lost).map_err(|_| short)?;
            let sources: Vec<&[u8]> = plan
                .sources()
                .iter()
                .filter_map(|source| good.iter().find(|(shard, _)| *shard == source.0))
                .map(|&(_, block)| block)
                .collect();
            plan.reconstruct(&sources, &mut [&mut *bytes]).map_err(|_| short)?;
            if !is_right(entry, wanted, row + at, bytes) {
                return Err(short);
            }
        }
        Ok(whole.share())
    }

    /// Rows of a shard as they are on its disk, unchecked.
    pub async fn read_shard(
        self: &Rc<Self>,
        entry: &Entry,
        shard: usize,
        row: usize,
        rows: usize,
        class: IoClass,
    ) -> Option<Buffer> {
        let place = entry.places[shard];
        if !place.is_somewhere() {
            return None;
        }
        if let Some(member) = self.members.borrow_mut().get_mut(place.disk()) {
            member.reads += 1;
        }
        self.read(Place(place.0 + row as u64), rows, class).await.ok()
    }

    /// Whether a shard that could not be read should have been there.
    pub fn should_have(&self, place: Place) -> bool {
        place.is_somewhere() && self.members.borrow().is_usable(place.disk())
    }
}

impl Core {
    /// Whether what a place holds is out of reach now and may be back later.
    pub fn may_return(&self, place: Place) -> bool {
        let members = self.members.borrow();
        place.is_somewhere()
            && members
                .get(place.disk())
                .is_some_and(|member| !member.is_usable() && member.state != DiskState::Leaving)
    }
}

/// Whether rows from `row` on are what the map says. Blocks of equal shards that hold nothing have
/// no checksum and are never looked at.
pub fn is_right(entry: &Entry, shard: usize, row: usize, bytes: &[u8]) -> bool {
    if fault!(TrustDisks) {
        return true;
    }
    bytes.chunks(BLOCK_BYTES).enumerate().all(|(at, block)| {
        let row = row + at;
        (entry.shape.is_replicated() && !entry.has(row))
            || crc32c(block) == entry.checksum(shard, row)
    })
}
