//! Which blocks of a disk are taken.

use std::ops::Range;

/// Blocks of a region: its map is one cache line's worth of words.
const REGION_BLOCKS: u64 = 4096;
const WORDS: usize = 64;

/// A region that is all free or all taken needs no map, so a full disk costs nearly no memory.
#[derive(Clone)]
enum Region {
    Free,
    Taken,
    Mixed(Box<[u64; WORDS]>),
}

/// The allocation map of one disk, blocks `area`. Blocks set free are not given out before
/// [`Space::free`] is called for them, which is after the checkpoint that lets go of them.
pub struct Space {
    area: Range<u64>,
    regions: Vec<Region>,
    free_blocks: u64,
    reserved_blocks: u64,
    next: u64,
}

impl Space {
    /// All of `area` free.
    pub fn new(area: Range<u64>) -> Self {
        let count = usize::try_from((area.end - area.start).div_ceil(REGION_BLOCKS)).unwrap_or(0);
        let free_blocks = area.end - area.start;
        let next = area.start;
        Self { regions: vec![Region::Free; count], area, free_blocks, reserved_blocks: 0, next }
    }

    pub fn size_blocks(&self) -> u64 {
        self.area.end - self.area.start
    }

    pub fn used_blocks(&self) -> u64 {
        self.size_blocks() - self.free_blocks
    }

    /// Free blocks that nobody has reserved.
    pub fn available_blocks(&self) -> u64 {
        self.free_blocks.saturating_sub(self.reserved_blocks)
    }

    pub fn free_blocks(&self) -> u64 {
        self.free_blocks
    }

    pub fn reserve(&mut self, blocks: u64) {
        self.reserved_blocks += blocks;
    }

    pub fn release(&mut self, blocks: u64) {
        self.reserved_blocks = self.reserved_blocks.saturating_sub(blocks);
    }

    pub fn memory_bytes(&self) -> u64 {
        let mixed = self.regions.iter().filter(|region| matches!(region, Region::Mixed(_))).count();
        (self.regions.len() * size_of::<Region>() + mixed * WORDS * 8) as u64
    }

    /// Takes `blocks` neighbouring blocks, going on from where the last were found.
    pub fn take(&mut self, blocks: u64) -> Option<u64> {
        if blocks == 0 || self.free_blocks < blocks {
            return None;
        }
        let found = self
            .find(self.next..self.area.end, blocks)
            .or_else(|| self.find(self.area.start..self.area.end, blocks))?;
        for block in found..found + blocks {
            self.set(block, true);
        }
        self.next = found + blocks;
        Some(found)
    }

    /// Whether there are `blocks` neighbouring free blocks.
    pub fn has_run(&self, blocks: u64) -> bool {
        self.free_blocks >= blocks && self.find(self.area.clone(), blocks).is_some()
    }

    /// Marks blocks as taken; tells whether the first of them was free.
    pub fn mark(&mut self, first: u64, blocks: u64) -> bool {
        let fresh = self.area.contains(&first) && !self.is_taken(first);
        for block in first..first + blocks {
            if self.area.contains(&block) && !self.is_taken(block) {
                self.set(block, true);
            }
        }
        fresh
    }

    /// Gives blocks back.
    ///
    /// # Panics
    /// If one was free already: two owners of one block are the end of somebody's bytes.
    pub fn free(&mut self, first: u64, blocks: u64) {
        for block in first..first + blocks {
            assert!(self.is_taken(block), "block {block} was freed twice");
            self.set(block, false);
        }
    }

    pub fn is_taken(&self, block: u64) -> bool {
        if !self.area.contains(&block) {
            return true;
        }
        let (region, word, bit) = self.position(block);
        match &self.regions[region] {
            Region::Free => false,
            Region::Taken => true,
            Region::Mixed(words) => words[word] >> bit & 1 == 1,
        }
    }

    fn position(&self, block: u64) -> (usize, usize, u64) {
        let offset = block - self.area.start;
        let region = usize::try_from(offset / REGION_BLOCKS).unwrap_or(usize::MAX);
        let within = offset % REGION_BLOCKS;
        (region, usize::try_from(within / 64).unwrap_or(0), within % 64)
    }

    fn set(&mut self, block: u64, taken: bool) {
        let (region, word, bit) = self.position(block);
        let slot = &mut self.regions[region];
        if !matches!(slot, Region::Mixed(_)) {
            let fill = if matches!(slot, Region::Taken) { u64::MAX } else { 0 };
            *slot = Region::Mixed(Box::new([fill; WORDS]));
        }
        let Region::Mixed(words) = slot else { return };
        if taken {
            words[word] |= 1 << bit;
            self.free_blocks -= 1;
        } else {
            words[word] &= !(1 << bit);
            self.free_blocks += 1;
        }
        let whole = if taken { u64::MAX } else { 0 };
        if words[word] == whole && words.iter().all(|&word| word == whole) {
            *slot = if taken { Region::Taken } else { Region::Free };
        }
    }

    fn find(&self, range: Range<u64>, blocks: u64) -> Option<u64> {
        let mut start = range.start;
        let mut block = range.start;
        while block < range.end {
            let (region, word, bit) = self.position(block);
            let to_region_end = REGION_BLOCKS - (block - self.area.start) % REGION_BLOCKS;
            match &self.regions[region] {
                Region::Taken => {
                    block += to_region_end;
                    start = block;
                }
                Region::Free => block += to_region_end.min(blocks),
                Region::Mixed(words) if bit == 0 && words[word] == u64::MAX => {
                    block += 64;
                    start = block;
                }
                Region::Mixed(words) => {
                    block += 1;
                    if words[word] >> bit & 1 == 1 {
                        start = block;
                    }
                }
            }
            if block.min(range.end).saturating_sub(start) >= blocks {
                return Some(start);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_given_again_until_it_is_freed() {
        let mut space = Space::new(10..10 + 5000);
        let mut taken = Vec::new();
        while let Some(first) = space.take(7) {
            taken.push(first);
        }
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] + 7 <= pair[1]));
        assert_eq!(taken.len(), 714);
        assert_eq!(space.used_blocks(), 714 * 7);
        space.free(taken[3], 7);
        assert_eq!(space.take(7), Some(taken[3]));
    }

    #[test]
    fn a_full_region_needs_no_map() {
        let mut space = Space::new(0..REGION_BLOCKS * 2);
        let empty = space.memory_bytes();
        assert_eq!(space.take(REGION_BLOCKS), Some(0));
        assert_eq!(space.memory_bytes(), empty);
        assert!(space.is_taken(REGION_BLOCKS - 1));
        assert!(!space.is_taken(REGION_BLOCKS));
    }
}
