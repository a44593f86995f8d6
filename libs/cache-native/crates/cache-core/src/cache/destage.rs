//! What is dirty goes to the origin, window after window in the order of addresses.
//!
//! A slow disk takes about as long for a request of 256 KiB as for one of 4 KiB. So where a window
//! has many pages far from each other, what lies between them is read from the origin and all goes
//! home as one write: two requests instead of one a run. Nobody reads or writes the window
//! meanwhile.

use std::ops::Range;
use std::rc::Rc;

use purlin_block_core::buffer::{Buffer, Slice};
use purlin_block_core::disk::IoClass;
use purlin_block_core::tasks::{Awaited, all, promise};

use super::Mode;
use super::commit::{commit, flush_origin};
use super::core::{Core, Inner};
use super::dirty::pages_of;
use super::metadata::{Entry, Kept};
use super::options::Alert;
use super::pace::{ROUND_PAGES_MAX, Round, Sight};
use super::turns::{CLIENTS_EACH, CLIENTS_EACH_IN_A_HURRY};

/// A window of so many runs is written as a whole: the read and the write take the disk no longer,
/// and less if it has to go to each run.
const JOINED_RUNS_MIN: usize = 4;

/// What is left of a round.
#[derive(Debug, Default)]
pub struct Trip {
    pages: u64,
    windows: usize,
    width: usize,
    /// Windows with fewer dirty pages stay for later.
    pages_min: u32,
    /// With `ordered`: the epoch that goes home.
    epoch: Option<u64>,
}

struct Piece {
    slot: u32,
    entry: Entry,
}

/// What goes home in one turn.
struct Load {
    /// In the order of their pages.
    pieces: Vec<Piece>,
    /// All pages from the first to the last, if they go as one write.
    joined: Option<Range<u64>>,
    holds: Vec<u64>,
}

/// What a trip does next.
enum Step {
    Go(Load),
    Over,
}

