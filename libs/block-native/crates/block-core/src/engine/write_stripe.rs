//! Writing a stripe into free space.

use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::Core;
use super::entry::{Entry, Place, Shape};
use super::members::Member;
use super::placing::Plan;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::disk::IoClass;
use crate::error::BlockError;

/// A stripe's blocks, `None` where it has none.
pub type Blocks = Vec<Option<Slice>>;

/// How often a stripe is planned anew because a disk failed under it.
const TRIES_MAX: usize = 8;

impl Core {
    /// Writes a stripe with these blocks where placement wants it now. A disk that fails is left
    /// out of the next try. `head` is whose log it comes from, if it does: that has room promised.
    ///
    /// # Errors
    /// [`BlockError::TooFewDisks`] and [`BlockError::NoSpace`].
    pub async fn write_stripe(
        self: &Rc<Self>,
        head: Option<u64>,
        stripe: u64,
        blocks: &Blocks,
        class: IoClass,
    ) -> Result<Entry, BlockError> {
        let mut tries = 0;
        loop {
            let (shape, places) = self.take_stripe(head, stripe)?;
            let shard_blocks = shape.shard_blocks as u64;
            let mut entry = Entry {
                birth: self.generation.get() + 1,
                shape,
                present: present(blocks),
                places,
                checksums: vec![0; shape.checksums()],
            };
            let writes = if shape.is_replicated() {
                replicate(&mut entry, blocks)
            } else {
                self.encode(&mut entry, blocks)
            };
            let writes = writes.into_iter().map(|(place, slices)| {
                let core = Rc::clone(self);
                async move { core.write(place, slices, class).await }
            });
            let results = tasks::all(writes.collect()).await;
            if results.iter().all(Result::is_ok) {
                return Ok(entry);
            }
            // Nobody has heard of these places.
            self.let_go(&entry.places, shard_blocks);
            tries += 1;
            if tries == TRIES_MAX {
                return Err(BlockError::Closed { reason: "stripes cannot be written".into() });
            }
        }
    }

    /// Takes room for a stripe: what was promised to it, or what nobody was promised. What is in
    /// the log already and finds neither may have what is kept for the map.
    fn take_stripe(
        &self,
        head: Option<u64>,
        stripe: u64,
    ) -> Result<(Shape, Vec<Place>), BlockError> {
        if let Some(taken) = head.and_then(|head| self.take_promised(head, stripe)) {
            return Ok(taken);
        }
        let take = |Plan { shape, disks }| {
            let places = self.take_space(&disks, shape.shard_blocks as u64);
            places.map(|places| (shape, places)).ok_or(BlockError::NoSpace)
        };
        match self.plan_stripe(stripe, Member::has_room).and_then(take) {
            Err(BlockError::NoSpace) if head.is_some() => {}
            outcome => return outcome,
        }
        let run = |member: &Member, blocks: u64| member.space.has_run(blocks);
        self.plan_stripe(stripe, run).and_then(take)
    }

    /// The writes of a coded stripe; fills in its checksums. The clients' bytes are where they were
    /// received from there on until they are on their disks: parity alone takes memory.
    fn encode(&self, entry: &mut Entry, blocks: &Blocks) -> Vec<(Place, Vec<Slice>)> {
        let shape = entry.shape;
        let (rows, zero) = (shape.shard_blocks, Slice::zero_block());
        let block = |at: usize| blocks.get(at).and_then(Option::as_ref).unwrap_or(&zero);
        let mut parity = Buffer::of_any_bytes(shape.parity * rows);
        let codec = self.codec(shape.data, shape.parity);
        for row in 0..rows {
            let data: Vec<&[u8]> =
                (0..shape.data).map(|shard| block(shard * rows + row).as_bytes()).collect();
            let parity = parity.as_bytes_mut().chunks_mut(BLOCK_BYTES);
            let mut parity: Vec<&mut [u8]> = parity.skip(row).step_by(rows).collect();
            let outcome = codec.encode(&data, &mut parity);
            debug_assert!(outcome.is_ok(), "blocks of the wrong length");
            let all = data.iter().copied().chain(parity.iter().map(|bytes| &**bytes));
            for (shard, bytes) in all.enumerate() {
                entry.checksums[shard * rows + row] = crc32c(bytes);
            }
        }
        let parity = parity.share();
        let shard = |shard: usize| {
            let mut slices = Vec::new();
            if shard < shape.data {
                (0..rows).for_each(|row| block(shard * rows + row).append_to(&mut slices));
            } else {
                slices.push(parity.blocks_at((shard - shape.data) * rows, rows));
            }
            slices
        };
        let writes = entry.places.iter().enumerate().filter(|(_, place)| place.is_somewhere());
        writes.map(|(at, &place)| (place, shard(at))).collect()
    }
}

/// The writes of equal shards, run by run of blocks that are there; fills in the checksums.
fn replicate(entry: &mut Entry, blocks: &Blocks) -> Vec<(Place, Vec<Slice>)> {
    let mut runs: Vec<(u64, Vec<Slice>)> = Vec::new();
    let mut end = None;
    for (at, block) in blocks.iter().enumerate() {
        let Some(block) = block else { continue };
        entry.checksums[at] = crc32c(block.as_bytes());
        match runs.last_mut().filter(|_| end == Some(at)) {
            Some((_, slices)) => block.append_to(slices),
            None => runs.push((at as u64, vec![block.clone()])),
        }
        end = Some(at + 1);
    }
    let places = entry.places.iter().filter(|place| place.is_somewhere());
    places
        .flat_map(|place| runs.iter().map(|(row, slices)| (Place(place.0 + row), slices.clone())))
        .collect()
}

/// Which blocks are there.
pub fn present(blocks: &Blocks) -> u64 {
    let there = blocks.iter().enumerate().filter(|(_, block)| block.is_some());
    there.fold(0, |bits, (at, _)| bits | 1 << at)
}
