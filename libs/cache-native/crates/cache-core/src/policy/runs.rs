//! Requests that follow each other in the address space.
//!
//! What lies side by side is mostly used together, so a page of which nothing is known is taken to
//! come back after the gap of the page that was asked for just before it. That is how the rest of a
//! loop or of a file comes in of which the cache has a part.

use super::class::{Class, LONG_GAP, Run};

/// Over so many unknown pages a known one speaks for those that follow in the run.
const REACH_PAGES: u16 = 1;
/// The same for one whose gap is long: loops that are longer than ghosts are remembered have no
/// other sign.
const LONG_REACH_PAGES: u16 = 255;

/// The request before, and what it says of the next.
#[derive(Debug, Default)]
pub struct Runs {
    last_page: Option<u64>,
    in_run: bool,
    gap: Option<u8>,
    /// Unknown pages since the last known one.
    unknown_pages: u16,
}

impl Runs {
    /// A request for `page`: how the request before leads to it.
    pub fn follow(&mut self, page: u64) -> Run {
        if self.last_page != Some(page) {
            self.in_run = page.checked_sub(1).is_some_and(|before| self.last_page == Some(before));
        }
        self.last_page = Some(page);
        match (self.in_run, self.gap) {
            (false, _) => Run::None,
            (true, Some(gap)) => Run::Known(gap),
            (true, None) => Run::Unknown,
        }
    }

    /// The page of this request is of this class now; `known` if it was in the cache or remembered.
    pub fn learn(&mut self, class: Option<Class>, known: bool) {
        self.unknown_pages = if known { 0 } else { self.unknown_pages.saturating_add(1) };
        let gap = class.and_then(Class::gap);
        let is_long = gap.is_some_and(|gap| gap >= LONG_GAP);
        let reach = if is_long { LONG_REACH_PAGES } else { REACH_PAGES };
        self.gap = gap.filter(|_| self.unknown_pages <= reach);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run of each of `pages` unknown pages after a known one with this gap.
    fn runs_after(gap: u8, pages: u64) -> Vec<Run> {
        let mut runs = Runs::default();
        runs.follow(10);
        runs.learn(Some(Class::of_new(Run::Known(gap), 0)), true);
        let follow = |page| {
            let run = runs.follow(page);
            runs.learn(Some(Class::of_new(run, 0)), false);
            run
        };
        (11..11 + pages).map(follow).collect()
    }

    #[test]
    fn a_known_page_speaks_for_those_that_follow_and_one_with_a_long_gap_for_more_of_them() {
        let short = runs_after(LONG_GAP - 1, 3);
        assert_eq!(short, [Run::Known(LONG_GAP - 1), Run::Known(LONG_GAP - 1), Run::Unknown]);
        let long = runs_after(LONG_GAP, 300);
        assert!(long[..256].iter().all(|run| *run == Run::Known(LONG_GAP)));
        assert!(long[256..].iter().all(|run| *run == Run::Unknown));
    }

    #[test]
    fn a_page_elsewhere_is_in_no_run() {
        let mut runs = Runs::default();
        runs.follow(10);
        runs.learn(Some(Class::of_new(Run::Known(2), 0)), true);
        assert_eq!(runs.follow(12), Run::None);
    }
}
