//! A cache on simulated disks, and the lock that outlives them.

use std::collections::HashMap;

use purlin_block_core::buffer::Buffer;
use purlin_block_core::disk::{Disk, DiskHandle};
use purlin_block_core::sim::{CrashMode, Random, SimDisk};

use crate::CacheId;
use crate::cache::{Cache, CacheError, Lock, Phase, Request, Setup, Shape, Tag};

pub const PAGES: usize = 40;
pub const SHAPE: Shape = Shape { slots: 16, spare_blocks: 8, journal_blocks: 3 };
const TURNS_MAX: usize = 50_000;

/// Everything that outlives a crash: the origin is the first disk.
#[derive(Debug)]
pub struct Medium {
    pub disks: Vec<SimDisk>,
    pub lock: Lock,
}

pub struct World {
    pub medium: Medium,
    pub cache: Cache,
    pub random: Random,
    pub wanted: Option<Lock>,
    pub answers: HashMap<Tag, Result<Option<Buffer>, CacheError>>,
    next_tag: u64,
}

impl World {
    pub fn start(medium: Medium, attach: bool, seed: u64) -> Self {
        let ssds = medium.disks.len() - 1;
        let setup = Setup {
            origin: DiskHandle(0),
            origin_blocks: PAGES as u64,
            origin_id: [7; 16],
            ssds: (1..=u32::try_from(ssds).unwrap()).map(DiskHandle).collect(),
            cache_id: CacheId([3; 16]),
            shape: SHAPE,
            lock: medium.lock,
            dirty_percent_max: 70,
            attach,
        };
        Self {
            medium,
            cache: Cache::start(setup),
            random: Random::new(seed),
            wanted: None,
            answers: HashMap::new(),
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
        self.cache.advance();
        while let Some(io) = self.cache.next_io() {
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
        Medium { disks: disks.collect(), lock }
    }
}
