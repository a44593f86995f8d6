//! Which pages the cache holds: learned from the gaps between the uses of pages, with a price on
//! flash writes. See `docs/cache.md` for why.
//!
//! A page's past makes it one of 56 classes (`class`). For each class and age the policy counts how
//! often a page comes back then (`reuse`), remembers pages outside the cache for that (`ghosts`),
//! and works out what keeping a page is worth, and whether it is worth a write to flash. Nothing is
//! allocated after construction; a request looks at one set of 64 slots and 16 ghosts.

mod age;
mod class;
mod ghosts;
mod index;
mod page_state;
mod permutation;
mod regions;
mod reuse;
mod runs;
mod stage;

pub use index::Slot;

use age::{CAPACITY_BUCKET, SWEEP_TICKS, Stamp, TICKS_PER_CAPACITY, bucket};
use class::{Class, Run};
use ghosts::Ghosts;
use index::{Index, Victim};
use page_state::PageState;
use permutation::{Permutation, Place};
use regions::Regions;
use reuse::Reuse;
use runs::Runs;
use stage::{Departure, STAGED_PAGE_BYTES, Stage};

/// How many pages the cache holds and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyShape {
    /// Pages of the cache, 1 to 2^32 - 1.
    pub capacity_pages: usize,
    /// Page numbers are below 2^`address_bits`. At most 32 more than the number of sets has bits,
    /// where a set has up to 64 pages: a cache of 1 TiB can stand before 2^54 pages.
    pub address_bits: u32,
}

/// Where a request found its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// In this slot of the flash.
    Flash(Slot),
    /// In memory, where it waits.
    Memory,
    /// Nowhere: it must be read from the disk.
    Nowhere,
}

/// A page that must be written to flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlashWrite {
    /// The page; often not the one that was asked for, but one that waited in memory.
    pub page: u64,
    /// Where it belongs from now on.
    pub slot: Slot,
    /// The page that was there until now.
    pub evicted: Option<u64>,
}

/// What a request found, and what is to be written to flash for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Where the page is.
    pub found: Found,
    /// At most one page a request.
    pub write: Option<FlashWrite>,
}

/// The lessons of a small cache are not closer together than so many requests.
const LESSON_REQUESTS_MIN: usize = 200;
/// The memory that all parts may use, in bytes for each page of the cache: 4 GiB for each TiB.
const MEMORY_BYTES_PER_PAGE: usize = 16;
/// What of it is left to the data path for what it has in memory of each slot, in eighths of a
/// byte: seven bytes for block, checksum and state, and less than one for all else.
const DATA_PATH_BITS_PER_PAGE: usize = 60;

/// The policy of one cache.
#[derive(Debug)]
pub struct Policy {
    permutation: Permutation,
    index: Index,
    ghosts: Ghosts,
    regions: Regions,
    reuse: Reuse,
    stage: Stage,
    pinned: Vec<u64>,
    now: Stamp,
    tick_requests: usize,
    tick_left: usize,
    lesson_requests: usize,
    lesson_left: usize,
    swept_sets: usize,
    runs: Runs,
}

impl Policy {
    /// An empty cache.
    ///
    /// # Panics
    /// If the shape is out of its ranges.
    #[must_use]
    pub fn new(shape: PolicyShape) -> Self {
        let PolicyShape { capacity_pages, address_bits } = shape;
        assert!(capacity_pages > 0, "a cache has a page");
        assert!(u32::try_from(capacity_pages).is_ok(), "a cache has fewer than 2^32 pages");
        let permutation = Permutation::new(address_bits, capacity_pages.div_ceil(index::WAYS));
        let index = Index::new(capacity_pages, !permutation.has_short_tags());
        let tick_requests = (capacity_pages / usize::from(TICKS_PER_CAPACITY)).max(1);
        let lesson_requests = (capacity_pages / 2).max(LESSON_REQUESTS_MIN);
        let mut policy = Self {
            stage: Stage::new(0),
            permutation,
            ghosts: Ghosts::new(index.sets()),
            regions: Regions::new(capacity_pages),
            reuse: Reuse::new(capacity_pages),
            pinned: vec![0; capacity_pages.div_ceil(64)],
            index,
            now: Stamp::default(),
            tick_requests,
            tick_left: tick_requests,
            lesson_requests,
            lesson_left: lesson_requests,
            swept_sets: 0,
            runs: Runs::default(),
        };
        let data_path = capacity_pages * DATA_PATH_BITS_PER_PAGE / 8;
        let left = MEMORY_BYTES_PER_PAGE * capacity_pages;
        let left = left.saturating_sub(data_path + policy.metadata_bytes());
        policy.stage = Stage::new(left / STAGED_PAGE_BYTES);
        policy
    }

