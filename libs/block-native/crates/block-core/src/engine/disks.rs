//! Owners' calls about disks, and about what cycles do beside emptying the log.

use std::rc::Rc;

use super::core::Core;
use super::create::new_member;
use super::layout::{Found, SUPERBLOCKS, Superblock};
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::control::{ControlAnswer, ControlOp, DiskId, DiskSpec, DiskState};
use crate::disk::{DiskOp, IoClass};
use crate::error::BlockError;
use crate::pool::Phase;

type Answered = Result<ControlAnswer, BlockError>;

impl Core {
    /// Does what takes its time, beside other calls.
    pub async fn work(self: &Rc<Self>, op: ControlOp) -> Answered {
        match op {
            ControlOp::AddDisk { disk, force } => self.add_disk(&disk, force).await,
            ControlOp::ReturnDisk(disk) => self.return_disk(&disk).await,
            ControlOp::RemoveDisk(disk) => self.remove_disk(disk).await,
            ControlOp::ForgetDisk(disk) => self.forget_disk(disk).await,
            ControlOp::SetMaintenance { disk, on } => self.set_maintenance(disk, on).await,
            ControlOp::Scrub { deep } => {
                self.wanted.scrub.set(Some(deep));
                self.one_cycle().await?;
                Ok(ControlAnswer::Scrubbed(self.scrubbed.get()))
            }
            ControlOp::Rebalance => {
                self.wanted.rebalance.set(true);
                self.rebuilt().await?;
                self.wanted.rebalance.set(false);
                Ok(ControlAnswer::Done)
            }
            ControlOp::Close => {
                self.one_cycle().await?;
                *self.phase.borrow_mut() = Phase::Ended(Ok(()));
                self.cycle_bell.ring();
                self.batch_bell.ring();
                Ok(ControlAnswer::Done)
            }
            _ => self.one_cycle().await.map(|()| ControlAnswer::Done),
        }
    }

