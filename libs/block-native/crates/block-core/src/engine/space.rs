//! Which blocks of a disk are taken.
//!
//! A disk is a row of *slots* of the size of a shard, so that shards leave no gaps that no other
//! shard fits in. What is smaller (map pages) goes where a slot is in use already, the highest
//! first; it breaks a free slot only if there is no such place. So however often a disk is filled
//! and emptied, no more slots are spoilt than there are pages.

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

/// Most slots looked at for a place beside other small things.
const PART_SLOTS_MAX: u64 = 1 << 16;

/// The allocation map of one disk, blocks `area`. Blocks set free are not given out before
/// [`Space::free`] is called for them, which is after the checkpoint that lets go of them.
pub struct Space {
    area: Range<u64>,
    regions: Vec<Region>,
    free_blocks: u64,
    slot_blocks: u64,
    free_slots: u64,
    reserved_slots: u64,
    next: u64,
    /// No slot above this one is partly taken and partly free.
    part: u64,
}

impl Space {
    /// All of `area` free.
    pub fn new(area: Range<u64>) -> Self {
        let count = usize::try_from((area.end - area.start).div_ceil(REGION_BLOCKS)).unwrap_or(0);
        let free_blocks = area.end - area.start;
        let next = area.start;
        Self {
            regions: vec![Region::Free; count],
            area,
            free_blocks,
            slot_blocks: 1,
            free_slots: free_blocks,
            reserved_slots: 0,
            next,
            part: 0,
        }
    }

    /// As [`Space::new`], for shards of `slot_blocks`. Blocks behind the last whole slot are for
    /// what is smaller.
    pub fn with_slots(area: Range<u64>, slot_blocks: u64) -> Self {
        let mut space = Self::new(area);
        space.slot_blocks = slot_blocks.max(1);
        space.free_slots = space.slots();
        space.part = space.slots();
        space
    }

    fn slots(&self) -> u64 {
        self.size_blocks() / self.slot_blocks
    }

    fn slot_of(&self, block: u64) -> u64 {
        (block - self.area.start) / self.slot_blocks
    }

    /// The blocks of a slot; the last one may be a part.
    fn slot(&self, slot: u64) -> Range<u64> {
        let start = self.area.start + slot * self.slot_blocks;
        start..(start + self.slot_blocks).min(self.area.end)
    }

    pub fn size_blocks(&self) -> u64 {
        self.area.end - self.area.start
    }

    pub fn used_blocks(&self) -> u64 {
        self.size_blocks() - self.free_blocks
    }

    pub fn free_blocks(&self) -> u64 {
        self.free_blocks
    }

    /// Slots that hold `blocks`.
    pub fn slots_for(&self, blocks: u64) -> u64 {
        blocks.div_ceil(self.slot_blocks)
    }

    /// Free slots that nobody has reserved.
    pub fn available_slots(&self) -> u64 {
        self.free_slots.saturating_sub(self.reserved_slots)
    }

    pub fn reserve(&mut self, blocks: u64) {
        self.reserved_slots += self.slots_for(blocks);
    }

    pub fn release(&mut self, blocks: u64) {
        self.reserved_slots = self.reserved_slots.saturating_sub(self.slots_for(blocks));
    }

    pub fn memory_bytes(&self) -> u64 {
        let mixed = self.regions.iter().filter(|region| matches!(region, Region::Mixed(_))).count();
        (self.regions.len() * size_of::<Region>() + mixed * WORDS * 8) as u64
    }

    /// Takes `blocks` neighbouring blocks: whole slots, going on from where the last were found,
    /// or a part of one.
    pub fn take(&mut self, blocks: u64) -> Option<u64> {
        if blocks == 0 || self.free_blocks < blocks {
            return None;
        }
        let found = if blocks < self.slot_blocks {
            self.find_part(blocks).or_else(|| self.find(self.area.clone(), blocks, 1))?
        } else {
            let slot = self.slot_blocks;
            let found = self
                .find(self.next..self.area.end, blocks, slot)
                .or_else(|| self.find(self.area.clone(), blocks, slot))
                .or_else(|| self.find(self.area.clone(), blocks, 1))?;
            self.next = found + blocks;
            found
        };
        self.set_run(found, blocks, true);
        Some(found)
    }

    /// A place for less than a slot: in the highest slot that is partly taken, or in the highest
    /// free one.
    fn find_part(&mut self, blocks: u64) -> Option<u64> {
        let parts = self.free_blocks - self.free_slots * self.slot_blocks;
        let mut highest_free = None;
        let mut slot = self.part.min(self.slots()) + 1;
        let mut looks = if parts < blocks { 0 } else { PART_SLOTS_MAX };
        while slot > 0 && looks > 0 {
            slot -= 1;
            looks -= 1;
            let range = self.slot(slot);
            if range.is_empty() {
                continue;
            }
            let region = self.position(range.start).0;
            let first = self.area.start + region as u64 * REGION_BLOCKS;
            let within = range.start >= first && self.position(range.end - 1).0 == region;
            match &self.regions[region] {
                Region::Taken | Region::Free if within => {
                    if matches!(self.regions[region], Region::Free) && highest_free.is_none() {
                        highest_free = Some(range.start);
                    }
                    // Down to the first slot that begins in this region.
                    slot = (first - self.area.start).div_ceil(self.slot_blocks);
                    continue;
                }
                _ => {}
            }
            if self.is_free_slot(slot) {
                highest_free = highest_free.or(Some(range.start));
            } else if let Some(found) = self.find(range, blocks, 1) {
                self.part = slot;
                return Some(found);
            } else if blocks == 1 {
                self.part = slot;
            }
        }
        highest_free.or_else(|| self.find_highest_free(blocks))
    }

