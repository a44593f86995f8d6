//! What the metadata on the SSD does not have yet: how much of it may wait, and for which flush of
//! the origin.

use super::core::{Inner, index};
use super::metadata::{Entry, Kept};

/// The flushes of the origin that must be over before a slot is recorded as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Before what was dirty there is taken back.
    pub given_up: u64,
    /// Before what is there is recorded as clean.
    pub kept: u64,
}

/// A commit begins when one slot of so many differs from what the metadata has of it: what waits to
/// be recorded takes some two hundred bytes.
const SLOTS_PER_WAITING: usize = 4096;
const WAITING_MIN: usize = 1024;
/// Nothing new comes in when so many times as much waits.
const WAITING_TIMES_MAX: usize = 4;

impl Inner {
    /// What a slot holds from now on waits for the origin. What was dirty before waits no longer
    /// than that: its clients are answered for the flush that covers what came instead.
    pub fn await_proof(&mut self, slot: u32, before: Kept, now: Kept) {
        let next = if self.origin_is_unflushed() { self.flushes_begun + 1 } else { 0 };
        let earlier = self.unproven.get(&slot).map_or(0, |proof| proof.given_up);
        let raised = before == Kept::Dirty || super::mutation!(RaiseProof);
        let given_up = if raised { next } else { earlier };
        if now == Kept::Dirty || given_up.max(next) <= self.flushes_done {
            self.unproven.remove(&slot);
        } else {
            self.unproven.insert(slot, Proof { given_up, kept: next });
        }
    }

    /// A free block; a commit begins when they run short, because it frees some, and when much
    /// waits to be recorded.
    pub fn allocate(&mut self) -> Option<u32> {
        let waiting_max = self.waiting_max();
        let much_waits = self.recorded.len() >= waiting_max;
        if self.free.len() < index(self.setup.shape.spare_blocks) / 2 || much_waits {
            // What is clean may wait for a flush of the origin, and nothing else may ask for one.
            self.want_commit(self.unproven.len() >= waiting_max / 2);
        }
        // Where the origin does not flush, nothing clean can be recorded.
        if self.recorded.len() >= WAITING_TIMES_MAX * waiting_max { None } else { self.free.pop() }
    }

    /// How many slots may differ from what the metadata has of them before a commit begins.
    fn waiting_max(&self) -> usize {
        (index(self.setup.shape.slots) / SLOTS_PER_WAITING).max(WAITING_MIN)
    }

    /// Whether the SSD's metadata may have the page as clean.
    pub fn is_recorded_clean(&self, page: u64) -> bool {
        let is_it = |entry: Entry| entry.kept == Kept::Clean && entry.page == page;
        let here = self.policy.find(page).map(|slot| slot.0);
        here.is_some_and(|slot| is_it(self.on_disk(slot)))
            || here.and_then(|slot| self.committing.get(&slot)).is_some_and(|entry| is_it(*entry))
            || self.leaving.contains_key(&page)
    }
}
