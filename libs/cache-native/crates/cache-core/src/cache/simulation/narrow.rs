//! Blocks of the journal with few records, so that a commit of a small cache has several of them
//! and the journal turns in its middle.

use std::cell::Cell;

use crate::cache::metadata::RECORDS_MAX;

/// Records of a narrow block.
const NARROW: usize = 2;

thread_local! {
    static RECORDS: Cell<usize> = const { Cell::new(RECORDS_MAX) };
    static COMMITS: Cell<u64> = const { Cell::new(0) };
}

/// Makes the journal's blocks of this thread narrow, or as wide as they are.
pub fn set_narrow(narrow: bool) {
    RECORDS.set(if narrow { NARROW } else { RECORDS_MAX });
}

/// Records of one block; a commit asks once.
pub fn journal_records() -> usize {
    COMMITS.set(COMMITS.get() + 1);
    RECORDS.get()
}

/// Where a commit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// None is under way, or it is writing its first block.
    Early,
    /// It has written one, and writes another of the same half.
    Further,
    /// The journal has turned to its other half since its first block.
    Turned,
}

/// Follows the commits of one cache from turn to turn.
#[derive(Debug, Default)]
pub struct Commits {
    /// Generation and length of the journal after the first block of the commit under way.
    first: Option<(u64, u64)>,
    stage: Option<Stage>,
}

impl Commits {
    /// Lets the cache turn. `journal` tells whether a commit is under way, the journal's generation
    /// and its length.
    pub fn follow(&mut self, before: u64, (busy, generation, length): (bool, u64, u64)) {
        if !busy {
            *self = Self::default();
            return;
        }
        if COMMITS.get() != before {
            self.first = Some((generation, length));
        }
        self.stage = self.first.map(|(first_generation, first_length)| {
            if generation != first_generation {
                Stage::Turned
            } else if length > first_length {
                Stage::Further
            } else {
                Stage::Early
            }
        });
    }

    /// Where the commit stands.
    pub fn stage(&self) -> Stage {
        self.stage.unwrap_or(Stage::Early)
    }

    /// Commits of all caches of this thread so far.
    pub fn count() -> u64 {
        COMMITS.get()
    }
}
