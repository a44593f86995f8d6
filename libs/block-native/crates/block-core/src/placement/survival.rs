//! What really placed stripes survive: not what the policy promises, but what the sets of disks
//! that hold stripes say.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::DiskId;
use crate::placement::search::Incidence;
use crate::placement::{Level, PlacementTable, TableDisk};

/// The different sets of disks that hold stripes, and how many shards of each may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    sets: BTreeSet<Vec<DiskId>>,
    tolerates: u32,
}

impl Census {
    /// Of stripes that outlive the loss of `tolerates` shards.
    #[must_use]
    pub fn new(tolerates: usize) -> Self {
        Self { sets: BTreeSet::new(), tolerates: u32::try_from(tolerates).unwrap_or(u32::MAX) }
    }

    /// Notes a stripe whose shards lie on `disks`. A disk may be named twice, and is then lost with
    /// both shards.
    pub fn add(&mut self, disks: impl IntoIterator<Item = DiskId>) {
        let mut disks: Vec<DiskId> = disks.into_iter().collect();
        disks.sort_unstable();
        self.sets.insert(disks);
    }

    /// Of everything that `table` has stripes on: where its placement groups are and, as long as
    /// they are not settled, were.
    #[must_use]
    pub fn of(table: &PlacementTable) -> Self {
        let mut census = Self::new(table.policy().parity_shards());
        for (_, set) in table.placement_groups() {
            census.add(set.iter().copied());
        }
        for set in table.groups.iter().flat_map(|group| group.previous.values()) {
            census.add(set.iter().copied());
        }
        census
    }
}

/// What is survived of failures at one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurvivalAt {
    /// The level; its domains fail as a whole.
    pub level: Level,
    /// Domains there are.
    pub domains: usize,
    /// Any so many domains can fail.
    pub any: usize,
    /// How many single disks more can fail beside any number of domains up to `any`: at index d
    /// beside d of them.
    pub disks_beside: Vec<usize>,
    /// A smallest set of domains whose loss is too much, each by one of its disks; empty where all
    /// can fail.
    pub fatal: Vec<DiskId>,
    /// How many sets of that size are too much, of how many; `None` where counting takes too long.
    pub fatal_sets: Option<(u64, u64)>,
    /// A largest set of domains that is survived, each by one of its disks.
    pub largest: Vec<DiskId>,
    /// No set of more domains is survived; the size of `largest` where the search was exhaustive.
    pub largest_at_most: usize,
}

/// What is survived, level by level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survival {
    /// Different sets of disks that hold stripes.
    pub sets: usize,
    /// The levels, the narrowest first.
    pub levels: Vec<SurvivalAt>,
}

impl Census {
    /// Searches every level. `disks` are those of the pool; one that holds nothing can fail freely.
    #[must_use]
    pub fn survival(&self, disks: &[TableDisk]) -> Survival {
        let levels = Level::ALL.map(|level| self.survival_at(disks, level));
        Survival { sets: self.sets.len(), levels: levels.into() }
    }

    fn survival_at(&self, disks: &[TableDisk], level: Level) -> SurvivalAt {
        let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
        let mut named: Vec<DiskId> = Vec::new();
        let mut domain_of: BTreeMap<DiskId, usize> = BTreeMap::new();
        for disk in disks {
            let number = *numbers.entry(level.domain(disk)).or_insert(named.len());
            if number == named.len() {
                named.push(disk.id);
            }
            domain_of.insert(disk.id, number);
        }
        let name = |things: &[usize]| things.iter().map(|&thing| named[thing]).collect();
        let incidence = self.incidence(&domain_of, named.len());
        let fatal = incidence.smallest_fatal();
        let any = fatal.as_ref().map_or(named.len(), |things| things.len() - 1);
        let largest = incidence.largest_survived();
        let counted = fatal.as_ref().and_then(|things| incidence.count_fatal(things.len()));
        SurvivalAt {
            level,
            domains: named.len(),
            any,
            disks_beside: self.disks_beside(&domain_of, any),
            fatal: name(&fatal.unwrap_or_default()),
            fatal_sets: counted.map(|count| (count.fatal, count.all)),
            largest: name(&largest.things),
            largest_at_most: largest.at_most,
        }
    }

    /// Shards of each set in each domain, the fullest first.
    fn spreads(&self, domain_of: &BTreeMap<DiskId, usize>) -> BTreeSet<Vec<u32>> {
        let spread = |set: &Vec<DiskId>| {
            let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
            for domain in set.iter().filter_map(|disk| domain_of.get(disk)) {
                *counts.entry(*domain).or_default() += 1;
            }
            let mut counts: Vec<u32> = counts.into_values().collect();
            counts.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
            counts
        };
        self.sets.iter().map(spread).collect()
    }

    fn disks_beside(&self, domain_of: &BTreeMap<DiskId, usize>, any: usize) -> Vec<usize> {
        let spreads = self.spreads(domain_of);
        let beside = |domains: usize| {
            let left = |counts: &Vec<u32>| {
                self.tolerates - counts.iter().take(domains).sum::<u32>().min(self.tolerates)
            };
            spreads.iter().map(left).min().unwrap_or(self.tolerates) as usize
        };
        (0..=any).map(beside).collect()
    }

    fn incidence(&self, domain_of: &BTreeMap<DiskId, usize>, domains: usize) -> Incidence {
        let mut losses = vec![Vec::new(); domains];
        let spreads: BTreeSet<Vec<(usize, u32)>> = self
            .sets
            .iter()
            .map(|set| {
                let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
                for domain in set.iter().filter_map(|disk| domain_of.get(disk)) {
                    *counts.entry(*domain).or_default() += 1;
                }
                counts.into_iter().collect()
            })
            .collect();
        for (set, counts) in spreads.iter().enumerate() {
            for &(domain, shards) in counts {
                losses[domain].push((set, shards));
            }
        }
        Incidence { losses, sets: spreads.len(), tolerates: self.tolerates }
    }
}
