//! The cache's state and what every step does with it: disks, slots, blocks, epochs.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::{
    DiskError, DiskHandle, DiskIo, DiskOp, IoClass, IoId, WRITE_SLICES_MAX,
};

use super::adopt::Newcomer;
use super::budget::Budget;
use super::destage::Trip;
use super::free::Free;
use super::heat::Heat;
use super::marks::Marks;
use super::memory::Memory;
use super::metadata::{Entry, Kept, State, checksum};
use super::options::{Alert, Options};
use super::ordered::Order;
use super::pace::Pace;
use super::ranges::Ranges;
use super::record::Proof;
use super::slots::{Content, Slots};
use super::streams::Streams;
use super::turns::Turns;
use super::write::Queued;
use super::{CacheError, Lock, Mode, Phase, Reply, Setup, Tag};
use crate::policy::{FlashWrite, Policy, PolicyShape, Slot};
use purlin_block_core::tasks::{Awaited, Bell, Promise, Tasks, promise};

pub type IoResult = Result<Option<Buffer>, DiskError>;

/// Who waits for a commit.
pub struct Waiter {
    pub flush_origin: bool,
    pub promise: Promise<Result<(), CacheError>>,
}

/// Everything the steps share.
pub struct Inner {
    pub setup: Setup,
    pub options: Options,
    pub phase: Phase,
    /// What is written in the state blocks, and its present mode.
    pub state: State,
    pub mode: Mode,
    /// SSDs that take part.
    pub alive: Vec<DiskHandle>,
    pub lock: Lock,
    pub lock_wanted: Option<Lock>,
    pub policy: Policy,
    /// What each slot holds in fact; the page is the policy's.
    pub slots: Slots,
    /// What the metadata on the SSD says of the slots where that differs from `slots`.
    pub recorded: BTreeMap<u32, Entry>,
    /// Slots that need a flush of the origin before they are recorded.
    pub unproven: HashMap<u32, Proof>,
    /// Pages that left their slot while the metadata on the SSD still has them.
    pub leaving: HashMap<u64, u32>,
    pub free: Free,
    pub held: HashMap<u32, u32>,
    /// What a commit on its way may record.
    pub committing: HashMap<u32, Entry>,
    /// How many SSDs were left when the epoch was raised the last time.
    pub retired_at: usize,
    pub draining: bool,
    pub ticks: u64,
    /// Pages that the origin lacks and an SSD has.
    pub dirty: Marks,
    /// Slots with something in them.
    pub cached_pages: usize,
    /// Pages that were asked for and read from the origin.
    pub missed_pages: u64,
    /// Pages that the origin lacks and no SSD has either.
    pub lost: BTreeSet<u64>,
    /// What the list of lost pages on the SSD has.
    pub lost_listed: BTreeSet<u64>,
    /// Listed pages that were written since, and the flush of the origin that has to come before
    /// the list may say so.
    pub found: BTreeMap<u64, u64>,
    /// The pages of the last journal block.
    pub prior: Vec<u64>,
    pub memory: Memory,
    pub ranges: Ranges,
    pub waiters: Vec<Waiter>,
    pub origin_in_flight: u32,
    pub last_origin_write: Option<u64>,
    /// The same of what clients were answered for; what is destaged is still on the SSD.
    pub last_client_write: Option<u64>,
    pub flushes_begun: u64,
    pub flushes_done: u64,
    pub ssd_unflushed: bool,
    /// An SSD that is being adopted.
    pub newcomer: Option<Newcomer>,
    /// Writes of blocks on their way: those that no newcomer was given, and those that one was.
    pub block_writes: [usize; 2],
    pub generation: u64,
    /// The generation whose table counts, durably.
    pub table_generation: u64,
    pub journal_at: u64,
    /// The window that goes home next.
    pub cursor: u64,
    pub trip: Trip,
    pub turns: Turns,
    /// Whether windows go home as one write; not on an origin that failed one.
    pub joins: bool,
    /// Writes that wait for others of the same pages.
    pub queued: BTreeMap<u64, Queued>,
    pub errors: u64,
    pub budget: Budget,
    pub alerts: VecDeque<Alert>,
    pub pace: Pace,
    pub order: Order,
    pub streams: Streams,
    pub heat: Heat,
    /// If the owner tells the time.
    pub now: Option<Nanoseconds>,
    /// When a client last asked for something.
    pub asked_at: Nanoseconds,
    next_io: u64,
    answers: HashMap<IoId, Promise<IoResult>>,
    pub ios: VecDeque<DiskIo>,
    pub replies: VecDeque<Reply>,
}

