//! One run: a pool under random requests and calls, with a model beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::basics::{small, volume};
use super::coverage::{FlushPoint, Operation};
use super::faults::{Fault, hurt_live};
use super::readings::Readings;
use crate::control::{ControlAnswer, ControlOp, DiskState};
use crate::placement::Expand;
use crate::policy::Policy;
use crate::request::{RequestOp, Tag, VolumeId};
use crate::sim::model::{Model, stamped};
use crate::sim::{Random, SimDisk, Sites, Spread, Start, World};

const LOG_BLOCKS: usize = 32;

/// What a run is about.
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of thing that happens or not")]
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub policy: Policy,
    pub disks: usize,
    pub disk_blocks: usize,
    pub volume_blocks: usize,
    /// Where in the volumes those blocks are.
    pub spread: Spread,
    /// Bytes of the map kept in memory: all of it, or so little that pages come and go.
    pub page_cache_bytes: usize,
    /// Calls about snapshots and clones.
    pub snapshots: bool,
    /// Disks that fail, lie and come back, up to the policy's limit.
    pub failures: bool,
    /// Disks that are added and removed.
    pub members: bool,
    /// The other policy the pool changes to and from.
    pub other: Option<Policy>,
    /// The pool is written in the oldest format and opened by this program.
    pub upgrade: bool,
}

impl Plan {
    /// How its worlds begin.
    pub fn start(&self, seed: u64) -> Start {
        Start { page_cache_bytes: self.page_cache_bytes, ..Start::from(seed) }
    }
}

/// A call on its way: what it is, and what it makes of a name.
struct Call {
    tag: Tag,
    operation: Operation,
    locks: Vec<String>,
    after: After,
}

enum After {
    Nothing,
    Volume,
    Flushed(BTreeMap<String, Vec<u64>>),
    Policy(Policy),
}

/// One run.
pub struct Run {
    pub world: World,
    pub model: Model,
    pub plan: Plan,
    pub random: Random,
    pub seed: u64,
    pub sites: Sites,
    /// Disks that may fail: as many as the policy survives.
    pub faulty: Vec<usize>,
    /// What they did so far.
    pub faults: BTreeSet<Fault>,
    pub readings: Readings,
    writes: Vec<(Tag, String, Operation)>,
    flushes: Vec<(Tag, BTreeMap<String, Vec<u64>>)>,
    call: Option<Call>,
    next_stamp: u32,
    next_name: u32,
}

impl Run {
    pub fn new(plan: Plan, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let start = plan.start(random.bits());
        let mut world = small(plan.policy, plan.disks, plan.disk_blocks, start);
        let mut model = Model::default();
        let stripe_blocks = stripe_blocks(plan.policy) as u64;
        let leaf_blocks = world.pool.leaf_blocks();
        let sites = Sites { spread: plan.spread, stripe_blocks, leaf_blocks };
        let id = volume(&mut world, "v0", sites.size_blocks(plan.volume_blocks));
        let mut content = Model::empty(sites, plan.volume_blocks);
        content.id = id.0;
        model.volumes.insert("v0".into(), content);
        let most = if plan.failures { plan.policy.failures() } else { 0 };
        let mut all: Vec<usize> = (0..plan.disks).collect();
        let faulty = (0..most).map(|_| all.remove(random.below(all.len()))).collect();
        let (writes, flushes) = (Vec::new(), Vec::new());
        // Stamps say which run they are of, so that no two runs have a state in common.
        let next_stamp = u32::try_from(seed & 0xffff).expect("16 bits") << 16 | 1;
        Self {
            world,
            model,
            plan,
            random,
            seed,
            sites,
            faulty,
            faults: BTreeSet::new(),
            readings: Readings::default(),
            writes,
            flushes,
            call: None,
            next_stamp,
            next_name: 1,
        }
    }

    /// Submits something, or lets the pool and its disks go on for a few turns.
    pub fn step(&mut self) {
        match self.random.below(24) {
            0..=3 => self.write(1 + self.random.clone().below(6), false),
            4 => self.write(0, true),
            5 => self.trim(),
            6 | 7 => self.flush(),
            8 | 9 if self.call.is_none() => self.begin_call(),
            10 if self.plan.failures => self.toggle_disk(),
            11 if self.plan.members => self.change_members(),
            12 => self.change_policy(),
            13..=15 => self.read(),
            16 if self.plan.failures && self.random.one_in(3) => hurt_live(self),
            _ => {}
        }
        self.turn();
    }

    pub fn turn(&mut self) {
        self.world.turn();
        self.collect();
    }

