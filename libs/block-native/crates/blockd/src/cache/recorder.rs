//! Notes the requests of one volume, as traces have them.

use std::fmt::Write;
use std::time::Instant;

use purlin_block_core::request::{Request, RequestOp, VolumeId};

/// Requests that are kept until somebody takes them: 24 MiB.
const KEPT_MAX: usize = 1 << 20;
/// Requests that are given at a time: below 2 MiB of text.
const TAKEN_MAX: usize = 1 << 15;
const SECTOR_BYTES: u64 = 512;

/// What was noted since the last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// Lines of time in seconds, `r` or `w`, first block of 512 bytes, bytes: `csv` of `cache sim`.
    pub lines: String,
    /// How many.
    pub requests: u64,
    /// Whether more are there already.
    pub more: bool,
    /// Requests that nobody took in time, since the beginning.
    pub dropped: u64,
}

struct Noted {
    micros: u64,
    offset: u64,
    length: u32,
    write: bool,
}

/// A recording under way.
pub struct Recorder {
    volume: VolumeId,
    began: Instant,
    noted: Vec<Noted>,
    given: usize,
    dropped: u64,
}

impl Recorder {
    /// Begins.
    #[must_use]
    pub fn new(volume: VolumeId) -> Self {
        Self { volume, began: Instant::now(), noted: Vec::new(), given: 0, dropped: 0 }
    }

    /// Notes a request, if it is of the volume and moves bytes.
    pub fn note(&mut self, request: &Request) {
        if request.volume != self.volume {
            return;
        }
        let (offset, length, write) = match &request.op {
            RequestOp::Read { offset, length } => (*offset, *length, false),
            RequestOp::Write { offset, slices, .. } => {
                (*offset, slices.iter().map(purlin_block_core::buffer::Slice::len).sum(), true)
            }
            _ => return,
        };
        if self.noted.len() - self.given >= KEPT_MAX {
            self.dropped += 1;
            return;
        }
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.noted.push(Noted { micros, offset, length, write });
    }

    /// Gives what was noted and not given yet.
    pub fn take(&mut self) -> Taken {
        let end = self.noted.len().min(self.given + TAKEN_MAX);
        let mut taken = Taken { dropped: self.dropped, ..Taken::default() };
        for Noted { micros, offset, length, write } in &self.noted[self.given..end] {
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            let kind = if *write { 'w' } else { 'r' };
            let first = offset / SECTOR_BYTES;
            // Writing to a string cannot fail.
            let _ = writeln!(taken.lines, "{seconds}.{rest:06},{kind},{first},{length}");
        }
        taken.requests = (end - self.given) as u64;
        self.given = end;
        taken.more = end < self.noted.len();
        if !taken.more {
            self.noted.clear();
            self.given = 0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use purlin_block_core::request::Tag;

    use super::*;

    fn read(volume: u64, offset: u64) -> Request {
        let op = RequestOp::Read { offset, length: 8192 };
        Request { tag: Tag(0), volume: VolumeId(volume), op }
    }

    #[test]
    fn requests_of_the_volume_become_lines_once_and_in_order() {
        let mut recorder = Recorder::new(VolumeId(3));
        for request in [read(3, 4096), read(4, 0), read(3, 1 << 20)] {
            recorder.note(&request);
        }
        recorder.note(&Request { tag: Tag(0), volume: VolumeId(3), op: RequestOp::Flush });
        let taken = recorder.take();
        let words: Vec<&str> =
            taken.lines.lines().filter_map(|line| line.split_once(',').map(|it| it.1)).collect();
        assert_eq!(words, ["r,8,8192", "r,2048,8192"]);
        assert_eq!((taken.requests, taken.more, taken.dropped), (2, false, 0));
        assert_eq!(recorder.take(), Taken::default());
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_counted() {
        let mut recorder = Recorder::new(VolumeId(0));
        for block in 0..KEPT_MAX as u64 + 5 {
            recorder.note(&read(0, block * 4096));
        }
        assert_eq!(recorder.take().dropped, 5);
    }
}