    /// Waits for the end of a cycle that begins from now on and writes a checkpoint.
    ///
    /// # Errors
    /// Why it could not end.
    pub async fn one_cycle(self: &Rc<Self>) -> Result<(), BlockError> {
        let wanted = self.cycles_begun.get() + 1;
        self.wanted.checkpoint.set(true);
        self.want_cycle();
        while self.cycles_ended.get() < wanted {
            self.cycle_ended.next().await;
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            if let Some(error) = self.stalled.borrow().clone() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits until a pass over the map finds nothing more to move.
    async fn rebuilt(self: &Rc<Self>) -> Result<(), BlockError> {
        self.wanted.rebuild.set(true);
        while self.wanted.rebuild.get() {
            self.one_cycle().await?;
        }
        Ok(())
    }

    async fn add_disk(self: &Rc<Self>, disk: &DiskSpec, force: bool) -> Answered {
        let id = {
            let mut catalogue = self.catalogue.borrow_mut();
            catalogue.next_disk += 1;
            DiskId(catalogue.next_disk - 1)
        };
        let log_blocks = self.members.borrow().iter().map(|member| member.log.blocks).max();
        let log_bytes = log_blocks.map(|blocks| blocks * BLOCK_BYTES as u64);
        let mut member = new_member(id, disk, log_bytes)?;
        member.state = DiskState::Joining;
        self.members.borrow_mut().push(member);
        if let Err(error) = self.claim_disk(id, force).await {
            self.members.borrow_mut().remove(id);
            return Err(error);
        }
        self.join(id).await?;
        Ok(ControlAnswer::Disk(id))
    }

    /// A disk takes part once a checkpoint names it: a log copy on a disk nobody knows is none.
    async fn join(self: &Rc<Self>, id: DiskId) -> Result<(), BlockError> {
        self.one_cycle().await?;
        if let Some(member) = self.members.borrow_mut().get_mut(id)
            && member.state == DiskState::Joining
        {
            member.state = DiskState::Online;
        }
        // What was written short, or waits for room, goes on.
        self.wanted.rebuild.set(true);
        self.want_cycle();
        Ok(())
    }

    async fn return_disk(self: &Rc<Self>, disk: &DiskSpec) -> Answered {
        let mut found: Option<Superblock> = None;
        for block in 0..SUPERBLOCKS {
            let at = block * BLOCK_BYTES as u64;
            let op = DiskOp::Read { at, buffer: Buffer::zeroed(1) };
            let read = self.io_raw(disk.handle, IoClass::Client, op).await;
            let Ok(Some(buffer)) = read else { continue };
            if let Found::Superblock(superblock) = Superblock::from_block(buffer.as_bytes())
                && found.as_ref().is_none_or(|found| found.generation < superblock.generation)
            {
                found = Some(*superblock);
            }
        }
        let Some(superblock) = found.filter(|found| found.pool == self.pool.get()) else {
            let found = "no superblock of this pool".to_string();
            return Err(BlockError::ForeignDisk { handle: disk.handle.0, found });
        };
        let id = superblock.disk;
        {
            let mut members = self.members.borrow_mut();
            let member = members.get_mut(id).ok_or(BlockError::NoDisk { disk: id })?;
            if member.state != DiskState::Missing {
                let reason = format!("disk {} is not missing", id.0);
                return Err(BlockError::Invalid { reason });
            }
            member.handle = Some(disk.handle);
            member.state = DiskState::Joining;
            member.domains.clone_from(&disk.domains);
            member.written += 1;
        }
        self.join(id).await?;
        Ok(ControlAnswer::Disk(id))
    }

    async fn remove_disk(self: &Rc<Self>, id: DiskId) -> Answered {
        self.set_state(id, DiskState::Leaving, |state| {
            matches!(state, DiskState::Online | DiskState::Leaving)
        })?;
        let mut left = u64::MAX;
        loop {
            self.rebuilt().await?;
            // What the last pass let go of is free after one more.
            self.one_cycle().await?;
            self.held_is_free().await;
            let Some(used) = self.members.borrow().get(id).map(|member| member.space.used_blocks())
            else {
                return Ok(ControlAnswer::Done);
            };
            if used == 0 {
                break;
            }
            if used >= left {
                self.set_state(id, DiskState::Online, |state| state == DiskState::Leaving)?;
                return Err(BlockError::NoSpace);
            }
            left = used;
        }
        // The pool forgets the disk before the disk forgets the pool.
        let removed = self.members.borrow_mut().take(id);
        self.one_cycle().await?;
        if let Some(handle) = removed.and_then(|member| member.handle) {
            for block in 0..SUPERBLOCKS {
                let at = block * BLOCK_BYTES as u64;
                let op = DiskOp::Write { at, slices: vec![Slice::zero_block()], fua: true };
                let _ = self.io_raw(handle, IoClass::Migration, op).await;
            }
        }
        Ok(ControlAnswer::Done)
    }

    async fn forget_disk(self: &Rc<Self>, id: DiskId) -> Answered {
        self.set_state(id, DiskState::Leaving, |state| {
            matches!(state, DiskState::Missing | DiskState::Maintenance)
        })?;
        if let Some(member) = self.members.borrow_mut().get_mut(id) {
            member.handle = None;
        }
        self.wanted.rebuild.set(true);
        self.one_cycle().await.map(|()| ControlAnswer::Done)
    }

    async fn set_maintenance(self: &Rc<Self>, id: DiskId, on: bool) -> Answered {
        if !on {
            self.set_state(id, DiskState::Joining, |state| state == DiskState::Maintenance)?;
            self.join(id).await?;
            return Ok(ControlAnswer::Done);
        }
        let domains = {
            let members = self.members.borrow();
            let away = members.iter().filter(|member| !member.is_usable() || member.id == id);
            let mut domains: Vec<_> = away.map(super::members::Member::domain).collect();
            domains.sort_unstable();
            domains.dedup();
            domains.len()
        };
        let most = self.policy.get().failures();
        if domains > most {
            let reason = format!(
                "with disk {} in maintenance {domains} fault domains would be away; {most} may be",
                id.0
            );
            return Err(BlockError::Invalid { reason });
        }
        self.flush(IoClass::Client).await?;
        self.set_state(id, DiskState::Maintenance, |state| state == DiskState::Online)?;
        self.one_cycle().await.map(|()| ControlAnswer::Done)
    }

    fn set_state(
        &self,
        id: DiskId,
        state: DiskState,
        from: impl Fn(DiskState) -> bool,
    ) -> Result<(), BlockError> {
        let mut members = self.members.borrow_mut();
        let member = members.get_mut(id).ok_or(BlockError::NoDisk { disk: id })?;
        if !from(member.state) {
            let reason = format!("disk {} is {:?}", id.0, member.state);
            return Err(BlockError::Invalid { reason });
        }
        member.state = state;
        Ok(())
    }

    /// After a pass that found nothing to move: disks that were given up and of which nothing is
    /// left are no members any more.
    pub fn forget_empty(&self) {
        let mut members = self.members.borrow_mut();
        let gone: Vec<DiskId> = members
            .iter()
            .filter(|member| member.state == DiskState::Leaving && member.handle.is_none())
            .map(|member| member.id)
            .collect();
        for id in gone {
            drop(members.take(id));
        }
    }
}
