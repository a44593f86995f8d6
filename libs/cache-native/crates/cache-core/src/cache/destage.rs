//! What is dirty goes to the origin, in the order of addresses across all that is dirty.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::IoClass;

use super::Mode;
use super::commit::{commit, flush_origin};
use super::core::{Core, Inner};
use super::metadata::{Entry, Kept};
use super::options::Alert;
use super::pace::{Round, Sight};
use purlin_block_core::tasks::all;

/// Dirty pages looked at for each that a round may have: some are in use, or not recorded yet.
const LOOK_FACTOR: usize = 8;

struct Piece {
    slot: u32,
    entry: Entry,
    hold: u64,
}

/// The task that destages.
pub async fn run(core: Rc<Core>) {
    loop {
        let round = core.bell.until(|| core.get().next_round()).await;
        let pieces = core.get().choose(round.pages);
        let ticks = core.get().ticks;
        let moved = destage(&core, pieces, round.width).await;
        // What comes later stays until this is durable at home.
        while moved && flush_origin(&core, IoClass::Destage).await.is_err() {
            let ticks = core.get().ticks;
            core.bell.until(|| (core.get().ticks != ticks).then_some(())).await;
        }
        // Dirty pages that no metadata has yet are chosen after this.
        let recorded = commit(&core, false).await;
        {
            let mut inner = core.get();
            let now = inner.now;
            inner.pace.ended(round, now);
        }
        core.bell.ring();
        if !moved || recorded.is_err() {
            core.bell.until(|| (core.get().ticks != ticks).then_some(())).await;
        }
    }
}

/// Brings pages home; whether any got there.
async fn destage(core: &Rc<Core>, pieces: Vec<Piece>, width: usize) -> bool {
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
    for runs in runs.chunks(width) {
        let writes = runs.iter().map(|run| {
            let slices = run.iter().map(|(_, slice)| slice.clone()).collect();
            core.write_origin(IoClass::Destage, run[0].0.entry.page, slices)
        });
        for (run, result) in runs.iter().zip(all(writes.collect()).await) {
            for (piece, _) in *run {
                if result.is_ok() {
                    let entry = Entry { kept: Kept::Clean, epoch: 0, ..piece.entry };
                    core.get().change(piece.slot, entry);
                    moved = true;
                }
                core.get().ranges.release(piece.hold);
            }
        }
        core.bell.ring();
    }
    let mut inner = core.get();
    for piece in &pieces {
        inner.ranges.release(piece.hold);
    }
    moved
}

impl Inner {
    /// The next round, if it is time for one.
    fn next_round(&mut self) -> Option<Round> {
        let sight = Sight {
            dirty: self.dirty.len() as u64,
            limit: self.dirty_limit(),
            draining: self.draining || self.alive.is_empty() || self.order.waiting > 0,
            idle: self.is_idle(),
            now: self.now,
        };
        self.pace.round(sight)
    }

    fn choose(&mut self, count: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let pages = self.homeward(LOOK_FACTOR * usize::try_from(count).unwrap_or(1));
        let last = pages.last().copied();
        for page in pages {
            if pieces.len() as u64 == count {
                break;
            }
            let Some((slot, entry)) = self.find(page) else { continue };
            let recorded =
                !self.recorded.contains_key(&slot) || super::mutation!(DestageUnrecorded);
            if !recorded {
                continue;
            }
            let Some(hold) = self.ranges.try_take(page..page + 1) else { continue };
            self.cursor = page + 1;
            pieces.push(Piece { slot, entry, hold });
        }
        if pieces.is_empty() {
            self.cursor = last.map_or(0, |last| last + 1);
        }
        pieces
    }

    /// A dirty page cannot be read from any SSD: it is an error until it is written again, and
    /// nothing new becomes dirty.
    pub fn lose(&mut self, page: u64) {
        self.dirty.remove(&page);
        if let Some((_, entry)) = self.find(page) {
            self.order.remove(page, entry.epoch);
        }
        if self.lost.insert(page) {
            self.alerts.push_back(Alert::PageLost(page));
        }
        if self.mode == Mode::Writeback {
            self.mode = Mode::Writethrough;
            self.draining = true;
        }
    }

    /// Whether the SSDs have nothing that the origin lacks, except for what is lost.
    pub fn is_drained(&self) -> bool {
        self.dirty.is_empty() && !self.recorded.values().any(|entry| entry.kept == Kept::Dirty)
    }
}