    /// One request for `page`, a read or a write of it.
    pub fn access(&mut self, page: u64) -> Access {
        self.pass_time();
        let run = self.runs.follow(page);
        let place = self.permutation.place(page);
        if let Some(slot) = self.index.find(place) {
            let next = self.come_back(page, self.index.state(slot));
            self.index.set_state(slot, next);
            self.runs.learn(next.class(), true);
            return Access { found: Found::Flash(slot), write: None };
        }
        if let Some(state) = self.stage.find(page).copied() {
            let next = self.come_back(page, state);
            if let Some(state) = self.stage.find(page) {
                *state = next;
            }
            self.runs.learn(next.class(), true);
            return Access { found: Found::Memory, write: None };
        }
        let remembered = self.ghosts.take(place.set, place.tag, self.now);
        let state = match remembered {
            Some(ghost) => self.come_back(page, ghost),
            None => PageState::new(Class::of_new(run, self.regions.arrive(page)), self.now),
        };
        self.runs.learn(state.class(), remembered.is_some());
        self.reuse.count_miss();
        let departure = self.stage.enter(page, state);
        let write = departure.and_then(|departure| self.admit(departure));
        Access { found: Found::Nowhere, write }
    }

    /// The slot of `page`, if it is in the cache; says nothing to the policy.
    #[must_use]
    pub fn find(&self, page: u64) -> Option<Slot> {
        self.index.find(self.permutation.place(page))
    }

    /// The page in `slot`.
    #[must_use]
    pub fn page_in(&self, slot: Slot) -> Option<u64> {
        let (place, state) = self.index.page(slot);
        state.class().map(|_| self.permutation.page(place))
    }

    /// Every page that can be in `slot`, and some beyond the end of the address space.
    pub fn pages_of(&self, slot: Slot) -> impl Iterator<Item = u64> {
        self.permutation.pages(self.index.page(slot).0.set)
    }

    /// Empties the slot of `page`, if it has one, and the queue of it: its data is not to be used
    /// any more.
    pub fn invalidate(&mut self, page: u64) -> Option<Slot> {
        if let Some(state) = self.stage.find(page) {
            *state = PageState::EMPTY;
        }
        let slot = self.find(page)?;
        self.index.set_state(slot, PageState::EMPTY);
        self.unpin(slot);
        Some(slot)
    }

    /// Gives a page without a slot one, whatever it is worth: what is written is answered from
    /// there. `None` if every slot of its set is pinned.
    pub fn claim(&mut self, page: u64) -> Option<FlashWrite> {
        let place = self.permutation.place(page);
        let victim = self.victim(place.set)?;
        let waiting = self.stage.find(page).map(|at| std::mem::replace(at, PageState::EMPTY));
        let known = waiting.or_else(|| self.ghosts.take(place.set, place.tag, self.now));
        let state = known.unwrap_or(PageState::new(Class::of_new(Run::None, 0), self.now));
        Some(self.put(page, place, state, victim.slot))
    }

    /// Gives a page without a slot one that is empty or whose page is worth nothing; `None` if its
    /// set has none. For pages that are fetched before anybody asks for them.
    pub fn promote(&mut self, page: u64) -> Option<FlashWrite> {
        let place = self.permutation.place(page);
        let victim = self.victim(place.set)?;
        if victim.worth.is_some_and(|worth| worth > 0.0) || self.stage.find(page).is_some() {
            return None;
        }
        let known = self.ghosts.take(place.set, place.tag, self.now);
        let state = known.unwrap_or(PageState::new(Class::of_new(Run::None, 0), self.now));
        Some(self.put(page, place, state, victim.slot))
    }

    /// Puts `page` into `slot`, as a restart finds it on the device. `false` if the slot is not of
    /// the page's set. Of two slots that are told to have a page, `find` gives the first.
    pub fn restore(&mut self, page: u64, slot: Slot) -> bool {
        let place = self.permutation.place(page);
        if self.index.page(slot).0.set != place.set {
            return false;
        }
        let class = Class::of_new(Run::None, class::REGION_LEVELS - 1).after_use(0);
        self.index.fill(slot, place.tag, PageState::new(class, self.now));
        true
    }

    /// Empties a slot.
    pub fn empty(&mut self, slot: Slot) {
        self.index.set_state(slot, PageState::EMPTY);
        self.unpin(slot);
    }

    /// A pinned slot keeps its page: what is in it is not on the disk yet.
    pub fn pin(&mut self, slot: Slot) {
        self.pinned[slot.index() / 64] |= 1 << (slot.index() % 64);
    }

