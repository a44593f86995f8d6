//! SIEVE (Zhang and others, NSDI 2024): a queue that a hand sweeps from old to new.

use super::list::{Links, List, NONE};
use super::{LINKED_ENTRY_BYTES, Rival};

/// Pages keep their place; the hand spares those that were asked for since its last visit.
pub struct Sieve {
    links: Links,
    queue: List,
    resident: Vec<bool>,
    visited: Vec<bool>,
    hand: u32,
    capacity: usize,
}

impl Sieve {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        Self {
            links: Links::new(pages),
            queue: List::new(),
            resident: vec![false; pages],
            visited: vec![false; pages],
            hand: NONE,
            capacity,
        }
    }

    fn evict(&mut self) {
        let mut page = if self.hand == NONE { self.queue.oldest() } else { self.hand };
        while self.visited[page as usize] {
            self.visited[page as usize] = false;
            page = self.links.newer(page);
            if page == NONE {
                page = self.queue.oldest();
            }
        }
        self.hand = self.links.newer(page);
        self.queue.remove(&mut self.links, page);
        self.resident[page as usize] = false;
    }
}

impl Rival for Sieve {
    fn access(&mut self, page: u32) -> bool {
        if self.resident[page as usize] {
            self.visited[page as usize] = true;
            return true;
        }
        if self.queue.len() == self.capacity {
            self.evict();
        }
        self.queue.push(&mut self.links, page);
        self.resident[page as usize] = true;
        self.visited[page as usize] = false;
        false
    }

    fn metadata_bytes(&self) -> usize {
        self.capacity * LINKED_ENTRY_BYTES
    }
}
