//! The optimum that knows the future (Belady, IBM Systems Journal 1966).

use std::collections::BTreeSet;

use super::{INDEX_ENTRY_BYTES, Rival};

/// Evicts the page whose next request is the furthest away.
pub struct Belady {
    /// For each request of the trace, the number of the next one for the same page.
    next_uses: Vec<u32>,
    /// Resident pages by their next use; those never asked for again come last, in their order.
    by_next_use: BTreeSet<(u64, u32)>,
    keys: Vec<u64>,
    resident: Vec<bool>,
    now: usize,
    capacity: usize,
}

/// A page that is not asked for again.
const NEVER: u64 = 1 << 32;

impl Belady {
    /// An empty cache of `capacity` pages for the requests of `trace`, which has `pages` pages.
    pub fn new(pages: usize, capacity: usize, trace: &[u32]) -> Self {
        let mut last = vec![u32::MAX; pages];
        let mut next_uses = vec![u32::MAX; trace.len()];
        for (now, page) in trace.iter().enumerate().rev() {
            let last = &mut last[*page as usize];
            next_uses[now] = *last;
            *last = u32::try_from(now).unwrap_or(u32::MAX);
        }
        Self {
            next_uses,
            by_next_use: BTreeSet::new(),
            keys: vec![0; pages],
            resident: vec![false; pages],
            now: 0,
            capacity,
        }
    }
}

impl Rival for Belady {
    fn access(&mut self, page: u32) -> bool {
        let next = self.next_uses[self.now];
        let key = if next == u32::MAX { NEVER + self.now as u64 } else { u64::from(next) };
        self.now += 1;
        let hit = self.resident[page as usize];
        if hit {
            self.by_next_use.remove(&(self.keys[page as usize], page));
        } else {
            if self.by_next_use.len() == self.capacity
                && let Some((_, victim)) = self.by_next_use.pop_last()
            {
                self.resident[victim as usize] = false;
            }
            self.resident[page as usize] = true;
        }
        self.keys[page as usize] = key;
        self.by_next_use.insert((key, page));
        hit
    }

    fn metadata_bytes(&self) -> usize {
        self.capacity * (INDEX_ENTRY_BYTES + 12) + self.next_uses.len() * 4
    }
}
