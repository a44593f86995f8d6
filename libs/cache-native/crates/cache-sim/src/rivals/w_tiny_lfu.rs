//! W-TinyLFU (Einziger, Friedman and Manes, TOS 2017): a window LRU of one percent, a segmented
//! LRU of which four fifths are protected, a count-min sketch of four bits a counter.

use super::list::{Links, List};
use super::{LINKED_ENTRY_BYTES, Rival};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Window,
    Probation,
    Protected,
}

/// A page that leaves the window stays if the sketch counts it more often than the main cache's
/// next victim.
pub struct WTinyLfu {
    links: Links,
    window: List,
    probation: List,
    protected: List,
    places: Vec<Place>,
    sketch: Sketch,
    capacity: usize,
    window_max: usize,
    protected_max: usize,
}

impl WTinyLfu {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        let window_max = (capacity / 100).max(1);
        Self {
            links: Links::new(pages),
            window: List::new(),
            probation: List::new(),
            protected: List::new(),
            places: vec![Place::Nowhere; pages],
            sketch: Sketch::new(capacity),
            capacity,
            window_max,
            protected_max: (capacity - window_max) * 4 / 5,
        }
    }

    fn leave_window(&mut self) {
        let candidate = self.window.pop(&mut self.links);
        let main = self.probation.len() + self.protected.len();
        if main >= self.capacity - self.window_max {
            let from_probation = self.probation.len() > 0;
            let queue = if from_probation { &self.probation } else { &self.protected };
            let victim = queue.oldest();
            if main == 0 || self.sketch.count(candidate) <= self.sketch.count(victim) {
                self.places[candidate as usize] = Place::Nowhere;
                return;
            }
            let queue = if from_probation { &mut self.probation } else { &mut self.protected };
            queue.remove(&mut self.links, victim);
            self.places[victim as usize] = Place::Nowhere;
        }
        self.probation.push(&mut self.links, candidate);
        self.places[candidate as usize] = Place::Probation;
    }

    fn protect(&mut self, page: u32) {
        self.probation.remove(&mut self.links, page);
        self.protected.push(&mut self.links, page);
        self.places[page as usize] = Place::Protected;
        if self.protected.len() > self.protected_max {
            let demoted = self.protected.pop(&mut self.links);
            self.probation.push(&mut self.links, demoted);
            self.places[demoted as usize] = Place::Probation;
        }
    }
}

impl Rival for WTinyLfu {
    fn access(&mut self, page: u32) -> bool {
        self.sketch.add(page);
        match self.places[page as usize] {
            Place::Window => {
                self.window.remove(&mut self.links, page);
                self.window.push(&mut self.links, page);
                true
            }
            Place::Probation => {
                self.protect(page);
                true
            }
            Place::Protected => {
                self.protected.remove(&mut self.links, page);
                self.protected.push(&mut self.links, page);
                true
            }
            Place::Nowhere => {
                self.window.push(&mut self.links, page);
                self.places[page as usize] = Place::Window;
                if self.window.len() > self.window_max {
                    self.leave_window();
                }
                false
            }
        }
    }

    fn metadata_bytes(&self) -> usize {
        self.capacity * LINKED_ENTRY_BYTES + self.sketch.counters.len()
    }
}

const ROWS: usize = 4;
const COUNT_MAX: u8 = 15;

/// Counters of four rows, two of four bits in a byte; all are halved after ten requests for each
/// page of the cache.
struct Sketch {
    counters: Vec<u8>,
    mask: u64,
    additions: usize,
    additions_max: usize,
}

impl Sketch {
    fn new(capacity: usize) -> Self {
        let width = (capacity * 4).next_power_of_two();
        Self {
            counters: vec![0; ROWS * width / 2],
            mask: width as u64 - 1,
            additions: 0,
            additions_max: 10 * capacity,
        }
    }

    fn places(&self, page: u32) -> [(usize, u32); ROWS] {
        std::array::from_fn(|row| {
            let hash = crate::random::mix(u64::from(page) ^ (row as u64) << 40);
            let cell = (hash & self.mask) * ROWS as u64 + row as u64;
            #[allow(clippy::cast_possible_truncation, reason = "below the number of counters")]
            ((cell / 2) as usize, (cell % 2) as u32 * 4)
        })
    }

    fn count(&self, page: u32) -> u8 {
        let counts = self.places(page).map(|(at, shift)| self.counters[at] >> shift & COUNT_MAX);
        counts.into_iter().min().unwrap_or(0)
    }

    fn add(&mut self, page: u32) {
        for (at, shift) in self.places(page) {
            if self.counters[at] >> shift & COUNT_MAX < COUNT_MAX {
                self.counters[at] += 1 << shift;
            }
        }
        self.additions += 1;
        if self.additions == self.additions_max {
            self.additions = 0;
            for pair in &mut self.counters {
                *pair = *pair >> 1 & 0x77;
            }
        }
    }
}
