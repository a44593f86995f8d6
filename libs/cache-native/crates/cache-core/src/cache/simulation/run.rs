//! One run: a cache under random requests and calls, with a model beside it.

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::DiskHandle;
use purlin_block_core::sim::{Random, SimDisk};

use super::coverage::{Operation, Point};
use super::model::{Model, Stamp, stamp_of, stamped};
use super::narrow::{Commits, Stage};
use super::world::{Medium, PAGES, SHAPE, World};
use crate::cache::{CacheError, Lock, Mode, Phase, Request, Tag};

/// What a run is about.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub ssds: usize,
    pub writeback: bool,
    /// One SSD goes away at some time.
    pub dies: bool,
    /// One block of an SSD is not what was written, or cannot be read, after the crash.
    pub rots: bool,
    /// Blocks of the last SSD go bad while it runs.
    pub wears: bool,
    /// The SSDs answer flushes and do nothing.
    pub lies: bool,
    /// The journal's blocks have few records.
    pub narrow: bool,
    /// The last SSD takes part once it is adopted; SSDs come and go.
    pub spare: bool,
}

impl Plan {
    /// One SSD in writeback that does what it should.
    pub const WRITEBACK: Self = Self {
        ssds: 1,
        writeback: true,
        dies: false,
        rots: false,
        wears: false,
        lies: false,
        narrow: false,
        spare: false,
    };
}

enum After {
    Read(usize),
    Write,
    Fua,
    Flush(Vec<u64>),
    Discard,
    Call(Operation),
}

pub struct Run {
    pub world: World,
    pub model: Model,
    pub plan: Plan,
    pub random: Random,
    waiting: Vec<(Tag, After)>,
    next_stamp: Stamp,
    attaching: bool,
    pub died: bool,
    commits: Commits,
}

impl Run {
    pub fn new(plan: Plan, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let size = usize::try_from(SHAPE.size_blocks()).unwrap();
        let mut disks = vec![SimDisk::new(PAGES)];
        disks.extend((0..plan.ssds).map(|_| SimDisk::new(size)));
        let medium = Medium { disks, lock: Lock::default(), lies: plan.lies };
        let first = u32::try_from(plan.ssds).unwrap() - u32::from(plan.spare);
        let seed_of_world = random.bits();
        let mut world = World::with_ssds(medium, SHAPE, true, seed_of_world, first);
        world.configure(seed_of_world);
        let next_stamp = u32::try_from(seed & 0xffff).unwrap() << 16 | 1;
        let (model, waiting) = (Model::new(PAGES), Vec::new());
        Self {
            world,
            model,
            plan,
            random,
            waiting,
            next_stamp,
            attaching: true,
            died: false,
            commits: Commits::default(),
        }
    }

    pub fn step(&mut self) -> Result<(), String> {
        if self.world.phase() != Phase::Starting {
            self.attaching = false;
        }
        match self.random.below(20) {
            0..=2 => self.write(),
            3..=5 => self.read(),
            6 => {
                let point = self.model.flush_point();
                self.ask(Request::Flush, After::Flush(point));
            }
            7 if self.random.one_in(4) && !self.is_calling() => self.call(),
            10 if self.random.one_in(3) => self.discard(),
            9 if self.plan.wears && self.random.one_in(6) => {
                let (first, end) = (SHAPE.block_at(0), SHAPE.size_blocks());
                let first = usize::try_from(first).unwrap() / BLOCK_BYTES;
                let block = first + self.random.below(usize::try_from(end).unwrap() - first);
                self.world.medium.disks[self.plan.ssds].make_bad(block);
            }
            8 if self.plan.dies && !self.died && self.random.one_in(12) => self.kill(),
            _ => {}
        }
        let before = Commits::count();
        self.world.turn();
        self.commits.follow(before, self.world.journal());
        self.collect()
    }

    fn ask(&mut self, request: Request, after: After) {
        if self.waiting.len() < 8 {
            let tag = self.world.submit(request);
            if let After::Write | After::Fua = after {
                unreachable!("writes know their tag first");
            }
            self.waiting.push((tag, after));
        }
    }

    fn place(&mut self) -> (usize, usize) {
        let span = if self.random.one_in(2) { 8 } else { PAGES };
        let page = self.random.below(span);
        (page, 1 + self.random.below(3).min(PAGES - 1 - page))
    }

    fn read(&mut self) {
        let (page, count) = self.place();
        if !self.model.is_busy(page, count) {
            self.ask(Request::Read { page: page as u64, count }, After::Read(page));
        }
    }

    fn write(&mut self) {
        let (page, count) = self.place();
        let reads = self.waiting.iter().any(|(_, after)| matches!(after, After::Read(_)));
        if self.model.is_busy(page, count) || self.waiting.len() >= 8 || reads {
            return;
        }
        let next = self.next_stamp + u32::try_from(count).unwrap();
        let stamps: Vec<Stamp> = (self.next_stamp..next).collect();
        self.next_stamp = next;
        let fua = self.random.one_in(5);
        let slices = vec![stamped(&stamps)];
        let tag = self.world.submit(Request::Write { page: page as u64, slices, fua });
        self.model.write(tag.0, page, &stamps);
        self.waiting.push((tag, if fua { After::Fua } else { After::Write }));
    }

    fn discard(&mut self) {
        let (page, count) = self.place();
        let reads = self.waiting.iter().any(|(_, after)| matches!(after, After::Read(_)));
        if self.model.is_busy(page, count) || self.waiting.len() >= 8 || reads {
            return;
        }
        let request = Request::Discard { page: page as u64, count: count as u64 };
        let tag = self.world.submit(request);
        self.model.discard(tag.0, page, count);
        self.waiting.push((tag, After::Discard));
    }