    /// The opposite of `pin`.
    pub fn unpin(&mut self, slot: Slot) {
        self.pinned[slot.index() / 64] &= !(1 << (slot.index() % 64));
    }

    /// Pages whose content waits in memory at most.
    #[must_use]
    pub fn staged_pages(&self) -> usize {
        self.stage.pages()
    }

    /// The memory of index, ghosts, scores, counts and of the queue with its data, in bytes.
    #[must_use]
    pub fn metadata_bytes(&self) -> usize {
        let parts =
            [self.index.bytes(), self.ghosts.bytes(), self.regions.bytes(), self.stage.bytes()];
        let all: usize = parts.iter().sum();
        all + Reuse::bytes() + self.pinned.len() * 8
    }

    /// The page comes back: what is known of it from now on.
    fn come_back(&mut self, page: u64, state: PageState) -> PageState {
        let Some(class) = state.class() else { return state };
        let bucket = bucket(state.stamp().age_ticks(self.now));
        self.reuse.count_return(class, bucket);
        // Pages that come back soon would say the same of every region.
        if class.is_new() || bucket >= CAPACITY_BUCKET {
            self.regions.come_back(page);
        }
        PageState::new(class.after_use(bucket), self.now)
    }

    /// Gives a page that leaves the queue a slot, if it is worth one.
    fn admit(&mut self, Departure { page, state }: Departure) -> Option<FlashWrite> {
        let place = self.permutation.place(page);
        let victim = self.victim(place.set);
        let class = state.class()?;
        let victim = victim.filter(|victim| {
            let Some(worth) = victim.worth else { return true };
            self.reuse.count_victim(worth);
            let bucket = bucket(state.stamp().age_ticks(self.now));
            self.reuse.is_worth_writing(class, bucket, worth)
        });
        let Some(victim) = victim else {
            self.remember(place, state);
            return None;
        };
        if victim.worth.is_some() {
            self.reuse.count_write();
        }
        Some(self.put(page, place, state, victim.slot))
    }

    /// What gives way first of a set, pinned slots aside.
    fn victim(&self, set: usize) -> Option<Victim> {
        let pinned = &self.pinned;
        let is_pinned = |slot: Slot| pinned[slot.index() / 64] >> (slot.index() % 64) & 1 == 1;
        self.index.victim(set, self.now, &self.reuse, is_pinned)
    }

    fn put(&mut self, page: u64, place: Place, state: PageState, slot: Slot) -> FlashWrite {
        let (old, old_state) = self.index.page(slot);
        self.index.fill(slot, place.tag, state);
        let evicted = old_state.class().map(|_| {
            self.remember(old, old_state);
            self.permutation.page(old)
        });
        FlashWrite { page, slot, evicted }
    }

    fn remember(&mut self, place: Place, state: PageState) {
        let dropped = self.ghosts.remember(place.set, place.tag, state, self.now);
        if let Some(ghost) = dropped
            && let Some(class) = ghost.class()
        {
            self.reuse.count_drop(class, bucket(ghost.stamp().age_ticks(self.now)));
        }
    }

    fn pass_time(&mut self) {
        self.tick_left -= 1;
        if self.tick_left == 0 {
            self.tick_left = self.tick_requests;
            self.now = self.now.next();
            self.sweep();
        }
        self.lesson_left -= 1;
        if self.lesson_left == 0 {
            self.lesson_left = self.lesson_requests;
            self.reuse.learn();
        }
    }

