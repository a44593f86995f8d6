//! What a change moves, and the least that any placement would have to.

use std::collections::BTreeMap;

use crate::placement::ground::Ground;
use crate::placement::shares::shares;
use crate::placement::{Location, PlacementTable, TableDisk};

/// How far a shard moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Distance {
    /// To another disk of its server.
    Server,
    /// To another server of its rack.
    Rack,
    /// To another rack of its room.
    Room,
    /// To another room.
    Across,
}

impl Distance {
    /// All, the shortest first.
    pub const ALL: [Self; 4] = [Self::Server, Self::Rack, Self::Room, Self::Across];

    /// From one place to another.
    #[must_use]
    pub fn between(one: &Location, other: &Location) -> Self {
        match () {
            () if one.server == other.server => Self::Server,
            () if one.rack == other.rack => Self::Rack,
            () if one.room == other.room => Self::Room,
            () => Self::Across,
        }
    }
}

/// Bytes that a change of a table moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Movement {
    /// Moved, by [`Distance::ALL`].
    pub moved_bytes: [u64; 4],
    /// What has to leave its disk, server, rack or room in any case for every disk to hold its
    /// share, by the same distances.
    pub least_bytes: [u64; 4],
    /// Copies that were not there before, of a larger number of replicas.
    pub created_bytes: u64,
    /// Everything the pool holds.
    pub stored_bytes: u64,
}

impl Movement {
    /// All that is moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved_bytes.iter().sum()
    }

    /// The least of it.
    #[must_use]
    pub fn least(&self) -> u64 {
        self.least_bytes.iter().sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, bytes) in self.moved_bytes.iter_mut().zip(other.moved_bytes) {
            *sum += bytes;
        }
        for (sum, bytes) in self.least_bytes.iter_mut().zip(other.least_bytes) {
            *sum += bytes;
        }
        self.created_bytes += other.created_bytes;
        self.stored_bytes += other.stored_bytes;
    }
}

impl PlacementTable {
    /// What has to move in any case for each disk to hold its share of what is stored now, by
    /// [`Distance::ALL`]: `stored` tells what each disk has, those that are to be emptied as well,
    /// and `lost_bytes` are made anew wherever there is room for them.
    #[must_use]
    pub fn least_to_share(&self, stored: &[(TableDisk, u64)], lost_bytes: u64) -> [u64; 4] {
        let disks: Vec<TableDisk> = stored.iter().map(|(disk, _)| *disk).collect();
        let before: Vec<u64> = stored.iter().map(|(_, bytes)| *bytes).collect();
        let mut after: Vec<u64> = vec![0; disks.len()];
        let mut strange: u64 = lost_bytes + {
            let known = |disk: &TableDisk| {
                self.groups().any(|members| members.binary_search(&disk.id).is_ok())
            };
            stored.iter().filter(|(disk, _)| !known(disk)).map(|(_, bytes)| bytes).sum::<u64>()
        };
        for members in self.groups() {
            let of_group: Vec<TableDisk> =
                members.iter().filter_map(|&id| self.disk(id)).copied().collect();
            let Ok(ground) = Ground::new(&of_group, self.policy, self.level) else { continue };
            let shares = shares(&ground);
            let at = |id| disks.iter().position(|disk: &TableDisk| disk.id == id);
            // What is on disks that no group has goes to the first.
            let here: u64 = members.iter().filter_map(|&id| at(id)).map(|at| before[at]).sum();
            let all = here + std::mem::take(&mut strange);
            for (number, disk) in of_group.iter().enumerate() {
                if let Some(at) = at(disk.id) {
                    after[at] = shares.due(number, all);
                }
            }
        }
        least(&disks, &before, &after)
    }
}

/// What has to leave in any case, by [`Distance::ALL`], when `disks` hold `before` and ought to
/// hold `after`. What leaves a room counts there and not again for its rack and server.
pub(super) fn least(disks: &[TableDisk], before: &[u64], after: &[u64]) -> [u64; 4] {
    let leaving = |place: &dyn Fn(&TableDisk) -> u64| -> u64 {
        let mut balance: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for ((disk, &had), &has) in disks.iter().zip(before).zip(after) {
            let entry = balance.entry(place(disk)).or_default();
            *entry = (entry.0 + had, entry.1 + has);
        }
        // Shares are whole bytes, rounded down: a byte a disk is no disk's surplus.
        let rounding = disks.len() as u64;
        let surplus = |&(had, has): &(u64, u64)| if had > has + rounding { had - has } else { 0 };
        balance.values().map(surplus).sum()
    };
    let of_disks = leaving(&|disk| u64::from(disk.id.0));
    let of_servers = leaving(&|disk| disk.location.server);
    let of_racks = leaving(&|disk| disk.location.rack);
    let of_rooms = leaving(&|disk| disk.location.room);
    [
        of_disks.saturating_sub(of_servers),
        of_servers.saturating_sub(of_racks),
        of_racks.saturating_sub(of_rooms),
        of_rooms,
    ]
}
