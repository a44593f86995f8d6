//! What the steps of a pool share: its disks, operations in flight, map, log and answers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use purlin_ec_core::{Codec, Technique};

use super::catalogue::Catalogue;
use super::entry::{Entry, Place};
use super::geometry::Geometry;
use super::layout::FORMAT;
use super::log::Log;
use super::members::Members;
use super::pages::{Pages, Pointer};
use super::queue::Queue;
use super::quick_read::QuickRead;
use super::rebuild::Rebuild;
use super::reserve::Reservations;
use super::scrub::Scrub;
use super::tasks::{Awaited, Bell, Promise, Tasks, promise};
use crate::buffer::Buffer;
use crate::control::{Control, ControlReply, DiskId, Moving, OpenOptions, PoolId, Survey};
use crate::disk::{DiskDone, DiskError, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use crate::error::BlockError;
use crate::keys::KeyMap;
use crate::placement::{Level, PlacementTable};
use crate::policy::{COPIES_MAX, Policy};
use crate::pool::{Nanoseconds, Phase};
use crate::request::Reply;

type IoResult = Result<Option<Buffer>, DiskError>;

/// Numbers for the status.
#[derive(Default)]
pub struct Counters {
    pub repaired: Cell<u64>,
    pub short_stripes: Cell<u64>,
    pub written_bytes: Cell<u64>,
    pub client_written_bytes: Cell<u64>,
}

impl Counters {
    pub fn add(counter: &Cell<u64>, value: u64) {
        counter.set(counter.get() + value);
    }
}

/// Who waits for an operation of a disk.
enum Awaiter {
    Task(Promise<IoResult>),
    Client(QuickRead),
}

/// Operations that disks have not answered. An id is its place here under a number that counts up,
/// so that a late answer is nobody else's.
#[derive(Default)]
struct Waiting {
    places: Vec<Option<(IoId, Awaiter)>>,
    free: Vec<usize>,
    next: u64,
}

/// Bits of an id for the place.
const PLACE_BITS: u32 = 24;

impl Waiting {
    fn insert(&mut self, awaiter: Awaiter) -> IoId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let id = IoId(self.next << PLACE_BITS | place as u64);
        self.next += 1;
        self.places[place] = Some((id, awaiter));
        id
    }

    fn take(&mut self, id: IoId) -> Option<Awaiter> {
        let place = usize::try_from(id.0 & ((1 << PLACE_BITS) - 1)).ok()?;
        let (_, awaiter) = self.places.get_mut(place)?.take_if(|waiting| waiting.0 == id)?;
        self.free.push(place);
        Some(awaiter)
    }
}

/// What a cycle is asked for beside emptying the log.
#[derive(Default)]
pub struct Wanted {
    /// A cycle, whatever there is to do.
    pub cycle: Cell<bool>,
    /// How many wait for the end of one: what can go on in the next does.
    pub waiting: Cell<usize>,
    /// Stripes found bad, by head and stripe.
    pub repairs: RefCell<Vec<(u64, u64)>>,
    /// Stripes are short or misplaced: walk the map.
    pub rebuild: Cell<bool>,
    /// Stripes go to where placement wants them.
    pub rebalance: Cell<bool>,
    /// A checkpoint even if nothing changed.
    pub checkpoint: Cell<bool>,
    /// That is held.
    pub paused: Cell<bool>,
    /// A look at what is really placed.
    pub survey: Cell<bool>,
}

/// Blocks let go of in a cycle, held until every read that may still look at them has ended.
struct Held {
    cycle: u64,
    tail: u64,
    frees: Vec<(Place, u64)>,
}

