//! Owners' calls about disks, and about what cycles do beside emptying the log.

use std::rc::Rc;

use super::core::Core;
use super::create::new_member;
use super::layout::SUPERBLOCKS;
use super::members::Member;
use super::superblocks::Told;
use crate::buffer::{BLOCK_BYTES, Slice};
use crate::control::{ControlAnswer, ControlOp, DiskId, DiskSpec, DiskState};
use crate::disk::{DiskHandle, DiskOp, IoClass};
use crate::error::BlockError;
use crate::placement::{Expand, Level};
use crate::pool::Phase;

type Answered = Result<ControlAnswer, BlockError>;

/// How many cycles a pool that is being closed takes to empty its log.
const CLOSING_CYCLES_MAX: usize = 3;

impl Core {
    /// Does what takes its time, beside other calls.
    pub async fn work(self: &Rc<Self>, op: ControlOp) -> Answered {
        match op {
            ControlOp::AddDisks { disks, expand, force } => {
                let ids = self.add_disks(&disks, expand, force).await?;
                Ok(ControlAnswer::Disks(ids))
            }
            ControlOp::ReturnDisk(disk) => self.return_disk(&disk).await,
            ControlOp::EvacuateDisk { disk, on } => self.evacuate_disk(disk, on).await,
            ControlOp::RemoveDisk(disk) => self.remove_disk(disk).await,
            ControlOp::ReplaceDisk { disk, by, force } => self.replace_disk(disk, &by, force).await,
            ControlOp::ForgetDisk(disk) => self.forget_disk(disk).await,
            ControlOp::SetAnswering { disk, answers } => self.set_answering(disk, answers).await,
            ControlOp::SetTopology { level, domains } => self.set_topology(level, domains).await,
            ControlOp::SetMaintenance { disk, on } => self.set_maintenance(disk, on).await,
            ControlOp::Scrub { deep } => self.scrub(deep).await,
            ControlOp::PauseScrub(pause) => self.pause_scrub(pause),
            ControlOp::Rebalance => {
                self.wanted.paused.set(false);
                self.wanted.rebalance.set(true);
                self.forget_progress();
                self.begin_anew();
                self.rebuilt().await?;
                if self.wanted.rebalance.get() {
                    let reason = "the rebalance was paused".to_string();
                    return Err(BlockError::Invalid { reason });
                }
                Ok(ControlAnswer::Done)
            }
            ControlOp::PauseRebalance(pause) => {
                self.wanted.paused.set(pause);
                if !pause && self.wanted.rebalance.get() {
                    self.begin_anew();
                }
                self.one_cycle().await.map(|()| ControlAnswer::Done)
            }
            ControlOp::Survey => {
                self.wanted.survey.set(true);
                self.one_cycle().await?;
                Ok(ControlAnswer::Surveyed(Box::new(self.surveyed.take())))
            }
            ControlOp::Close => {
                self.empty_log().await?;
                *self.phase.borrow_mut() = Phase::Ended(Ok(()));
                self.cycle_bell.ring();
                self.batch_bell.ring();
                Ok(ControlAnswer::Done)
            }
            _ => self.one_cycle().await.map(|()| ControlAnswer::Done),
        }
    }

