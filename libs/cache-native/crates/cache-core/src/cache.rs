//! The data path: one origin behind one or two SSDs, as a step function without I/O.
//!
//! The owner calls `submit` and `control`, carries out what `next_io` gives, tells the answers with
//! `complete`, keeps what `next_lock` gives where it survives the SSDs, and calls `advance` after
//! each turn. `docs/cache.md` says how it is built and why.

mod adopt;
mod budget;
mod commit;
mod core;
mod destage;
mod dirty;
mod discard;
mod fill;
mod free;
mod heat;
mod marks;
mod memory;
mod metadata;
mod open;
mod options;
mod ordered;
mod pace;
mod promote;
mod ranges;
mod read;
mod record;
mod replay;
#[cfg(all(test, feature = "simulation"))]
mod simulation;
mod slots;
mod streams;
mod switch;
mod turns;
mod write;

use std::rc::Rc;

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::{DiskDone, DiskHandle, DiskIo, IoClass};

use self::core::Core;
use self::discard::Discard;
use self::metadata::RECORDS_MAX;
pub use self::options::{Alert, Options};
use self::read::Read;
use self::write::Write;
use crate::CacheId;

/// A named fault, in tests of this crate alone.
#[cfg(all(test, feature = "simulation"))]
macro_rules! mutation {
    ($name:ident) => {
        crate::cache::simulation::mutation::is_active(
            crate::cache::simulation::mutation::Mutation::$name,
        )
    };
}
/// Without tests there are no faults.
#[cfg(not(all(test, feature = "simulation")))]
macro_rules! mutation {
    ($name:ident) => {
        false
    };
}
use mutation;

/// Few in some runs, so that a commit has several blocks of the journal there too.
#[cfg(all(test, feature = "simulation"))]
use simulation::narrow::journal_records;

/// Records of one block of the journal.
#[cfg(not(all(test, feature = "simulation")))]
const fn journal_records() -> usize {
    RECORDS_MAX
}

/// What the cache does with writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing comes in.
    PassThrough = 0,
    /// Writes go to the origin before they are answered.
    Writethrough = 1,
    /// Writes are answered when an SSD has them.
    Writeback = 2,
}

/// How the SSD is divided; the same for both where there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Pages of 4096 bytes that it holds.
    pub slots: u32,
    /// Blocks beyond that, for new content beside the old until it is recorded.
    pub spare_blocks: u32,
    /// Blocks of each of the journal's halves, at least 2.
    pub journal_blocks: u32,
}

/// Two superblocks, then two state blocks.
const STATE_AT: u64 = 2 * BLOCK_BYTES as u64;
const FIXED_BLOCKS: u64 = 4;

impl Shape {
    /// The largest shape for an SSD of so many blocks: a sixteenth of them spare, and a journal
    /// half as long as its table.
    #[must_use]
    pub fn of(blocks: u64) -> Option<Self> {
        let sets = u32::try_from(blocks / 72).ok()?;
        let table = sets.checked_mul(64)?.div_ceil(u32::try_from(RECORDS_MAX).ok()?);
        let shape = Self {
            slots: sets * 64,
            spare_blocks: (sets * 4).max(16),
            journal_blocks: (table / 2).max(4),
        };
        (sets > 0 && shape.size_blocks() <= blocks).then_some(shape)
    }

    fn blocks(self) -> u32 {
        self.slots + self.spare_blocks
    }

    fn table_blocks(self) -> u64 {
        u64::from(self.slots).div_ceil(RECORDS_MAX as u64)
    }

    /// Places of a journal block: two copies.
    fn journal_at(self, generation: u64, sequence: u64) -> [u64; 2] {
        let blocks = u64::from(self.journal_blocks);
        let first = FIXED_BLOCKS + (generation % 2) * blocks + sequence;
        [first, first + 2 * blocks].map(|block| block * BLOCK_BYTES as u64)
    }

