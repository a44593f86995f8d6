//! Which pages are dirty, by windows: what lies near each other goes home together.

use std::collections::BTreeMap;

/// Pages of a window, 256 KiB: what one request to a slow disk may be without taking much longer
/// than one of a page.
pub const WINDOW_PAGES: u64 = 64;

/// Sets of pages, one word a window.
#[derive(Debug, Default)]
pub struct Dirty {
    windows: BTreeMap<u64, u64>,
    pages: usize,
}

impl Dirty {
    pub fn insert(&mut self, page: u64) {
        let word = self.windows.entry(page / WINDOW_PAGES).or_default();
        let bit = 1 << (page % WINDOW_PAGES);
        self.pages += usize::from(*word & bit == 0);
        *word |= bit;
    }

    pub fn remove(&mut self, page: u64) {
        let window = page / WINDOW_PAGES;
        let Some(word) = self.windows.get_mut(&window) else { return };
        let bit = 1 << (page % WINDOW_PAGES);
        self.pages -= usize::from(*word & bit != 0);
        *word &= !bit;
        if *word == 0 {
            self.windows.remove(&window);
        }
    }

    /// How many pages.
    pub fn len(&self) -> usize {
        self.pages
    }

    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }

    /// How many windows have one.
    pub fn windows(&self) -> usize {
        self.windows.len()
    }

    /// All pages, in order.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.windows.iter().flat_map(|(window, word)| pages_of(*window, *word))
    }

    /// The first window from `window` on, and after the last one the first of all.
    pub fn next_from(&self, window: u64) -> Option<(u64, u64)> {
        let next = self.windows.range(window..).next().or_else(|| self.windows.iter().next());
        next.map(|(window, word)| (*window, *word))
    }
}

/// The pages of a window that have their bit in `word`.
pub fn pages_of(window: u64, word: u64) -> impl Iterator<Item = u64> {
    let bits = (0..WINDOW_PAGES).filter(move |bit| word >> bit & 1 == 1);
    bits.map(move |bit| window * WINDOW_PAGES + bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_in_order_and_windows_around_the_end() {
        let mut dirty = Dirty::default();
        for page in [700, 3, 64, 3, 127, 0] {
            dirty.insert(page);
        }
        dirty.remove(5);
        assert_eq!((dirty.len(), dirty.windows()), (5, 3));
        assert_eq!(dirty.iter().collect::<Vec<_>>(), [0, 3, 64, 127, 700]);
        assert_eq!(dirty.next_from(1), Some((1, 1 | 1 << 63)));
        assert_eq!(dirty.next_from(11), Some((0, 0b1001)));
        for page in [0, 3, 64, 127, 700] {
            dirty.remove(page);
        }
        assert!(dirty.is_empty() && dirty.next_from(0).is_none());
    }
}
