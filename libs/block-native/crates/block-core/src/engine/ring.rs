//! The log area of one disk: a ring of batches.

use std::collections::VecDeque;

struct Live {
    sequence: u64,
    offset: u64,
    blocks: u64,
}

/// Blocks `start..start + blocks` of a disk, given out one after the other and let go of in the
/// order of their sequence numbers.
#[derive(Default)]
pub struct Ring {
    pub start: u64,
    pub blocks: u64,
    live: VecDeque<Live>,
    used: u64,
}

impl Ring {
    pub fn new(start: u64, blocks: u64) -> Self {
        Self { start, blocks, ..Self::default() }
    }

    pub fn used_blocks(&self) -> u64 {
        self.used
    }

    /// Blocks from the oldest live batch to the newest, gaps included.
    pub fn span_blocks(&self) -> u64 {
        match (self.live.front(), self.live.back()) {
            (Some(first), Some(last)) => {
                let end = last.offset + last.blocks;
                if end > first.offset {
                    end - first.offset
                } else {
                    self.blocks + end - first.offset
                }
            }
            _ => 0,
        }
    }

    /// A place for `blocks` neighbouring blocks of batch `sequence`, as a block of the disk.
    pub fn take(&mut self, sequence: u64, blocks: u64) -> Option<u64> {
        let offset = self.find(blocks)?;
        self.live.push_back(Live { sequence, offset, blocks });
        self.used += blocks;
        Some(self.start + offset)
    }

    pub fn has_room(&self, blocks: u64) -> bool {
        self.find(blocks).is_some()
    }

    fn find(&self, blocks: u64) -> Option<u64> {
        let (Some(first), Some(last)) = (self.live.front(), self.live.back()) else {
            return (blocks <= self.blocks).then_some(0);
        };
        let head = last.offset + last.blocks;
        if head > first.offset {
            if head + blocks <= self.blocks {
                return Some(head);
            }
            return (blocks <= first.offset).then_some(0);
        }
        (head + blocks <= first.offset).then_some(head)
    }

    /// Takes note of the batches found at opening: sequence number, first block, blocks. The ring
    /// goes on in the largest gap between them. Where a disk put a batch beside its place, batches
    /// overlap; those count as one, which is live as long as the newest of them.
    pub fn restore(&mut self, found: &[(u64, u64, u64)]) {
        let mut sorted: Vec<Live> = found
            .iter()
            .map(|&(sequence, block, blocks)| Live { sequence, offset: block - self.start, blocks })
            .collect();
        sorted.sort_unstable_by_key(|live| live.offset);
        let end_of = |live: &Live| live.offset + live.blocks;
        let mut live: Vec<Live> = Vec::with_capacity(sorted.len());
        for next in sorted {
            match live.last_mut().filter(|last| end_of(last) > next.offset) {
                Some(last) => {
                    last.blocks = end_of(last).max(end_of(&next)) - last.offset;
                    last.sequence = last.sequence.max(next.sequence);
                }
                None => live.push(next),
            }
        }
        let gap_before = |at: usize| match at.checked_sub(1) {
            Some(before) => live[at].offset - end_of(&live[before]),
            None => self.blocks - live.last().map_or(0, end_of) + live[0].offset,
        };
        let first = (0..live.len()).max_by_key(|&at| gap_before(at)).unwrap_or(0);
        live.rotate_left(first);
        self.used = live.iter().map(|live| live.blocks).sum();
        self.live = live.into();
    }

    /// Lets go of all batches before `tail`.
    pub fn let_go_before(&mut self, tail: u64) {
        while self.live.front().is_some_and(|front| front.sequence < tail) {
            self.used -= self.live.pop_front().map_or(0, |live| live.blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_never_gives_out_a_block_that_is_live() {
        let mut ring = Ring::new(2, 16);
        let mut live: Vec<(u64, u64, u64)> = Vec::new();
        let mut refused = 0;
        for sequence in 1..500 {
            let blocks = 1 + sequence * 7 % 5;
            if let Some(first) = ring.take(sequence, blocks) {
                assert!(first >= 2 && first + blocks <= 18);
                assert!(
                    live.iter()
                        .all(|&(_, at, count)| { first + blocks <= at || at + count <= first })
                );
                live.push((sequence, first, blocks));
            } else {
                refused += 1;
                let tail = live[live.len() / 2].0;
                ring.let_go_before(tail);
                live.retain(|&(found, _, _)| found >= tail);
            }
        }
        assert!(refused > 10);
    }

    /// A simulated disk that put a batch one block beside its place had the ring take a gap of less
    /// than nothing for the largest one, and write over the only good copy of another batch.
    #[test]
    fn a_ring_restored_from_batches_that_overlap_gives_out_nothing_of_them() {
        let mut ring = Ring::new(2, 16);
        let found = [(7, 11, 3), (5, 4, 3), (6, 6, 4)];
        ring.restore(&found);
        let mut given = Vec::new();
        while let Some(block) = ring.take(8, 1) {
            given.push(block);
        }
        given.sort_unstable();
        assert_eq!(given, [2, 3, 14, 15, 16, 17]);
        ring.let_go_before(8);
        assert_eq!((ring.used_blocks(), ring.span_blocks()), (6, 6));
    }
}
