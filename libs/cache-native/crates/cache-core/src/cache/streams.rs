//! Which requests belong to a long sequential stream: those pass by, because a disk is good at
//! them and they would push out what is asked for again.

use std::collections::VecDeque;
use std::ops::Range;

/// Streams that are followed at the same time.
const STREAMS_MAX: usize = 32;
/// A request may skip so many pages, or come so many too early, and still follow.
const SLACK_PAGES: u64 = 64;
/// So far before a stream of writes the cache is cleared; before a young one four times as far as
/// it has come, from the least on.
const AHEAD_PAGES: u64 = 2048;
const YOUNG_PAGES_MIN: u64 = 32;

#[derive(Debug, Clone, Copy)]
struct Stream {
    next: u64,
    pages: u64,
    /// The cache has nothing clean in its way up to here.
    cleared: u64,
}

/// The newest streams, the one that went on last at the end.
#[derive(Debug, Default)]
pub struct Streams(VecDeque<Stream>);

impl Streams {
    /// Follows a request; how many pages its stream has had with it.
    pub fn follow(&mut self, first: u64, count: u64) -> u64 {
        let near = |stream: &Stream| stream.next.abs_diff(first) <= SLACK_PAGES;
        let exact = self.0.iter().position(|stream| stream.next == first);
        // Requests of a stream overtake each other.
        let found = exact.or_else(|| self.0.iter().position(near));
        let before = found.and_then(|at| self.0.remove(at));
        let end = first + count;
        let stream =
            before.map_or(Stream { next: end, pages: count, cleared: 0 }, |stream| Stream {
                next: end.max(stream.next),
                // Only what is new counts: a page asked for again makes no stream.
                cleared: stream.cleared,
                pages: stream.pages + end.saturating_sub(stream.next).min(count),
            });
        if self.0.len() == STREAMS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(stream);
        stream.pages
    }

    /// What is to be cleared before the stream that was followed last, a good part at a time.
    pub fn take_ahead(&mut self) -> Option<Range<u64>> {
        let stream = self.0.back_mut()?;
        let ahead = (4 * stream.pages).min(AHEAD_PAGES);
        let (first, end) = (stream.cleared.max(stream.next), stream.next + ahead);
        let due = stream.pages >= YOUNG_PAGES_MIN && end.saturating_sub(first) >= ahead / 2;
        due.then(|| {
            stream.cleared = end;
            first..end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_followed_between_others_and_when_its_requests_overtake_each_other() {
        let mut streams = Streams::default();
        let mut longest = 0;
        for step in 0..256u64 {
            let step = step ^ 1;
            longest = longest.max(streams.follow(1_000_000 + step * 8, 8));
            assert_eq!(streams.follow(step * 7919 % 100_003 * 500, 8), 8, "one request alone");
        }
        assert!(longest >= 1024, "{longest}");
    }

    #[test]
    fn a_page_that_is_asked_for_again_and_again_is_no_stream() {
        let mut streams = Streams::default();
        assert!((0..10_000).all(|_| streams.follow(5, 1) <= 1));
    }
}
