//! The data of pages that wait in memory for the policy's decision.

use std::collections::{HashMap, VecDeque};

use purlin_block_core::buffer::{Buffer, Slice};

/// The newest pages, at most so many.
#[derive(Debug)]
pub struct Memory {
    pages: HashMap<u64, Slice>,
    order: VecDeque<u64>,
    pages_max: usize,
}

impl Memory {
    pub fn new(pages_max: usize) -> Self {
        Self { pages: HashMap::new(), order: VecDeque::new(), pages_max }
    }

    /// The page's data, if it is here.
    pub fn find(&self, page: u64) -> Option<&Slice> {
        self.pages.get(&page)
    }

    /// Keeps a copy of the page's data; the oldest page gives way.
    pub fn put(&mut self, page: u64, bytes: &[u8]) {
        if self.pages.insert(page, Buffer::copy_of(bytes).share()).is_some() {
            return;
        }
        self.order.push_back(page);
        while self.order.len() > self.pages_max {
            if let Some(oldest) = self.order.pop_front() {
                self.pages.remove(&oldest);
            }
        }
    }

    /// The page's data is not right any more.
    pub fn remove(&mut self, page: u64) {
        if self.pages.remove(&page).is_some() {
            self.order.retain(|other| *other != page);
        }
    }
}
