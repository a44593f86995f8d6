//! Which states were seen: operation by what was volatile when the crash came.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use super::faults::Fault;
use crate::policy::Policy;

const FAULT_STATES_MIN: u64 = 1000;
const GONE_STATES_MIN: u64 = 200;
const EVICTED_STATES_MIN: u64 = 10_000;
const READINGS_MIN: u64 = 1000;

/// What was going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Idle,
    Write,
    WholeStripe,
    Trim,
    Flush,
    Snapshot,
    Clone,
    Rollback,
    Flatten,
    Delete,
    Grow,
    Destage,
    Scrub,
    ChangeReplicas,
    Convert,
    AddDisk,
    RemoveDisk,
    ReturnDisk,
    Recovery,
    Upgrade,
}

/// Which flush had not come yet, by what was volatile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlushPoint {
    Nothing,
    Log,
    Home,
    Superblock,
}

const POINTS: [FlushPoint; 4] =
    [FlushPoint::Nothing, FlushPoint::Log, FlushPoint::Home, FlushPoint::Superblock];

/// The states seen so far.
#[derive(Default)]
pub struct Coverage {
    cells: BTreeMap<(Operation, FlushPoint), u64>,
    distinct: HashSet<u64>,
    heights: BTreeMap<u8, u64>,
    rises: BTreeMap<u8, u64>,
    faults: BTreeMap<Fault, u64>,
    /// By policy and how many disks were gone.
    gone: BTreeMap<(String, usize), u64>,
    /// States whose pool had no room in memory for all its map pages.
    evicted: u64,
    /// Chunks and pages that were found bad and written again.
    repaired: u64,
    /// Reads that found what they may while a run went on.
    readings: u64,
}

impl Coverage {
    /// Counts a state; false if it was seen before.
    pub fn add(&mut self, operation: Operation, point: FlushPoint, fingerprint: u64) -> bool {
        let fresh = self.distinct.insert(fingerprint);
        if fresh {
            *self.cells.entry((operation, point)).or_default() += 1;
        }
        fresh
    }

    /// Counts a state by the levels of the highest tree there was.
    pub fn add_height(&mut self, height: u8) {
        *self.heights.entry(height).or_default() += 1;
    }

    /// How many states had a highest tree of so many levels.
    pub fn height(&self, height: u8) -> u64 {
        self.heights.get(&height).copied().unwrap_or(0)
    }

    /// Counts a tree that came to have so many levels while its run went on.
    pub fn add_rise(&mut self, height: u8) {
        *self.rises.entry(height).or_default() += 1;
    }

    /// How many trees came to have so many levels.
    pub fn rises(&self, height: u8) -> u64 {
        self.rises.get(&height).copied().unwrap_or(0)
    }

    /// Counts a state by what was wrong with its disks.
    pub fn add_faults(&mut self, faults: &BTreeSet<Fault>, policy: Policy, gone: usize) {
        for &fault in faults {
            *self.faults.entry(fault).or_default() += 1;
        }
        *self.gone.entry((policy.to_string(), gone)).or_default() += 1;
    }

    /// Counts what a pool did that was opened on a state.
    pub fn add_opened(&mut self, evicted: bool, repaired: u64) {
        self.evicted += u64::from(evicted);
        self.repaired += repaired;
    }

    pub fn add_readings(&mut self, readings: u64) {
        self.readings += readings;
    }

    /// Every kind of fault, every number of disks gone that a policy survives, maps that do not
    /// fit into memory, and reads.
    pub fn assert_faults(&self) {
        for fault in Fault::ALL {
            let count = self.faults.get(&fault).copied().unwrap_or(0);
            assert!(count >= FAULT_STATES_MIN, "{fault:?}: {count}");
        }
        for policy in ["replicas 2", "replicas 3", "2+1", "4+2", "4+2:1"] {
            let gone: Vec<_> = self.gone.iter().filter(|((name, _), _)| name == policy).collect();
            let most = match policy {
                "replicas 3" | "4+2" => 2,
                _ => 1,
            };
            let counts: Vec<u64> = gone.iter().map(|(_, count)| **count).collect();
            assert_eq!(counts.len(), most + 1, "{policy}: {counts:?}");
            assert!(counts.iter().all(|&count| count >= GONE_STATES_MIN), "{policy}: {counts:?}");
        }
        assert!(self.evicted >= EVICTED_STATES_MIN, "{} states evicted pages", self.evicted);
        assert!(self.repaired >= FAULT_STATES_MIN, "{} repaired", self.repaired);
        assert!(self.readings >= READINGS_MIN, "{} reads", self.readings);
    }

    /// How often a cell was seen.
    pub fn count(&self, operation: Operation, point: FlushPoint) -> u64 {
        self.cells.get(&(operation, point)).copied().unwrap_or(0)
    }

    pub fn states(&self) -> usize {
        self.distinct.len()
    }

    pub fn join(&mut self, other: Self) {
        let fresh = other.distinct.difference(&self.distinct).count();
        assert_eq!(fresh, other.distinct.len(), "the same state from two seeds");
        self.distinct.extend(other.distinct);
        for (cell, count) in other.cells {
            *self.cells.entry(cell).or_default() += count;
        }
        for (height, count) in other.heights {
            *self.heights.entry(height).or_default() += count;
        }
        for (height, count) in other.rises {
            *self.rises.entry(height).or_default() += count;
        }
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (gone, count) in other.gone {
            *self.gone.entry(gone).or_default() += count;
        }
        self.evicted += other.evicted;
        self.repaired += other.repaired;
        self.readings += other.readings;
    }

    /// Cells that occur and have fewer states than `least`. Where nothing is volatile a crash
    /// leaves one state alone, so those do not count.
    pub fn thin(&self, least: u64) -> Vec<(Operation, FlushPoint, u64)> {
        let thin = self
            .cells
            .iter()
            .filter(|&(&(_, point), &count)| point != FlushPoint::Nothing && count < least);
        thin.map(|(&(operation, point), &count)| (operation, point, count)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<14}{:>12}{:>12}{:>12}{:>12}",
            "operation", "nothing", "log", "home", "superblock"
        )?;
        let mut operations: Vec<_> = self.cells.keys().map(|(operation, _)| *operation).collect();
        operations.dedup();
        for operation in operations {
            write!(formatter, "{:<14}", format!("{operation:?}"))?;
            for point in POINTS {
                write!(formatter, "{:>12}", self.count(operation, point))?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter, "states by levels of the map: {:?}", self.heights)?;
        writeln!(formatter, "maps that rose to so many levels: {:?}", self.rises)?;
        writeln!(formatter, "states by faults of the disks: {:?}", self.faults)?;
        writeln!(formatter, "states by policy and disks gone: {:?}", self.gone)?;
        writeln!(formatter, "{} states with maps larger than memory", self.evicted)?;
        writeln!(formatter, "{} chunks repaired, {} reads right", self.repaired, self.readings)?;
        writeln!(formatter, "{} distinct states", self.states())
    }
}
