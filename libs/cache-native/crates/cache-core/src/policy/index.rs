//! Which page is in which slot of the cache: sets of up to 64 slots, five bytes a slot.

use std::ops::Range;

use super::age::{Stamp, bucket};
use super::page_state::PageState;
use super::permutation::Place;
use super::reuse::Reuse;

/// Slots of a set; the last sets may have one less.
pub const WAYS: usize = 64;

/// A page of the cache's device. The slot's number is also where its data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// The slot's number as a place in tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The slot of a set that gives way first.
#[derive(Debug, Clone, Copy)]
pub struct Victim {
    pub slot: Slot,
    /// What its page is worth; `None` of an empty slot.
    pub worth: Option<f32>,
}

/// The sets. A tag has 24 bits, in two parts so that they pack; it has 32 only where a small cache
/// stands before so many pages that they are needed.
#[derive(Debug)]
pub struct Index {
    low_tags: Vec<u16>,
    middle_tags: Vec<u8>,
    high_tags: Vec<u8>,
    states: Vec<PageState>,
    sets: usize,
}

impl Index {
    pub fn new(capacity_pages: usize, has_long_tags: bool) -> Self {
        Self {
            low_tags: vec![0; capacity_pages],
            middle_tags: vec![0; capacity_pages],
            high_tags: vec![0; if has_long_tags { capacity_pages } else { 0 }],
            states: vec![PageState::EMPTY; capacity_pages],
            sets: capacity_pages.div_ceil(WAYS),
        }
    }

    pub const fn sets(&self) -> usize {
        self.sets
    }

    fn slots(&self, set: usize) -> Range<usize> {
        let capacity = self.states.len();
        capacity * set / self.sets..capacity * (set + 1) / self.sets
    }

    /// The slot of a page.
    pub fn find(&self, place: Place) -> Option<Slot> {
        let slots = self.slots(place.set);
        let low = low(place.tag);
        let mut candidates = 0u64;
        for (way, tag) in self.low_tags[slots.clone()].iter().enumerate() {
            candidates |= u64::from(*tag == low) << way;
        }
        while candidates != 0 {
            let slot = slots.start + candidates.trailing_zeros() as usize;
            if self.tag(slot) == place.tag && self.states[slot].class().is_some() {
                return Some(slot_of(slot));
            }
            candidates &= candidates - 1;
        }
        None
    }

    fn tag(&self, slot: usize) -> u32 {
        let [first, second] = self.low_tags[slot].to_le_bytes();
        let high = self.high_tags.get(slot).copied().unwrap_or(0);
        u32::from_le_bytes([first, second, self.middle_tags[slot], high])
    }

    /// The page in `slot`; the state of an empty slot has no class.
    pub fn page(&self, slot: Slot) -> (Place, PageState) {
        // Sets are equal parts; this one is right or the one before it is.
        let mut set = (slot.index() * self.sets / self.states.len()).min(self.sets - 1);
        while self.slots(set).end <= slot.index() {
            set += 1;
        }
        (Place { set, tag: self.tag(slot.index()) }, self.states[slot.index()])
    }

    pub fn state(&self, slot: Slot) -> PageState {
        self.states[slot.index()]
    }

    pub fn set_state(&mut self, slot: Slot, state: PageState) {
        self.states[slot.index()] = state;
    }

    /// Puts a page of the slot's set into it.
    pub fn fill(&mut self, slot: Slot, tag: u32, state: PageState) {
        let [.., middle, high] = tag.to_le_bytes();
        self.low_tags[slot.index()] = low(tag);
        self.middle_tags[slot.index()] = middle;
        if let Some(place) = self.high_tags.get_mut(slot.index()) {
            *place = high;
        }
        self.states[slot.index()] = state;
    }

    /// The slot of `set` that gives way first: an empty one, else the one whose page is worth
    /// least, the one not used for longest among equals. `None` if all of the set's slots are
    /// pinned.
    pub fn victim(
        &self,
        set: usize,
        now: Stamp,
        reuse: &Reuse,
        is_pinned: impl Fn(Slot) -> bool,
    ) -> Option<Victim> {
        let mut least: Option<(f32, u16, Slot)> = None;
        for at in self.slots(set) {
            let (slot, state) = (slot_of(at), self.states[at]);
            if is_pinned(slot) {
                continue;
            }
            let Some(class) = state.class() else {
                return Some(Victim { slot, worth: None });
            };
            let age_ticks = state.stamp().age_ticks(now);
            let worth = reuse.worth(class, bucket(age_ticks));
            let less = least.is_none_or(|(least, age_most, _)| {
                worth < least || worth <= least && age_ticks > age_most
            });
            if less {
                least = Some((worth, age_ticks, slot));
            }
        }
        least.map(|(worth, _, slot)| Victim { slot, worth: Some(worth) })
    }

    /// Looks at the stamps of some slots, so that none grows too old to be told.
    pub fn sweep(&mut self, sets: Range<usize>, now: Stamp) {
        for set in sets {
            let slots = self.slots(set);
            for state in &mut self.states[slots] {
                *state = state.swept(now);
            }
        }
    }

    pub fn bytes(&self) -> usize {
        self.states.len() * (3 + size_of::<PageState>()) + self.high_tags.len()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low half")]
const fn low(tag: u32) -> u16 {
    tag as u16
}

#[allow(clippy::cast_possible_truncation, reason = "a cache has fewer than 2^32 pages, asserted")]
const fn slot_of(at: usize) -> Slot {
    Slot(at as u32)
}
