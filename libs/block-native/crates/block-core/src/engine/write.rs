//! Writing a volume.

use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::{Core, Counters};
use super::members::Member;
use super::records::Record;
use super::reserve::Promised;
use super::tasks::Awaited;
use super::write_stripe::Blocks;
use crate::buffer::{BLOCK_BYTES, Slice};
use crate::disk::IoClass;
use crate::error::BlockError;

/// Most blocks of one record, so that a batch holds several.
const RECORD_BLOCKS_MAX: usize = 64;
/// How many cycles a write waits for room before the pool counts as full.
const ROOM_CYCLES_MAX: usize = 3;
/// How often a walk of the map begins again because a checkpoint moved its root.
const TRIES_MAX: usize = 4;
/// Most zero records of one request on their way.
const ZEROES_IN_FLIGHT_MAX: usize = 1024;

/// A record on its way, and the room that was promised to it.
struct Waiting {
    outcome: Awaited<Result<(), BlockError>>,
    room: Option<Promised>,
}

impl Core {
    /// Replaces blocks from `first` on. Whole stripes skip the log.
    ///
    /// # Errors
    /// [`BlockError::NoSpace`], [`BlockError::TooFewDisks`], [`BlockError::Closed`].
    pub async fn write_blocks(
        self: &Rc<Self>,
        head: u64,
        first: u64,
        slices: Vec<Slice>,
    ) -> Result<(), BlockError> {
        let stripe_blocks = self.geometry.get().stripe_blocks;
        let mut blocks: Vec<Slice> = Vec::new();
        for slice in &slices {
            blocks.extend((0..slice.blocks()).map(|at| slice.blocks_at(at, 1)));
        }
        Counters::add(&self.counters.client_written_bytes, (blocks.len() * BLOCK_BYTES) as u64);
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut failed = None;
        let mut at = 0;
        while at < blocks.len() && failed.is_none() {
            let block = first + at as u64;
            let stripe = block / stripe_blocks as u64;
            let within = usize::try_from(block % stripe_blocks as u64).unwrap_or_default();
            let count = (stripe_blocks - within).min(blocks.len() - at);
            let part = &blocks[at..at + count];
            let outcome = if count == stripe_blocks && stripe_blocks > 1 {
                self.write_whole(head, stripe, part).await
            } else {
                self.write_part(head, stripe, block, part, &mut waiting).await
            };
            failed = outcome.err();
            at += count;
        }
        for Waiting { outcome, room } in waiting {
            failed = failed.or(outcome.await.err());
            drop(room);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Appends a part of a stripe to the log.
    async fn write_part(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        block: u64,
        part: &[Slice],
        waiting: &mut Vec<Waiting>,
    ) -> Result<(), BlockError> {
        let mut room = self.make_room(head, stripe).await?;
        let mut block = block;
        let chunks = part.chunks(RECORD_BLOCKS_MAX.min(self.batch_blocks_max()));
        let last = chunks.len() - 1;
        for (at, part) in chunks.enumerate() {
            let checksums = part.iter().map(|slice| crc32c(slice.as_bytes())).collect();
            let record = Record::Write { head, block, checksums };
            let outcome = self.append(record, part.to_vec());
            // Records are applied in their order, so the last one's holds as long as it has to.
            let room = if at == last { room.take() } else { None };
            waiting.push(Waiting { outcome, room });
            block += part.len() as u64;
        }
        Ok(())
    }

    /// Writes a whole stripe into free space and appends its entry to the log.
    async fn write_whole(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        part: &[Slice],
    ) -> Result<(), BlockError> {
        self.wait_for_room(|| self.plan_stripe(stripe, Member::has_room).map(|_| ())).await?;
        let blocks: Blocks = part.iter().cloned().map(Some).collect();
        let entry = self.write_stripe(None, stripe, &blocks, IoClass::Client).await?;
        self.append(Record::Stripe { head, stripe, entry }, Vec::new()).await
    }

    /// Reserves room for a stripe, or finds that none is needed because it is overwritten in place.
    async fn make_room(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
    ) -> Result<Option<Promised>, BlockError> {
        match self.reserve(head, stripe) {
            Err(BlockError::NoSpace) => {}
            other => return other.map(Some),
        }
        if self.is_in_place(head, stripe).await? {
            return Ok(None);
        }
        self.wait_for_room(|| self.reserve(head, stripe)).await.map(Some)
    }

    /// Whether the stripe is in the map, this head's alone, and on all its disks.
    async fn is_in_place(self: &Rc<Self>, head: u64, stripe: u64) -> Result<bool, BlockError> {
        let root = {
            let catalogue = self.catalogue.borrow();
            let alone = catalogue.heads.get(&head).is_some_and(|head| head.ends.is_empty());
            catalogue.root(head).filter(|_| alone)
        };
        let Some(root) = root else { return Ok(false) };
        let _guard = self.guard();
        let lookup = self.look_up(root, stripe, IoClass::Client).await?;
        Ok(lookup.entry.is_some_and(|entry| !lookup.shared && self.can_overwrite(&entry)))
    }

    async fn wait_for_room<T>(
        self: &Rc<Self>,
        mut try_it: impl FnMut() -> Result<T, BlockError>,
    ) -> Result<T, BlockError> {
        for _ in 0..ROOM_CYCLES_MAX {
            match try_it() {
                Err(BlockError::NoSpace) => {}
                other => return other,
            }
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            self.want_cycle();
            self.cycle_ended.next().await;
            self.held_is_free().await;
        }
        try_it()
    }

    /// Has blocks read as zeros from now on. Where nothing is, nothing is written.
    ///
    /// # Errors
    /// As [`Core::write_blocks`].
    pub async fn zero_blocks(
        self: &Rc<Self>,
        head: u64,
        first: u64,
        count: u64,
    ) -> Result<(), BlockError> {
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let end = first + count;
        let mut waiting = Vec::new();
        let mut block = first;
        while let Some(stripe) = self.next_used(head, block.div_euclid(stripe_blocks), end).await? {
            let from = block.max(stripe * stripe_blocks);
            let to = end.min((stripe + 1) * stripe_blocks);
            let room = self.zero_room(head, stripe, to - from < stripe_blocks).await?;
            let record = Record::Zero { head, block: from, count: to - from };
            waiting.push(Waiting { outcome: self.append(record, Vec::new()), room });
            if waiting.len() == ZEROES_IN_FLIGHT_MAX {
                for Waiting { outcome, room } in waiting.drain(..) {
                    outcome.await?;
                    drop(room);
                }
            }
            block = to;
            if block >= end {
                break;
            }
        }
        for Waiting { outcome, room } in waiting {
            outcome.await?;
            drop(room);
        }
        Ok(())
    }

    /// A part of a stripe may have to be written anew without the rest; a whole one needs no room.
    async fn zero_room(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        part: bool,
    ) -> Result<Option<Promised>, BlockError> {
        if part { self.make_room(head, stripe).await } else { Ok(None) }
    }

    /// The first stripe from `stripe` on, before block `end`, that may hold something.
    pub async fn next_used(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        end: u64,
    ) -> Result<Option<u64>, BlockError> {
        let _guard = self.guard();
        let end = end.div_ceil(self.geometry.get().stripe_blocks as u64);
        let mut tries = 0;
        loop {
            let (changed, root) = {
                let catalogue = self.catalogue.borrow();
                (catalogue.next_changed(head, stripe, end), catalogue.lowest_root(head))
            };
            let Some(root) = root else { return Ok(changed) };
            let end = changed.unwrap_or(end);
            tries += 1;
            match self.next_stripe(root, stripe, end, IoClass::Client).await {
                // A checkpoint gave the root a place while pages below it were read.
                Err(BlockError::Damaged { .. }) if tries < TRIES_MAX => {}
                found => return Ok(found?.or(changed)),
            }
        }
    }
}
