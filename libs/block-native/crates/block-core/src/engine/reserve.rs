//! Room promised to what is in the log, so that it can go home.

use std::collections::HashMap;

use super::core::Core;
use super::members::Member;
use crate::control::DiskId;
use crate::error::BlockError;

/// Reservations by head and stripe: those of the open layers, and those of the cycle that runs.
#[derive(Default)]
pub struct Reservations {
    open: HashMap<(u64, u64), Vec<(DiskId, u64)>>,
    sealed: HashMap<(u64, u64), Vec<(DiskId, u64)>>,
}

impl Core {
    /// Promises room for `stripe` of `head` until it went home.
    ///
    /// # Errors
    /// [`BlockError::NoSpace`] and [`BlockError::TooFewDisks`].
    pub fn reserve(&self, head: u64, stripe: u64) -> Result<(), BlockError> {
        let mut reservations = self.reservations.borrow_mut();
        if reservations.open.contains_key(&(head, stripe)) {
            return Ok(());
        }
        let plan = self.plan_stripe(stripe, Member::has_room)?;
        let blocks = plan.shape.shard_blocks as u64;
        let mut members = self.members.borrow_mut();
        let taken: Vec<_> = plan.disks.into_iter().flatten().map(|disk| (disk, blocks)).collect();
        for &(disk, blocks) in &taken {
            if let Some(member) = members.get_mut(disk) {
                member.space.reserve(blocks);
            }
        }
        reservations.open.insert((head, stripe), taken);
        Ok(())
    }

    /// The reservations so far belong to the cycle that begins.
    pub fn seal_reservations(&self) {
        let mut reservations = self.reservations.borrow_mut();
        let open = std::mem::take(&mut reservations.open);
        for (key, taken) in open {
            reservations.sealed.entry(key).or_default().extend(taken);
        }
    }

    /// What was reserved when the cycle began is home.
    pub fn release_reservations(&self) {
        let sealed = std::mem::take(&mut self.reservations.borrow_mut().sealed);
        let mut members = self.members.borrow_mut();
        for (disk, blocks) in sealed.into_values().flatten() {
            if let Some(member) = members.get_mut(disk) {
                member.space.release(blocks);
            }
        }
    }
}
