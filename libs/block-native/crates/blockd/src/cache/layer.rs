//! One cached disk: the cache with its lock, driven by operations as a disk is.

use std::collections::{HashMap, VecDeque};

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::{DiskDone, DiskError, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use purlin_cache_core::cache::{
    Alert, Cache, CacheError, Lock, Mode, Phase, Reply, Request, Setup, Shape, Tag,
};

use super::calls::{CallError, Counts, LOST_SHOWN_MAX, LayerStatus};
use super::devices::Device;
use super::lock_file::LockFile;

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
    /// Where it lies on each SSD; the cache's handles are the places here.
    pub parts: Vec<Part>,
    /// The paths of the SSDs by the same places; none where one has gone.
    pub devices: Vec<Option<String>>,
    /// How many blocks it has there.
    pub blocks: u64,
    /// How much may be dirty.
    pub dirty_percent_max: u32,
    /// Whether dirty pages go home in the order of the flushes.
    pub ordered: bool,
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
    /// A call that exchanges an SSD: whether the one at this place comes.
    Exchange { call: u64, place: usize, comes: bool },
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
        let cache = self.cache.status();
        LayerStatus {
            origin: self.lock.words().origin.clone(),
            devices: self.plan.devices.iter().flatten().cloned().collect(),
            cache,
            slots: self.shape.slots,
            lost,
            counts: Counts { missed_pages: cache.missed_pages, ..self.counts },
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
        [self.cache.deadline(), look].into_iter().flatten().min()
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
            DiskOp::Discard { at, length } => {
                self.expect(id, 1);
                let (page, count) = (page_of(at), length / BLOCK_BYTES as u64);
                self.ask(For::Io(id), class, Request::Discard { page, count });
            }
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

    /// Lets an SSD take part; answered when it has everything.
    pub fn adopt(&mut self, call: u64, device: &Device) {
        let words = self.lock.words();
        let wanted = words.first_block + self.plan.blocks;
        let known = self.plan.devices.iter().flatten().any(|name| *name == device.name);
        let bytes = |blocks: u64| blocks * BLOCK_BYTES as u64;
        let refusal = if self.phase() != Phase::Running || self.exchange.is_some() {
            Some(CallError::Detached)
        } else if known {
            Some(CallError::Taken(device.name.clone()))
        } else if device.blocks < wanted {
            let (has, wants) = (bytes(device.blocks), bytes(wanted));
            Some(CallError::TooSmall(device.name.clone(), has, wants))
        } else {
            None
        };
        if let Some(error) = refusal {
            return self.called.push_back((call, Err(error)));
        }
        let part = Part { disk: device.handle, first_block: words.first_block };
        let place = self.plan.parts.len();
        self.plan.parts.push(part);
        self.plan.devices.push(Some(device.name.clone()));
        self.exchange_ssd(call, place, true);
    }

    /// Lets go of an SSD while another has everything.
    pub fn dismiss(&mut self, call: u64, name: &str) {
        let place = self.plan.devices.iter().position(|it| it.as_deref() == Some(name));
        match place {
            Some(place) if self.phase() == Phase::Running => self.exchange_ssd(call, place, false),
            _ => self.called.push_back((call, Err(CallError::NoDevice(name.to_owned())))),
        }
    }

    fn exchange_ssd(&mut self, call: u64, place: usize, comes: bool) {
        let ssd = DiskHandle(u32::try_from(place).unwrap_or(u32::MAX));
        let request = if comes { Request::Adopt(ssd) } else { Request::Dismiss(ssd) };
        self.ask(For::Exchange { call, place, comes }, IoClass::Client, request);
    }

    /// An SSD has come, or has gone: whoever starts the cache the next time reads it in the lock.
    fn exchanged(&mut self, place: usize, comes: bool, done: bool) {
        if comes != done {
            self.plan.devices[place] = None;
        }
        if !done {
            return;
        }
        self.lock.set_devices(self.plan.devices.iter().flatten().cloned().collect());
        if let Err(error) = self.lock.store(self.lock.lock()) {
            let path = self.lock.path().display();
            eprintln!("purlin-blockd: the lock {path} still names other SSDs: {error}");
        }
    }

    /// An operation that the cache asked for has ended.
    pub fn complete(&mut self, done: DiskDone) {
        self.in_flight -= 1;
        self.cache.complete(done);
    }

    /// Lets the cache work, stores the lock it wants, and gathers its answers. The lock is stored
    /// here and now: it changes when modes do and when SSDs die, never for a request.
    pub fn advance(&mut self, now: Nanoseconds) {
        self.now = now;
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
        let DiskIo { id, disk, class, mut op } = self.cache.next_io()?;
        self.in_flight += 1;
        if disk == ORIGIN {
            match &op {
                DiskOp::Read { .. } => self.counts.origin_reads += 1,
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
                if Some(disk) == first_in_use(&self.plan.devices) {
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
                let device = self.plan.devices.get(place).and_then(Option::as_deref);
                let device = device.unwrap_or("an SSD");
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
                self.called.push_back((call, result.map(drop).map_err(CallError::Cache)));
            }
            Some(For::Exchange { call, place, comes }) => {
                let name = self.plan.devices[place].clone().unwrap_or_default();
                self.exchanged(place, comes, result.is_ok());
                let failed =
                    |error| if comes { CallError::Cache(error) } else { CallError::Only(name) };
                self.called.push_back((call, result.map(drop).map_err(failed)));
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

fn in_use(devices: &[Option<String>]) -> impl Iterator<Item = DiskHandle> {
    let places = (0..).map(DiskHandle).zip(devices);
    places.filter_map(|(place, name)| name.as_ref().map(|_| place))
}

fn first_in_use(devices: &[Option<String>]) -> Option<DiskHandle> {
    in_use(devices).next()
}

fn setup(plan: &LayerPlan, shape: Shape, lock: &LockFile, attach: bool) -> Setup {
    Setup {
        origin: ORIGIN,
        origin_blocks: plan.origin_blocks,
        origin_id: plan.origin_id,
        ssds: in_use(&plan.devices).collect(),
        cache_id: plan.cache_id,
        shape,
        lock: lock.lock(),
        dirty_percent_max: plan.dirty_percent_max,
        ordered: plan.ordered,
        attach,
    }
}

fn disk_error(error: CacheError) -> DiskError {
    match error {
        CacheError::Origin | CacheError::Lost | CacheError::SsdLost => DiskError::Io,
        CacheError::Stale | CacheError::Damaged => DiskError::Gone,
    }
}