/// Who changes the lock; beyond every page.
const LOCK_RANGE: std::ops::Range<u64> = u64::MAX - 3..u64::MAX - 2;

/// The state with its tasks.
pub struct Core {
    pub tasks: Tasks,
    pub bell: Bell,
    inner: RefCell<Inner>,
}

/// The number of the block that has the policy's slot.
pub fn index(slot: u32) -> usize {
    Slot(slot).index()
}

fn policy(setup: &Setup) -> Policy {
    let capacity_pages = index(setup.shape.slots);
    let bits = 64 - setup.origin_blocks.max(2).leading_zeros();
    let set_bits = capacity_pages.div_ceil(64).next_power_of_two().trailing_zeros();
    Policy::new(PolicyShape { capacity_pages, address_bits: bits.max(set_bits + 1) })
}

impl Core {
    pub fn new(setup: Setup) -> Rc<Self> {
        let policy = policy(&setup);
        let shape = setup.shape;
        let state = State {
            cache_id: setup.cache_id,
            origin_id: setup.origin_id,
            version: 0,
            generation: 1,
            epoch: setup.lock.epoch,
            shape,
            mode: Mode::PassThrough,
        };
        let inner = Inner {
            phase: Phase::Starting,
            state,
            mode: Mode::PassThrough,
            alive: setup.ssds.clone(),
            lock: setup.lock,
            lock_wanted: None,
            memory: Memory::new(policy.staged_pages()),
            policy,
            slots: Slots::new(shape.slots),
            recorded: BTreeMap::new(),
            unproven: HashMap::new(),
            leaving: HashMap::new(),
            free: Free::all(shape.blocks()),
            held: HashMap::new(),
            committing: HashMap::new(),
            retired_at: setup.ssds.len(),
            draining: false,
            ticks: 0,
            dirty: Marks::new(setup.origin_blocks, shape.slots),
            cached_pages: 0,
            missed_pages: 0,
            lost: BTreeSet::new(),
            lost_listed: BTreeSet::new(),
            found: BTreeMap::new(),
            prior: Vec::new(),
            ranges: Ranges::default(),
            waiters: Vec::new(),
            origin_in_flight: 0,
            // Nobody knows what was written to the origin before.
            last_origin_write: Some(0),
            last_client_write: Some(0),
            flushes_begun: 0,
            flushes_done: 0,
            ssd_unflushed: false,
            newcomer: None,
            block_writes: [0; 2],
            generation: 1,
            table_generation: 1,
            journal_at: 0,
            cursor: 0,
            trip: Trip::default(),
            turns: Turns::default(),
            joins: true,
            queued: BTreeMap::new(),
            errors: 0,
            budget: Budget::default(),
            alerts: VecDeque::new(),
            pace: Pace::default(),
            order: Order::default(),
            streams: Streams::default(),
            heat: Heat::default(),
            now: None,
            asked_at: Nanoseconds(0),
            options: Options {
                dirty_percent_max: setup.dirty_percent_max,
                ordered: setup.ordered,
                ..Options::default()
            },
            next_io: 0,
            answers: HashMap::new(),
            ios: VecDeque::new(),
            replies: VecDeque::new(),
            setup,
        };
        let (tasks, bell) = (Tasks::default(), Bell::default());
        Rc::new(Self { tasks, bell, inner: RefCell::new(inner) })
    }

