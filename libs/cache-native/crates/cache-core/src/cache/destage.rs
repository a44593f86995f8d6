//! What is dirty goes to the origin, in the order of addresses across all that is dirty.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::IoClass;

use super::Mode;
use super::commit::commit;
use super::core::{Core, Inner};
use super::metadata::{Entry, Kept};
use super::tasks::all;

/// Pages of one round at most; a round ends with a flush of the origin.
const ROUND_PAGES_MAX: u64 = 256;

struct Piece {
    slot: u32,
    entry: Entry,
    hold: u64,
}

/// The task that destages.
pub async fn run(core: Rc<Core>) {
    loop {
        let count = core.bell.until(|| core.get().round_pages()).await;
        let pieces = core.get().choose(count);
        let ticks = core.get().ticks;
        let moved = round(&core, pieces).await;
        // Dirty pages that no metadata has yet are chosen after this.
        let flushed = commit(&core, true).await;
        core.bell.ring();
        if !moved || flushed.is_err() {
            core.bell.until(|| (core.get().ticks != ticks).then_some(())).await;
        }
    }
}

async fn round(core: &Rc<Core>, pieces: Vec<Piece>) -> bool {
    let reads = pieces.iter().map(|piece| core.read_slot(piece.entry)).collect();
    let mut readable: Vec<(&Piece, Slice)> = Vec::new();
    for (piece, content) in pieces.iter().zip(all(reads).await) {
        match content {
            Some(slice) => readable.push((piece, slice)),
            None => core.get().lose(piece.entry.page),
        }
    }
    readable.sort_unstable_by_key(|(piece, _)| piece.entry.page);
    let mut moved = false;
    let follows = |(one, _): &(&Piece, Slice), (next, _): &(&Piece, Slice)| {
        one.entry.page + 1 == next.entry.page
    };
    let runs: Vec<_> = readable.chunk_by(follows).collect();
    let writes = runs.iter().map(|run| {
        let slices = run.iter().map(|(_, slice)| slice.clone()).collect();
        core.write_origin(IoClass::Destage, run[0].0.entry.page, slices)
    });
    for (run, result) in runs.iter().zip(all(writes.collect()).await) {
        for (piece, _) in *run {
            if result.is_ok() {
                let entry = Entry { kept: Kept::Clean, ..piece.entry };
                core.get().change(piece.slot, entry);
                moved = true;
            }
        }
    }
    let mut inner = core.get();
    for piece in &pieces {
        inner.ranges.release(piece.hold);
    }
    moved
}

impl Inner {
    /// How many pages the next round has: the more the nearer the dirty share is to its limit.
    /// Below half of the limit dirty pages stay, because they may be written again.
    fn round_pages(&self) -> Option<u64> {
        let dirty = self.dirty.len() as u64;
        if dirty <= self.lost.len() as u64 {
            return None;
        }
        if self.draining || self.alive.is_empty() {
            return Some(ROUND_PAGES_MAX);
        }
        let limit = u64::from(self.setup.dirty_percent_max) * u64::from(self.setup.shape.slots);
        let over = (dirty * 200).checked_sub(limit).filter(|over| *over > 0)?;
        Some((ROUND_PAGES_MAX * over / limit.max(1)).clamp(1, ROUND_PAGES_MAX))
    }

    fn choose(&mut self, count: u64) -> Vec<Piece> {
        let (before, after) = (self.dirty.range(..self.cursor), self.dirty.range(self.cursor..));
        let pages: Vec<u64> = after.chain(before).copied().collect();
        let mut pieces = Vec::new();
        for page in pages {
            if pieces.len() as u64 == count {
                break;
            }
            let Some((slot, entry)) = self.find(page) else { continue };
            let recorded =
                !self.recorded.contains_key(&slot) || super::mutation!(DestageUnrecorded);
            if !recorded || self.lost.contains(&page) {
                continue;
            }
            let Some(hold) = self.ranges.try_take(page..page + 1) else { continue };
            self.cursor = page + 1;
            pieces.push(Piece { slot, entry, hold });
        }
        pieces
    }

    /// A dirty page cannot be read from any SSD: it is an error until it is written again, and
    /// nothing new becomes dirty.
    pub fn lose(&mut self, page: u64) {
        self.lost.insert(page);
        if self.mode == Mode::Writeback {
            self.mode = Mode::Writethrough;
            self.draining = true;
        }
    }

    /// Whether the SSDs have nothing that the origin lacks, except for what is lost.
    pub fn is_drained(&self) -> bool {
        self.dirty.len() <= self.lost.len()
            && !self.recorded.values().any(|entry| entry.kept == Kept::Dirty)
    }
}