/// Everything of one pool. Steps hold it in an `Rc` and never keep a borrow while they wait.
pub struct Core {
    pub tasks: Tasks,
    pub options: OpenOptions,
    pub pool: Cell<PoolId>,
    pub policy: Cell<Policy>,
    pub geometry: Cell<Geometry>,
    pub table: RefCell<PlacementTable>,
    /// How the moving of stripes is going; whether it is wanted is in `wanted`.
    pub moving: Cell<Moving>,
    pub surveyed: RefCell<Survey>,
    pub generation: Cell<u64>,
    pub members: RefCell<Members>,
    pub catalogue: RefCell<Catalogue>,
    pub pages: RefCell<Pages>,
    pub log: RefCell<Log>,
    pub phase: RefCell<Phase>,
    pub replies: RefCell<VecDeque<Reply>>,
    pub control_replies: RefCell<VecDeque<ControlReply>>,
    pub wanted: Wanted,
    pub cycle_bell: Bell,
    pub cycle_ended: Bell,
    pub batch_bell: Bell,
    pub counters: Counters,
    pub now: Cell<Nanoseconds>,
    /// Blocks let go of by the cycle that runs.
    pub frees: RefCell<Vec<(Place, u64)>>,
    /// Blocks let go of by log records, by sequence number.
    pub dated_frees: RefCell<Vec<(u64, Place, u64)>>,
    pub queue: RefCell<Queue>,
    pub reservations: RefCell<Reservations>,
    /// Why the last cycle could not end; it is tried again when something changes.
    pub stalled: RefCell<Option<BlockError>>,
    /// Replay passed over a record. Later flushes would make it count, so it must leave the log.
    pub skipped: Cell<bool>,
    pub cycling: Cell<bool>,
    /// The pool is being closed: nothing more goes to the log.
    pub closing: Cell<bool>,
    pub cycles_begun: Cell<u64>,
    pub cycles_ended: Cell<u64>,
    pub scrub: RefCell<Scrub>,
    /// Changes of the catalogue that wait for their turn.
    pub calls: RefCell<VecDeque<Control>>,
    pub calls_bell: Bell,
    /// Where the pool state is: its places and how many blocks.
    pub state: Cell<([Place; COPIES_MAX], u64)>,
    /// Its bytes and their checksum.
    pub stored_state: Cell<(u64, u32)>,
    /// The format it is in: that of the last checkpoint.
    pub state_format: Cell<u32>,
    /// Pages written last, by the keys they had when they were dirty.
    pub moved: RefCell<KeyMap<u64, Pointer>>,
    pub rebuild: RefCell<Rebuild>,
    /// Stripes, by key, that the log names and that no checkpoint has in the map yet: replay looks
    /// whether they arrived, so they must stay as they are.
    pub young: RefCell<HashSet<u64>>,
    cycle: Cell<u64>,
    readers: RefCell<BTreeMap<u64, u64>>,
    held: RefCell<VecDeque<Held>>,
    waiting: RefCell<Waiting>,
    codecs: RefCell<HashMap<(usize, usize), Rc<Codec>>>,
}

impl Core {
    pub fn new(options: OpenOptions) -> Rc<Self> {
        let policy = Policy::Replicas { copies: 1 };
        let geometry = Geometry { stripe_blocks: 1, entry_bytes: 4096, leaf_entries: 1 };
        Rc::new(Self {
            tasks: Tasks::default(),
            options,
            pool: Cell::new(PoolId([0; 16])),
            policy: Cell::new(policy),
            geometry: Cell::new(geometry),
            table: RefCell::new(PlacementTable::loose(policy, Level::Server, &[], 0)),
            moving: Cell::default(),
            surveyed: RefCell::default(),
            generation: Cell::new(0),
            members: RefCell::default(),
            catalogue: RefCell::default(),
            pages: RefCell::new(Pages::new(options.page_cache_bytes)),
            log: RefCell::default(),
            phase: RefCell::new(Phase::Starting),
            replies: RefCell::default(),
            control_replies: RefCell::default(),
            wanted: Wanted::default(),
            cycle_bell: Bell::default(),
            cycle_ended: Bell::default(),
            batch_bell: Bell::default(),
            counters: Counters::default(),
            now: Cell::default(),
            frees: RefCell::default(),
            dated_frees: RefCell::default(),
            queue: RefCell::default(),
            reservations: RefCell::default(),
            stalled: RefCell::default(),
            skipped: Cell::new(false),
            cycling: Cell::new(false),
            closing: Cell::new(false),
            cycles_begun: Cell::new(0),
            cycles_ended: Cell::new(0),
            scrub: RefCell::default(),
            calls: RefCell::default(),
            calls_bell: Bell::default(),
            state: Cell::new(([Place::NOWHERE; COPIES_MAX], 0)),
            stored_state: Cell::new((0, 0)),
            state_format: Cell::new(FORMAT),
            moved: RefCell::default(),
            rebuild: RefCell::default(),
            young: RefCell::default(),
            cycle: Cell::new(0),
            readers: RefCell::default(),
            held: RefCell::default(),
            waiting: RefCell::default(),
            codecs: RefCell::default(),
        })
    }

    /// Asks a disk for something. A disk that is not there answers at once.
    pub fn io(&self, disk: DiskId, class: IoClass, op: DiskOp) -> Awaited<IoResult> {
        let (answer, awaited) = promise();
        let handle = self.members.borrow().get(disk).and_then(|member| member.handle);
        let Some(handle) = handle else {
            answer.keep(Err(DiskError::Gone));
            return awaited;
        };
        self.issue(handle, class, op, Awaiter::Task(answer));
        awaited
    }

    /// Asks a disk for a block that no task waits for.
    pub fn issue_quick(&self, disk: DiskHandle, class: IoClass, op: DiskOp, read: QuickRead) {
        self.issue(disk, class, op, Awaiter::Client(read));
    }

    /// Asks a device that is not known as a disk of the pool yet.
    pub fn io_raw(&self, handle: DiskHandle, class: IoClass, op: DiskOp) -> Awaited<IoResult> {
        let (answer, awaited) = promise();
        self.issue(handle, class, op, Awaiter::Task(answer));
        awaited
    }

    fn issue(&self, disk: DiskHandle, class: IoClass, op: DiskOp, awaiter: Awaiter) {
        let id = self.waiting.borrow_mut().insert(awaiter);
        self.queue.borrow_mut().push(DiskIo { id, disk, class, op });
    }