    fn is_calling(&self) -> bool {
        self.waiting.iter().any(|(_, after)| matches!(after, After::Call(_)))
    }

    /// An SSD comes, or one of two goes.
    fn exchange(&mut self) {
        let alive = self.world.alive();
        let of = DiskHandle(1 + u32::from(self.random.one_in(2)));
        match alive.as_slice() {
            [only] => {
                let other = DiskHandle(3 - only.0);
                // Where the other one died, another is there now.
                self.world.medium.disks[other.0 as usize].set_gone(false);
                self.ask(Request::Adopt(other), After::Call(Operation::Adopt));
            }
            [_, _] => self.ask(Request::Dismiss(of), After::Call(Operation::Dismiss)),
            _ => {}
        }
    }

    fn call(&mut self) {
        if self.plan.spare && !self.random.one_in(3) {
            return self.exchange();
        }
        let (mode, operation) = match self.random.below(6) {
            0 => (Mode::PassThrough, Operation::ToPassThrough),
            1 | 2 if self.plan.writeback => (Mode::Writethrough, Operation::ToWritethrough),
            3 | 4 if self.plan.writeback => (Mode::Writeback, Operation::ToWriteback),
            5 if self.random.one_in(4) => {
                return self.ask(Request::Detach, After::Call(Operation::Detach));
            }
            _ => (Mode::Writethrough, Operation::ToWritethrough),
        };
        self.ask(Request::SetMode(mode), After::Call(operation));
    }

    /// An SSD dies: any in writethrough, one of two in writeback.
    fn kill(&mut self) {
        if self.world.phase() != Phase::Running {
            return;
        }
        if self.plan.spare {
            let leaves = self.waiting.iter().any(|(_, after)| {
                matches!(after, After::Call(Operation::Dismiss | Operation::Detach))
            });
            let victim = match self.world.alive().as_slice() {
                [_, _] if !leaves => 1 + usize::from(self.random.one_in(2)),
                [only] if !leaves => 3 - only.0 as usize,
                _ => return,
            };
            self.world.medium.disks[victim].set_gone(true);
            self.died = true;
            return;
        }
        if self.plan.ssds > 1 || !self.world.medium.lock.dirty && self.world.wanted.is_none() {
            let last = self.plan.ssds;
            self.world.medium.disks[last].set_gone(true);
            self.died = true;
        }
    }

    fn collect(&mut self) -> Result<(), String> {
        for (tag, after) in std::mem::take(&mut self.waiting) {
            let Some(answer) = self.world.answers.remove(&tag) else {
                self.waiting.push((tag, after));
                continue;
            };
            match (after, answer) {
                (After::Read(page), Ok(Some(buffer))) => {
                    for (at, block) in buffer.as_bytes().chunks(BLOCK_BYTES).enumerate() {
                        let found = stamp_of(block).ok_or("a torn page while it runs")?;
                        self.model.check(page + at, found, false)?;
                    }
                }
                (After::Write | After::Fua, Err(error)) => return Err(format!("write: {error}")),
                (After::Write | After::Discard, Ok(_)) => self.model.answered(tag.0),
                (After::Fua, Ok(_)) => {
                    self.model.answered(tag.0);
                    self.model.flushed(&[tag.0]);
                }
                (After::Flush(point), Ok(_)) => self.model.flushed(&point),
                (After::Call(_), Ok(_)) => {}
                (After::Call(Operation::Adopt | Operation::Dismiss), Err(CacheError::SsdLost))
                    if self.died || self.world.phase() == Phase::Detached => {}
                (After::Call(_), Err(CacheError::SsdLost))
                    if self.world.cache.status().ssds == 0 => {}
                (_, answer) => return Err(format!("answered with {answer:?}")),
            }
        }
        Ok(())
    }

    pub fn operation(&self) -> Operation {
        if self.world.phase() == Phase::Starting {
            return Operation::Attach;
        }
        let fewer = self.world.cache.status().ssds < self.plan.ssds;
        if fewer && self.world.wanted.is_some() && (self.died || !self.plan.spare) {
            return Operation::LostSsd;
        }
        match self.commits.stage() {
            Stage::Turned => return Operation::JournalTurn,
            Stage::Further => return Operation::LongCommit,
            Stage::Early => {}
        }
        let of = |after: &After| match after {
            After::Read(_) => Operation::Read,
            After::Write => Operation::Write,
            After::Fua => Operation::Fua,
            After::Flush(_) => Operation::Flush,
            After::Discard => Operation::Discard,
            After::Call(operation) => *operation,
        };
        self.waiting.iter().map(|(_, after)| of(after)).max().unwrap_or(Operation::Idle)
    }

    pub fn point(&self) -> Point {
        point(&self.world)
    }
}

/// What is not durable now.
pub fn point(world: &World) -> Point {
    let ssds = &world.medium.disks[1..];
    let metadata = usize::try_from(SHAPE.block_at(0)).unwrap() / BLOCK_BYTES;
    let volatile = |from, to| ssds.iter().any(|ssd| ssd.has_volatile(from, to));
    if world.wanted.is_some() {
        Point::Lock
    } else if volatile(0, 4) {
        Point::Superblock
    } else if volatile(4, metadata) {
        Point::Journal
    } else if volatile(metadata, usize::MAX) {
        Point::Slots
    } else if world.medium.disks[0].volatile_blocks() > 0 {
        Point::Origin
    } else {
        Point::Nothing
    }
}
