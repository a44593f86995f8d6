//! Clients' requests.

use std::rc::Rc;

use super::catalogue::Resolved;
use super::core::Core;
use super::layers::Source;
use super::tree::Root;
use crate::buffer::{BLOCK_BYTES, Slice};
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::request::{Answer, Extent, REQUEST_BYTES_MAX, Reply, Request, RequestOp, VolumeId};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Most blocks one block status looks at, so that it answers soon.
const STATUS_BLOCKS_MAX: u64 = 1 << 20;

impl Core {
    /// Does what a client asked for and leaves the reply.
    pub async fn serve(self: Rc<Self>, request: Request) {
        let Request { tag, volume, op } = request;
        let result = self.answer(volume, op).await;
        self.replies.borrow_mut().push_back(Reply { tag, result });
    }

    async fn answer(
        self: &Rc<Self>,
        volume: VolumeId,
        op: RequestOp,
    ) -> Result<Answer, BlockError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        match op {
            RequestOp::Read { offset, length } => {
                let head = self.check(volume, offset, length as u64, false)?;
                check_length(offset, length as u64)?;
                if length == 0 {
                    return Ok(Answer::Bytes(Vec::new()));
                }
                let (first, count) = (offset / BLOCK, length / BLOCK_BYTES);
                self.read_blocks(head, first, count, IoClass::Client).await.map(Answer::Bytes)
            }
            RequestOp::Write { offset, slices, fua } => {
                let length: usize = slices.iter().map(Slice::len).sum();
                let head = self.check(volume, offset, length as u64, true)?;
                check_length(offset, length as u64)?;
                if let Some(slice) = slices.iter().find(|slice| slice.len() % BLOCK_BYTES != 0) {
                    let length = slice.len() as u64;
                    return Err(BlockError::Unaligned { offset, length });
                }
                self.check_stall()?;
                self.write_blocks(head, offset / BLOCK, slices).await?;
                self.end_write(fua).await
            }
            RequestOp::Zero { offset, length, fua }
            | RequestOp::Discard { offset, length, fua } => {
                let head = self.check(volume, offset, length, true)?;
                self.check_trim_stall()?;
                self.zero_blocks(head, offset / BLOCK, length / BLOCK).await?;
                self.end_write(fua).await
            }
            RequestOp::Flush => {
                self.check(volume, 0, 0, false)?;
                if !fault!(FlushAnsweredEarly) {
                    self.flush(IoClass::Client).await?;
                }
                Ok(Answer::Done)
            }
            RequestOp::BlockStatus { offset, length, extents_max } => {
                let head = self.check(volume, offset, length, false)?;
                let (first, end) = (offset / BLOCK, (offset + length) / BLOCK);
                self.block_status(head, first, end, extents_max.max(1)).await.map(Answer::Extents)
            }
            RequestOp::Difference { base, offset, length, extents_max } => {
                let head = self.check(volume, offset, length, false)?;
                let base = self.check(base, 0, 0, false)?;
                let (first, end) = (offset / BLOCK, (offset + length) / BLOCK);
                let extents = self.difference(head, base, first, end, extents_max.max(1)).await?;
                Ok(Answer::Extents(extents))
            }
        }
    }

    async fn end_write(self: &Rc<Self>, fua: bool) -> Result<Answer, BlockError> {
        if fua {
            self.flush(IoClass::Client).await?;
        }
        Ok(Answer::Done)
    }

    /// The head of a volume, if the range is within it.
    pub fn check(
        &self,
        volume: VolumeId,
        offset: u64,
        length: u64,
        write: bool,
    ) -> Result<u64, BlockError> {
        let catalogue = self.catalogue.borrow();
        let found = catalogue.volumes.get(&volume.0).ok_or(BlockError::NoVolume { volume })?;
        if write && found.snapshot {
            return Err(BlockError::ReadOnly { volume });
        }
        if !offset.is_multiple_of(BLOCK) || !length.is_multiple_of(BLOCK) {
            return Err(BlockError::Unaligned { offset, length });
        }
        let blocks = catalogue.heads.get(&found.head).map_or(0, |head| head.blocks);
        if offset.checked_add(length).is_none_or(|end| end > blocks * BLOCK) {
            return Err(BlockError::OutOfRange { offset, length });
        }
        Ok(found.head)
    }

    /// While the log cannot go home and is half full, writes are refused rather than left waiting.
    fn check_stall(&self) -> Result<(), BlockError> {
        match &*self.stalled.borrow() {
            Some(error) if self.log_is_half_full() => {
                self.want_cycle();
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }

    /// Where the log cannot go home for want of room, what gives room back goes on for longer.
    fn check_trim_stall(&self) -> Result<(), BlockError> {
        let full = matches!(*self.stalled.borrow(), Some(BlockError::NoSpace));
        if full && !self.log_is_filled(3, 4) { Ok(()) } else { self.check_stall() }
    }

    async fn block_status(
        self: &Rc<Self>,
        head: u64,
        first: u64,
        end: u64,
        extents_max: usize,
    ) -> Result<Vec<Extent>, BlockError> {
        let mut extents = Extents::new(extents_max);
        let end = end.min(first + STATUS_BLOCKS_MAX);
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let mut block = first;
        while block < end && !extents.is_full() {
            let stripe = block / stripe_blocks;
            let next = self.next_used(head, stripe, end).await?;
            let used = next.map_or(end, |next| (next * stripe_blocks).clamp(block, end));
            extents.push(used - block, false);
            block = used;
            let stripe_end = ((block / stripe_blocks + 1) * stripe_blocks).min(end);
            while block < stripe_end {
                let set = self.is_set(head, block).await?;
                extents.push(1, set);
                block += 1;
            }
        }
        Ok(extents.taken())
    }

    async fn is_set(self: &Rc<Self>, head: u64, block: u64) -> Result<bool, BlockError> {
        let _guard = self.guard();
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let (stripe, within) = (block / stripe_blocks, block % stripe_blocks);
        let within = usize::try_from(within).unwrap_or_default();
        let resolved = self.catalogue.borrow().resolve(head, stripe, within);
        Ok(match resolved {
            None | Some(Resolved::Here(Source::Zero)) => false,
            Some(Resolved::Here(Source::Log(_))) => true,
            Some(Resolved::Here(Source::Stripe(entry))) => entry.has(within),
            Some(Resolved::Map(root)) => {
                let lookup = self.look_up(root, stripe, IoClass::Client).await?;
                lookup.entry.is_some_and(|entry| entry.has(within))
            }
        })
    }

    /// Stripes whose entries differ; what the log has goes home first, so that entries say all.
    async fn difference(
        self: &Rc<Self>,
        head: u64,
        base: u64,
        first: u64,
        end: u64,
        extents_max: usize,
    ) -> Result<Vec<Extent>, BlockError> {
        // What a cycle took home still counts as changed until its end.
        if self.cycling.get() {
            self.cycle_ended.next().await;
        }
        let _guard = self.guard();
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let mut extents = Extents::new(extents_max);
        let end = end.min(first + STATUS_BLOCKS_MAX);
        let mut block = first;
        while block < end && !extents.is_full() {
            let stripe = block / stripe_blocks;
            let stripe_end = ((stripe + 1) * stripe_blocks).min(end);
            // A cycle that ends during a look-up leaves another root, so each takes a fresh one.
            let (new, _) = self.settled_roots(head, base).await?;
            let changed = self.catalogue.borrow().next_changed(head, stripe, stripe + 1).is_some();
            let entry = self.look_up(new, stripe, IoClass::Client).await?.entry;
            let (_, old) = self.settled_roots(head, base).await?;
            let before = self.look_up(old, stripe, IoClass::Client).await?.entry;
            extents.push(stripe_end - block, changed || entry != before);
            block = stripe_end;
        }
        Ok(extents.taken())
    }

    /// The trees of two heads, once neither waits for what the log has of another.
    async fn settled_roots(
        self: &Rc<Self>,
        head: u64,
        base: u64,
    ) -> Result<(Root, Root), BlockError> {
        loop {
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            let (new, old) = {
                let catalogue = self.catalogue.borrow();
                let gone = [head, base].into_iter().find(|id| !catalogue.heads.contains_key(id));
                if let Some(gone) = gone {
                    return Err(BlockError::NoVolume { volume: VolumeId(gone) });
                }
                (catalogue.root(head), catalogue.root(base))
            };
            if let (Some(new), Some(old)) = (new, old) {
                return Ok((new, old));
            }
            self.want_cycle();
            self.cycle_ended.next().await;
            if let Some(error) = self.stalled.borrow().clone() {
                return Err(error);
            }
        }
    }
}

fn check_length(offset: u64, length: u64) -> Result<(), BlockError> {
    let most = REQUEST_BYTES_MAX as u64;
    if length > most { Err(BlockError::OutOfRange { offset, length }) } else { Ok(()) }
}

/// Extents as they are found, neighbours that are alike in one.
struct Extents {
    extents: Vec<Extent>,
    most: usize,
}

impl Extents {
    fn new(most: usize) -> Self {
        Self { extents: Vec::new(), most }
    }

    fn push(&mut self, blocks: u64, set: bool) {
        let length = blocks * BLOCK;
        match self.extents.last_mut() {
            _ if length == 0 => {}
            Some(last) if last.set == set => last.length += length,
            _ => self.extents.push(Extent { length, set }),
        }
    }

    /// One more than wanted, so that the last one wanted is known to end.
    fn is_full(&self) -> bool {
        self.extents.len() > self.most
    }

    fn taken(mut self) -> Vec<Extent> {
        self.extents.truncate(self.most);
        self.extents
    }
}
