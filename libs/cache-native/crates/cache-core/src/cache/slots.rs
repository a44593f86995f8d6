//! What each slot holds, seven bytes a slot: block, checksum, and whether it is clean or dirty.
//!
//! The page is not here: the slot's tag in the policy's index gives it. The flush epoch of a dirty
//! page is kept only where it is not 0, which is with the option `ordered` alone.

use std::collections::HashMap;

use super::core::index;
use super::metadata::Kept;

/// Where the bits of `Kept` are in a word, above those of the block.
const KEPT_SHIFT: u32 = 30;
const BLOCK_MASK: u32 = (1 << KEPT_SHIFT) - 1;

/// What a slot holds; all zero of a vacant one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Content {
    pub kept: Kept,
    /// Below 2^30: an SSD has at most 4 TiB of them.
    pub block: u32,
    /// Below 2^24.
    pub checksum: u32,
    pub epoch: u32,
}

/// The contents of all slots.
#[derive(Debug)]
pub struct Slots {
    words: Vec<u32>,
    checksums: Vec<[u8; 3]>,
    epochs: HashMap<u32, u32>,
}

impl Slots {
    /// All are vacant.
    pub fn new(slots: u32) -> Self {
        let count = index(slots);
        Self { words: vec![0; count], checksums: vec![[0; 3]; count], epochs: HashMap::new() }
    }

    /// What is kept in `slot`.
    pub fn kept(&self, slot: u32) -> Kept {
        match self.words[index(slot)] >> KEPT_SHIFT {
            0 => Kept::Vacant,
            1 => Kept::Clean,
            _ => Kept::Dirty,
        }
    }

    /// What `slot` holds.
    pub fn content(&self, slot: u32) -> Content {
        let kept = self.kept(slot);
        if kept == Kept::Vacant {
            return Content::default();
        }
        let block = self.words[index(slot)] & BLOCK_MASK;
        let [low, middle, high] = self.checksums[index(slot)];
        let checksum = u32::from_le_bytes([low, middle, high, 0]);
        let epoch = if self.epochs.is_empty() { None } else { self.epochs.get(&slot) };
        Content { kept, block, checksum, epoch: epoch.copied().unwrap_or(0) }
    }

    /// Changes what `slot` holds.
    ///
    /// # Panics
    /// If block or checksum has more bits than there are.
    pub fn put(&mut self, slot: u32, content: Content) {
        let Content { kept, block, checksum, epoch } = content;
        if kept == Kept::Dirty && epoch != 0 {
            self.epochs.insert(slot, epoch);
        } else if !self.epochs.is_empty() {
            self.epochs.remove(&slot);
        }
        if kept == Kept::Vacant {
            self.words[index(slot)] = 0;
            return;
        }
        let [low, middle, high, none] = checksum.to_le_bytes();
        assert!(block <= BLOCK_MASK && none == 0, "block and checksum fit into their bits");
        self.words[index(slot)] = block | (kept as u32) << KEPT_SHIFT;
        self.checksums[index(slot)] = [low, middle, high];
    }

    /// Slots that hold what the origin lacks.
    pub fn dirty(&self) -> impl Iterator<Item = u32> {
        let all = 0..u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        all.filter(|slot| self.kept(*slot) == Kept::Dirty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_gives_back_what_was_put_into_it() {
        let mut slots = Slots::new(1000);
        let content = |slot: u32| {
            let kept = [Kept::Vacant, Kept::Clean, Kept::Dirty][index(slot % 3)];
            let epoch = if kept == Kept::Dirty { slot / 9 % 3 } else { 0 };
            let (block, checksum) = (BLOCK_MASK - slot, 0x00ff_ffff - slot * 16_000);
            if kept == Kept::Vacant {
                Content::default()
            } else {
                Content { kept, block, checksum, epoch }
            }
        };
        (0..1000).for_each(|slot| slots.put(slot, content(slot)));
        assert!((0..1000).all(|slot| slots.content(slot) == content(slot)));
        assert_eq!(slots.dirty().count(), 333);
        (0..1000).for_each(|slot| slots.put(slot, Content::default()));
        assert!((0..1000).all(|slot| slots.content(slot) == Content::default()));
        assert!(slots.epochs.is_empty(), "no epoch stays of what is not dirty");
    }
}
