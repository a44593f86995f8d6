//! The disks of a placement group's choice as the algorithms see them: dense numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::placement::{PlacementError, TableDisk};
use crate::policy::Policy;

/// A level of the topology, as fault domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Every disk is a domain.
    Disk,
    /// The disks of a server fail together.
    Server,
    /// The servers of a rack fail together.
    Rack,
    /// The racks of a room fail together.
    Room,
}

impl Level {
    /// All, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Disk, Self::Server, Self::Rack, Self::Room];

    /// Its name: `disk`, `server`, `rack` or `room`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Server => "server",
            Self::Rack => "rack",
            Self::Room => "room",
        }
    }

    /// What tells the domain of `disk` from others of this level.
    pub(crate) fn domain(self, disk: &TableDisk) -> u64 {
        match self {
            Self::Disk => u64::from(disk.id.0),
            Self::Server => disk.location.server,
            Self::Rack => disk.location.rack,
            Self::Room => disk.location.room,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Disks 0 to n - 1 with their fault domains 0 to d - 1, and what a stripe asks of them.
pub(super) struct Ground {
    pub disks: Vec<TableDisk>,
    pub domain_of: Vec<usize>,
    pub domains: usize,
    /// Shards of a stripe.
    pub width: usize,
    /// The most of them in one domain.
    pub per_domain: usize,
}

impl Ground {
    /// Checks that a stripe of `policy` finds its place.
    pub fn new(disks: &[TableDisk], policy: Policy, level: Level) -> Result<Self, PlacementError> {
        if policy.shards_per_domain() > 1 && level == Level::Disk {
            return Err(PlacementError::FoldedDisks { policy });
        }
        check_disks(disks)?;
        let keys: BTreeSet<u64> = disks.iter().map(|disk| level.domain(disk)).collect();
        let numbers: BTreeMap<u64, usize> = keys.into_iter().zip(0..).collect();
        let domain_of: Vec<usize> = disks.iter().map(|disk| numbers[&level.domain(disk)]).collect();
        let ground = Self {
            disks: disks.to_vec(),
            domain_of,
            domains: numbers.len(),
            width: policy.shards(),
            per_domain: policy.shards_per_domain(),
        };
        ground.check_room(policy, level)?;
        Ok(ground)
    }

    fn check_room(&self, policy: Policy, level: Level) -> Result<(), PlacementError> {
        let needed = self.width.div_ceil(self.per_domain);
        if self.domains < needed {
            let found = self.domains;
            return Err(PlacementError::TooFewDomains { policy, level, needed, found });
        }
        let mut sizes = vec![0; self.domains];
        for &domain in &self.domain_of {
            sizes[domain] += 1;
        }
        let found = sizes.iter().map(|&size: &usize| size.min(self.per_domain)).sum();
        if found < self.width {
            let (needed, per_domain) = (self.width, self.per_domain);
            return Err(PlacementError::TooFewDisks { policy, level, needed, found, per_domain });
        }
        Ok(())
    }

    /// Whether `candidate` may stand in `set` in the place of the disk at `position`: it is not
    /// there yet, and its domain does not get more than its share of the stripe.
    pub fn may_replace(&self, set: &[usize], position: usize, candidate: usize) -> bool {
        let domain = self.domain_of[candidate];
        let mut in_domain = 0;
        for (at, &disk) in set.iter().enumerate() {
            if disk == candidate {
                return false;
            }
            if at != position && self.domain_of.get(disk) == Some(&domain) {
                in_domain += 1;
            }
        }
        in_domain < self.per_domain
    }
}

fn check_disks(disks: &[TableDisk]) -> Result<(), PlacementError> {
    let mut seen = BTreeSet::new();
    for &TableDisk { id, capacity_bytes, .. } in disks {
        let bad = |reason| Err(PlacementError::Disk { disk: id, reason });
        if capacity_bytes == 0 {
            return bad("it has no room; give its size");
        }
        if !seen.insert(id) {
            return bad("it is named twice");
        }
    }
    Ok(())
}