    /// Lets nothing more into the log and takes home what is in it, so that the next opening has
    /// none to read.
    async fn empty_log(self: &Rc<Self>) -> Result<(), BlockError> {
        self.closing.set(true);
        // Batches that are under way may end while a cycle runs, which does not take them home.
        for _ in 0..CLOSING_CYCLES_MAX {
            if let Err(error) = self.one_cycle().await {
                self.closing.set(false);
                return Err(error);
            }
            if self.log.borrow().is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Waits for the end of a cycle that begins from now on and writes a checkpoint.
    ///
    /// # Errors
    /// Why it could not end.
    pub async fn one_cycle(self: &Rc<Self>) -> Result<(), BlockError> {
        let wanted = self.cycles_begun.get() + 1;
        self.wanted.checkpoint.set(true);
        self.want_cycle();
        self.wanted.waiting.update(|waiting| waiting + 1);
        let mut outcome = Ok(());
        while outcome.is_ok() && self.cycles_ended.get() < wanted {
            self.cycle_ended.next().await;
            outcome = self.trouble().map_or(Ok(()), Err);
        }
        self.wanted.waiting.update(|waiting| waiting - 1);
        outcome
    }

    /// Why no cycle ends.
    fn trouble(&self) -> Option<BlockError> {
        self.refusal().or_else(|| self.stalled.borrow().clone())
    }

    /// Waits until a pass over the map finds nothing more to move. Nobody asks for a cycle
    /// meanwhile: a pass goes on by itself, and does more in a cycle that nobody waits for.
    async fn rebuilt(self: &Rc<Self>) -> Result<(), BlockError> {
        self.begin_anew();
        while self.wanted.rebuild.get() {
            self.cycle_ended.next().await;
            if let Some(error) = self.trouble() {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn add_disks(
        self: &Rc<Self>,
        disks: &[DiskSpec],
        expand: Expand,
        force: bool,
    ) -> Result<Vec<DiskId>, BlockError> {
        let ids = self.claim_disks(disks, force).await?;
        let level = self.table.borrow().level();
        match self.try_table(level, expand) {
            Ok(()) => {}
            Err(error) if expand == Expand::NewGroup => {
                self.forget_joining(&ids);
                let reason = format!("these disks cannot be a group of their own: {error}");
                return Err(BlockError::Invalid { reason });
            }
            Err(_) => self.change_table(),
        }
        self.wanted.rebalance.set(self.wanted.rebalance.get() || expand == Expand::Rebalance);
        self.join(&ids).await?;
        Ok(ids)
    }

    fn forget_joining(&self, ids: &[DiskId]) {
        let mut members = self.members.borrow_mut();
        for &id in ids {
            members.remove(id);
        }
    }

    /// Makes disks members that do not take part yet.
    async fn claim_disks(
        self: &Rc<Self>,
        disks: &[DiskSpec],
        force: bool,
    ) -> Result<Vec<DiskId>, BlockError> {
        let log_blocks = self.members.borrow().iter().map(|member| member.log.blocks).max();
        let log_bytes = log_blocks.map(|blocks| blocks * BLOCK_BYTES as u64);
        let mut ids = Vec::new();
        let mut outcome = Ok(());
        for disk in disks {
            let id = {
                let mut catalogue = self.catalogue.borrow_mut();
                catalogue.next_disk += 1;
                DiskId(catalogue.next_disk - 1)
            };
            outcome = match new_member(id, disk, log_bytes, self.slot_blocks()) {
                Err(error) => Err(error),
                Ok(mut member) => {
                    member.state = DiskState::Joining;
                    self.members.borrow_mut().push(member);
                    ids.push(id);
                    self.claim_disk(id, force).await
                }
            };
            if outcome.is_err() {
                break;
            }
        }
        if let Err(error) = outcome {
            self.forget_joining(&ids);
            return Err(error);
        }
        Ok(ids)
    }

    /// Disks take part once a checkpoint names them: a log copy on a disk nobody knows is none.
    async fn join(self: &Rc<Self>, ids: &[DiskId]) -> Result<(), BlockError> {
        self.one_cycle().await?;
        for &id in ids {
            if let Some(member) = self.members.borrow_mut().get_mut(id)
                && member.state == DiskState::Joining
            {
                member.state = DiskState::Online;
            }
        }
        // What was written short, or waits for room, goes on.
        self.begin_anew();
        Ok(())
    }

    async fn return_disk(self: &Rc<Self>, disk: &DiskSpec) -> Answered {
        let found = self.read_superblocks(disk.handle).await?;
        let ours = |told: &Told| told.superblock.pool == self.pool.get();
        let Some(Told { superblock, lacking }) = found.filter(ours) else {
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
            member.name.clone_from(&disk.name);
            member.domains.clone_from(&disk.domains);
            member.written += 1;
            member.lacking = lacking;
        }
        self.join(&[id]).await?;
        Ok(ControlAnswer::Disk(id))
    }

    async fn evacuate_disk(self: &Rc<Self>, id: DiskId, on: bool) -> Answered {
        if on {
            self.leave(id)?;
            self.empty(id).await?;
        } else {
            self.set_state(id, DiskState::Online, |state| state == DiskState::Leaving)?;
            self.change_table();
            self.begin_anew();
            self.one_cycle().await?;
        }
        Ok(ControlAnswer::Done)
    }

    /// From here on a disk is to be emptied.
    fn leave(&self, id: DiskId) -> Result<(), BlockError> {
        self.check_rest(id)?;
        let states = [DiskState::Online, DiskState::Leaving];
        self.set_state(id, DiskState::Leaving, |state| states.contains(&state))?;
        self.change_table();
        self.begin_anew();
        Ok(())
    }

    /// Waits until nothing is on a disk that is to be emptied; takes it back into use where that
    /// cannot be. A disk that is gone meanwhile counts as empty.
    async fn empty(self: &Rc<Self>, id: DiskId) -> Result<(), BlockError> {
        let mut left = u64::MAX;
        loop {
            self.rebuilt().await?;
            // What the last pass let go of is free after one more.
            self.one_cycle().await?;
            self.held_is_free().await;
            let used = self.members.borrow().get(id).map_or(0, |it| it.space.used_blocks());
            if used == 0 {
                return Ok(());
            }
            if used >= left {
                self.set_state(id, DiskState::Online, |state| state == DiskState::Leaving)?;
                self.change_table();
                return Err(BlockError::NoSpace);
            }
            left = used;
        }
    }

    async fn remove_disk(self: &Rc<Self>, id: DiskId) -> Answered {
        self.leave(id)?;
        self.empty(id).await?;
        self.dismiss(id).await
    }

    /// The pool forgets an empty disk before the disk forgets the pool.
    async fn dismiss(self: &Rc<Self>, id: DiskId) -> Answered {
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

    async fn replace_disk(self: &Rc<Self>, id: DiskId, by: &DiskSpec, force: bool) -> Answered {
        let lost = {
            let members = self.members.borrow();
            let member = members.get(id).ok_or(BlockError::NoDisk { disk: id })?;
            !member.is_usable()
        };
        let new = self.claim_disks(std::slice::from_ref(by), force).await?;
        let states = [DiskState::Online, DiskState::Missing, DiskState::Maintenance];
        let leaves = |state| state == DiskState::Leaving || states.contains(&state);
        self.set_state(id, DiskState::Leaving, leaves)?;
        if lost && let Some(member) = self.members.borrow_mut().get_mut(id) {
            member.handle = None;
        }
        // One change: the new disk takes the places of the old one, and no other shard moves.
        self.change_table();
        self.join(&new).await?;
        if lost {
            self.rebuilt().await?;
            return self.one_cycle().await.map(|()| ControlAnswer::Done);
        }
        self.empty(id).await?;
        self.dismiss(id).await
    }

    async fn forget_disk(self: &Rc<Self>, id: DiskId) -> Answered {
        self.set_state(id, DiskState::Leaving, |state| {
            matches!(state, DiskState::Missing | DiskState::Maintenance)
        })?;
        if let Some(member) = self.members.borrow_mut().get_mut(id) {
            member.handle = None;
        }
        self.change_table();
        self.begin_anew();
        self.one_cycle().await.map(|()| ControlAnswer::Done)
    }

    async fn set_maintenance(self: &Rc<Self>, id: DiskId, on: bool) -> Answered {
        if !on {
            self.set_state(id, DiskState::Joining, |state| state == DiskState::Maintenance)?;
            self.join(&[id]).await?;
            return Ok(ControlAnswer::Done);
        }
        let (domains, most) = (self.domains_without(id), self.policy.get().failures());
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

    /// Fault domains that are away if a disk is as well.
    fn domains_without(&self, id: DiskId) -> usize {
        let away = |member: &Member| !member.is_usable() || member.id == id;
        self.domains(&self.members.borrow(), away)
    }

    async fn set_answering(self: &Rc<Self>, disk: DiskHandle, answers: bool) -> Answered {
        let found = {
            let members = self.members.borrow();
            let found = members.iter().find(|member| member.handle == Some(disk));
            found.map(|member| (member.id, member.state, member.is_usable()))
        };
        let Some((id, state, usable)) = found else {
            let reason = format!("device {} is no disk of the pool", disk.0);
            return Err(BlockError::Invalid { reason });
        };
        if answers {
            if state == DiskState::Missing {
                if let Some(member) = self.members.borrow_mut().get_mut(id) {
                    member.state = DiskState::Joining;
                    member.written += 1;
                }
                self.join(&[id]).await?;
            }
            return Ok(ControlAnswer::Disk(id));
        }
        if usable && self.domains_without(id) > self.policy.get().failures() {
            let reason = format!("nothing can be done without disk {}", id.0);
            return Err(BlockError::Invalid { reason });
        }
        if usable && let Some(member) = self.members.borrow_mut().get_mut(id) {
            member.state = DiskState::Missing;
            member.errors += 1;
        }
        self.want_cycle();
        Ok(ControlAnswer::Disk(id))
    }

    async fn set_topology(
        self: &Rc<Self>,
        level: Level,
        domains: Vec<(DiskHandle, Vec<String>)>,
    ) -> Answered {
        let before = self.exchange_domains(domains);
        if before.is_empty() && self.table.borrow().level() == level {
            return Ok(ControlAnswer::Done);
        }
        if let Err(error) = self.try_table(level, Expand::Rebalance) {
            self.exchange_domains(before);
            let reason = format!("the disks cannot stand so: {error}");
            return Err(BlockError::Invalid { reason });
        }
        self.wanted.rebalance.set(true);
        self.begin_anew();
        self.one_cycle().await.map(|()| ControlAnswer::Done)
    }

    /// Says anew where devices stand. Gives where those stood that stand elsewhere now.
    fn exchange_domains(
        &self,
        domains: Vec<(DiskHandle, Vec<String>)>,
    ) -> Vec<(DiskHandle, Vec<String>)> {
        let mut members = self.members.borrow_mut();
        let mut before = Vec::new();
        for (handle, domains) in domains {
            let known = members.iter_mut().find(|member| member.handle == Some(handle));
            if let Some(member) = known.filter(|member| member.domains != domains) {
                before.push((handle, std::mem::replace(&mut member.domains, domains)));
            }
        }
        before
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
