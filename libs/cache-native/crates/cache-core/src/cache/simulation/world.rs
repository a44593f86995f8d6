//! A cache on simulated disks, and the lock that outlives them.

use std::collections::HashMap;

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::{BLOCK_BYTES, Buffer};
use purlin_block_core::disk::{Disk, DiskHandle, DiskIo, DiskOp};
use purlin_block_core::sim::{CrashMode, Random, SimDisk};

use super::model::{DISCARDED, stamped};
use crate::CacheId;
use crate::cache::{Cache, CacheError, Lock, Options, Phase, Request, Setup, Shape, Tag};

pub const PAGES: usize = 40;
pub const SHAPE: Shape = Shape { slots: 16, spare_blocks: 8, journal_blocks: 3 };
const TURNS_MAX: usize = 50_000;
const TURN_NANOSECONDS: u64 = 1_000_000;

/// Everything that outlives a crash: the origin is the first disk.
#[derive(Debug)]
pub struct Medium {
    pub disks: Vec<SimDisk>,
    pub lock: Lock,
    /// The SSDs answer flushes and do nothing, and nothing is durable at once.
    pub lies: bool,
}

pub struct World {
    pub medium: Medium,
    pub cache: Cache,
    pub random: Random,
    pub wanted: Option<Lock>,
    pub answers: HashMap<Tag, Result<Option<Buffer>, CacheError>>,
    /// Operations that each disk was given.
    pub operations: Vec<usize>,
    now: Nanoseconds,
    next_tag: u64,
}

impl World {
    pub fn start(medium: Medium, attach: bool, seed: u64) -> Self {
        let mut world = Self::with_shape(medium, SHAPE, attach, seed);
        world.configure(seed);
        world
    }

    /// Streams, idle times and few errors are part of every run.
    pub fn configure(&mut self, seed: u64) {
        self.cache.configure(Options {
            stream_pages: [0, 6][usize::try_from(seed % 2).unwrap_or(0)],
            idle_after: Nanoseconds(TURN_NANOSECONDS * 40),
            ..Options::default()
        });
    }

    /// The same with another shape; the origin is as large as its disk.
    pub fn with_shape(medium: Medium, shape: Shape, attach: bool, seed: u64) -> Self {
        let ssds = u32::try_from(medium.disks.len() - 1).unwrap();
        Self::with_ssds(medium, shape, attach, seed, ssds)
    }

    /// The same with the first `ssds` of the SSDs; others can be adopted.
    pub fn with_ssds(medium: Medium, shape: Shape, attach: bool, seed: u64, ssds: u32) -> Self {
        let setup = Setup {
            origin: DiskHandle(0),
            origin_blocks: medium.disks[0].facts().size_bytes / BLOCK_BYTES as u64,
            origin_id: [7; 16],
            ssds: (1..=ssds).map(DiskHandle).collect(),
            cache_id: CacheId([3; 16]),
            shape,
            lock: medium.lock,
            dirty_percent_max: 70,
            ordered: false,
            attach,
        };
        let operations = vec![0; medium.disks.len()];
        Self {
            operations,
            medium,
            cache: Cache::start(setup),
            random: Random::new(seed),
            wanted: None,
            answers: HashMap::new(),
            now: Nanoseconds(0),
            next_tag: 1,
        }
    }

    pub fn phase(&self) -> Phase {
        self.cache.status().phase
    }

    /// Turns until it serves or is refused.
    pub fn begin(&mut self) -> Phase {
        for _ in 0..TURNS_MAX {
            if self.phase() != Phase::Starting {
                return self.phase();
            }
            self.turn();
        }
        panic!("a start that does not end");
    }