    /// The state; never kept over a wait.
    pub fn get(&self) -> RefMut<'_, Inner> {
        self.inner.borrow_mut()
    }

    /// Begins an operation of a disk; the answer comes whether it is waited for or not.
    pub fn issue(&self, disk: DiskHandle, class: IoClass, op: DiskOp) -> Awaited<IoResult> {
        let mut inner = self.get();
        let (promise, awaited) = promise();
        inner.next_io += 1;
        let id = IoId(inner.next_io);
        inner.answers.insert(id, promise);
        let io = DiskIo { id, disk, class, op };
        if disk == inner.setup.origin
            && class != IoClass::Destage
            && io.bytes() > 0
            && let Some(now) = inner.now
        {
            inner.turns.client_begins(id, now);
        }
        inner.ios.push_back(io);
        awaited
    }

    /// An answer came.
    pub fn answer(&self, id: IoId, result: IoResult) {
        let promise = {
            let mut inner = self.get();
            inner.turns.ends(id);
            inner.answers.remove(&id)
        };
        if let Some(promise) = promise {
            promise.keep(result);
        }
    }

    /// Reads blocks of the origin.
    pub fn read_origin(&self, class: IoClass, page: u64, count: usize) -> Awaited<IoResult> {
        let origin = self.get().setup.origin;
        let op = DiskOp::Read { at: page * BLOCK_BYTES as u64, buffer: Buffer::zeroed(count) };
        self.issue(origin, class, op)
    }

    /// Writes blocks of the origin.
    pub async fn write_origin(
        &self,
        class: IoClass,
        page: u64,
        slices: Vec<Slice>,
    ) -> Result<(), DiskError> {
        let op = DiskOp::Write { at: page * BLOCK_BYTES as u64, slices, fua: false };
        self.change_origin(class, op).await
    }

    /// Writes or discards, which is durable with the next flush.
    pub async fn change_origin(&self, class: IoClass, op: DiskOp) -> Result<(), DiskError> {
        let origin = self.get().setup.origin;
        self.get().origin_in_flight += 1;
        let result = self.issue(origin, class, op).await;
        let mut inner = self.get();
        inner.origin_in_flight -= 1;
        inner.last_origin_write = Some(inner.flushes_begun);
        if class != IoClass::Destage {
            inner.last_client_write = inner.last_origin_write;
        }
        result.map(drop)
    }

    /// Writes blocks of the cache to every SSD, those that follow each other with one operation;
    /// how many SSDs took each.
    pub async fn write_blocks(&self, blocks: &[(u32, Slice)]) -> Vec<usize> {
        let (ssds, newcomer) = {
            let inner = self.get();
            (inner.takers(), inner.newcomer.map(|newcomer| newcomer.ssd))
        };
        let place = usize::from(newcomer.is_some());
        self.get().block_writes[place] += 1;
        let mut begun = Vec::new();
        for run in blocks.chunk_by(|(block, _), (next, _)| block + 1 == *next) {
            for part in run.chunks(WRITE_SLICES_MAX) {
                let at = self.get().setup.shape.block_at(part[0].0);
                let op = || {
                    let slices = part.iter().map(|(_, slice)| slice.clone()).collect();
                    DiskOp::Write { at, slices, fua: false }
                };
                let each = ssds.iter().map(|ssd| (*ssd, self.issue(*ssd, IoClass::Client, op())));
                begun.push((part.len(), each.collect::<Vec<_>>()));
            }
        }
        let mut taken = Vec::with_capacity(blocks.len());
        for (count, writes) in begun {
            let mut took = 0;
            for (ssd, write) in writes {
                match write.await {
                    Ok(_) => took += usize::from(Some(ssd) != newcomer),
                    Err(error) => self.get().ssd_failed(ssd, error),
                }
            }
            taken.resize(taken.len() + count, took);
        }
        // Only now: a flush that was on its way covers none of it.
        let mut inner = self.get();
        inner.ssd_unflushed = true;
        inner.block_writes[place] -= 1;
        taken
    }

    /// The content of a slot from the first SSD that has it whole.
    pub async fn read_slot(&self, entry: Entry) -> Option<Slice> {
        let at = self.get().setup.shape.block_at(entry.block);
        let ssds = self.get().setup.ssds.clone();
        for ssd in ssds {
            if !self.get().may_read(ssd, entry) {
                continue;
            }
            let op = DiskOp::Read { at, buffer: Buffer::zeroed(1) };
            let error = match self.issue(ssd, IoClass::Client, op).await {
                Ok(Some(buffer)) => {
                    let whole = checksum(buffer.as_bytes()) == entry.crc;
                    if whole || super::mutation!(TrustSsd) {
                        return Some(buffer.share());
                    }
                    DiskError::Io
                }
                Ok(None) => DiskError::Io,
                Err(error) => error,
            };
            self.get().ssd_failed(ssd, error);
        }
        None
    }

    /// Answers a request.
    pub fn reply(&self, tag: Tag, result: Result<Option<Buffer>, CacheError>) {
        self.get().replies.push_back(Reply { tag, result });
    }

    /// Stores the lock outside with at least this epoch, one change after the other, and waits
    /// until it is there.
    pub async fn store_lock(&self, epoch: u64, dirty: Option<bool>) {
        let id = self.bell.until(|| self.get().ranges.try_take(LOCK_RANGE)).await;
        let before = self.get().lock;
        let dirty = dirty.unwrap_or(before.dirty);
        let lock = Lock { epoch: before.epoch.max(epoch), dirty };
        if lock != before {
            self.get().lock_wanted = Some(lock);
            self.bell.until(|| (self.get().lock == lock).then_some(())).await;
        }
        self.get().ranges.release(id);
        self.bell.ring();
    }
}

