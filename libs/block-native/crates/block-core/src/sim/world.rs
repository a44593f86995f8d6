//! A pool on simulated disks: turns in a random order, crashes, and another start.

use std::collections::HashMap;

use super::disk::{CrashMode, SimDisk};
use super::random::Random;
use crate::control::{
    Control, ControlAnswer, ControlOp, DiskSpec, OpenOptions, PoolSpec, PoolStatus,
};
use crate::disk::{Disk, DiskHandle};
use crate::error::BlockError;
use crate::placement::Level;
use crate::pool::{Nanoseconds, Phase, Pool};
use crate::request::{Answer, Request, RequestOp, Tag, VolumeId};

/// Turns after which something that should have ended counts as stuck.
const TURNS_MAX: usize = 100_000;

/// How a world begins: where the order of things comes from, and how many bytes of the map are
/// kept in memory. A plain seed keeps all of it.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// The first number.
    pub seed: u64,
    /// As in [`OpenOptions`].
    pub page_cache_bytes: usize,
    /// As in [`OpenOptions`].
    pub level: Option<Level>,
}

impl From<u64> for Start {
    fn from(seed: u64) -> Self {
        Self { seed, page_cache_bytes: 1 << 20, level: None }
    }
}

impl Start {
    fn random(self) -> (Random, OpenOptions) {
        let mut random = Random::new(self.seed);
        let options = OpenOptions::new(random.bits());
        let Self { page_cache_bytes, level, .. } = self;
        (random, OpenOptions { page_cache_bytes, level, ..options })
    }
}

/// A pool and its disks.
pub struct World {
    /// The devices; their numbers are their handles.
    pub disks: Vec<SimDisk>,
    /// Fault domains of the devices.
    pub domains: Vec<Vec<String>>,
    /// The pool on them.
    pub pool: Pool,
    /// The order of things.
    pub random: Random,
    answers: HashMap<Tag, Result<Answer, BlockError>>,
    control_answers: HashMap<Tag, Result<ControlAnswer, BlockError>>,
    next_tag: u64,
}

impl World {
    /// A new pool on these disks.
    ///
    /// # Errors
    /// Those of creating.
    pub fn create(
        spec: PoolSpec,
        disks: Vec<SimDisk>,
        domains: Vec<Vec<String>>,
        start: impl Into<Start>,
    ) -> Result<Self, BlockError> {
        let (random, options) = start.into().random();
        let pool = Pool::create(spec, specs(&disks, &domains), options);
        Self::start(pool, disks, domains, random)
    }

    /// The pool that is on these disks.
    ///
    /// # Errors
    /// Those of opening.
    pub fn open(
        disks: Vec<SimDisk>,
        domains: Vec<Vec<String>>,
        start: impl Into<Start>,
    ) -> Result<Self, BlockError> {
        let (random, options) = start.into().random();
        let pool = Pool::open(specs(&disks, &domains), options);
        Self::start(pool, disks, domains, random)
    }

    /// Begins to open the pool that is on these disks, and lets a crash come after some turns.
    #[must_use]
    pub fn open_partly(
        disks: Vec<SimDisk>,
        domains: Vec<Vec<String>>,
        start: impl Into<Start>,
        turns: usize,
    ) -> Self {
        let (random, options) = start.into().random();
        let pool = Pool::open(specs(&disks, &domains), options);
        let mut world = Self::new(pool, disks, domains, random);
        for _ in 0..turns {
            world.turn();
        }
        world
    }

    fn new(pool: Pool, disks: Vec<SimDisk>, domains: Vec<Vec<String>>, random: Random) -> Self {
        Self {
            disks,
            domains,
            pool,
            random,
            answers: HashMap::new(),
            control_answers: HashMap::new(),
            next_tag: 1,
        }
    }

    fn start(
        pool: Pool,
        disks: Vec<SimDisk>,
        domains: Vec<Vec<String>>,
        random: Random,
    ) -> Result<Self, BlockError> {
        let mut world = Self::new(pool, disks, domains, random);
        for _ in 0..TURNS_MAX {
            match world.pool.phase() {
                Phase::Running => return Ok(world),
                Phase::Ended(outcome) => {
                    let reason = "it ended while it started".to_string();
                    return Err(outcome.err().unwrap_or(BlockError::Closed { reason }));
                }
                Phase::Starting => {
                    let busy = world.turn();
                    let waits = world.pool.phase() == Phase::Starting;
                    assert!(busy || !waits, "a start that waits for nothing");
                }
            }
        }
        panic!("a start that does not end");
    }

