//! The placement table of a pool: made with it, kept with its state, changed when disks or the
//! policy do.

use super::core::Core;
use super::members::Member;
use crate::buffer::BLOCK_BYTES;
use crate::control::{DiskId, DiskState, Moving};
use crate::error::BlockError;
use crate::placement::{
    Expand, Level, Location, PlacementError, PlacementTable, TableDisk, Wanted,
};

impl Member {
    /// The disk as placement sees it. One whose place has no name stands alone.
    pub fn place(&self) -> TableDisk {
        let names: Vec<&str> = self.domains.iter().map(String::as_str).collect();
        let own = format!("disk {}", self.id.0);
        let location = if names.is_empty() { Location::of(&[&own]) } else { Location::of(&names) };
        TableDisk {
            id: self.id,
            location,
            capacity_bytes: (self.space.size_blocks() * BLOCK_BYTES as u64).max(1),
            media: self.media,
        }
    }
}

impl Core {
    /// Makes the table of the members there are. Where they cannot hold whole stripes it is a loose
    /// one.
    ///
    /// # Errors
    /// Why they cannot; the loose table is there all the same.
    pub fn make_table(&self, level: Level) -> Result<(), PlacementError> {
        let (policy, disks) = (self.policy.get(), self.table_disks());
        let seed = self.pool.get().0.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
        let made = PlacementTable::new(policy, level, &disks, seed);
        let loose = || PlacementTable::loose(policy, level, &disks, seed);
        let (table, outcome) = match made {
            Ok(table) => (table, Ok(())),
            Err(error) => (loose(), Err(error)),
        };
        *self.table.borrow_mut() = table;
        outcome
    }

    /// Takes over the table that was stored, or makes the one of a pool of a format without; puts
    /// right what has changed of the disks' places and the level since.
    pub fn open_table(&self, stored: Option<PlacementTable>, level: Option<Level>) {
        let Some(table) = stored else {
            // The servers of those formats were the domains, whatever they were called.
            let _ = self.make_table(level.unwrap_or(Level::Server));
            return;
        };
        let level = level.unwrap_or(table.level());
        let same = table.level() == level && {
            let now = self.table_disks();
            let known = |disk: &TableDisk| table.disks().contains(disk);
            now.iter().all(known)
        };
        *self.table.borrow_mut() = table;
        if !same && self.try_table(level, Expand::Rebalance).is_ok() {
            self.wanted.rebalance.set(true);
            self.wanted.rebuild.set(true);
        }
    }

    /// The table after disks or the policy have changed.
    ///
    /// # Errors
    /// These disks cannot hold whole stripes, or the new ones not be a group: nothing has changed.
    pub fn try_table(&self, level: Level, expand: Expand) -> Result<(), PlacementError> {
        let (policy, disks) = (self.policy.get(), self.table_disks());
        let wanted = Wanted { policy, level, disks: &disks, expand };
        let (table, _) = self.table.borrow().replan(wanted, &|_| 0)?;
        *self.table.borrow_mut() = table;
        self.forget_progress();
        Ok(())
    }

    /// The table after any change: groups of disks stay for themselves as far as they can. Where
    /// the disks that are left cannot hold whole stripes, the table stays as it is, and further
    /// disks stand in for those that are away.
    pub fn change_table(&self) {
        let level = self.table.borrow().level();
        let changed = self.try_table(level, Expand::NewGroup);
        if changed.or_else(|_| self.try_table(level, Expand::Rebalance)).is_ok() {
            return;
        }
        self.forget_progress();
        if self.table.borrow().policy() == self.policy.get() {
            let disks = self.table_disks();
            self.table.borrow_mut().admit(&disks);
        } else {
            let _ = self.make_table(level);
        }
    }

    /// What stripes may use: all but what leaves.
    fn table_disks(&self) -> Vec<TableDisk> {
        let members = self.members.borrow();
        let stay = members.iter().filter(|member| member.state != DiskState::Leaving);
        stay.map(Member::place).collect()
    }

    /// Groups of disks get new stripes by the room that is left in them.
    pub fn weigh_table(&self) {
        let mut table = self.table.borrow_mut();
        let members = self.members.borrow();
        let free = |id: &DiskId| members.get(*id).map_or(0, |it| it.space.free_blocks());
        let room: Vec<u64> =
            table.groups().map(|group| group.iter().map(free).sum::<u64>()).collect();
        if room.len() < 2 {
            return;
        }
        // As numbers of 24 bits, so that their sum is one of 32.
        let largest = room.iter().copied().max().unwrap_or(0);
        let shift = (64 - largest.leading_zeros()).saturating_sub(24);
        let weights = room.iter().map(|blocks| u32::try_from(blocks >> shift).unwrap_or(0));
        let weights: Vec<_> = (0..).map(crate::placement::GroupIndex).zip(weights).collect();
        table.weigh(&weights);
    }

    /// Movement is counted from here on.
    pub fn forget_progress(&self) {
        self.moving.set(Moving::default());
        self.members.borrow_mut().iter_mut().for_each(|member| member.moved_bytes = 0);
    }

    /// What stays of a pool must be able to hold whole stripes.
    ///
    /// # Errors
    /// [`BlockError::Invalid`] with what is missing.
    pub fn check_rest(&self, without: DiskId) -> Result<(), BlockError> {
        let table = self.table.borrow();
        let mut disks = self.table_disks();
        if disks.iter().all(|disk| disk.id != without) {
            return Ok(());
        }
        // A pool that could not hold them before loses nothing by it.
        let possible =
            |disks: &[TableDisk]| PlacementTable::new(self.policy.get(), table.level(), disks, 0);
        if possible(&disks).is_err() {
            return Ok(());
        }
        disks.retain(|disk| disk.id != without);
        let refused = |error| BlockError::Invalid {
            reason: format!("without disk {} there are too few: {error}", without.0),
        };
        possible(&disks).map(drop).map_err(refused)
    }
}