    /// Places of a table block: two copies.
    fn table_at(self, generation: u64, sequence: u64) -> [u64; 2] {
        let blocks = self.table_blocks();
        let start = FIXED_BLOCKS + 4 * u64::from(self.journal_blocks);
        let first = start + (generation % 2) * blocks + sequence;
        [first, first + 2 * blocks].map(|block| block * BLOCK_BYTES as u64)
    }

    /// Blocks for the list of lost pages.
    fn lost_blocks(self) -> u64 {
        self.table_blocks().div_ceil(8).min(64)
    }

    /// Places of a block of lost pages: two copies.
    fn lost_at(self, generation: u64, sequence: u64) -> [u64; 2] {
        let blocks = self.lost_blocks();
        let start = FIXED_BLOCKS + 4 * (u64::from(self.journal_blocks) + self.table_blocks());
        let first = start + (generation % 2) * blocks + sequence;
        [first, first + 2 * blocks].map(|block| block * BLOCK_BYTES as u64)
    }

    fn block_at(self, block: u32) -> u64 {
        let metadata = u64::from(self.journal_blocks) + self.table_blocks() + self.lost_blocks();
        let start = FIXED_BLOCKS + 4 * metadata;
        (start + u64::from(block)) * BLOCK_BYTES as u64
    }

    /// Blocks of the SSD that it takes.
    #[must_use]
    pub fn size_blocks(self) -> u64 {
        self.block_at(self.blocks()) / BLOCK_BYTES as u64
    }
}

/// What has to survive the SSDs: with the origin or in the state store. The owner writes it
/// durably before it calls [`Cache::lock_stored`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock {
    /// An SSD of an older epoch is stale.
    pub epoch: u64,
    /// The origin may lack what an SSD has; it must not be used without.
    pub dirty: bool,
}

/// What to begin with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The slow device.
    pub origin: DiskHandle,
    /// Its size in blocks of 4096 bytes.
    pub origin_blocks: u64,
    /// What tells it from others.
    pub origin_id: [u8; 16],
    /// One or two SSDs; two have the same content.
    pub ssds: Vec<DiskHandle>,
    /// The cache's name.
    pub cache_id: CacheId,
    /// How the SSDs are divided.
    pub shape: Shape,
    /// The lock as it is stored.
    pub lock: Lock,
    /// The largest part of the slots that may be dirty, in percent; 70 is usual. [`Options`] has it
    /// too, for later.
    pub dirty_percent_max: u32,
    /// Dirty pages go home in the order of the flushes. [`Options`] has it too, for later.
    pub ordered: bool,
    /// Formats the SSDs instead of opening what is on them.
    pub attach: bool,
}

/// Where a cache is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It reads its metadata; requests wait.
    Starting,
    /// It serves.
    Running,
    /// It serves from the origin alone.
    Detached,
    /// It does not serve.
    Refused(CacheError),
}

/// Names a request or a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// What is asked of the cache; pages are blocks of 4096 bytes of the origin.
#[derive(Debug)]
pub enum Request {
    /// Reads `count` pages.
    Read {
        /// The first page.
        page: u64,
        /// How many.
        count: usize,
    },
    /// Writes whole pages.
    Write {
        /// The first page.
        page: u64,
        /// What is written.
        slices: Vec<Slice>,
        /// Durable when answered.
        fua: bool,
    },
    /// Pages that nobody needs any more: what is read there next may be anything that was there, or
    /// what the slow device makes of it. Durable with the next flush.
    Discard {
        /// The first page.
        page: u64,
        /// How many; no limit but the device's size.
        count: u64,
    },
    /// What was answered before is durable when this is answered.
    Flush,
    /// Changes the mode; answered when no dirty page is left that the new mode does not have.
    SetMode(Mode),
    /// Records everything, so that the next opening finds it.
    Close,
    /// Gives up the lost pages: from then on they are what the origin has.
    AcceptLoss,
    /// Lets an SSD take part beside the others; answered when it has everything. What was on it is
    /// gone.
    Adopt(DiskHandle),
    /// Lets go of one SSD of several; it is stale from then on.
    Dismiss(DiskHandle),
    /// Drains and lets go of the SSDs. Of a clean cache no disk is asked for anything.
    Detach,
}