    fn collect(&mut self) {
        let world = &mut self.world;
        let model = &mut self.model;
        self.readings.collect(world);
        self.writes.retain(|(tag, name, _)| {
            let Some(answer) = world.answer(*tag) else { return true };
            model.answered(name, tag.0, answer.is_ok());
            false
        });
        self.flushes.retain(|(tag, point)| {
            let Some(answer) = world.answer(*tag) else { return true };
            if answer.is_ok() {
                model.flushed(point);
            }
            false
        });
        let answered = self.call.as_ref().and_then(|call| world.control_answer(call.tag));
        if let Some(answer) = answered
            && let Some(call) = self.call.take()
        {
            self.end_call(call, answer.as_ref().ok());
        }
    }

    fn end_call(&mut self, call: Call, answer: Option<&ControlAnswer>) {
        let done = answer.is_some();
        let id = match answer {
            Some(ControlAnswer::Volume(id)) => Some(id.0),
            _ => None,
        };
        match call.after {
            After::Nothing => {}
            After::Volume => self.model.end(done, id),
            After::Flushed(point) => {
                if done {
                    self.model.flushed(&point);
                }
                self.model.end(done, id);
            }
            After::Policy(policy) => {
                // Replicas go back; a folded policy that became a standard one stays so.
                if done {
                    let old = std::mem::replace(&mut self.plan.policy, policy);
                    self.plan.other = Some(old).filter(|old| old.data_shards() == 1);
                }
            }
        }
    }

    fn volumes(&self) -> Vec<String> {
        let writable = self.model.volumes.iter().filter(|(_, c)| c.snapshot_of.is_none());
        let locked = self.call.as_ref().map_or(&[][..], |call| &call.locks);
        writable.map(|(name, _)| name.clone()).filter(|name| !locked.contains(name)).collect()
    }

    fn pick(&mut self, names: &[String]) -> Option<String> {
        (!names.is_empty()).then(|| names[self.random.below(names.len())].clone())
    }

    fn id(&self, name: &str) -> VolumeId {
        VolumeId(self.model.volumes[name].id)
    }

    fn write(&mut self, count: usize, whole: bool) {
        let names = self.volumes();
        let Some(name) = self.pick(&names).filter(|_| self.writes.len() < 6) else { return };
        let blocks = self.model.blocks(&name);
        let stripe = stripe_blocks(self.plan.policy);
        let (first, count) = if whole {
            (self.random.below(blocks / stripe) * stripe, stripe)
        } else {
            let first = self.random.below(blocks - count);
            (first, self.sites.run(first, count))
        };
        if self.model.is_busy(&name, first, count) {
            return;
        }
        let stamps: Vec<u32> = (0..count).map(|_| self.stamp()).collect();
        let (offset, slices) = (self.sites.address(first) * 4096, vec![stamped(&stamps)]);
        let op = RequestOp::Write { offset, slices, fua: false };
        let tag = self.world.submit(self.id(&name), op);
        self.model.write(&name, tag.0, first, &stamps);
        self.readings.wrote(&name, first, &stamps);
        let operation = if whole { Operation::WholeStripe } else { Operation::Write };
        self.writes.push((tag, name, operation));
    }

    /// Reads some blocks of a volume or a snapshot that no call is about.
    fn read(&mut self) {
        let locked = self.call.as_ref().map_or(&[][..], |call| &call.locks);
        let all = self.model.volumes.keys().filter(|name| !locked.contains(name));
        let names: Vec<_> = all.cloned().collect();
        let Some(name) = self.pick(&names).filter(|_| !self.readings.is_full()) else { return };
        let first = self.random.below(self.model.blocks(&name) - 8);
        let count = self.sites.run(first, 1 + self.random.below(8));
        let (offset, length) = (self.sites.address(first) * 4096, count * 4096);
        let tag = self.world.submit(self.id(&name), RequestOp::Read { offset, length });
        self.readings.begin(tag, name.clone(), first, self.model.readable(&name, first, count));
    }

    fn stamp(&mut self) -> u32 {
        self.next_stamp += 1;
        self.next_stamp - 1
    }

    fn trim(&mut self) {
        let names = self.volumes();
        let Some(name) = self.pick(&names).filter(|_| self.writes.len() < 6) else { return };
        let blocks = self.model.blocks(&name);
        let count = 1 + self.random.below(blocks / 2);
        let first = self.random.below(blocks - count);
        if self.model.is_busy(&name, first, count) {
            return;
        }
        let offset = self.sites.address(first) * 4096;
        let length = self.sites.size_blocks(first + count) * 4096 - offset;
        let op = RequestOp::Zero { offset, length, fua: false };
        let tag = self.world.submit(self.id(&name), op);
        self.model.write(&name, tag.0, first, &vec![0; count]);
        self.readings.wrote(&name, first, &vec![0; count]);
        self.writes.push((tag, name, Operation::Trim));
    }

