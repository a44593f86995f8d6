//! The table: placement group -> ordered disks.

use std::collections::BTreeSet;

use crate::control::DiskId;
use crate::disk::Media;
use crate::placement::draw::draw;
use crate::placement::ground::Ground;
use crate::placement::groups::{Group, GroupIndex, PgIndex, Transition};
use crate::placement::pairs::even_out;
use crate::placement::quotas::quotas;
use crate::placement::random::{mix, scale};
use crate::placement::shares::shares;
use crate::placement::{Level, Location, PlacementError};
use crate::policy::Policy;

/// About this many placement groups stand on a disk: enough that a whole number of them is within
/// 1 % of its share, and that those a lost disk was in meet all others.
const SEATS_A_DISK: usize = 128;
const GROUPS_MIN: usize = 64;
const GROUPS_MAX: usize = 16_384;

/// A disk as placement sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableDisk {
    /// Its number in the pool.
    pub id: DiskId,
    /// Where it stands.
    pub location: Location,
    /// What it can hold: its weight.
    pub capacity_bytes: u64,
    /// What it is made of.
    pub media: Media,
}

/// Where the stripes of a pool go. A value: [`PlacementTable::replan`] makes the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementTable {
    pub(super) epoch: u32,
    pub(super) seed: u64,
    pub(super) policy: Policy,
    pub(super) level: Level,
    /// Ascending by their numbers.
    pub(super) disks: Vec<TableDisk>,
    pub(super) groups: Vec<Group>,
}

impl PlacementTable {
    /// The table of a new pool. The same arguments give the same table, in any order of `disks`.
    ///
    /// # Errors
    /// [`PlacementError`] where these disks cannot hold stripes of `policy`.
    pub fn new(
        policy: Policy,
        level: Level,
        disks: &[TableDisk],
        seed: u64,
    ) -> Result<Self, PlacementError> {
        let mut disks = disks.to_vec();
        disks.sort_by_key(|disk| disk.id);
        let group = new_group(policy, level, &disks, seed)?;
        Ok(Self { epoch: 1, seed, policy, level, disks, groups: vec![group] })
    }

    /// A table without placement groups, for disks that cannot hold whole stripes: each shard goes
    /// where one stands in, and nothing is misplaced. The first change to disks that can makes the
    /// groups.
    #[must_use]
    pub fn loose(policy: Policy, level: Level, disks: &[TableDisk], seed: u64) -> Self {
        let mut disks = disks.to_vec();
        disks.sort_by_key(|disk| disk.id);
        Self { epoch: 1, seed, policy, level, disks, groups: Vec::new() }
    }

    /// Lets further disks stand in for others, without a place of their own: for disks that come
    /// while there are too few to make a table of.
    pub fn admit(&mut self, disks: &[TableDisk]) {
        let new = |disk: &&TableDisk| self.disk(disk.id).is_none();
        let new: Vec<TableDisk> = disks.iter().filter(new).copied().collect();
        self.disks.extend(new);
        self.disks.sort_by_key(|disk| disk.id);
    }

    /// Grows by one with each change.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The redundancy that it places.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The level of the fault domains.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The disks, ascending by their numbers.
    #[must_use]
    pub fn disks(&self) -> &[TableDisk] {
        &self.disks
    }

    /// The disks of each group of disks, ascending.
    pub fn groups(&self) -> impl Iterator<Item = &[DiskId]> {
        self.groups.iter().map(|group| group.members.as_slice())
    }

    /// The placement groups with their disks, in order of their numbers.
    pub fn placement_groups(&self) -> impl Iterator<Item = (PgIndex, &[DiskId])> {
        let sets = self.groups.iter().flat_map(|group| group.sets.chunks(self.policy.shards()));
        (0u32..).map(PgIndex).zip(sets)
    }

    /// Sets how often new stripes go to each group of disks, until the next change: by the room
    /// that is left in them, say; without it they go by what the groups can hold. A stripe that is
    /// in place stays so, whatever the weights are.
    pub fn weigh(&mut self, weights: &[(GroupIndex, u32)]) {
        for &(GroupIndex(group), weight) in weights {
            if let Some(group) = self.groups.get_mut(usize::from(group)) {
                group.weight = weight;
            }
        }
    }

    /// The disks of the shards of the stripe named `key`, shard 0 first. Stripes of a placement
    /// group begin at different places of its list, so that data and parity, and with replicas the
    /// first one, which is read, are spread over all of its disks.
    pub fn wanted(&self, key: u64) -> impl Iterator<Item = DiskId> {
        self.wanted_in(self.group_of(key), key)
    }

    /// How many shards of a stripe are not on the disks of their places, when `places` are the
    /// disks they are on, shard 0 first: 0 where it is in place in any group of disks. Replicas are
    /// equal, so that of them the order is of no account.
    #[must_use]
    pub fn misplaced(&self, key: u64, places: &[DiskId]) -> usize {
        let places: Vec<Option<DiskId>> = places.iter().copied().map(Some).collect();
        (0..self.groups.len()).map(|group| self.amiss(group, key, &places)).min().unwrap_or(0)
    }

