//! From one table to the next: a change of disks or of the policy by as few moves as it asks for.

use std::collections::BTreeSet;

use crate::control::DiskId;
use crate::placement::ground::Ground;
use crate::placement::groups::{Group, PgIndex};
use crate::placement::movement::{Distance, Movement, least};
use crate::placement::moves::Moves;
use crate::placement::quotas::quotas;
use crate::placement::shares::{Shares, shares};
use crate::placement::table::{PlacementTable, TableDisk, capacity_weight, group_count, new_group};
use crate::placement::{Level, PlacementError};
use crate::policy::Policy;

/// A group is split when its disks stand in fewer than a fourth of the usual number of sets.
const SPLIT_BELOW: usize = 4;

/// What becomes of further disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expand {
    /// They are a group of disks for new stripes; nothing moves. Where disks go at the same time,
    /// they take their places instead.
    NewGroup,
    /// All disks share all placement groups, so all fill evenly.
    Rebalance,
}

/// What a table ought to place.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The redundancy.
    pub policy: Policy,
    /// The level of the fault domains.
    pub level: Level,
    /// All disks that stripes may use: those that fail or leave are not among them.
    pub disks: &'a [TableDisk],
    /// What becomes of those that are new.
    pub expand: Expand,
}

impl PlacementTable {
    /// The table after a change, and what the change moves. `shard_bytes` tells for a placement
    /// group how many bytes lie at each of its places; those of groups that are split are halved.
    /// Pure: the same table and arguments give the same answer.
    ///
    /// # Errors
    /// [`PlacementError`] where the disks cannot hold the stripes or the policy cannot change so.
    pub fn replan(
        &self,
        wanted: Wanted<'_>,
        shard_bytes: &dyn Fn(PgIndex) -> u64,
    ) -> Result<(Self, Movement), PlacementError> {
        self.check_conversion(wanted.policy)?;
        let mut disks = wanted.disks.to_vec();
        disks.sort_by_key(|disk| disk.id);
        // Checks every disk and the pool as a whole before its groups.
        Ground::new(&disks, wanted.policy, wanted.level)?;
        let wanted = Wanted { disks: &disks, ..wanted };
        let mut next = Self {
            epoch: self.epoch + 1,
            policy: wanted.policy,
            level: wanted.level,
            disks: disks.clone(),
            ..self.clone()
        };
        let mut movement = Movement::default();
        let added: Vec<TableDisk> =
            disks.iter().filter(|disk| self.disk(disk.id).is_none()).copied().collect();
        let mut joined = wanted.expand == Expand::Rebalance;
        for (index, first) in self.first_numbers().into_iter().enumerate() {
            let group = &mut next.groups[index];
            let bytes = |pg: usize| shard_bytes(PgIndex(first + u32::try_from(pg).unwrap_or(0)));
            let members = if wanted.expand == Expand::Rebalance {
                disks.clone()
            } else {
                let (members, took) = remaining(group, wanted, &added);
                joined |= took;
                members
            };
            movement.add(&self.replan_group(group, &members, wanted, &bytes)?);
        }
        if next.groups.is_empty() {
            next.groups.push(new_group(wanted.policy, wanted.level, &disks, self.seed)?);
        } else if !joined && !added.is_empty() {
            let seed = self.seed ^ u64::from(next.epoch);
            next.groups.push(new_group(wanted.policy, wanted.level, &added, seed)?);
        }
        Ok((next, movement))
    }

    fn check_conversion(&self, to: Policy) -> Result<(), PlacementError> {
        let replicas = |policy| matches!(policy, Policy::Replicas { .. });
        let shape = |policy: Policy| (policy.data_shards(), policy.parity_shards());
        let from = self.policy;
        let same = match (replicas(from), replicas(to)) {
            (true, true) => true,
            (false, false) => shape(from) == shape(to),
            _ => false,
        };
        if same { Ok(()) } else { Err(PlacementError::Conversion { from, to }) }
    }

    fn replan_group(
        &self,
        group: &mut Group,
        members: &[TableDisk],
        wanted: Wanted<'_>,
        shard_bytes: &dyn Fn(usize) -> u64,
    ) -> Result<Movement, PlacementError> {
        let mut old_width = self.policy.shards();
        let ground = Ground::new(members, wanted.policy, wanted.level)?;
        let before_split = group.count(old_width);
        if wanted.expand == Expand::Rebalance {
            let usual = group_count(members.len(), ground.width);
            while group.count(old_width) * SPLIT_BELOW <= usual {
                group.split(old_width);
            }
        }
        let splits = group.count(old_width) / before_split;
        let bytes = |pg: usize| shard_bytes(pg % before_split) / splits as u64;
        let shares = shares(&ground);
        let count = group.count(old_width);
        let places = Places::of(&ground, group, self);
        let now = places.counts(&group.sets);
        let quotas = quotas(&ground, &shares, count, &now);
        if ground.width < old_width {
            group.sets = places.without_copies(group, old_width, ground.width, now, &quotas);
            old_width = ground.width;
        }
        let mut moves = Moves::new(&ground, &places.strangers, quotas);
        let sets = moves.run(&places.numbers(&group.sets, old_width, ground.width));
        let sets: Vec<DiskId> = sets.into_iter().map(|disk| ground.disks[disk].id).collect();
        let movement = places.movement(&ground, group, &sets, &shares, &bytes);
        group.change(sets, old_width, ground.width);
        group.members = members.iter().map(|disk| disk.id).collect();
        group.weight = capacity_weight(members);
        Ok(movement)
    }
}

