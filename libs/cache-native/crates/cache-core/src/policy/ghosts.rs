//! Pages that are not in the cache and are remembered: four bytes each, five for every four slots.
//!
//! A ghost is known by 16 bits of its tag within its set; one in a thousand is taken for another,
//! which costs a guess and no more. The oldest gives way. One in sixteen is kept longer, so that
//! gaps are seen that are longer than the ghosts reach.

use std::ops::Range;

use super::age::{Stamp, TICKS_PER_CAPACITY};
use super::index::WAYS;
use super::page_state::PageState;

/// Ghosts of a set.
const GHOST_WAYS: usize = WAYS + WAYS / 4;
/// One in so many is kept longer.
const SAMPLE: u16 = 16;
/// By so much, in ticks.
const SAMPLE_BONUS_TICKS: i32 = 8 * TICKS_PER_CAPACITY as i32;

#[derive(Debug, Clone, Copy)]
struct Ghost {
    print: u16,
    state: PageState,
}

/// The ghosts of all sets.
#[derive(Debug)]
pub struct Ghosts {
    ghosts: Vec<Ghost>,
}

const fn print_of(tag: u32) -> u16 {
    #[allow(clippy::cast_possible_truncation, reason = "the halves are folded")]
    let print = (tag ^ tag >> 16) as u16;
    print
}

impl Ghosts {
    pub fn new(sets: usize) -> Self {
        Self { ghosts: vec![Ghost { print: 0, state: PageState::EMPTY }; sets * GHOST_WAYS] }
    }

    fn of_set(&mut self, set: usize) -> &mut [Ghost] {
        &mut self.ghosts[set * GHOST_WAYS..(set + 1) * GHOST_WAYS]
    }

    /// Takes the ghost of a page away and gives its state.
    pub fn take(&mut self, set: usize, tag: u32) -> Option<PageState> {
        let print = print_of(tag);
        let found = self
            .of_set(set)
            .iter_mut()
            .find(|ghost| ghost.print == print && ghost.state.class().is_some())?;
        Some(std::mem::replace(&mut found.state, PageState::EMPTY))
    }

    /// Remembers a page. The state of the ghost that gives way for it.
    pub fn remember(
        &mut self,
        set: usize,
        tag: u32,
        state: PageState,
        now: Stamp,
    ) -> Option<PageState> {
        let (mut at, mut oldest) = (0, i32::MIN);
        let ghosts = self.of_set(set);
        for (way, ghost) in ghosts.iter().enumerate() {
            if ghost.state.class().is_none() {
                at = way;
                break;
            }
            let bonus = if ghost.print % SAMPLE == 0 { SAMPLE_BONUS_TICKS } else { 0 };
            let age = i32::from(ghost.state.stamp().age_ticks(now)) - bonus;
            if age > oldest {
                (at, oldest) = (way, age);
            }
        }
        let dropped = std::mem::replace(&mut ghosts[at], Ghost { print: print_of(tag), state });
        dropped.state.class().map(|_| dropped.state)
    }

    /// Looks at the stamps of some sets, so that none grows too old to be told.
    pub fn sweep(&mut self, sets: Range<usize>, now: Stamp) {
        for ghost in &mut self.ghosts[sets.start * GHOST_WAYS..sets.end * GHOST_WAYS] {
            ghost.state = ghost.state.swept(now);
        }
    }

    pub fn bytes(&self) -> usize {
        self.ghosts.len() * size_of::<Ghost>()
    }
}
