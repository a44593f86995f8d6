//! What the policy knows of a page's past, as one of 56 classes.
//!
//! A page whose past is unknown is told by where it lies: in a run after a page that is known, by
//! that one's gap; alone or after one that is not, by how often pages of its region come back. A
//! page that came back is told by how often and by the gap between its last two uses.

use super::age::{TICKS_PER_CAPACITY, bucket_start_ticks};

/// A class, 0 to 55.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(u8);

/// How the page before in the address space was asked for just before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It was not.
    None,
    /// It was, and nothing was known of it.
    Unknown,
    /// It was, and it came back after a gap of this number.
    Known(u8),
}

/// Levels of a region's score.
pub const REGION_LEVELS: u8 = 4;
const NEW_CLASSES: u8 = 2 * REGION_LEVELS + GAPS;
/// The gaps that are told apart end here, in ticks; the last has no end.
const GAP_ENDS_TICKS: [u16; 7] = {
    let capacity = TICKS_PER_CAPACITY;
    [1, capacity / 4, capacity * 3 / 4, capacity * 3 / 2, capacity * 3, capacity * 6, capacity * 12]
};
const GAPS: u8 = 8;
/// The first gap that is as long as three quarters of the capacity, in requests.
pub const LONG_GAP: u8 = 3;
/// Uses after the first that are told apart: one to four, and more.
const COUNTS: u8 = 5;
/// How many classes there are.
pub const CLASSES: usize = (NEW_CLASSES + GAPS * COUNTS) as usize;
/// A number of six bits that is no class.
pub const NO_CLASS_BITS: u8 = 63;

const _: () = assert!(CLASSES <= NO_CLASS_BITS as usize, "a class fits in six bits");

impl Class {
    /// The class of a page whose past is unknown; `region_level` is below 4.
    pub const fn of_new(run: Run, region_level: u8) -> Self {
        match run {
            Run::None => Self(region_level),
            Run::Unknown => Self(REGION_LEVELS + region_level),
            Run::Known(gap) => Self(2 * REGION_LEVELS + gap),
        }
    }

    /// The class with this number, unless it is `NO_CLASS_BITS`.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits == NO_CLASS_BITS { None } else { Some(Self(bits)) }
    }

    /// The number of the class.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The number of the class, as a place in tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All classes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..NEW_CLASSES + GAPS * COUNTS).map(Self)
    }

    /// The number of the gap between the page's last two uses, or of that which it is taken to
    /// have; `None` where nothing is known.
    pub const fn gap(self) -> Option<u8> {
        if self.0 < 2 * REGION_LEVELS {
            return None;
        }
        let past = if self.is_new() { 2 * REGION_LEVELS } else { NEW_CLASSES };
        Some((self.0 - past) % GAPS)
    }

    /// Whether the page has not come back yet.
    pub const fn is_new(self) -> bool {
        self.0 < NEW_CLASSES
    }

    /// The class of a page of this class that comes back at an age of this bucket. Uses within a
    /// tick are one use: they say nothing about the next gap.
    pub const fn after_use(self, bucket: usize) -> Self {
        let age_ticks = bucket_start_ticks(bucket);
        let mut gap = 0;
        while gap < GAPS - 1 && age_ticks >= GAP_ENDS_TICKS[gap as usize] {
            gap += 1;
        }
        if self.is_new() {
            return Self(NEW_CLASSES + gap);
        }
        if gap == 0 {
            return self;
        }
        let count = (self.0 - NEW_CLASSES) / GAPS + 1;
        let count = if count < COUNTS { count } else { COUNTS - 1 };
        Self(NEW_CLASSES + count * GAPS + gap)
    }
}

#[cfg(test)]
mod tests {
    use super::super::age::AGES;
    use super::*;

    #[test]
    fn every_use_leads_to_a_class_of_pages_that_came_back() {
        for class in Class::all() {
            for bucket in 0..AGES {
                let next = class.after_use(bucket);
                assert!(!next.is_new() && next.index() < CLASSES);
            }
        }
    }

    #[test]
    fn a_page_is_taken_to_have_the_gap_of_the_one_it_follows() {
        let before = Class::of_new(Run::None, 2).after_use(20);
        assert_eq!(Class::of_new(Run::None, 2).gap(), None);
        let new = before.gap().map(|gap| Class::of_new(Run::Known(gap), 0));
        assert!(new.is_some_and(|new| new.is_new() && new.gap() == before.gap()));
    }

    #[test]
    fn a_burst_of_uses_keeps_what_the_last_gap_said() {
        let come_back = Class::of_new(Run::None, 0).after_use(20);
        assert_eq!(come_back.after_use(0), come_back);
        assert_ne!(come_back.after_use(8), come_back);
    }
}
