//! Which pages requests are at work on: overlapping requests wait where one of them changes pages,
//! in the order in which they came.

use std::ops::Range;

/// A request's hold on its pages.
#[derive(Debug)]
struct Hold {
    id: u64,
    pages: Range<u64>,
    exclusive: bool,
}

/// All holds, those that wait too, in the order in which they came.
#[derive(Debug, Default)]
pub struct Ranges {
    holds: Vec<Hold>,
    next: u64,
}

impl Ranges {
    /// Queues for `pages`; the name of the hold.
    pub fn queue(&mut self, pages: Range<u64>, exclusive: bool) -> u64 {
        self.next += 1;
        self.holds.push(Hold { id: self.next, pages, exclusive });
        self.next
    }

    /// Whether it is the hold's turn.
    pub fn is_first(&self, id: u64) -> bool {
        let Some(at) = self.holds.iter().position(|hold| hold.id == id) else { return false };
        let hold = &self.holds[at];
        !self.holds[..at].iter().any(|other| conflict(other, &hold.pages, hold.exclusive))
    }

    /// Takes `pages` for a change, if nobody has them or waits for them.
    pub fn try_take(&mut self, pages: Range<u64>) -> Option<u64> {
        let busy = self.holds.iter().any(|other| conflict(other, &pages, true));
        (!busy).then(|| self.queue(pages, true))
    }

    /// Keeps `pages` from being changed, if nobody changes them or waits to.
    pub fn try_share(&mut self, pages: Range<u64>) -> Option<u64> {
        let busy = self.holds.iter().any(|other| conflict(other, &pages, false));
        (!busy).then(|| self.queue(pages, false))
    }

    /// Whether nobody is at work on a page or waits for it.
    pub fn is_free(&self, page: u64) -> bool {
        self.holds.iter().all(|hold| !hold.pages.contains(&page))
    }

    /// Ends a hold.
    pub fn release(&mut self, id: u64) {
        self.holds.retain(|hold| hold.id != id);
    }
}

fn conflict(other: &Hold, pages: &Range<u64>, exclusive: bool) -> bool {
    (other.exclusive || exclusive) && other.pages.start < pages.end && pages.start < other.pages.end
}