    /// Lets the cache work, then one disk carries out one operation. False if nothing happens.
    pub fn turn(&mut self) -> bool {
        self.now.0 += TURN_NANOSECONDS;
        self.cache.pass_time(self.now);
        self.cache.advance();
        while let Some(io) = self.cache.next_io() {
            self.operations[io.disk.0 as usize] += 1;
            let lies = self.medium.lies && io.disk.0 > 0;
            let io = if lies { volatile(io) } else { io };
            let heeds = self.random.one_in(2);
            let io = if heeds { forgetting(io) } else { io };
            self.medium.disks[io.disk.0 as usize].submit(io);
        }
        while let Some(reply) = self.cache.next_reply() {
            self.answers.insert(reply.tag, reply.result);
        }
        self.wanted = self.cache.next_lock().or(self.wanted);
        if self.random.one_in(3)
            && let Some(lock) = self.wanted.take()
        {
            self.medium.lock = lock;
            self.cache.lock_stored(lock);
            return true;
        }
        let disks = &mut self.medium.disks;
        let busy: Vec<usize> = (0..disks.len()).filter(|&d| disks[d].in_flight() > 0).collect();
        if busy.is_empty() {
            return self.wanted.is_some();
        }
        let disk = busy[self.random.below(busy.len())];
        let at = self.random.below(disks[disk].in_flight());
        if let Some(done) = disks[disk].step(at) {
            self.cache.complete(done);
        }
        true
    }

    /// The SSDs that take part.
    pub fn alive(&self) -> Vec<DiskHandle> {
        self.cache.core.get().alive.clone()
    }

    /// Whether a commit is under way, the journal's generation and its length.
    pub fn journal(&self) -> (bool, u64, u64) {
        let inner = self.cache.core.get();
        (!inner.committing.is_empty(), inner.generation, inner.journal_at)
    }

    /// Whether an operation is on its way.
    pub fn busy(&self) -> bool {
        self.medium.disks.iter().any(|disk| disk.in_flight() > 0)
    }

    /// Tags from here on are new.
    pub fn skip_tags(&mut self, from: u64) {
        self.next_tag = from;
    }

    pub fn submit(&mut self, request: Request) -> Tag {
        self.next_tag += 1;
        self.cache.submit(Tag(self.next_tag), request);
        Tag(self.next_tag)
    }

    /// Turns until a request is answered.
    pub fn ask(&mut self, request: Request) -> Result<Option<Buffer>, CacheError> {
        let tag = self.submit(request);
        for _ in 0..TURNS_MAX {
            self.turn();
            if let Some(answer) = self.answers.remove(&tag) {
                return answer;
            }
        }
        panic!("a request that is never answered");
    }

    /// What a crash now may leave.
    pub fn crash(&self, mode: CrashMode, random: &mut Random) -> Medium {
        let lock = self.wanted.filter(|_| random.one_in(2)).unwrap_or(self.medium.lock);
        // Each device has a fate of its own, save where the test wants one for all.
        let whole = mode == CrashMode::EverythingArrived;
        let disks = self.medium.disks.iter().map(|disk| {
            let other = CrashMode::ALL[random.below(CrashMode::ALL.len())];
            let own = if whole || random.one_in(2) { mode } else { other };
            disk.crash(own, random)
        });
        Medium { disks: disks.collect(), lock, lies: self.medium.lies }
    }
}

/// A discard as a disk carries it out that has something else there from then on.
fn forgetting(io: DiskIo) -> DiskIo {
    let op = match io.op {
        DiskOp::Discard { at, length } if length > 0 => {
            let blocks = usize::try_from(length).unwrap() / BLOCK_BYTES;
            DiskOp::Write { at, slices: vec![stamped(&vec![DISCARDED; blocks])], fua: false }
        }
        other => other,
    };
    DiskIo { op, ..io }
}

/// The operation as an SSD carries it out that lies about what is durable.
fn volatile(io: DiskIo) -> DiskIo {
    let op = match io.op {
        DiskOp::Write { at, slices, .. } => DiskOp::Write { at, slices, fua: false },
        DiskOp::Flush => DiskOp::Discard { at: 0, length: 0 },
        other => other,
    };
    DiskIo { op, ..io }
}