impl Inner {
    fn may_read(&self, ssd: DiskHandle, entry: Entry) -> bool {
        self.alive.contains(&ssd) || self.alive.is_empty() && entry.kept == Kept::Dirty
    }

    /// An operation on an SSD failed, or gave a wrong checksum.
    pub fn ssd_failed(&mut self, ssd: DiskHandle, error: DiskError) {
        // A newcomer has to take everything.
        if self.newcomer.is_some_and(|newcomer| newcomer.ssd == ssd) {
            return self.drop_ssd(ssd);
        }
        let now = self.now.unwrap_or_default();
        let spent = self.budget.spend(ssd, now, &self.options);
        if spent || error == DiskError::Gone {
            self.drop_ssd(ssd);
        } else {
            self.errors += 1;
        }
    }

    /// An SSD is not to be used any more; the next commit raises the epoch before it answers.
    pub fn drop_ssd(&mut self, ssd: DiskHandle) {
        self.errors += 1;
        self.newcomer = self.newcomer.filter(|newcomer| newcomer.ssd != ssd);
        if self.alive.contains(&ssd) {
            self.alive.retain(|other| *other != ssd);
            self.alerts.push_back(Alert::SsdDropped(ssd));
            self.want_commit(false);
        }
    }

    /// A commit shall begin soon, and nobody waits for it.
    pub fn want_commit(&mut self, flush_origin: bool) {
        let is_enough = |waiter: &Waiter| waiter.flush_origin || !flush_origin;
        if !self.waiters.iter().any(is_enough) {
            let promise = promise().0;
            self.waiters.push(Waiter { flush_origin, promise });
        }
    }

    /// Whether the origin has answered writes, or has writes on their way, that no flush covers.
    pub fn origin_is_unflushed(&self) -> bool {
        let later = self.last_origin_write.is_some_and(|begun| begun >= self.flushes_done);
        self.origin_in_flight > 0 || later
    }

    /// The same of what clients were answered for and no SSD has.
    pub fn client_is_unflushed(&self) -> bool {
        let later = self.last_client_write.is_some_and(|begun| begun >= self.flushes_done);
        later || self.alive.is_empty() && self.origin_is_unflushed()
    }

    /// Whether the origin lacks something.
    pub fn lacks(&self) -> bool {
        !self.dirty.is_empty() || !self.lost.is_empty()
    }

    /// A page was written, or given up: it is lost no more.
    pub fn find_again(&mut self, page: u64) {
        if self.lost.remove(&page) && self.lost_listed.contains(&page) {
            self.found.insert(page, self.flushes_begun + 1);
        }
    }

    /// A request came; whether its pages may come into the cache. Long streams pass by, and so does
    /// what is not for a client: scrubs, recovery, migration.
    pub fn meet(&mut self, class: IoClass, first: u64, count: usize) -> bool {
        if class != IoClass::Client {
            return false;
        }
        self.asked_at = self.now.unwrap_or_default();
        let pages = self.streams.follow(first, count as u64);
        let passes = self.options.stream_pages > 0 && pages >= self.options.stream_pages;
        !passes && self.mode != Mode::PassThrough && !self.alive.is_empty()
    }

    /// Whether no client has asked for anything for a while.
    pub fn is_idle(&self) -> bool {
        let quiet = |now: Nanoseconds| now.0 >= self.asked_at.0 + self.options.idle_after.0;
        self.now.is_some_and(quiet)
    }

    /// What a slot holds in fact.
    pub fn entry(&self, slot: u32) -> Entry {
        self.entry_of(slot, self.policy.page_in(Slot(slot)))
    }

    fn entry_of(&self, slot: u32, page: Option<u64>) -> Entry {
        let Content { kept, block, checksum, epoch } = self.slots.content(slot);
        Entry { page: page.unwrap_or(0), block, crc: checksum, kept, epoch }
    }