/// The task that destages.
pub async fn run(core: Rc<Core>) {
    loop {
        let round = core.bell.until(|| core.get().next_round()).await;
        let ticks = core.get().ticks;
        core.get().set_out(round);
        let trips: Vec<_> = (0..round.width).map(|_| begin(&core)).collect();
        let mut moved = false;
        for trip in trips {
            moved |= trip.await;
        }
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

/// A task of its own takes turns; whether anything got home.
fn begin(core: &Rc<Core>) -> Awaited<bool> {
    let (promise, awaited) = promise();
    let goer = Rc::clone(core);
    core.tasks.spawn(async move { promise.keep(go(&goer).await) });
    awaited
}

/// Takes turns until the trip is over.
async fn go(core: &Rc<Core>) -> bool {
    let mut moved = false;
    while let Step::Go(load) = core.bell.until(|| core.get().next_step()).await {
        moved |= bring_home(core, load).await;
        core.get().turns.end();
        core.bell.ring();
    }
    moved
}

/// Brings a load home; whether any of it got there.
async fn bring_home(core: &Core, Load { pieces, joined, holds }: Load) -> bool {
    let between = joined.clone().map(|span| {
        let count = usize::try_from(span.end - span.start).unwrap_or(0);
        core.read_origin(IoClass::Destage, span.start, count)
    });
    let reads = pieces.iter().map(|piece| core.read_slot(piece.entry)).collect();
    let mut readable: Vec<(&Piece, Slice)> = Vec::new();
    for (piece, content) in pieces.iter().zip(all(reads).await) {
        match content {
            Some(slice) => readable.push((piece, slice)),
            None => core.get().lose(piece.entry.page),
        }
    }
    let between = match between {
        Some(read) => read.await.ok().flatten().map(Buffer::share),
        None => None,
    };
    let moved = match (joined, between) {
        (Some(span), Some(between)) if !readable.is_empty() => {
            write_joined(core, span, &between, &readable).await
        }
        _ => write_runs(core, &readable).await,
    };
    let mut inner = core.get();
    for hold in holds {
        inner.ranges.release(hold);
    }
    moved
}

/// Writes a whole window, with what the origin has between the pages.
async fn write_joined(
    core: &Core,
    span: Range<u64>,
    between: &Slice,
    readable: &[(&Piece, Slice)],
) -> bool {
    let place = |page: u64| usize::try_from(page - span.start).unwrap_or(0);
    let mut slices: Vec<Slice> = (0..between.blocks()).map(|at| between.blocks_at(at, 1)).collect();
    for (piece, slice) in readable {
        slices[place(piece.entry.page)] = slice.clone();
    }
    if core.write_origin(IoClass::Destage, span.start, slices).await.is_ok() {
        core.get().are_home(readable);
        return true;
    }
    // A failed write leaves its range undefined: what nobody had written is put back.
    core.get().joins = false;
    let is_hole = |page: &u64| readable.iter().all(|(piece, _)| piece.entry.page != *page);
    let holes: Vec<u64> = span.clone().filter(is_hole).collect();
    for run in holes.chunk_by(|page, next| page + 1 == *next) {
        let slices = vec![between.blocks_at(place(run[0]), run.len())];
        let _a_disk_that_fails_again_says_so_to_its_reader =
            core.write_origin(IoClass::Destage, run[0], slices).await;
    }
    false
}

async fn write_runs(core: &Core, readable: &[(&Piece, Slice)]) -> bool {
    let follows = |(one, _): &(&Piece, Slice), (next, _): &(&Piece, Slice)| {
        one.entry.page + 1 == next.entry.page
    };
    let runs: Vec<_> = readable.chunk_by(follows).collect();
    let writes = runs.iter().map(|run| {
        let slices = run.iter().map(|(_, slice)| slice.clone()).collect();
        core.write_origin(IoClass::Destage, run[0].0.entry.page, slices)
    });
    let mut moved = false;
    for (run, result) in runs.iter().zip(all(writes.collect()).await) {
        if result.is_ok() {
            core.get().are_home(run);
            moved = true;
        }
    }
    moved
}

impl Inner {
    /// The next round, if it is time for one.
    fn next_round(&mut self) -> Option<Round> {
        let sight = Sight {
            dirty: self.dirty.len() as u64,
            limit: self.dirty_limit(),
            draining: self.is_in_a_hurry(),
            idle: self.is_idle(),
            now: self.now,
        };
        self.pace.round(sight)
    }

    fn is_in_a_hurry(&self) -> bool {
        self.draining || self.alive.is_empty() || self.order.waiting > 0
    }

    fn set_out(&mut self, round: Round) {
        let epoch = self.first_epoch();
        let (windows, pages) = self.homeward(epoch);
        let average = pages.checked_div(windows).unwrap_or(0) as u64;
        let stay = average * (ROUND_PAGES_MAX - round.pages) / ROUND_PAGES_MAX;
        let most = u64::from(self.setup.shape.slots / 8).max(1);
        self.trip = Trip {
            pages: round.pages.min(most),
            windows,
            width: round.width,
            pages_min: u32::try_from(stay).unwrap_or(0).max(1),
            epoch,
        };
    }

    /// What goes home next; `None` while it is the clients' turn.
    fn next_step(&mut self) -> Option<Step> {
        let each = if self.is_in_a_hurry() { CLIENTS_EACH_IN_A_HURRY } else { CLIENTS_EACH };
        while self.trip.pages > 0 && self.trip.windows > 0 {
            if self.now.is_some_and(|now| !self.turns.may_begin(now, each, self.trip.width)) {
                return None;
            }
            let found = self.next_homeward(self.trip.epoch);
            let Some((window, word)) = found else { return Some(Step::Over) };
            self.cursor = window + 1;
            self.trip.windows -= 1;
            if word.count_ones() < self.trip.pages_min {
                continue;
            }
            if let Some(load) = self.load(window, word) {
                self.turns.begin(self.now.unwrap_or_default(), each);
                self.trip.pages = self.trip.pages.saturating_sub(load.pieces.len() as u64);
                return Some(Step::Go(load));
            }
        }
        Some(Step::Over)
    }

    /// Those of a window's dirty pages that metadata has as dirty and nobody is at work on.
    fn load(&mut self, window: u64, word: u64) -> Option<Load> {
        let mut pieces: Vec<Piece> = Vec::new();
        for page in pages_of(window, word) {
            let Some((slot, entry)) = self.find(page) else { continue };
            let recorded =
                !self.recorded.contains_key(&slot) || super::mutation!(DestageUnrecorded);
            if recorded {
                pieces.push(Piece { slot, entry });
            }
        }
        let follows = |one: &Piece, next: &Piece| one.entry.page + 1 == next.entry.page;
        let runs = pieces.chunk_by(follows).count();
        let span = pieces.first()?.entry.page..pieces.last()?.entry.page + 1;
        if self.joins && runs >= JOINED_RUNS_MIN {
            if super::mutation!(JoinUnheld) {
                return Some(Load { pieces, joined: Some(span), holds: Vec::new() });
            }
            if let Some(hold) = self.ranges.try_take(span.clone()) {
                return Some(Load { pieces, joined: Some(span), holds: vec![hold] });
            }
        }
        let mut holds = Vec::new();
        let free = |piece: &Piece| {
            let page = piece.entry.page;
            self.ranges.try_take(page..page + 1).map(|hold| holds.push(hold)).is_some()
        };
        pieces.retain(free);
        (!pieces.is_empty()).then_some(Load { pieces, joined: None, holds })
    }

    /// The origin has these now.
    fn are_home(&mut self, pieces: &[(&Piece, Slice)]) {
        for (Piece { slot, entry }, _) in pieces {
            self.change(*slot, Entry { kept: Kept::Clean, epoch: 0, ..*entry });
        }
    }

    /// A dirty page cannot be read from any SSD: it is an error until it is written again, and
    /// nothing new becomes dirty.
    pub fn lose(&mut self, page: u64) {
        if self.lost.insert(page) {
            self.alerts.push_back(Alert::PageLost(page));
            if let Some((_, entry)) = self.find(page).filter(|(_, it)| it.kept == Kept::Dirty) {
                self.unmark(page);
                self.order.remove(page, entry.epoch);
            }
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
