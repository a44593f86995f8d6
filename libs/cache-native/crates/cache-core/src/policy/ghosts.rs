//! Pages that are not in the cache and are remembered: three bytes each, as many as there are
//! slots.
//!
//! A ghost has ten bits of its page's tag, and its place tells two more; one in sixty that are
//! looked for is taken for another, which costs a guess and no more. The oldest of its row gives
//! way. One in sixteen is kept longer, so that gaps are seen that are longer than the ghosts reach.

use std::ops::Range;

use super::age::{SWEEP_TICKS, Stamp, TICKS_PER_CAPACITY};
use super::class::{Class, NO_CLASS_BITS};
use super::page_state::PageState;

/// Ghosts of a row, one of which gives way for another.
const ROW: usize = 16;
/// Rows of a set.
const ROWS: usize = 4;
/// Ghosts of a set.
const GHOST_WAYS: usize = ROW * ROWS;
/// One in so many is kept longer.
const SAMPLE: u16 = 16;
/// By so much, in ticks.
const SAMPLE_BONUS_TICKS: i32 = 6 * TICKS_PER_CAPACITY as i32;
/// A stamp's bits that a ghost has.
const STAMP_BITS: u32 = 8;
const STAMP_MASK: u16 = (1 << STAMP_BITS) - 1;
/// An age that is not told from any above it, in ticks.
const AGE_MAX_TICKS: u16 = 192;
const PRINT_BITS: u32 = 10;
const PRINT_MASK: u16 = (1 << PRINT_BITS) - 1;

const _: () = assert!(AGE_MAX_TICKS + SWEEP_TICKS < 1 << STAMP_BITS, "old never looks young");

/// A class, the low bits of a stamp, and a part of a tag: 6, 8 and 10 bits.
#[derive(Debug, Clone, Copy)]
struct Ghost([u8; 3]);

impl Ghost {
    const NONE: Self = Self([NO_CLASS_BITS, 0, 0]);

    #[allow(clippy::cast_possible_truncation, reason = "parts of the bits")]
    fn new(print: u16, class: Class, stamp: u16) -> Self {
        let word = u32::from(class.bits()) | u32::from(print) << 6;
        let [low, middle, ..] = word.to_le_bytes();
        Self([low, middle, stamp as u8])
    }

    fn word(self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }

    #[allow(clippy::cast_possible_truncation, reason = "six bits")]
    fn class(self) -> Option<Class> {
        Class::from_bits((self.word() & 63) as u8)
    }

    fn print(self) -> u16 {
        self.word() >> 6
    }

    fn age_ticks(self, now: Stamp) -> u16 {
        now.bits().wrapping_sub(u16::from(self.0[2])) & STAMP_MASK
    }

    fn state(self, now: Stamp) -> PageState {
        let stamp = Stamp::before(now, self.age_ticks(now));
        self.class().map_or(PageState::EMPTY, |class| PageState::new(class, stamp))
    }
}

/// The ghosts of all sets.
#[derive(Debug)]
pub struct Ghosts {
    ghosts: Vec<Ghost>,
}

/// The row of a page in its set, and what its ghost has of the tag.
const fn print_of(tag: u32) -> (usize, u16) {
    #[allow(clippy::cast_possible_truncation, reason = "the high bits are folded")]
    let folded = (tag ^ tag >> 12) as u16;
    ((folded >> PRINT_BITS) as usize % ROWS, folded & PRINT_MASK)
}

impl Ghosts {
    pub fn new(sets: usize) -> Self {
        Self { ghosts: vec![Ghost::NONE; sets * GHOST_WAYS] }
    }

    fn row(&mut self, set: usize, row: usize) -> &mut [Ghost] {
        let start = set * GHOST_WAYS + row * ROW;
        &mut self.ghosts[start..start + ROW]
    }

