//! One cached disk: the cache with its lock, driven by operations as a disk is.

use std::collections::{HashMap, VecDeque};

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::{DiskDone, DiskError, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use purlin_cache_core::cache::{
    Alert, Cache, CacheError, Lock, Mode, Phase, Reply, Request, Setup, Shape, Tag,
};

use super::calls::{CallError, Counts, LOST_SHOWN_MAX, LayerStatus};
use super::lock_file::LockFile;
use super::yielding::Yielding;

/// Pages of one request to the cache: what a disk takes in one operation.
const PAGES_MAX: usize = 256;

/// How often a cache with something to do is looked at though nothing happens.
const LOOK_NANOS: u64 = 500_000_000;

/// A place on an SSD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The SSD.
    pub disk: DiskHandle,
    /// Where the cache's first block lies on it.
    pub first_block: u64,
}

/// What a layer is made of.
#[derive(Debug, Clone)]
pub struct LayerPlan {
    /// The slow disk.
    pub origin: DiskHandle,
    /// Its size.
    pub origin_blocks: u64,
    /// What tells it from others.
    pub origin_id: [u8; 16],
    /// The cache's name.
    pub cache_id: purlin_cache_core::CacheId,
    /// Where it lies on each SSD.
    pub parts: Vec<Part>,
    /// How many blocks it has there.
    pub blocks: u64,
    /// How much may be dirty.
    pub dirty_percent_max: u32,
    /// What it is to do with writes once it serves; `None` leaves it as it was.
    pub mode: Option<Mode>,
    /// Empties the SSDs.
    pub attach: bool,
}

/// Whom an answer of the cache is for.
enum For {
    /// A part of an operation.
    Io(IoId),
    /// A call, by its number.
    Call(u64),
    /// Nobody.
    Nobody,
}

/// An operation that is not answered yet.
struct Pending {
    left: usize,
    error: Option<DiskError>,
}

/// A cached disk.
pub struct Layer {
    plan: LayerPlan,
    shape: Shape,
    lock: LockFile,
    cache: Cache,
    waiting: HashMap<Tag, For>,
    pending: HashMap<IoId, Pending>,
    next_tag: u64,
    mode_is_set: bool,
    began_empty: bool,
    yielding: Yielding,
    /// Calls that wait for the cache.
    calls: usize,
    /// Operations of the cache that disks have, or wait for.
    in_flight: usize,
    now: Nanoseconds,
    /// A lock that could not be stored; it is tried again.
    unstored: Option<Lock>,
    /// What came while the cache is exchanged.
    held: VecDeque<DiskIo>,
    exchange: Option<u64>,
    counts: Counts,
    /// Answers for the engine.
    pub done: VecDeque<DiskDone>,
    /// Answers to calls, by their numbers.
    pub called: VecDeque<(u64, Result<(), CallError>)>,
}