    /// Places that have changed since their placement group was last settled.
    pub fn transitions(&self) -> impl Iterator<Item = Transition> {
        let width = self.policy.shards();
        self.groups.iter().zip(self.first_numbers()).flat_map(move |(group, first)| {
            group.previous.iter().flat_map(move |(&pg, before)| {
                let now = group.set(pg as usize, width).iter().enumerate();
                now.filter_map(move |(position, &to)| {
                    let from = before.get(position).copied();
                    let pg = PgIndex(first + pg);
                    (from != Some(to)).then_some(Transition { pg, position, from, to })
                })
            })
        })
    }

    /// Notes that no stripe is elsewhere any more.
    pub fn settle_all(&mut self) {
        self.groups.iter_mut().for_each(|group| group.previous.clear());
    }

    /// Notes that no stripe of `pg` is elsewhere any more.
    pub fn settle(&mut self, pg: PgIndex) {
        let first_numbers = self.first_numbers();
        for (group, first) in self.groups.iter_mut().zip(first_numbers) {
            if let Some(local) = pg.0.checked_sub(first) {
                group.previous.remove(&local);
            }
        }
    }

    /// The number of the first placement group of each group of disks.
    pub(super) fn first_numbers(&self) -> Vec<u32> {
        let width = self.policy.shards();
        let mut next = 0;
        let mut number = |group: &Group| {
            let first = next;
            next += u32::try_from(group.count(width)).unwrap_or(u32::MAX);
            first
        };
        self.groups.iter().map(&mut number).collect()
    }

    /// Some of the disks as a choice of their own.
    pub(super) fn ground_of(&self, members: &[DiskId]) -> Result<Ground, PlacementError> {
        let disks: Vec<TableDisk> =
            members.iter().filter_map(|&id| self.disk(id)).copied().collect();
        Ground::new(&disks, self.policy, self.level)
    }

    pub(super) fn disk(&self, id: DiskId) -> Option<&TableDisk> {
        self.disks.binary_search_by_key(&id, |disk| disk.id).ok().map(|at| &self.disks[at])
    }

    pub(super) fn group_of(&self, key: u64) -> usize {
        let total: usize = self.groups.iter().map(|group| group.weight as usize).sum();
        if self.groups.len() < 2 || total == 0 {
            return 0;
        }
        let mut point = scale(mix(!key), total);
        for (index, group) in self.groups.iter().enumerate() {
            match point.checked_sub(group.weight as usize) {
                Some(rest) => point = rest,
                None => return index,
            }
        }
        0
    }

    pub(super) fn wanted_in(&self, group: usize, key: u64) -> impl Iterator<Item = DiskId> {
        let width = self.policy.shards();
        let hash = mix(key);
        let turn = scale(hash, width);
        self.groups.get(group).into_iter().flat_map(move |group| {
            // The count is a power of two: after a split the bits that were used are used again.
            let pg = usize::try_from(hash).unwrap_or_default() & (group.count(width) - 1);
            let set = group.set(pg, width);
            (0..width).map(move |shard| set[(shard + turn) % width])
        })
    }
}

/// A group of disks on its own.
pub(super) fn new_group(
    policy: Policy,
    level: Level,
    disks: &[TableDisk],
    seed: u64,
) -> Result<Group, PlacementError> {
    let ground = Ground::new(disks, policy, level)?;
    let count = group_count(disks.len(), ground.width);
    let quotas = quotas(&ground, &shares(&ground), count, &[]);
    let mut sets = draw(&ground, &quotas, count, seed);
    even_out(&ground, &mut sets, &quotas, seed);
    let members: BTreeSet<DiskId> = disks.iter().map(|disk| disk.id).collect();
    Ok(Group {
        weight: capacity_weight(disks),
        members: members.into_iter().collect(),
        sets: sets.into_iter().map(|disk| disks[disk].id).collect(),
        previous: std::collections::BTreeMap::new(),
    })
}

/// What a group of disks can hold, in GiB.
pub(super) fn capacity_weight(disks: &[TableDisk]) -> u32 {
    let bytes: u64 = disks.iter().map(|disk| disk.capacity_bytes).sum();
    u32::try_from(bytes >> 30).unwrap_or(u32::MAX).max(1)
}

/// How many placement groups that many disks ask for: a power of two.
pub(super) fn group_count(disks: usize, width: usize) -> usize {
    (disks * SEATS_A_DISK / width).next_power_of_two().clamp(GROUPS_MIN, GROUPS_MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Disks 0, 1, .. on the servers and of the sizes given; each server in a rack of its name.
    pub fn disks(places: &[(&str, u64)]) -> Vec<TableDisk> {
        let disk = |(id, &(server, capacity_bytes)): (u16, &(&str, u64))| TableDisk {
            id: DiskId(id),
            location: Location::of(&["room", server, server]),
            capacity_bytes,
            media: Media::Ssd,
        };
        (0..).zip(places).map(disk).collect()
    }
}
