//! Least recently used.

use super::list::{Links, List};
use super::{LINKED_ENTRY_BYTES, Rival};

/// Evicts the page that was not asked for for the longest time.
pub struct Lru {
    links: Links,
    queue: List,
    resident: Vec<bool>,
    capacity: usize,
}

impl Lru {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        Self {
            links: Links::new(pages),
            queue: List::new(),
            resident: vec![false; pages],
            capacity,
        }
    }
}

impl Rival for Lru {
    fn access(&mut self, page: u32) -> bool {
        let hit = self.resident[page as usize];
        if hit {
            self.queue.remove(&mut self.links, page);
        } else {
            if self.queue.len() == self.capacity {
                let victim = self.queue.pop(&mut self.links);
                self.resident[victim as usize] = false;
            }
            self.resident[page as usize] = true;
        }
        self.queue.push(&mut self.links, page);
        hit
    }

    fn metadata_bytes(&self) -> usize {
        self.capacity * LINKED_ENTRY_BYTES
    }
}