    /// Takes the ghost of a page away and gives its state.
    pub fn take(&mut self, set: usize, tag: u32, now: Stamp) -> Option<PageState> {
        let (row, print) = print_of(tag);
        let ghosts = self.row(set, row).iter_mut();
        let found = ghosts
            .filter(|ghost| ghost.print() == print && ghost.class().is_some())
            .min_by_key(|ghost| ghost.age_ticks(now))?;
        Some(std::mem::replace(found, Ghost::NONE).state(now))
    }

    /// Remembers a page. The state of the ghost that gives way for it.
    pub fn remember(
        &mut self,
        set: usize,
        tag: u32,
        state: PageState,
        now: Stamp,
    ) -> Option<PageState> {
        let class = state.class()?;
        let (row, print) = print_of(tag);
        let (mut at, mut oldest) = (0, i32::MIN);
        let ghosts = self.row(set, row);
        for (way, ghost) in ghosts.iter().enumerate() {
            if ghost.class().is_none() {
                at = way;
                break;
            }
            let bonus = if ghost.print() % SAMPLE == 0 { SAMPLE_BONUS_TICKS } else { 0 };
            let age = i32::from(ghost.age_ticks(now)) - bonus;
            if age > oldest {
                (at, oldest) = (way, age);
            }
        }
        let age_ticks = state.stamp().age_ticks(now).min(AGE_MAX_TICKS);
        let stamp = Stamp::before(now, age_ticks).bits() & STAMP_MASK;
        let dropped = std::mem::replace(&mut ghosts[at], Ghost::new(print, class, stamp));
        dropped.class().map(|_| dropped.state(now))
    }

    /// Looks at the stamps of some sets, so that none grows too old to be told.
    pub fn sweep(&mut self, sets: Range<usize>, now: Stamp) {
        let oldest = Stamp::before(now, AGE_MAX_TICKS).bits() & STAMP_MASK;
        for ghost in &mut self.ghosts[sets.start * GHOST_WAYS..sets.end * GHOST_WAYS] {
            if ghost.age_ticks(now) >= AGE_MAX_TICKS {
                ghost.0[2] = oldest.to_le_bytes()[0];
            }
        }
    }

    pub fn bytes(&self) -> usize {
        self.ghosts.len() * size_of::<Ghost>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::Run;
    use super::*;

    #[test]
    fn a_ghost_gives_back_what_was_known_of_its_page() {
        let (mut ghosts, mut now) = (Ghosts::new(3), Stamp::default());
        let class = Class::of_new(Run::Unknown, 2).after_use(20);
        for age_ticks in [0, 1, 100, AGE_MAX_TICKS, 900] {
            let state = PageState::new(class, Stamp::before(now, age_ticks));
            assert!(ghosts.remember(1, 0x0012_3456, state, now).is_none());
            assert!(ghosts.take(1, 0x0012_3457, now).is_none());
            let found = ghosts.take(1, 0x0012_3456, now).map(|state| state.stamp().age_ticks(now));
            assert_eq!(found, Some(age_ticks.min(AGE_MAX_TICKS)));
            assert!(ghosts.take(1, 0x0012_3456, now).is_none());
            for _ in 0..77 {
                now = now.next();
            }
        }
    }

    #[test]
    fn the_oldest_of_a_full_row_gives_way_and_none_grows_young_again() {
        let (mut ghosts, mut now) = (Ghosts::new(1), Stamp::default());
        let class = Class::of_new(Run::None, 0);
        for tag in 1..=16 {
            assert!(ghosts.remember(0, tag, PageState::new(class, now), now).is_none());
            now = now.next();
        }
        let dropped = ghosts.remember(0, 17, PageState::new(class, now), now);
        assert_eq!(dropped.map(|state| state.stamp().age_ticks(now)), Some(16));
        for _ in 0..1000 {
            now = now.next();
            ghosts.sweep(0..1, now);
        }
        let oldest = ghosts.take(0, 2, now).map(|state| state.stamp().age_ticks(now));
        assert_eq!(oldest, Some(AGE_MAX_TICKS));
    }
}