impl Layer {
    /// Begins to open the cache, or to make it.
    ///
    /// # Errors
    /// The SSDs are too small for a cache.
    pub fn start(plan: LayerPlan, lock: LockFile) -> Result<Self, String> {
        let shape = Shape::of(plan.blocks).ok_or_else(|| {
            let bytes = plan.blocks * BLOCK_BYTES as u64;
            format!("a cache of {bytes} bytes for {} is too small", lock.words().origin)
        })?;
        let cache = Cache::start(setup(&plan, shape, &lock, plan.attach));
        Ok(Self {
            plan,
            shape,
            lock,
            cache,
            waiting: HashMap::new(),
            pending: HashMap::new(),
            next_tag: 0,
            mode_is_set: false,
            began_empty: false,
            yielding: Yielding::default(),
            calls: 0,
            in_flight: 0,
            now: Nanoseconds(0),
            unstored: None,
            held: VecDeque::new(),
            exchange: None,
            counts: Counts::default(),
            done: VecDeque::new(),
            called: VecDeque::new(),
        })
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> LayerStatus {
        let mut lost = self.cache.lost_pages();
        lost.truncate(LOST_SHOWN_MAX);
        LayerStatus {
            origin: self.lock.words().origin.clone(),
            devices: self.lock.words().devices.clone(),
            cache: self.cache.status(),
            slots: self.shape.slots,
            lost,
            counts: self.counts,
        }
    }

    /// Where the cache is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.cache.status().phase {
            Phase::Refused(_) if self.may_begin_empty() => Phase::Starting,
            phase => phase,
        }
    }

    /// When it has to be looked at again though nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanoseconds> {
        let status = self.cache.status();
        let dirty = status.dirty_pages > status.lost_pages;
        let restless = dirty || status.phase == Phase::Starting || self.unstored.is_some();
        let look = restless.then(|| Nanoseconds(self.now.0 + LOOK_NANOS));
        let gap = self.yielding.deadline(self.now);
        [self.cache.deadline(), look, gap].into_iter().flatten().min()
    }

    /// Takes an operation on the slow disk.
    pub fn submit(&mut self, io: DiskIo) {
        if self.exchange.is_some() || self.phase() == Phase::Starting {
            return self.held.push_back(io);
        }
        let page_of = |at: u64| at / BLOCK_BYTES as u64;
        let (id, class) = (io.id, io.class);
        match io.op {
            DiskOp::Read { at, buffer } => {
                self.counts.read_pages += buffer.blocks() as u64;
                self.expect(id, 1);
                self.ask(
                    For::Io(id),
                    class,
                    Request::Read { page: page_of(at), count: buffer.blocks() },
                );
            }
            DiskOp::Write { at, slices, fua } => {
                let slices: Vec<_> = slices
                    .iter()
                    .flat_map(|slice| (0..slice.blocks()).map(|block| slice.blocks_at(block, 1)))
                    .collect();
                self.counts.written_pages += slices.len() as u64;
                self.expect(id, slices.len().div_ceil(PAGES_MAX));
                for (number, part) in (0..).zip(slices.chunks(PAGES_MAX)) {
                    let page = page_of(at) + number * PAGES_MAX as u64;
                    self.ask(
                        For::Io(id),
                        class,
                        Request::Write { page, slices: part.to_vec(), fua },
                    );
                }
            }
            DiskOp::Flush => {
                self.expect(id, 1);
                self.ask(For::Io(id), class, Request::Flush);
            }
            // An advice that is not passed on: the SSD has no record of holes.
            DiskOp::Discard { .. } => self.done.push_back(DiskDone { id, result: Ok(None) }),
        }
    }

    /// Makes everything answered durable, so that the next opening finds it.
    pub fn flush(&mut self, call: u64) {
        self.ask(For::Call(call), IoClass::Client, Request::Close);
    }

    /// Changes the mode.
    pub fn set_mode(&mut self, call: u64, mode: Mode) {
        if self.phase() == Phase::Detached {
            return self.called.push_back((call, Err(CallError::Detached)));
        }
        self.mode_is_set = true;
        self.ask(For::Call(call), IoClass::Client, Request::SetMode(mode));
    }

    /// Gives up what is lost: those pages are what the slow disk has.
    pub fn accept_loss(&mut self, call: u64) {
        self.ask(For::Call(call), IoClass::Client, Request::AcceptLoss);
    }

    /// Lets go of the SSDs.
    pub fn detach(&mut self, call: u64) {
        if self.phase() == Phase::Detached {
            return self.called.push_back((call, Err(CallError::Detached)));
        }
        self.ask(For::Call(call), IoClass::Client, Request::Detach);
    }

    /// Takes the SSDs again. What comes meanwhile waits until the old cache has answered all.
    pub fn attach(&mut self, call: u64) {
        if self.phase() != Phase::Detached || self.exchange.is_some() {
            return self.called.push_back((call, Err(CallError::Attached)));
        }
        self.exchange = Some(call);
    }

    /// An operation that the cache asked for has ended.
    pub fn complete(&mut self, done: DiskDone) {
        self.in_flight -= 1;
        self.yielding.ended(done.id, self.now);
        self.cache.complete(done);
    }

    /// Lets the cache work, stores the lock it wants, and gathers its answers. The lock is stored
    /// here and now: it changes when modes do and when SSDs die, never for a request.
    pub fn advance(&mut self, now: Nanoseconds) {
        self.now = now;
        self.yielding.set_hurry(self.calls > 0);
        self.cache.pass_time(now);
        self.cache.advance();
        while let Some(alert) = self.cache.next_alert() {
            self.tell(alert);
        }
        while let Some(lock) = self.cache.next_lock().or_else(|| self.unstored.take()) {
            if let Err(error) = self.lock.store(lock) {
                // Who waits for the lock waits on, and the operator is told.
                let path = self.lock.path().display();
                eprintln!("purlin-blockd: the lock {path} cannot be written: {error}");
                self.unstored = Some(lock);
                break;
            }
            self.cache.lock_stored(lock);
            self.cache.advance();
        }
        while let Some(reply) = self.cache.next_reply() {
            self.answer(reply);
        }
        self.follow_start();
        self.follow_mode();
        self.follow_exchange();
    }

    /// The next operation of the cache, on the disks as the owner numbers them.
    pub fn next_io(&mut self) -> Option<DiskIo> {
        let io = loop {
            let Some(io) = self.cache.next_io() else { break self.yielding.next(self.now)? };
            self.in_flight += 1;
            if io.disk != ORIGIN {
                break io;
            }
            if let Some(io) = self.yielding.admit(io, self.now) {
                break io;
            }
        };
        let DiskIo { id, disk, class, mut op } = io;
        if disk == ORIGIN {
            match &op {
                DiskOp::Read { buffer, .. } => {
                    self.counts.origin_reads += 1;
                    self.counts.missed_pages += buffer.blocks() as u64;
                }
                DiskOp::Write { .. } => self.counts.origin_writes += 1,
                _ => {}
            }
            return Some(DiskIo { id, disk: self.plan.origin, class, op });
        }
        let part = self.plan.parts.get(usize::try_from(disk.0).unwrap_or(usize::MAX))?;
        let base = part.first_block * BLOCK_BYTES as u64;
        match &mut op {
            DiskOp::Read { at, .. } | DiskOp::Discard { at, .. } => *at += base,
            DiskOp::Write { at, slices, .. } => {
                *at += base;
                if disk == DiskHandle(0) {
                    let bytes: usize =
                        slices.iter().map(purlin_block_core::buffer::Slice::len).sum();
                    self.counts.ssd_written_bytes += bytes as u64;
                }
            }
            DiskOp::Flush => {}
        }
        Some(DiskIo { id, disk: part.disk, class, op })
    }

    /// Tells the operator; the status says it too.
    fn tell(&self, alert: Alert) {
        let words = self.lock.words();
        let origin = &words.origin;
        match alert {
            Alert::SsdDropped(ssd) => {
                let place = usize::try_from(ssd.0).unwrap_or(usize::MAX);
                let device = words.devices.get(place).map_or("an SSD", String::as_str);
                eprintln!("purlin-blockd: {device} of the cache of {origin} is not used any more");
            }
            Alert::PageLost(page) => {
                let at = page * BLOCK_BYTES as u64;
                eprintln!("purlin-blockd: bytes {at}+{BLOCK_BYTES} of {origin} are lost");
            }
            Alert::MetadataDamaged(pages) => eprintln!(
                "purlin-blockd: metadata of the cache of {origin} is damaged; writeback has \
                 stopped, and {pages} pages may be lost"
            ),
        }
    }

    fn expect(&mut self, id: IoId, left: usize) {
        self.pending.insert(id, Pending { left, error: None });
    }

    fn ask(&mut self, whom: For, class: IoClass, request: Request) {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.calls += usize::from(matches!(whom, For::Call(_)));
        self.waiting.insert(tag, whom);
        self.cache.submit_as(tag, class, request);
    }

    fn answer(&mut self, Reply { tag, result }: Reply) {
        match self.waiting.remove(&tag) {
            Some(For::Io(id)) => {
                let Some(pending) = self.pending.get_mut(&id) else { return };
                pending.left -= 1;
                let (buffer, failed) = match result {
                    Ok(buffer) => (buffer, None),
                    Err(error) => (None, Some(disk_error(error))),
                };
                pending.error = pending.error.or(failed);
                if pending.left == 0 {
                    let result = pending.error.map_or(Ok(buffer), Err);
                    self.pending.remove(&id);
                    self.done.push_back(DiskDone { id, result });
                }
            }
            Some(For::Call(call)) => {
                self.calls -= 1;
                self.called.push_back((call, result.map(drop).map_err(CallError::Cache)));
            }
            Some(For::Nobody) | None => {
                if let Err(error) = result {
                    let origin = &self.lock.words().origin;
                    eprintln!("purlin-blockd: the cache of {origin} keeps its mode: {error}");
                }
            }
        }
    }

    /// What came while the cache was opened goes on. A cache that is refused begins empty where the
    /// slow disk has everything.
    fn follow_start(&mut self) {
        match self.cache.status().phase {
            Phase::Starting => {}
            Phase::Refused(error) if self.may_begin_empty() => {
                let origin = &self.lock.words().origin;
                eprintln!("purlin-blockd: the cache of {origin} begins empty: {error}");
                self.began_empty = true;
                self.restart();
            }
            _ if self.exchange.is_none() => {
                for io in std::mem::take(&mut self.held) {
                    self.submit(io);
                }
                self.cache.advance();
            }
            _ => {}
        }
    }

    fn may_begin_empty(&self) -> bool {
        let dirty = self.lock.lock().dirty;
        !dirty && !self.plan.attach && !self.began_empty && self.in_flight == 0
    }

    fn restart(&mut self) {
        self.cache = Cache::start(setup(&self.plan, self.shape, &self.lock, true));
        self.cache.pass_time(self.now);
        self.mode_is_set = false;
        self.counts = Counts::default();
        self.cache.advance();
    }

    /// The mode that the plan asks for, once the cache serves.
    fn follow_mode(&mut self) {
        if self.mode_is_set || self.phase() != Phase::Running {
            return;
        }
        self.mode_is_set = true;
        if let Some(mode) = self.plan.mode.filter(|mode| *mode != self.cache.status().mode) {
            self.ask(For::Nobody, IoClass::Client, Request::SetMode(mode));
        }
    }

    fn follow_exchange(&mut self) {
        // An answer to the old cache must not reach the new one.
        if !self.waiting.is_empty() || self.in_flight > 0 {
            return;
        }
        let Some(call) = self.exchange.take() else { return };
        self.restart();
        // It is answered when the cache serves, or was refused.
        self.ask(For::Call(call), IoClass::Client, Request::Flush);
        self.cache.advance();
    }
}

/// The handles a cache knows: SSDs by their places, and the slow disk.
const ORIGIN: DiskHandle = DiskHandle(u32::MAX);

fn setup(plan: &LayerPlan, shape: Shape, lock: &LockFile, attach: bool) -> Setup {
    Setup {
        origin: ORIGIN,
        origin_blocks: plan.origin_blocks,
        origin_id: plan.origin_id,
        ssds: (0..).zip(&plan.parts).map(|(place, _)| DiskHandle(place)).collect(),
        cache_id: plan.cache_id,
        shape,
        lock: lock.lock(),
        dirty_percent_max: plan.dirty_percent_max,
        attach,
    }
}

fn disk_error(error: CacheError) -> DiskError {
    match error {
        CacheError::Origin | CacheError::Lost | CacheError::SsdLost => DiskError::Io,
        CacheError::Stale | CacheError::Damaged => DiskError::Gone,
    }
}
