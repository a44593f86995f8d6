//! S3-FIFO (Yang and others, SOSP 2023): small queue of a tenth, two bits, ghosts as many as the
//! main queue has pages.

use std::collections::VecDeque;

use super::{RING_ENTRY_BYTES, Rival};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Small,
    Main,
    /// With the number of its turn: a page may stand in the ring of ghosts twice.
    Ghost(u32),
}

const USES_MAX: u8 = 3;
/// Uses in the small queue that let a page into the main one.
const USES_TO_STAY: u8 = 2;

/// New pages pass a small FIFO; those used in it, or soon after it, get into the main FIFO.
pub struct S3Fifo {
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    ghosts: VecDeque<(u32, u32)>,
    places: Vec<Place>,
    uses: Vec<u8>,
    turn: u32,
    capacity: usize,
    small_max: usize,
}

impl S3Fifo {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        Self {
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            places: vec![Place::Nowhere; pages],
            uses: vec![0; pages],
            turn: 0,
            capacity,
            small_max: (capacity / 10).max(1),
        }
    }

    fn ghosts_max(&self) -> usize {
        self.capacity - self.small_max
    }

    fn evict(&mut self) {
        if self.small.len() >= self.small_max || self.main.is_empty() {
            self.evict_small();
        } else {
            self.evict_main();
        }
    }

    fn evict_small(&mut self) {
        while let Some(page) = self.small.pop_front() {
            if self.uses[page as usize] >= USES_TO_STAY {
                self.enter_main(page);
                if self.main.len() > self.capacity - self.small_max {
                    self.evict_main();
                    return;
                }
                continue;
            }
            self.turn = self.turn.wrapping_add(1);
            self.places[page as usize] = Place::Ghost(self.turn);
            self.ghosts.push_back((page, self.turn));
            if self.ghosts.len() > self.ghosts_max()
                && let Some((forgotten, turn)) = self.ghosts.pop_front()
                && self.places[forgotten as usize] == Place::Ghost(turn)
            {
                self.places[forgotten as usize] = Place::Nowhere;
            }
            return;
        }
        self.evict_main();
    }

    fn evict_main(&mut self) {
        while let Some(page) = self.main.pop_front() {
            let uses = &mut self.uses[page as usize];
            if *uses == 0 {
                self.places[page as usize] = Place::Nowhere;
                return;
            }
            *uses -= 1;
            self.main.push_back(page);
        }
    }

    fn enter_main(&mut self, page: u32) {
        self.uses[page as usize] = 0;
        self.places[page as usize] = Place::Main;
        self.main.push_back(page);
    }
}

impl Rival for S3Fifo {
    fn access(&mut self, page: u32) -> bool {
        let place = self.places[page as usize];
        if matches!(place, Place::Small | Place::Main) {
            let uses = &mut self.uses[page as usize];
            *uses = (*uses + 1).min(USES_MAX);
            return true;
        }
        if self.small.len() + self.main.len() >= self.capacity {
            self.evict();
        }
        // The eviction may have pushed this page out of the ghosts; it was there when it was asked
        // for.
        if matches!(place, Place::Ghost(_)) {
            self.enter_main(page);
        } else {
            self.uses[page as usize] = 0;
            self.places[page as usize] = Place::Small;
            self.small.push_back(page);
        }
        false
    }

    fn metadata_bytes(&self) -> usize {
        (self.capacity + self.ghosts_max()) * RING_ENTRY_BYTES
    }
}