    /// Lets the pool work, then carries out one operation of one disk. False if nothing happens.
    pub fn turn(&mut self) -> bool {
        self.pool.advance(Nanoseconds(0));
        while let Some(io) = self.pool.next_io() {
            let at = io.disk.0 as usize;
            self.disks[at].submit(io);
        }
        while let Some(reply) = self.pool.next_reply() {
            self.answers.insert(reply.tag, reply.result);
        }
        while let Some(reply) = self.pool.next_control_reply() {
            self.control_answers.insert(reply.tag, reply.result);
        }
        let busy: Vec<usize> =
            (0..self.disks.len()).filter(|&disk| self.disks[disk].in_flight() > 0).collect();
        if busy.is_empty() {
            return false;
        }
        let disk = busy[self.random.below(busy.len())];
        let index = self.random.below(self.disks[disk].in_flight());
        if let Some(done) = self.disks[disk].step(index) {
            self.pool.complete(done);
        }
        true
    }

    /// Hands the pool a request.
    pub fn submit(&mut self, volume: VolumeId, op: RequestOp) -> Tag {
        let tag = self.tag();
        self.pool.submit(Request { tag, volume, op });
        tag
    }

    /// Hands the pool an owner's call.
    pub fn call(&mut self, op: ControlOp) -> Tag {
        let tag = self.tag();
        self.pool.control(Control { tag, op });
        tag
    }

    fn tag(&mut self) -> Tag {
        self.next_tag += 1;
        Tag(self.next_tag - 1)
    }

    /// The answer to a request, if it is there.
    pub fn answer(&mut self, tag: Tag) -> Option<Result<Answer, BlockError>> {
        self.answers.remove(&tag)
    }

    /// The answer to a call, if it is there.
    pub fn control_answer(&mut self, tag: Tag) -> Option<Result<ControlAnswer, BlockError>> {
        self.control_answers.remove(&tag)
    }

    /// Turns until a request is answered.
    ///
    /// # Errors
    /// What it is answered with.
    ///
    /// # Panics
    /// If it never is.
    pub fn wait(&mut self, tag: Tag) -> Result<Answer, BlockError> {
        for _ in 0..TURNS_MAX {
            let busy = self.turn();
            if let Some(answer) = self.answer(tag) {
                return answer;
            }
            assert!(busy, "a request that is never answered");
        }
        panic!("a request that takes for ever");
    }

    /// As [`World::wait`], of an owner's call.
    ///
    /// # Errors
    /// What it is answered with.
    ///
    /// # Panics
    /// If it never is.
    pub fn wait_call(&mut self, tag: Tag) -> Result<ControlAnswer, BlockError> {
        for _ in 0..TURNS_MAX {
            let busy = self.turn();
            if let Some(answer) = self.control_answer(tag) {
                return answer;
            }
            assert!(busy, "a call that is never answered");
        }
        panic!("a call that takes for ever");
    }

    /// Does a request.
    ///
    /// # Errors
    /// What it is answered with.
    pub fn ask(&mut self, volume: VolumeId, op: RequestOp) -> Result<Answer, BlockError> {
        let tag = self.submit(volume, op);
        self.wait(tag)
    }

    /// Does an owner's call.
    ///
    /// # Errors
    /// What it is answered with.
    pub fn control(&mut self, op: ControlOp) -> Result<ControlAnswer, BlockError> {
        let tag = self.call(op);
        self.wait_call(tag)
    }

    /// Turns until nothing happens any more.
    ///
    /// # Panics
    /// If that is never.
    pub fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if !self.turn() {
                return;
            }
        }
        panic!("a pool that never rests");
    }

    /// How the pool is.
    ///
    /// # Panics
    /// If it takes no calls.
    pub fn status(&mut self) -> PoolStatus {
        match self.control(ControlOp::Status) {
            Ok(ControlAnswer::Status(status)) => *status,
            other => panic!("a pool without status: {other:?}"),
        }
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// What the read is answered with.
    ///
    /// # Panics
    /// If it is answered with something else than bytes.
    pub fn read(
        &mut self,
        volume: VolumeId,
        offset: u64,
        length: usize,
    ) -> Result<Vec<u8>, BlockError> {
        match self.ask(volume, RequestOp::Read { offset, length })? {
            Answer::Bytes(slices) => {
                let mut bytes = Vec::with_capacity(length);
                for slice in &slices {
                    bytes.extend_from_slice(slice.as_bytes());
                }
                Ok(bytes)
            }
            other => panic!("a read answered with {other:?}"),
        }
    }

    /// The disks as a crash now may leave them.
    pub fn crash(&self, mode: CrashMode, random: &mut Random) -> Vec<SimDisk> {
        self.disks.iter().map(|disk| disk.crash(mode, random)).collect()
    }

    /// A device as its pool is told of it.
    #[must_use]
    pub fn spec(&self, disk: usize) -> DiskSpec {
        specs(&self.disks, &self.domains).remove(disk)
    }
}

fn specs(disks: &[SimDisk], domains: &[Vec<String>]) -> Vec<DiskSpec> {
    let each = disks.iter().zip(domains).enumerate().map(|(at, (disk, domains))| DiskSpec {
        handle: DiskHandle(u32::try_from(at).unwrap_or(u32::MAX)),
        name: format!("d{at}"),
        facts: disk.facts(),
        domains: domains.clone(),
    });
    each.collect()
}