    /// Looks at one part of all stamps, so that each is looked at in `SWEEP_TICKS`.
    fn sweep(&mut self) {
        let sets = self.index.sets();
        let end = (self.swept_sets + sets.div_ceil(usize::from(SWEEP_TICKS))).min(sets);
        self.index.sweep(self.swept_sets..end, self.now);
        self.ghosts.sweep(self.swept_sets..end, self.now);
        self.swept_sets = if end == sets { 0 } else { end };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(capacity_pages: usize) -> Policy {
        Policy::new(PolicyShape { capacity_pages, address_bits: 24 })
    }

    /// Pages of a mixed kind: some popular, most not.
    fn page(request: u64) -> u64 {
        let mixed = request.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        if request.is_multiple_of(3) { mixed } else { mixed % 700 }
    }

    #[test]
    fn a_page_stays_where_it_was_written_until_another_takes_its_slot() {
        let mut policy = policy(1000);
        let mut slots: std::collections::HashMap<u64, Slot> = std::collections::HashMap::new();
        for request in 0..200_000 {
            let asked = page(request);
            let Access { found, write } = policy.access(asked);
            match found {
                Found::Flash(slot) => assert_eq!(slots.get(&asked), Some(&slot)),
                Found::Memory | Found::Nowhere => assert!(!slots.contains_key(&asked)),
            }
            if let Some(FlashWrite { page, slot, evicted }) = write {
                assert!(slot.index() < 1000);
                let before = slots.iter().find(|(_, other)| **other == slot).map(|(page, _)| *page);
                assert_eq!(before, evicted);
                evicted.map(|page| slots.remove(&page));
                assert_eq!(slots.insert(page, slot), None);
                assert_eq!(policy.find(page), Some(slot));
                assert_eq!(policy.page_in(slot), Some(page));
            }
        }
        assert!(slots.len() > 900, "{}", slots.len());
    }

    #[test]
    fn a_pinned_page_never_makes_room() {
        let mut policy = policy(64);
        let mut pinned = Vec::new();
        for request in 0..100_000 {
            let Some(write) = policy.access(page(request)).write else { continue };
            assert!(!write.evicted.is_some_and(|evicted| pinned.contains(&evicted)));
            if pinned.len() < 60 {
                policy.pin(write.slot);
                pinned.push(write.page);
            }
        }
        assert!(pinned.iter().all(|page| policy.find(*page).is_some()));
    }

    #[test]
    fn every_page_that_is_claimed_gets_a_slot_until_its_set_is_pinned() {
        let mut policy = policy(6400);
        let mut claimed = 0;
        for request in 0..20_000 {
            let page = request * 7;
            policy.access(page);
            if policy.find(page).is_none() {
                let Some(write) = policy.claim(page) else { continue };
                assert_eq!((write.page, policy.find(page)), (page, Some(write.slot)));
                assert_eq!(policy.page_in(write.slot), Some(page));
                assert_ne!(policy.access(page).found, Found::Memory, "it waits no more");
            }
            if let Some(slot) = policy.find(page) {
                policy.pin(slot);
            }
            claimed += 1;
            // Pages spread evenly enough that a share of dirty pages fits in every set.
            assert!(claimed > 4480 || claimed == request + 1, "{claimed} of {request}");
        }
        assert_eq!(claimed, 6400);
    }

    #[test]
    fn what_is_promoted_takes_no_place_that_is_worth_something() {
        let mut policy = policy(1000);
        for page in 0..3000 {
            policy.promote(page);
        }
        let held = (0..3000).filter(|page| policy.find(*page).is_some()).count();
        assert_eq!(held, 1000, "the empty slots are taken, and no more");
    }

    #[test]
    fn what_is_invalidated_is_not_found_again() {
        let mut policy = policy(5000);
        for request in 0..20_000 {
            policy.access(page(request));
        }
        let held: Vec<u64> = (0..700).filter(|page| policy.find(*page).is_some()).collect();
        assert!(held.len() > 300);
        for page in held {
            assert!(policy.invalidate(page).is_some());
            assert_eq!(policy.find(page), None);
            assert_eq!(policy.access(page).found, Found::Nowhere);
        }
    }

    #[test]
    fn a_restart_puts_pages_back_into_their_slots() {
        let mut before = policy(1000);
        for request in 0..20_000 {
            before.access(page(request));
        }
        let mut after = policy(1000);
        let (mut count, mut last) = (0, None);
        for slot in (0..1000).map(Slot) {
            let Some(page) = before.page_in(slot) else { continue };
            assert!(after.restore(page, slot));
            assert_eq!(after.access(page).found, Found::Flash(slot));
            (count, last) = (count + 1, Some(page));
        }
        assert!(count > 500);
        let other_set = (0..1000).map(Slot).find(|slot| after.page_in(*slot).is_none());
        assert!(!other_set.is_some_and(|slot| after.restore(last.unwrap_or(0), slot)));
    }

    #[test]
    fn old_stamps_are_never_taken_for_young_ones() {
        // A page used once and then not for 200 times the capacity is worth nothing.
        let mut policy = policy(128);
        policy.access(1);
        for request in 0..25_600 {
            policy.access(1000 + request % 100);
        }
        let slot = policy.find(1);
        if let Some(slot) = slot {
            let age_ticks = policy.index.state(slot).stamp().age_ticks(policy.now);
            assert!(age_ticks >= age::AGE_MAX_TICKS, "{age_ticks}");
        }
    }

    #[test]
    fn all_parts_together_take_at_most_sixteen_bytes_a_page() {
        for capacity_pages in [1 << 18, 1 << 20] {
            let data_path = capacity_pages * DATA_PATH_BITS_PER_PAGE / 8;
            let bytes = policy(capacity_pages).metadata_bytes() + data_path;
            assert!(bytes <= MEMORY_BYTES_PER_PAGE * capacity_pages, "{capacity_pages}: {bytes}");
        }
    }
}
