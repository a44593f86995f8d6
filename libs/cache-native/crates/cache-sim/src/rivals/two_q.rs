//! 2Q (Johnson and Shasha, VLDB 1994), full version: `A1in` a quarter of the cache, `A1out` half.

use super::list::{Links, List};
use super::{LINKED_ENTRY_BYTES, Rival};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    In,
    Out,
    Main,
}

/// New pages pass a FIFO; those asked for again after they left it are kept in an LRU.
pub struct TwoQ {
    links: Links,
    first_in: List,
    first_out: List,
    main: List,
    places: Vec<Place>,
    capacity: usize,
    in_max: usize,
    out_max: usize,
}

impl TwoQ {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        Self {
            links: Links::new(pages),
            first_in: List::new(),
            first_out: List::new(),
            main: List::new(),
            places: vec![Place::Nowhere; pages],
            capacity,
            in_max: (capacity / 4).max(1),
            out_max: (capacity / 2).max(1),
        }
    }

    fn make_room(&mut self) {
        if self.first_in.len() + self.main.len() < self.capacity {
            return;
        }
        if self.first_in.len() > self.in_max || self.main.len() == 0 {
            let victim = self.first_in.pop(&mut self.links);
            self.first_out.push(&mut self.links, victim);
            self.places[victim as usize] = Place::Out;
            if self.first_out.len() > self.out_max {
                let forgotten = self.first_out.pop(&mut self.links);
                self.places[forgotten as usize] = Place::Nowhere;
            }
        } else {
            let victim = self.main.pop(&mut self.links);
            self.places[victim as usize] = Place::Nowhere;
        }
    }
}

impl Rival for TwoQ {
    fn access(&mut self, page: u32) -> bool {
        match self.places[page as usize] {
            Place::In => return true,
            Place::Main => {
                self.main.remove(&mut self.links, page);
                self.main.push(&mut self.links, page);
                return true;
            }
            Place::Out => {
                self.first_out.remove(&mut self.links, page);
                self.places[page as usize] = Place::Nowhere;
                self.make_room();
                self.main.push(&mut self.links, page);
                self.places[page as usize] = Place::Main;
            }
            Place::Nowhere => {
                self.make_room();
                self.first_in.push(&mut self.links, page);
                self.places[page as usize] = Place::In;
            }
        }
        false
    }

    fn metadata_bytes(&self) -> usize {
        (self.capacity + self.out_max) * LINKED_ENTRY_BYTES
    }
}
