//! LIRS (Jiang and Zhang, SIGMETRICS 2002): one percent of the cache for pages of high
//! inter-reference recency; as many ghosts at most as twice the cache holds.

use super::list::{Links, List, NONE};
use super::{FLAGS_BYTES, INDEX_ENTRY_BYTES, LINKS_BYTES, Rival};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    Nowhere,
    /// Of low inter-reference recency: resident, in the stack.
    Low,
    /// Of high inter-reference recency and resident: in the queue, perhaps in the stack.
    High,
    /// Of high inter-reference recency and gone: in the stack.
    Ghost,
}

/// Keeps the pages whose last two uses lie the closest together.
pub struct Lirs {
    stack_links: Links,
    stack: List,
    in_stack: Vec<bool>,
    queue_links: Links,
    queue: List,
    ghost_links: Links,
    ghosts: List,
    ranks: Vec<Rank>,
    low: usize,
    low_max: usize,
    high_max: usize,
}

impl Lirs {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        let high_max = (capacity / 100).max(1).min(capacity - 1).max(1);
        Self {
            stack_links: Links::new(pages),
            stack: List::new(),
            in_stack: vec![false; pages],
            queue_links: Links::new(pages),
            queue: List::new(),
            ghost_links: Links::new(pages),
            ghosts: List::new(),
            ranks: vec![Rank::Nowhere; pages],
            low: 0,
            low_max: capacity.saturating_sub(high_max),
            high_max,
        }
    }

    fn raise(&mut self, page: u32) {
        if self.in_stack[page as usize] {
            self.stack.remove(&mut self.stack_links, page);
        }
        self.stack.push(&mut self.stack_links, page);
        self.in_stack[page as usize] = true;
    }

    fn unstack(&mut self, page: u32) {
        self.stack.remove(&mut self.stack_links, page);
        self.in_stack[page as usize] = false;
        if self.ranks[page as usize] == Rank::Ghost {
            self.ghosts.remove(&mut self.ghost_links, page);
            self.ranks[page as usize] = Rank::Nowhere;
        }
    }

    /// Takes pages off the stack's bottom until one of low recency lies there.
    fn prune(&mut self) {
        while self.stack.oldest() != NONE && self.ranks[self.stack.oldest() as usize] != Rank::Low {
            self.unstack(self.stack.oldest());
        }
    }

    fn demote_bottom(&mut self) {
        self.prune();
        let page = self.stack.oldest();
        if page == NONE {
            return;
        }
        self.ranks[page as usize] = Rank::High;
        self.unstack(page);
        self.low -= 1;
        self.queue.push(&mut self.queue_links, page);
        self.prune();
    }

    fn evict(&mut self) {
        let victim = self.queue.pop(&mut self.queue_links);
        if victim == NONE {
            return;
        }
        if self.in_stack[victim as usize] {
            self.ranks[victim as usize] = Rank::Ghost;
            self.ghosts.push(&mut self.ghost_links, victim);
            if self.ghosts.len() > self.ghosts_max() {
                self.unstack(self.ghosts.oldest());
            }
        } else {
            self.ranks[victim as usize] = Rank::Nowhere;
        }
    }

    fn ghosts_max(&self) -> usize {
        2 * (self.low_max + self.high_max)
    }

    fn promote(&mut self, page: u32) {
        self.ranks[page as usize] = Rank::Low;
        self.low += 1;
        self.raise(page);
        if self.low > self.low_max {
            self.demote_bottom();
        }
    }
}

impl Rival for Lirs {
    fn access(&mut self, page: u32) -> bool {
        match self.ranks[page as usize] {
            Rank::Low => {
                self.raise(page);
                self.prune();
                return true;
            }
            Rank::High => {
                self.queue.remove(&mut self.queue_links, page);
                if self.in_stack[page as usize] {
                    self.promote(page);
                } else {
                    self.raise(page);
                    self.queue.push(&mut self.queue_links, page);
                }
                return true;
            }
            Rank::Ghost => {
                if self.low + self.queue.len() >= self.low_max + self.high_max {
                    self.evict();
                }
                if self.ranks[page as usize] == Rank::Ghost {
                    self.ghosts.remove(&mut self.ghost_links, page);
                }
                self.promote(page);
            }
            Rank::Nowhere if self.low < self.low_max => {
                self.ranks[page as usize] = Rank::Low;
                self.low += 1;
                self.raise(page);
            }
            Rank::Nowhere => {
                if self.low + self.queue.len() >= self.low_max + self.high_max {
                    self.evict();
                }
                self.ranks[page as usize] = Rank::High;
                self.raise(page);
                self.queue.push(&mut self.queue_links, page);
            }
        }
        false
    }

    fn metadata_bytes(&self) -> usize {
        let capacity = self.low_max + self.high_max;
        let stacked = INDEX_ENTRY_BYTES + LINKS_BYTES + FLAGS_BYTES;
        // Ghosts stand in the stack and in the order of their eviction.
        capacity * stacked
            + self.high_max * LINKS_BYTES
            + self.ghosts_max() * (stacked + LINKS_BYTES)
    }
}
