//! Which states were seen: operation by what was volatile when the crash came.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

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
    ChangePolicy,
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
        writeln!(formatter, "{} distinct states", self.states())
    }
}