    fn find_highest_free(&self, blocks: u64) -> Option<u64> {
        let mut slot = if self.free_slots > 0 { self.slots() } else { 0 };
        while slot > 0 {
            slot -= 1;
            let range = self.slot(slot);
            let region = self.position(range.start).0;
            let first = self.area.start + region as u64 * REGION_BLOCKS;
            if matches!(self.regions[region], Region::Taken) {
                slot = (first - self.area.start).div_ceil(self.slot_blocks);
            } else if self.is_free_slot(slot) {
                return (range.end - range.start >= blocks).then_some(range.start);
            }
        }
        None
    }

    /// Whether a whole slot is free; the part behind the last one is none.
    fn is_free_slot(&self, slot: u64) -> bool {
        slot < self.slots() && self.slot(slot).all(|block| !self.is_taken(block))
    }

    fn free_slots_in(&self, first: u64, blocks: u64) -> u64 {
        let slots = self.slot_of(first)..=self.slot_of(first + blocks - 1);
        slots.filter(|&slot| self.is_free_slot(slot)).count() as u64
    }

    /// Marks a run that is all free as taken, or the other way round.
    fn set_run(&mut self, first: u64, blocks: u64, taken: bool) {
        let before = self.free_slots_in(first, blocks);
        for block in first..first + blocks {
            self.set(block, taken);
        }
        self.free_slots = self.free_slots + self.free_slots_in(first, blocks) - before;
        self.part = self.part.max(self.slot_of(first + blocks - 1));
    }

    /// Whether there are `blocks` neighbouring free blocks.
    pub fn has_run(&self, blocks: u64) -> bool {
        self.free_blocks >= blocks && self.find(self.area.clone(), blocks, 1).is_some()
    }

    /// Marks blocks as taken; tells whether the first of them was free.
    pub fn mark(&mut self, first: u64, blocks: u64) -> bool {
        let fresh = self.area.contains(&first) && !self.is_taken(first);
        for block in first..first + blocks {
            if self.area.contains(&block) && !self.is_taken(block) {
                self.set_run(block, 1, true);
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
        }
        if blocks > 0 {
            self.set_run(first, blocks, false);
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

    /// The first free run of `blocks` in `range` that begins at a multiple of `step` of the area.
    fn find(&self, range: Range<u64>, blocks: u64, step: u64) -> Option<u64> {
        let aligned = |block: u64| {
            self.area.start + (block - self.area.start).div_ceil(step).saturating_mul(step)
        };
        let mut start = aligned(range.start);
        let mut block = start;
        while block < range.end {
            let (region, word, bit) = self.position(block);
            let to_region_end = REGION_BLOCKS - (block - self.area.start) % REGION_BLOCKS;
            match &self.regions[region] {
                Region::Taken => {
                    start = aligned(block + to_region_end);
                    block = start;
                }
                Region::Free => block += to_region_end.min(blocks),
                Region::Mixed(words) if bit == 0 && words[word] == u64::MAX => {
                    start = aligned(block + 64);
                    block = start;
                }
                Region::Mixed(words) => {
                    block += 1;
                    if words[word] >> bit & 1 == 1 {
                        start = aligned(block);
                        block = start;
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

    #[test]
    fn pages_fill_slots_that_are_in_use_before_they_spoil_a_free_one() {
        let mut space = Space::with_slots(2..2 + 42, 4);
        assert_eq!(space.available_slots(), 10);
        // The two blocks behind the last slot come first, then the highest slot.
        let pages: Vec<_> = (0..5).filter_map(|_| space.take(1)).collect();
        assert_eq!(pages, [42, 43, 38, 39, 40]);
        assert_eq!(space.available_slots(), 9);
        let shards: Vec<_> = std::iter::from_fn(|| space.take(4)).collect();
        assert_eq!(shards, [2, 6, 10, 14, 18, 22, 26, 30, 34]);
        assert_eq!((space.take(1), space.take(1)), (Some(41), None));
        space.free(39, 1);
        space.free(10, 4);
        assert_eq!((space.take(1), space.take(4)), (Some(39), Some(10)));
    }

    #[test]
    fn a_disk_that_is_filled_and_emptied_holds_the_same_number_of_shards_every_time() {
        let mut space = Space::with_slots(5..5 + 3000, 7);
        let mut random = crate::sim::Random::new(1);
        let mut pages: Vec<u64> = (0..12).filter_map(|_| space.take(1)).collect();
        for _ in 0..50 {
            let mut shards = Vec::new();
            while let Some(first) = space.take(7) {
                shards.push(first);
                // A checkpoint: pages are written anew before the old ones are free.
                if random.one_in(16) {
                    let new: Vec<u64> = (0..12).filter_map(|_| space.take(1)).collect();
                    let old = std::mem::replace(&mut pages, new);
                    for page in old {
                        space.free(page, 1);
                    }
                }
            }
            assert!(shards.len() >= 3000 / 7 - 24, "{} shards", shards.len());
            while !shards.is_empty() {
                let at = random.below(shards.len());
                space.free(shards.swap_remove(at), 7);
            }
            assert_eq!(space.used_blocks(), pages.len() as u64);
            let slots = space.slots();
            let free = (0..slots).filter(|&slot| space.is_free_slot(slot)).count() as u64;
            assert_eq!(space.available_slots(), free);
        }
    }
}
