//! Which states were seen: operation by what was not durable when the crash came.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// What was going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Idle,
    Read,
    Write,
    Fua,
    Flush,
    Discard,
    ToWriteback,
    ToWritethrough,
    ToPassThrough,
    Attach,
    Detach,
    Open,
    LostSsd,
    Adopt,
    Dismiss,
    /// A commit is at a further block of the journal.
    LongCommit,
    /// The journal has turned in the middle of a commit.
    JournalTurn,
}

/// What was not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    Nothing,
    Lock,
    Superblock,
    Journal,
    Slots,
    Origin,
}

const POINTS: [Point; 6] =
    [Point::Nothing, Point::Lock, Point::Superblock, Point::Journal, Point::Slots, Point::Origin];

/// The states seen so far.
#[derive(Default)]
pub struct Coverage {
    cells: BTreeMap<(Operation, Point), u64>,
    distinct: HashSet<u64>,
}

impl Coverage {
    /// Counts a state; false if it was seen before.
    pub fn add(&mut self, operation: Operation, point: Point, fingerprint: u64) -> bool {
        let fresh = self.distinct.insert(fingerprint);
        if fresh {
            *self.cells.entry((operation, point)).or_default() += 1;
        }
        fresh
    }

    pub fn count(&self, operation: Operation, point: Point) -> u64 {
        self.cells.get(&(operation, point)).copied().unwrap_or(0)
    }

    pub fn states(&self) -> usize {
        self.distinct.len()
    }

    /// Operations that were seen.
    pub fn operations(&self) -> Vec<Operation> {
        let mut all: Vec<_> = self.cells.keys().map(|(operation, _)| *operation).collect();
        all.dedup();
        all
    }

    pub fn join(&mut self, other: Self) {
        self.distinct.extend(other.distinct);
        for (cell, count) in other.cells {
            *self.cells.entry(cell).or_default() += count;
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<15}", "operation")?;
        for point in POINTS {
            write!(formatter, "{:>11}", format!("{point:?}"))?;
        }
        writeln!(formatter)?;
        for operation in self.operations() {
            write!(formatter, "{:<15}", format!("{operation:?}"))?;
            for point in POINTS {
                write!(formatter, "{:>11}", self.count(operation, point))?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter, "{} distinct states", self.states())
    }
}