/// The disks of a group that is to stay for itself: those of its own that are left, with the new
/// ones where it lost some or could not go on without; whether it took the new ones.
fn remaining(group: &Group, wanted: Wanted<'_>, added: &[TableDisk]) -> (Vec<TableDisk>, bool) {
    let own = |disk: &&TableDisk| group.members.binary_search(&disk.id).is_ok();
    let left: Vec<TableDisk> = wanted.disks.iter().filter(own).copied().collect();
    if left.len() == group.members.len() {
        return (left, false);
    }
    let mut members: Vec<TableDisk> = left.iter().chain(added).copied().collect();
    if Ground::new(&members, wanted.policy, wanted.level).is_err() {
        members = wanted.disks.to_vec();
    }
    members.sort_by_key(|disk| disk.id);
    (members, true)
}

/// The numbers of a group's disks on the ground, and of those that are not on it any more.
struct Places {
    known: Vec<DiskId>,
    strangers: Vec<TableDisk>,
}

impl Places {
    fn of(ground: &Ground, group: &Group, before: &PlacementTable) -> Self {
        let known: Vec<DiskId> = ground.disks.iter().map(|disk| disk.id).collect();
        let used: BTreeSet<DiskId> = group.sets.iter().copied().collect();
        let gone = used.into_iter().filter(|id| known.binary_search(id).is_err());
        let strangers = gone.filter_map(|id| before.disk(id)).copied().collect();
        Self { known, strangers }
    }

    /// Strangers follow the known ones; a place without a disk comes after both.
    fn number(&self, id: DiskId) -> usize {
        let stranger = || self.strangers.binary_search_by_key(&id, |disk| disk.id);
        match self.known.binary_search(&id) {
            Ok(at) => at,
            Err(_) => self.known.len() + stranger().unwrap_or(self.strangers.len()),
        }
    }

    fn counts(&self, sets: &[DiskId]) -> Vec<usize> {
        let mut counts = vec![0; self.known.len() + self.strangers.len() + 1];
        for &id in sets {
            counts[self.number(id)] += 1;
        }
        counts
    }

    /// The sets with fewer replicas: each gives up those on disks with the most seats too many.
    fn without_copies(
        &self,
        group: &Group,
        old_width: usize,
        width: usize,
        mut counts: Vec<usize>,
        quotas: &[usize],
    ) -> Vec<DiskId> {
        let mut sets = Vec::new();
        for set in group.sets.chunks(old_width) {
            let mut set = set.to_vec();
            while set.len() > width {
                let excess = |id: &DiskId| {
                    let number = self.number(*id);
                    let quotas = quotas.get(number).copied().unwrap_or(0);
                    counts[number].cast_signed() - quotas.cast_signed()
                };
                let at = (0..set.len()).max_by_key(|&at| (excess(&set[at]), at)).unwrap_or(0);
                counts[self.number(set.remove(at))] -= 1;
            }
            sets.extend(set);
        }
        sets
    }

    /// The sets as numbers; those that are to have more replicas are filled up with places without
    /// a disk.
    fn numbers(&self, sets: &[DiskId], old_width: usize, width: usize) -> Vec<usize> {
        let empty = self.known.len() + self.strangers.len();
        let resized = |set: &[DiskId]| {
            let mut set: Vec<usize> = set.iter().map(|&id| self.number(id)).collect();
            set.resize(width, empty);
            set
        };
        sets.chunks(old_width).flat_map(resized).collect()
    }

    fn movement(
        &self,
        ground: &Ground,
        group: &Group,
        sets: &[DiskId],
        shares: &Shares,
        bytes: &dyn Fn(usize) -> u64,
    ) -> Movement {
        let all: Vec<TableDisk> = ground.disks.iter().chain(&self.strangers).copied().collect();
        let mut movement = Movement::default();
        let mut before = vec![0; all.len()];
        let mut stored = 0;
        let old_width = group.sets.len() / (sets.len() / ground.width);
        for (pg, after) in sets.chunks(ground.width).enumerate() {
            let bytes = bytes(pg);
            stored += bytes * ground.width as u64;
            for (position, &to) in after.iter().enumerate() {
                let Some(&from) = group.set(pg, old_width).get(position) else {
                    movement.created_bytes += bytes;
                    continue;
                };
                let (from, to) = (self.number(from), self.number(to));
                before[from] += bytes;
                if from != to {
                    let distance = Distance::between(&all[from].location, &all[to].location);
                    movement.moved_bytes[distance as usize] += bytes;
                }
            }
        }
        movement.stored_bytes = stored;
        let mut after: Vec<u64> =
            (0..ground.disks.len()).map(|disk| shares.due(disk, stored)).collect();
        after.resize(all.len(), 0);
        movement.least_bytes = least(&all, &before, &after);
        movement
    }
}
