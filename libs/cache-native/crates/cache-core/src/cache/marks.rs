//! Where dirty pages lie: a bit for each window of the origin that has one, and how many there are
//! in all. A list of the pages would take more memory than all else that a slot has.
//!
//! A bit stands for one window, or for a group of several where the origin has so many that their
//! bits would take more than an eighth of a byte a slot. Which pages of a window are dirty is asked
//! of policy and slots when the window's turn comes, and when the last one of a group may be gone.

use super::core::Inner;
use super::dirty::{WINDOW_PAGES, pages_of};
use super::metadata::Kept;

const WORD_BITS: u64 = 64;
/// So many bits are cheap in a small cache too.
const BITS_MIN: u64 = 1 << 21;

/// The bits.
#[derive(Debug)]
pub struct Marks {
    /// Windows of a bit.
    windows_each: u64,
    words: Vec<u64>,
    /// Which of the words are not zero.
    summary: Vec<u64>,
    marked: usize,
    pages: usize,
}

impl Marks {
    /// Nothing is dirty.
    pub fn new(origin_blocks: u64, slots: u32) -> Self {
        let windows = origin_blocks.div_ceil(WINDOW_PAGES);
        let bits_max = u64::from(slots).max(BITS_MIN);
        let windows_each = windows.div_ceil(bits_max).max(1).next_power_of_two();
        let words = place(windows.div_ceil(windows_each).div_ceil(WORD_BITS));
        let summary = vec![0; words.div_ceil(place(WORD_BITS))];
        Self { windows_each, words: vec![0; words], summary, marked: 0, pages: 0 }
    }

    /// How many pages are dirty.
    pub const fn len(&self) -> usize {
        self.pages
    }

    pub const fn is_empty(&self) -> bool {
        self.pages == 0
    }

    /// How many windows have dirty pages, at most.
    pub fn windows(&self) -> usize {
        self.pages.min(self.marked.saturating_mul(place(self.windows_each)))
    }

    /// A page that was not dirty is.
    pub fn insert(&mut self, page: u64) {
        let (word, bit) = self.bit_of(page);
        self.marked += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
        self.summary[word / place(WORD_BITS)] |= 1 << (word % place(WORD_BITS));
        self.pages += 1;
    }

    /// A page that was dirty is not; whether its group still has one is for the caller to say.
    pub fn remove(&mut self, page: u64, others: bool) {
        self.pages -= 1;
        if others {
            return;
        }
        let (word, bit) = self.bit_of(page);
        self.marked -= usize::from(self.words[word] & bit != 0);
        self.words[word] &= !bit;
        if self.words[word] == 0 {
            self.summary[word / place(WORD_BITS)] &= !(1 << (word % place(WORD_BITS)));
        }
    }

    /// The windows that share a bit with this one.
    fn group(&self, window: u64) -> std::ops::Range<u64> {
        let first = window / self.windows_each * self.windows_each;
        first..first + self.windows_each
    }

    fn bit_of(&self, page: u64) -> (usize, u64) {
        let bit = page / WINDOW_PAGES / self.windows_each;
        (place(bit / WORD_BITS), 1 << (bit % WORD_BITS))
    }

    /// The first window at or after `window` whose group has a dirty page.
    fn next(&self, window: u64) -> Option<u64> {
        let bit = window / self.windows_each;
        let here = self.words.get(place(bit / WORD_BITS))? & u64::MAX << (bit % WORD_BITS);
        let found = if here == 0 {
            self.first_from(bit / WORD_BITS + 1)?
        } else {
            bit / WORD_BITS * WORD_BITS + u64::from(here.trailing_zeros())
        };
        Some(window.max(found * self.windows_each))
    }

    /// The first bit of this word and those after it.
    fn first_from(&self, word: u64) -> Option<u64> {
        let mut at = word / WORD_BITS;
        let mut bits = self.summary.get(place(at))? & u64::MAX << (word % WORD_BITS);
        while bits == 0 {
            at += 1;
            bits = *self.summary.get(place(at))?;
        }
        let word = at * WORD_BITS + u64::from(bits.trailing_zeros());
        Some(word * WORD_BITS + u64::from(self.words[place(word)].trailing_zeros()))
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Inner {
    /// The first window from `from` on that has dirty pages, with a bit for each of them, and after
    /// the last one the first of all.
    pub fn next_dirty(&self, from: u64) -> Option<(u64, u64)> {
        self.next_dirty_on(from).or_else(|| self.next_dirty_on(0))
    }

    fn next_dirty_on(&self, from: u64) -> Option<(u64, u64)> {
        let mut at = from;
        while let Some(window) = self.dirty.next(at) {
            let word = self.dirty_pages_of(window);
            if word != 0 {
                return Some((window, word));
            }
            at = window + 1;
        }
        None
    }

    fn dirty_pages_of(&self, window: u64) -> u64 {
        let first = window * WINDOW_PAGES;
        let dirty = pages_of(window, u64::MAX).filter(|page| self.goes_home(*page));
        dirty.fold(0, |word, page| word | 1 << (page - first))
    }

    /// A page is no longer among those that go home.
    pub fn unmark(&mut self, page: u64) {
        // Most windows have their pages side by side, so the next one tells first.
        let window = page / WINDOW_PAGES;
        let (first, end) = (window * WINDOW_PAGES, (window + 1) * WINDOW_PAGES);
        let mut near = (page + 1..end).chain(first..page);
        let others = near.any(|other| self.goes_home(other))
            || self.dirty.group(window).any(|it| it != window && self.dirty_pages_of(it) != 0);
        self.dirty.remove(page, others);
    }

    /// Whether a page is dirty and not lost.
    fn goes_home(&self, page: u64) -> bool {
        let slot = self.policy.find(page).map(|slot| slot.0);
        page < self.setup.origin_blocks
            && slot.is_some_and(|slot| self.slots.kept(slot) == Kept::Dirty)
            && !self.lost.contains(&page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_windows_are_found_in_order_and_take_few_bits() {
        for (origin, slots) in [(100, 64), (10_000_000, 64), (1 << 40, 1 << 14), (1 << 31, 1 << 22)]
        {
            let mut marks = Marks::new(origin, slots);
            let bits_max = u64::from(slots).max(BITS_MIN);
            assert!(marks.words.len() <= place(bits_max / WORD_BITS));
            let pages = [0, origin / 3, origin / 2, origin - 1];
            for page in pages {
                marks.insert(page);
            }
            assert_eq!(marks.len(), 4);
            assert!(marks.windows() <= 4);
            let (mut at, mut seen) = (0, Vec::<&u64>::new());
            while let Some(window) = marks.next(at) {
                seen.extend(pages.iter().filter(|page| **page / WINDOW_PAGES == window));
                at = window + 1;
            }
            assert_eq!(seen, pages.iter().collect::<Vec<_>>());
            for (count, page) in pages.iter().enumerate() {
                let group = marks.group(page / WINDOW_PAGES);
                let more = pages[count + 1..].iter();
                let others = more.clone().any(|it| group.contains(&(it / WINDOW_PAGES)));
                marks.remove(*page, others);
            }
            assert_eq!((marks.marked, marks.len(), marks.next(0)), (0, 0, None));
            assert!(marks.summary.iter().all(|word| *word == 0));
        }
    }
}