    /// What the metadata on the SSD says of a slot.
    pub fn on_disk(&self, slot: u32) -> Entry {
        self.recorded.get(&slot).copied().unwrap_or_else(|| self.entry(slot))
    }

    /// The slot of a page, and what it holds.
    pub fn find(&self, page: u64) -> Option<(u32, Entry)> {
        let slot = self.policy.find(page)?;
        let entry = self.entry_of(slot.0, Some(page));
        (entry.kept != Kept::Vacant).then_some((slot.0, entry))
    }

    /// Changes what a slot holds. The block it had becomes free once no metadata names it.
    pub fn change(&mut self, slot: u32, entry: Entry) {
        self.replace(slot, self.entry(slot), entry);
    }

    fn replace(&mut self, slot: u32, old: Entry, entry: Entry) {
        let recorded = *self.recorded.entry(slot).or_insert(old);
        let Entry { page, block, crc, kept, epoch } = entry;
        self.slots.put(slot, Content { kept, block, checksum: crc, epoch });
        // What is lost is not counted as dirty.
        let was_counted = old.kept == Kept::Dirty && !self.lost.contains(&old.page);
        let stays = was_counted && kept == Kept::Dirty && old.page == page;
        if was_counted {
            self.order.remove(old.page, old.epoch);
        }
        if was_counted && !stays {
            self.unmark(old.page);
        }
        if kept == Kept::Dirty && !stays {
            self.dirty.insert(page);
        }
        if kept == Kept::Dirty && self.options.ordered {
            self.order.insert(page, epoch);
        }
        self.cached_pages += usize::from(entry.kept != Kept::Vacant);
        self.cached_pages -= usize::from(old.kept != Kept::Vacant);
        let keeps = |other: Entry| other.kept != Kept::Vacant && other.block == old.block;
        if old.kept != Kept::Vacant && !keeps(entry) {
            let free_at_once = super::mutation!(FreeBeforeCommit);
            let committing = self.committing.get(&slot).is_some_and(|entry| keeps(*entry));
            if !keeps(recorded) && !committing || free_at_once {
                self.free.push(old.block);
            }
        }
        self.await_proof(slot, old.kept, kept);
        let is_vacant = kept == Kept::Vacant && recorded.kept == Kept::Vacant;
        if is_vacant && !self.committing.contains_key(&slot) {
            self.recorded.remove(&slot);
            self.unproven.remove(&slot);
        }
        self.repin(slot);
    }

    /// The policy gave a slot to another page.
    pub fn reassign(&mut self, write: FlashWrite) {
        let slot = write.slot.0;
        // The policy has the new page there already.
        let old = self.entry_of(slot, write.evicted);
        let recorded = self.recorded.get(&slot).copied().unwrap_or(old);
        if recorded.kept == Kept::Clean {
            self.leaving.insert(recorded.page, slot);
        }
        self.replace(slot, old, Entry { page: write.page, ..Entry::default() });
    }

    /// A slot in use, or with what the origin lacks, stays where it is.
    pub fn repin(&mut self, slot: u32) {
        let held = self.held.contains_key(&slot) || self.committing.contains_key(&slot);
        let is_dirty = |entry: &Entry| entry.kept == Kept::Dirty;
        let dirty =
            self.slots.kept(slot) == Kept::Dirty || self.recorded.get(&slot).is_some_and(is_dirty);
        if held || dirty {
            self.policy.pin(Slot(slot));
        } else {
            self.policy.unpin(Slot(slot));
        }
    }

    /// Keeps the policy from giving the slot away while it is at work.
    pub fn hold(&mut self, slot: u32) {
        *self.held.entry(slot).or_default() += 1;
        self.repin(slot);
    }

    /// The opposite of `hold`.
    pub fn release(&mut self, slot: u32) {
        if let Some(count) = self.held.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&slot);
            }
        }
        self.repin(slot);
    }

    /// How many pages may be dirty.
    pub fn dirty_limit(&self) -> u64 {
        let percent = u64::from(self.options.dirty_percent_max.clamp(1, 90));
        (percent * u64::from(self.setup.shape.slots)).div_ceil(100)
    }

    /// Tells the policy of a request, and gives what it decides effect. The page whose content is
    /// to be written to the slot it got.
    pub fn access(&mut self, page: u64) -> Option<u64> {
        let write = self.policy.access(page).write?;
        self.reassign(write);
        Some(write.page)
    }
}
