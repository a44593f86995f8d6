//! ARC (Megiddo and Modha, FAST 2003), figure 4 of the paper.

use super::list::{Links, List};
use super::{LINKED_ENTRY_BYTES, Rival};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Recent,
    Frequent,
    RecentGhost,
    FrequentGhost,
}

/// Balances pages asked for once and pages asked for again by the hits of their ghosts.
pub struct Arc {
    links: Links,
    recent: List,
    frequent: List,
    recent_ghosts: List,
    frequent_ghosts: List,
    places: Vec<Place>,
    capacity: usize,
    recent_target: usize,
}

impl Arc {
    /// An empty cache of `capacity` pages for a trace of `pages` different ones.
    pub fn new(pages: usize, capacity: usize) -> Self {
        Self {
            links: Links::new(pages),
            recent: List::new(),
            frequent: List::new(),
            recent_ghosts: List::new(),
            frequent_ghosts: List::new(),
            places: vec![Place::Nowhere; pages],
            capacity,
            recent_target: 0,
        }
    }

    fn set(&mut self, page: u32, place: Place) {
        self.places[page as usize] = place;
    }

    /// The paper's REPLACE.
    fn replace(&mut self, frequent_ghost: bool) {
        let recent = self.recent.len();
        let over = recent > self.recent_target || (frequent_ghost && recent == self.recent_target);
        if recent > 0 && over || self.frequent.len() == 0 {
            let victim = self.recent.pop(&mut self.links);
            self.recent_ghosts.push(&mut self.links, victim);
            self.set(victim, Place::RecentGhost);
        } else {
            let victim = self.frequent.pop(&mut self.links);
            self.frequent_ghosts.push(&mut self.links, victim);
            self.set(victim, Place::FrequentGhost);
        }
    }

    fn admit_unknown(&mut self, page: u32) {
        let (recent, ghosts) = (self.recent.len(), self.recent_ghosts.len());
        let all = recent + ghosts + self.frequent.len() + self.frequent_ghosts.len();
        if recent + ghosts >= self.capacity {
            if recent < self.capacity {
                let forgotten = self.recent_ghosts.pop(&mut self.links);
                self.set(forgotten, Place::Nowhere);
                self.replace(false);
            } else {
                let victim = self.recent.pop(&mut self.links);
                self.set(victim, Place::Nowhere);
            }
        } else if all >= self.capacity {
            if all >= 2 * self.capacity {
                let forgotten = self.frequent_ghosts.pop(&mut self.links);
                self.set(forgotten, Place::Nowhere);
            }
            self.replace(false);
        }
        self.recent.push(&mut self.links, page);
        self.set(page, Place::Recent);
    }
}

impl Rival for Arc {
    fn access(&mut self, page: u32) -> bool {
        let place = self.places[page as usize];
        match place {
            Place::Recent => self.recent.remove(&mut self.links, page),
            Place::Frequent => self.frequent.remove(&mut self.links, page),
            Place::RecentGhost => {
                let (ghosts, others) = (self.recent_ghosts.len(), self.frequent_ghosts.len());
                let step = (others / ghosts).max(1);
                self.recent_target = (self.recent_target + step).min(self.capacity);
                self.recent_ghosts.remove(&mut self.links, page);
                self.replace(false);
            }
            Place::FrequentGhost => {
                let (ghosts, others) = (self.frequent_ghosts.len(), self.recent_ghosts.len());
                let step = (others / ghosts).max(1);
                self.recent_target = self.recent_target.saturating_sub(step);
                self.frequent_ghosts.remove(&mut self.links, page);
                self.replace(true);
            }
            Place::Nowhere => {
                self.admit_unknown(page);
                return false;
            }
        }
        self.frequent.push(&mut self.links, page);
        self.set(page, Place::Frequent);
        matches!(place, Place::Recent | Place::Frequent)
    }

    fn metadata_bytes(&self) -> usize {
        2 * self.capacity * LINKED_ENTRY_BYTES
    }
}