/// The answer; a read has a buffer.
#[derive(Debug)]
pub struct Reply {
    /// That of the request.
    pub tag: Tag,
    /// What became of it.
    pub result: Result<Option<Buffer>, CacheError>,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The slow device failed.
    #[error("the cached device failed")]
    Origin,
    /// Written pages were in the SSD alone and cannot be read any more.
    #[error("these pages were lost with the SSD; they can be written again")]
    Lost,
    /// No SSD is left that can keep what was written.
    #[error("no SSD of the cache is usable")]
    SsdLost,
    /// No SSD has this cache, of this origin, in the lock's epoch.
    #[error("no SSD has this cache as it was last in use")]
    Stale,
    /// The metadata of dirty pages cannot be read.
    #[error("the metadata of the cache is damaged, and pages were not written back")]
    Damaged,
}

/// How a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Where it is in its life.
    pub phase: Phase,
    /// The present mode.
    pub mode: Mode,
    /// Pages that the origin lacks, those that are lost too: the progress of a drain.
    pub dirty_pages: usize,
    /// Pages in the slots.
    pub cached_pages: usize,
    /// Pages that were asked for so far and came from the slow device.
    pub missed_pages: u64,
    /// Dirty pages that cannot be read.
    pub lost_pages: usize,
    /// SSDs in use.
    pub ssds: usize,
    /// Of an SSD that is being adopted: slots whose content it has.
    pub adopted_slots: Option<u32>,
    /// Errors of the SSDs so far, wrong checksums too.
    pub ssd_errors: u64,
}

/// One origin and its cache.
pub struct Cache {
    core: Rc<Core>,
    early: Vec<(Tag, IoClass, Request)>,
}