    /// Takes a disk's answer.
    pub fn complete(self: &Rc<Self>, done: DiskDone) {
        let waiting = self.waiting.borrow_mut().take(done.id);
        match waiting {
            Some(Awaiter::Task(answer)) => answer.keep(done.result),
            Some(Awaiter::Client(read)) => self.end_quick(read, done.result),
            None => {}
        }
    }

    /// Drops who waits for disks.
    pub fn forget_waiting(&self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        drop(waiting);
    }

    /// Ends the pool: what waits is dropped, and new requests are refused.
    pub fn fail(&self, error: BlockError) {
        let mut phase = self.phase.borrow_mut();
        if !matches!(*phase, Phase::Ended(_)) {
            *phase = Phase::Ended(Err(error));
        }
    }

    /// Why requests are refused, if they are.
    pub fn refusal(&self) -> Option<BlockError> {
        match &*self.phase.borrow() {
            Phase::Ended(Err(error)) => Some(BlockError::Closed { reason: error.to_string() }),
            Phase::Ended(Ok(())) => Some(BlockError::Closed { reason: "it was closed".into() }),
            Phase::Starting | Phase::Running => None,
        }
    }

    /// Asks for a cycle soon.
    pub fn want_cycle(&self) {
        self.wanted.cycle.set(true);
        self.cycle_bell.ring();
    }

    /// The coder of a shape.
    ///
    /// # Panics
    /// Never: policies are checked to be codes that exist.
    pub fn codec(&self, data: usize, parity: usize) -> Rc<Codec> {
        let mut codecs = self.codecs.borrow_mut();
        let codec = codecs.entry((data, parity)).or_insert_with(|| {
            let technique = Technique::default_for(data, parity);
            Rc::new(Codec::new(data, parity, technique).expect("a code of a checked policy"))
        });
        Rc::clone(codec)
    }

    /// As long as this lives, no block it may have looked up is given to anybody else.
    pub fn guard(self: &Rc<Self>) -> Guard {
        let cycle = self.cycle.get();
        *self.readers.borrow_mut().entry(cycle).or_default() += 1;
        Guard { core: Rc::clone(self), cycle }
    }

    /// Lets go of one stripe's or page's places at the end of the cycle.
    pub fn let_go(&self, places: &[Place], blocks: u64) {
        let there = places.iter().filter(|place| place.is_somewhere());
        self.frees.borrow_mut().extend(there.map(|&place| (place, blocks)));
    }

    /// One referrer of a stripe less; the last one lets go of its shards.
    pub fn drop_entry(&self, entry: &Entry) {
        if !self.pages.borrow_mut().drop_reference(entry.key()) {
            self.let_go(&entry.places, entry.shape.shard_blocks as u64);
        }
    }

    /// After a checkpoint: what it let go of, and the log before `tail`, are free once those who
    /// may be reading there are done.
    pub fn end_cycle(&self, tail: u64) {
        let mut frees = std::mem::take(&mut *self.frees.borrow_mut());
        self.dated_frees.borrow_mut().retain(|&(sequence, place, blocks)| {
            let due = sequence < tail;
            if due {
                frees.push((place, blocks));
            }
            !due
        });
        let cycle = self.cycle.get();
        self.held.borrow_mut().push_back(Held { cycle, tail, frees });
        self.cycle.set(cycle + 1);
        self.release_held();
    }

    /// Waits until what the cycles so far let go of is free, or until a bounded number of things
    /// have happened: reads end, so this does.
    pub async fn held_is_free(&self) {
        for _ in 0..64 {
            if self.held.borrow().is_empty() {
                return;
            }
            self.batch_bell.next().await;
        }
    }

    fn release_held(&self) {
        loop {
            let oldest = self.readers.borrow().keys().next().copied().unwrap_or(u64::MAX);
            let mut held = self.held.borrow_mut();
            if held.front().is_none_or(|front| front.cycle >= oldest) {
                return;
            }
            let Some(Held { tail, frees, .. }) = held.pop_front() else { return };
            drop(held);
            let mut members = self.members.borrow_mut();
            for (place, blocks) in frees {
                if let Some(member) = members.get_mut(place.disk()) {
                    member.space.free(place.block(), blocks);
                }
            }
            for member in members.iter_mut() {
                member.log.let_go_before(tail);
            }
            self.log.borrow_mut().forget_before(tail);
            self.batch_bell.ring();
        }
    }
}

/// Keeps blocks from being given away; see [`Core::guard`].
pub struct Guard {
    core: Rc<Core>,
    cycle: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let ended = {
            let mut readers = self.core.readers.borrow_mut();
            let count = readers.entry(self.cycle).or_default();
            *count -= 1;
            let ended = *count == 0;
            if ended {
                readers.remove(&self.cycle);
            }
            ended
        };
        if ended && self.cycle != self.core.cycle.get() {
            self.core.release_held();
        }
    }
}
