//! Pages that wait in memory before it is decided whether they are worth a flash write.
//!
//! Many pages are asked for again within moments and never after. A queue of few pages catches
//! those without any write. It holds the pages' data, so it takes what the other parts leave of the
//! memory that the policy may use, and nothing in a cache so small that nothing is left.

use super::page_state::PageState;

/// What a page of the queue takes, in bytes: its data with what the allocator and the data path's
/// own table have for it, its entry, its share of the table.
pub const STAGED_PAGE_BYTES: usize = 4096 + 160 + size_of::<Entry>() + size_of::<u32>();
/// An end of a chain.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    page: u64,
    state: PageState,
    /// The next entry of the same bucket.
    next: u32,
}

/// A page that leaves the queue.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    pub page: u64,
    pub state: PageState,
}

/// The queue: a ring, and a table of chains to find pages in it.
#[derive(Debug)]
pub struct Stage {
    ring: Vec<Entry>,
    buckets: Vec<u32>,
    oldest: usize,
}

impl Stage {
    /// A queue of `pages` pages.
    pub fn new(pages: usize) -> Self {
        let empty = Entry { page: 0, state: PageState::EMPTY, next: NONE };
        Self { ring: vec![empty; pages], buckets: vec![NONE; pages], oldest: 0 }
    }

    fn bucket(&self, page: u64) -> usize {
        let hash = page.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = u128::from((hash ^ hash >> 32).wrapping_mul(0x94d0_49bb_1331_11eb));
        #[allow(clippy::cast_possible_truncation, reason = "below the number of buckets")]
        let bucket = ((hash * self.buckets.len() as u128) >> 64) as usize;
        bucket
    }

    /// The state of a page that waits here, to be read and changed.
    pub fn find(&mut self, page: u64) -> Option<&mut PageState> {
        if self.ring.is_empty() {
            return None;
        }
        let mut at = self.buckets[self.bucket(page)];
        while at != NONE {
            let entry = self.ring[at as usize];
            if entry.page == page && entry.state.class().is_some() {
                return Some(&mut self.ring[at as usize].state);
            }
            at = entry.next;
        }
        None
    }

    /// Lets a page wait here that does not yet. The page that leaves for it: the oldest, or the
    /// page itself where the queue has no room at all.
    pub fn enter(&mut self, page: u64, state: PageState) -> Option<Departure> {
        if self.ring.is_empty() {
            return Some(Departure { page, state });
        }
        let at = self.oldest;
        self.oldest = (at + 1) % self.ring.len();
        let old = self.ring[at];
        self.unlink(at);
        let bucket = self.bucket(page);
        self.ring[at] = Entry { page, state, next: self.buckets[bucket] };
        self.buckets[bucket] = place(at);
        old.state.class().map(|_| Departure { page: old.page, state: old.state })
    }

    fn unlink(&mut self, at: usize) {
        let Entry { page, next, .. } = self.ring[at];
        let bucket = self.bucket(page);
        if self.buckets[bucket] == place(at) {
            self.buckets[bucket] = next;
            return;
        }
        let mut before = self.buckets[bucket];
        while before != NONE && self.ring[before as usize].next != place(at) {
            before = self.ring[before as usize].next;
        }
        if before != NONE {
            self.ring[before as usize].next = next;
        }
    }

    /// How many pages can wait.
    pub fn pages(&self) -> usize {
        self.ring.len()
    }

    /// The data of the waiting pages, entries and table.
    pub fn bytes(&self) -> usize {
        self.ring.len() * STAGED_PAGE_BYTES
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a queue has fewer pages than the cache")]
const fn place(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use super::super::age::Stamp;
    use super::super::class::{Class, Run};
    use super::*;

    const STATE: PageState = PageState::new(Class::of_new(Run::None, 0), Stamp::from_bits(3));

    #[test]
    fn pages_leave_in_the_order_in_which_they_came() {
        let mut stage = Stage::new(7);
        for page in 0..1000u64 {
            let left = stage.enter(page * 31, STATE).map(|departure| departure.page);
            assert_eq!(left, page.checked_sub(7).map(|page| page * 31));
            for waiting in 0..=page {
                assert_eq!(stage.find(waiting * 31).is_some(), waiting + 7 > page);
            }
        }
    }

    #[test]
    fn a_queue_without_room_lets_every_page_pass() {
        let mut stage = Stage::new(0);
        assert_eq!(stage.enter(5, STATE).map(|departure| departure.page), Some(5));
        assert!(stage.find(5).is_none());
    }
}