impl Cache {
    /// Begins; [`Cache::status`] tells when it serves.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let core = Core::new(setup);
        core.tasks.spawn(open::run(Rc::clone(&core)));
        Self { core, early: Vec::new() }
    }

    /// Other choices than the usual ones, from now on.
    pub fn configure(&mut self, options: Options) {
        self.core.get().configure(options);
    }

    /// Tells the time. Without it destage does not pause, errors of SSDs count for ever, and
    /// nothing is done in idle times. [`Cache::advance`] comes after it.
    pub fn pass_time(&mut self, now: Nanoseconds) {
        let mut inner = self.core.get();
        inner.now = Some(now);
        inner.turns.pass_time(now);
    }

    /// When [`Cache::advance`] has to be called even if nothing happens; `None` if never. It wants
    /// [`Cache::pass_time`] then.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanoseconds> {
        let inner = self.core.get();
        let now = inner.now?;
        let idle_at = Nanoseconds(inner.asked_at.0 + inner.options.idle_after.0);
        let dirty = !inner.dirty.is_empty();
        let paused = dirty.then(|| [inner.pace.next(), inner.turns.quiet_at()]);
        paused.into_iter().flatten().chain([idle_at]).filter(|at| *at > now).min()
    }

    /// Something an operator has to hear of.
    #[must_use]
    pub fn next_alert(&mut self) -> Option<Alert> {
        self.core.get().alerts.pop_front()
    }

    /// Takes a client's request; the answer is a [`Reply`].
    pub fn submit(&mut self, tag: Tag, request: Request) {
        self.submit_as(tag, IoClass::Client, request);
    }

    /// Takes a request for somebody: what is not for a client is served, and passes by.
    pub fn submit_as(&mut self, tag: Tag, class: IoClass, request: Request) {
        let phase = self.core.get().phase;
        match phase {
            Phase::Starting => self.early.push((tag, class, request)),
            Phase::Refused(error) => self.core.reply(tag, Err(error)),
            Phase::Running | Phase::Detached => self.begin(tag, class, request),
        }
    }

    fn begin(&self, tag: Tag, class: IoClass, request: Request) {
        let core = Rc::clone(&self.core);
        let tasks = &self.core.tasks;
        match request {
            Request::Read { page, count } => {
                tasks.spawn(read::read(core, Read { tag, class, first: page, count }));
            }
            Request::Write { page, slices, fua } => {
                tasks.spawn(write::write(core, Write { tag, class, first: page, slices, fua }));
            }
            Request::Discard { page, count } => {
                let pages = page..page.saturating_add(count);
                tasks.spawn(discard::discard(core, Discard { tag, class, pages }));
            }
            Request::Flush | Request::Close => tasks.spawn(async move {
                let result = write::flush(&core).await;
                core.reply(tag, result.map(|()| None));
            }),
            Request::SetMode(mode) => tasks.spawn(async move {
                let result = switch::set_mode(&core, mode).await;
                core.reply(tag, result.map(|()| None));
            }),
            Request::AcceptLoss => tasks.spawn(async move {
                let result = switch::accept_loss(&core).await;
                core.reply(tag, result.map(|()| None));
            }),
            Request::Adopt(ssd) => tasks.spawn(async move {
                let result = adopt::adopt(&core, ssd).await;
                core.reply(tag, result.map(|()| None));
            }),
            Request::Dismiss(ssd) => tasks.spawn(async move {
                let result = adopt::dismiss(&core, ssd).await;
                core.reply(tag, result.map(|()| None));
            }),
            Request::Detach => tasks.spawn(async move {
                let result = switch::detach(&core).await;
                core.reply(tag, result.map(|()| None));
            }),
        }
    }

    /// Tells what became of a disk operation.
    pub fn complete(&mut self, done: DiskDone) {
        self.core.answer(done.id, done.result);
    }

    /// The lock is durable.
    pub fn lock_stored(&mut self, lock: Lock) {
        self.core.get().lock = lock;
        self.core.bell.ring();
    }

    /// Lets everything go on that can.
    pub fn advance(&mut self) {
        self.core.get().ticks += 1;
        self.core.bell.ring();
        self.core.tasks.run();
        let phase = self.core.get().phase;
        if phase != Phase::Starting && !self.early.is_empty() {
            for (tag, class, request) in std::mem::take(&mut self.early) {
                self.submit_as(tag, class, request);
            }
            self.core.tasks.run();
        }
    }

    /// The next operation for a disk.
    #[must_use]
    pub fn next_io(&mut self) -> Option<DiskIo> {
        self.core.get().ios.pop_front()
    }

    /// The lock, when it is to be stored anew.
    #[must_use]
    pub fn next_lock(&mut self) -> Option<Lock> {
        self.core.get().lock_wanted.take()
    }

    /// The next answer.
    #[must_use]
    pub fn next_reply(&mut self) -> Option<Reply> {
        self.core.get().replies.pop_front()
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        let inner = self.core.get();
        Status {
            phase: inner.phase,
            mode: inner.mode,
            dirty_pages: inner.dirty.len() + inner.lost.len(),
            cached_pages: inner.cached_pages,
            missed_pages: inner.missed_pages,
            lost_pages: inner.lost.len(),
            ssds: inner.alive.len(),
            adopted_slots: inner.newcomer.map(|newcomer| newcomer.slots),
            ssd_errors: inner.errors,
        }
    }

    /// The lost pages as ranges, in order.
    #[must_use]
    pub fn lost_ranges(&self) -> Vec<std::ops::Range<u64>> {
        let pages: Vec<u64> = self.lost_pages();
        let runs = pages.chunk_by(|page, next| page + 1 == *next);
        runs.map(|run| run[0]..run[0] + run.len() as u64).collect()
    }

    /// Dirty pages that cannot be read; reading them is an error until they are written.
    #[must_use]
    pub fn lost_pages(&self) -> Vec<u64> {
        self.core.get().lost.iter().copied().collect()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // Tasks hold the core and the core the tasks.
        self.core.tasks.clear();
    }
}
