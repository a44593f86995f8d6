//! The disks of a pool.

use std::rc::Rc;

use super::core::{Core, Counters};
use super::entry::Place;
use super::ring::Ring;
use super::space::Space;
use super::superblocks::Lacking;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::control::{DiskId, DiskState};
use crate::disk::{DiskError, DiskHandle, DiskOp, IoClass, Media};

/// A disk of the pool, there or not.
pub struct Member {
    pub id: DiskId,
    pub handle: Option<DiskHandle>,
    pub name: String,
    pub media: Media,
    pub size_blocks: u64,
    pub domains: Vec<String>,
    pub state: DiskState,
    pub log: Ring,
    pub space: Space,
    pub errors: u64,
    /// Writes answered, and how many of them a flush covers.
    pub written: u64,
    pub flushed: u64,
    /// Reads given to it, for the balance.
    pub reads: u64,
    /// Its superblocks that are to be written beside the one whose turn it is.
    pub lacking: Lacking,
    /// Bytes read and written to move and rebuild stripes.
    pub moved_bytes: u64,
}

impl Member {
    /// Whether operations may go to it.
    pub fn is_usable(&self) -> bool {
        let state = self.state;
        self.handle.is_some()
            && matches!(state, DiskState::Online | DiskState::Joining | DiskState::Leaving)
    }

    /// Whether new shards, pages and batches may go to it.
    pub fn takes_new(&self) -> bool {
        self.handle.is_some() && self.state == DiskState::Online
    }

    /// Blocks kept for the map, which is written anew before what it replaces is free.
    pub fn map_reserve_blocks(&self) -> u64 {
        (self.space.size_blocks() / 64).max(16)
    }

    /// Whether a shard of `blocks` fits beside what is reserved.
    pub fn has_room(&self, blocks: u64) -> bool {
        let kept = self.space.slots_for(self.map_reserve_blocks());
        self.space.available_slots() >= self.space.slots_for(blocks) + kept
    }
}

/// All disks of the pool, by number.
#[derive(Default)]
pub struct Members(Vec<Member>);

impl Members {
    pub fn get(&self, id: DiskId) -> Option<&Member> {
        self.0.iter().find(|member| member.id == id)
    }

    pub fn get_mut(&mut self, id: DiskId) -> Option<&mut Member> {
        self.0.iter_mut().find(|member| member.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.0.iter_mut()
    }

    pub fn push(&mut self, member: Member) {
        self.0.push(member);
    }

    pub fn remove(&mut self, id: DiskId) {
        self.0.retain(|member| member.id != id);
    }

    pub fn take(&mut self, id: DiskId) -> Option<Member> {
        let at = self.0.iter().position(|member| member.id == id)?;
        Some(self.0.remove(at))
    }

    pub fn is_usable(&self, id: DiskId) -> bool {
        self.get(id).is_some_and(Member::is_usable)
    }

    pub fn usable(&self) -> Vec<DiskId> {
        self.0.iter().filter(|member| member.is_usable()).map(|member| member.id).collect()
    }
}

impl Core {
    /// Reads blocks; an error is counted, and a disk that is gone is missing from now on.
    pub async fn read(
        self: &Rc<Self>,
        place: Place,
        blocks: usize,
        class: IoClass,
    ) -> Result<Buffer, DiskError> {
        let disk = place.disk();
        if !self.members.borrow().is_usable(disk) {
            return Err(DiskError::Gone);
        }
        let at = place.block() * BLOCK_BYTES as u64;
        let op = DiskOp::Read { at, buffer: Buffer::of_any_bytes(blocks) };
        match self.io(disk, class, op).await {
            Ok(buffer) => buffer.ok_or(DiskError::Io),
            Err(error) => {
                self.note_error(disk, error, false);
                Err(error)
            }
        }
    }

    /// Writes blocks. A disk that fails a write is missing from now on, unless the pool has no
    /// redundancy: then there is nothing better than trying again.
    pub async fn write(
        self: &Rc<Self>,
        place: Place,
        slices: Vec<Slice>,
        class: IoClass,
    ) -> Result<(), DiskError> {
        let disk = place.disk();
        if !self.members.borrow().is_usable(disk) {
            return Err(DiskError::Gone);
        }
        let bytes: usize = slices.iter().map(Slice::len).sum();
        Counters::add(&self.counters.written_bytes, bytes as u64);
        let at = place.block() * BLOCK_BYTES as u64;
        let result = self.io(disk, class, DiskOp::Write { at, slices, fua: false }).await;
        match result {
            Ok(_) => {
                if let Some(member) = self.members.borrow_mut().get_mut(disk) {
                    member.written += 1;
                }
                Ok(())
            }
            Err(error) => {
                self.note_error(disk, error, true);
                Err(error)
            }
        }
    }

    /// Flushes every usable disk that has writes no flush covers. Failures make disks missing; the
    /// number of them is returned.
    pub async fn flush_disks(self: &Rc<Self>, class: IoClass) -> usize {
        let due: Vec<_> = {
            let members = self.members.borrow();
            let due = members.iter().filter(|m| m.is_usable() && m.written > m.flushed);
            due.map(|member| (member.id, member.written)).collect()
        };
        let flushes = due.into_iter().map(|(disk, written)| {
            let core = Rc::clone(self);
            async move {
                let result = core.io(disk, class, DiskOp::Flush).await;
                match result {
                    Ok(_) => {
                        if let Some(member) = core.members.borrow_mut().get_mut(disk) {
                            member.flushed = member.flushed.max(written);
                        }
                        0
                    }
                    Err(error) => {
                        core.note_error(disk, error, true);
                        1
                    }
                }
            }
        });
        tasks::all(flushes.collect()).await.into_iter().sum()
    }

    /// Counts an error and decides whether the disk is still to be used.
    pub fn note_error(self: &Rc<Self>, disk: DiskId, error: DiskError, writing: bool) {
        let redundant = self.policy.get().copies() > 1;
        let mut members = self.members.borrow_mut();
        let Some(member) = members.get_mut(disk) else { return };
        member.errors += 1;
        let lost = error == DiskError::Gone || (writing && redundant);
        if lost && member.is_usable() {
            member.state = DiskState::Missing;
            drop(members);
            // What it alone had of the log's copies goes home soon.
            self.want_cycle();
        }
    }
}