    fn flush(&mut self) {
        if self.flushes.len() < 2 {
            let point = self.model.flush_point();
            let tag = self.world.submit(self.id("v0"), RequestOp::Flush);
            self.flushes.push((tag, point));
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.next_name += 1;
        format!("{kind}{}", self.next_name)
    }

    fn begin(&mut self, op: ControlOp, operation: Operation, locks: Vec<String>, after: After) {
        let tag = self.world.call(op);
        self.readings.forget(&locks);
        self.call = Some(Call { tag, operation, locks, after });
    }

    fn begin_call(&mut self) {
        if self.plan.spread == Spread::Rising && self.random.one_in(4) {
            return self.grow();
        }
        match self.random.below(if self.plan.snapshots { 12 } else { 3 }) {
            0 | 1 => self.begin(ControlOp::Checkpoint, Operation::Destage, vec![], After::Nothing),
            2 => {
                let deep = self.random.one_in(2);
                self.begin(ControlOp::Scrub { deep }, Operation::Scrub, vec![], After::Nothing);
            }
            3 | 4 => self.snapshot(),
            5 | 6 => self.clone_snapshot(),
            7 | 8 => self.roll_back(),
            9 => self.delete(),
            10 => self.flatten(),
            _ => self.grow(),
        }
    }

    fn snapshot(&mut self) {
        let names = self.volumes();
        let Some(of) = self.pick(&names).filter(|_| self.model.volumes.len() < 6) else { return };
        let name = self.name("s");
        let copy = self.model.copy(&of, Some(of.clone()));
        self.model.begin(&name, Some(copy));
        let op = ControlOp::Snapshot { volume: self.id(&of), name, time_seconds: 1 };
        let after = After::Flushed(self.model.flush_point());
        self.begin(op, Operation::Snapshot, vec![], after);
    }

    fn snapshots(&self) -> Vec<String> {
        let snapshots = self.model.volumes.iter().filter(|(_, c)| c.snapshot_of.is_some());
        snapshots.map(|(name, _)| name.clone()).collect()
    }

    fn clone_snapshot(&mut self) {
        let names = self.snapshots();
        let Some(of) = self.pick(&names).filter(|_| self.model.volumes.len() < 6) else { return };
        let name = self.name("c");
        let copy = self.model.copy(&of, None);
        self.model.begin(&name, Some(copy));
        // Linked ones are refused deletion of their snapshot, which is another test's business.
        let op = ControlOp::Clone { snapshot: self.id(&of), name, linked: false };
        let after = After::Flushed(self.model.flush_point());
        self.begin(op, Operation::Clone, vec![], after);
    }

    /// Waits until no write to a volume is on its way.
    fn rests(&mut self, name: &str) -> bool {
        let blocks = self.model.blocks(name);
        let mut left = 500;
        while left > 0 && self.model.is_busy(name, 0, blocks) {
            self.turn();
            left -= 1;
        }
        left > 0
    }

    fn roll_back(&mut self) {
        let names = self.snapshots();
        let Some(snapshot) = self.pick(&names) else { return };
        let Some(of) = self.model.volumes[&snapshot].snapshot_of.clone() else { return };
        if !self.model.volumes.contains_key(&of) || !self.rests(&of) {
            return;
        }
        let mut copy = self.model.copy(&snapshot, None);
        copy.id = self.model.volumes[&of].id;
        self.model.begin(&of, Some(copy));
        let op = ControlOp::Rollback { volume: self.id(&of), snapshot: self.id(&snapshot) };
        let after = After::Flushed(BTreeMap::new());
        self.begin(op, Operation::Rollback, vec![of], after);
    }

    fn delete(&mut self) {
        let all: Vec<_> = self.model.volumes.keys().filter(|name| *name != "v0").cloned().collect();
        let Some(name) = self.pick(&all) else { return };
        let parent = self.model.volumes.values().any(|c| c.snapshot_of.as_ref() == Some(&name));
        if parent || !self.rests(&name) {
            return;
        }
        self.model.begin(&name, None);
        let op = ControlOp::Delete(self.id(&name));
        self.begin(op, Operation::Delete, vec![name], After::Volume);
    }

    fn flatten(&mut self) {
        let names = self.volumes();
        let Some(name) = self.pick(&names) else { return };
        let op = ControlOp::Flatten(self.id(&name));
        self.begin(op, Operation::Flatten, vec![], After::Nothing);
    }

    fn grow(&mut self) {
        let names = self.volumes();
        let Some(name) = self.pick(&names) else { return };
        let blocks = self.model.blocks(&name);
        if blocks > 160 || !self.rests(&name) {
            return;
        }
        let grown = self.model.grown(&name, blocks + 24);
        self.model.begin(&name, grown);
        let size_bytes = self.sites.size_blocks(blocks + 24) * 4096;
        let op = ControlOp::Grow { volume: self.id(&name), size_bytes };
        self.begin(op, Operation::Grow, vec![name], After::Volume);
    }

    /// Takes a disk away or gives one back.
    fn toggle_disk(&mut self) {
        if self.call.is_some() || self.faulty.is_empty() || !self.random.one_in(4) {
            return;
        }
        let disk = self.faulty[self.random.below(self.faulty.len())];
        let handle = self.world.spec(disk).handle;
        if self.is_missing(disk) {
            let is_silent = !self.world.disks[disk].is_gone();
            if is_silent && self.world.disks[disk].in_flight() > 0 {
                return;
            }
            self.world.disks[disk].set_gone(false);
            let op = if is_silent {
                ControlOp::SetAnswering { disk: handle, answers: true }
            } else {
                ControlOp::ReturnDisk(self.world.spec(disk))
            };
            self.begin(op, Operation::ReturnDisk, vec![], After::Nothing);
        } else if self.random.one_in(3) {
            // What it was given may be done all the same, at any time until it answers again.
            let op = ControlOp::SetAnswering { disk: handle, answers: false };
            self.begin(op, Operation::ReturnDisk, vec![], After::Nothing);
        } else {
            self.world.disks[disk].set_gone(true);
            self.faults.insert(Fault::Gone);
        }
    }

    /// Whether the pool does without a disk.
    pub fn is_missing(&mut self, disk: usize) -> bool {
        self.world.status().disks.iter().any(|found| {
            found.handle.is_some_and(|handle| handle.0 as usize == disk)
                && found.state == DiskState::Missing
        })
    }

    /// Begins to change the policy, there or back.
    fn change_policy(&mut self) {
        if self.call.is_some() || !self.random.one_in(3) {
            return;
        }
        if let Some(other) = self.plan.other {
            let after = After::Policy(other);
            let operation = match other {
                Policy::Replicas { .. } => Operation::ChangeReplicas,
                _ => Operation::Convert,
            };
            self.begin(ControlOp::SetPolicy(other), operation, vec![], after);
        }
    }

    /// Begins to add a disk, or to remove the first one.
    fn change_members(&mut self) {
        if self.call.is_some() || !self.random.one_in(3) {
            return;
        }
        let members = self.world.status().disks;
        if members.len() <= self.plan.disks && self.world.disks.len() < 12 {
            self.world.disks.push(SimDisk::new(self.plan.disk_blocks));
            self.world.domains.push(Vec::new());
            let disk = self.world.spec(self.world.disks.len() - 1);
            let op =
                ControlOp::AddDisks { disks: vec![disk], expand: Expand::Rebalance, force: false };
            self.begin(op, Operation::AddDisk, vec![], After::Nothing);
        } else if members.len() > self.plan.disks
            && let Some(first) = members.iter().find(|disk| disk.state == DiskState::Online)
        {
            let op = ControlOp::RemoveDisk(first.id);
            self.begin(op, Operation::RemoveDisk, vec![], After::Nothing);
        }
    }

    /// What is going on.
    pub fn operation(&self) -> Operation {
        if self.plan.upgrade {
            return Operation::Upgrade;
        }
        if let Some(call) = &self.call {
            return call.operation;
        }
        if matches!(self.flush_point(), FlushPoint::Home | FlushPoint::Superblock)
            && self.writes.iter().all(|(_, _, operation)| *operation != Operation::WholeStripe)
        {
            return Operation::Destage;
        }
        match self.writes.last() {
            Some((_, _, operation)) => *operation,
            None if !self.flushes.is_empty() => Operation::Flush,
            None => Operation::Idle,
        }
    }

    pub fn flush_point(&self) -> FlushPoint {
        flush_point(&self.world)
    }
}

/// Blocks of a stripe of the small pools.
pub fn stripe_blocks(policy: Policy) -> usize {
    if policy.data_shards() == 1 { 4 } else { 2 * policy.data_shards() }
}

/// Which flush has not come yet.
pub fn flush_point(world: &World) -> FlushPoint {
    let any = |from, to| world.disks.iter().any(|disk| disk.has_volatile(from, to));
    if any(0, 2) {
        FlushPoint::Superblock
    } else if any(2 + LOG_BLOCKS, usize::MAX) {
        FlushPoint::Home
    } else if any(2, 2 + LOG_BLOCKS) {
        FlushPoint::Log
    } else {
        FlushPoint::Nothing
    }
}
