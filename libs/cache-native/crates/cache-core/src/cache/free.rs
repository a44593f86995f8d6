//! Free blocks of the SSD. They are given out in the order of addresses, so that what comes
//! together lies together where there is room, and is written with one operation.

use std::collections::BTreeMap;

/// One bit a block.
#[derive(Debug)]
pub struct Free {
    words: Vec<u64>,
    blocks: usize,
    cursor: usize,
    /// Blocks that are not given out, and whether they were given back meanwhile.
    reserved: BTreeMap<u32, bool>,
}

impl Free {
    /// None of `blocks` is free.
    pub fn none(blocks: u32) -> Self {
        let words = usize::try_from(blocks.div_ceil(64)).unwrap_or(0);
        Self { words: vec![0; words], blocks: 0, cursor: 0, reserved: BTreeMap::new() }
    }

    /// All of `blocks` are.
    pub fn all(blocks: u32) -> Self {
        let mut free = Self::none(blocks);
        (0..blocks).for_each(|block| free.push(block));
        free
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks
    }

    /// Gives a block back.
    ///
    /// # Panics
    /// If it is free: somebody would overwrite what another counts on.
    pub fn push(&mut self, block: u32) {
        if let Some(given_back) = self.reserved.get_mut(&block) {
            assert!(!*given_back, "block {block} is free already");
            *given_back = true;
            return;
        }
        let (word, bit) = (block as usize / 64, 1 << (block % 64));
        assert!(self.words[word] & bit == 0, "block {block} is free already");
        self.words[word] |= bit;
        self.blocks += 1;
    }

    /// Keeps a block that somebody uses from being given out when it is given back.
    pub fn reserve(&mut self, block: u32) {
        self.reserved.insert(block, false);
    }

    /// The opposite of `reserve`.
    pub fn unreserve(&mut self, block: u32) {
        if self.reserved.remove(&block) == Some(true) {
            self.push(block);
        }
    }

    /// Takes this block; `false` if it was not free.
    pub fn claim(&mut self, block: u32) -> bool {
        let (word, bit) = (block as usize / 64, 1 << (block % 64));
        let was_free = self.words[word] & bit != 0;
        self.words[word] &= !bit;
        self.blocks -= usize::from(was_free);
        was_free
    }

    /// The next one, after the last that was given out.
    pub fn pop(&mut self) -> Option<u32> {
        if self.blocks == 0 {
            return None;
        }
        let (word, bit) = (self.cursor / 64, self.cursor % 64);
        let here = self.words[word] & (u64::MAX << bit);
        let around = (1..=self.words.len()).map(|step| (word + step) % self.words.len());
        let (word, found) = if here == 0 {
            around.map(|at| (at, self.words[at])).find(|(_, word)| *word != 0)?
        } else {
            (word, here)
        };
        let block = word * 64 + found.trailing_zeros() as usize;
        self.words[word] &= !(1 << (block % 64));
        self.blocks -= 1;
        self.cursor = (block + 1) % (self.words.len() * 64);
        u32::try_from(block).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_given_out_one_after_the_other_and_around_the_end() {
        let mut free = Free::all(130);
        assert!((0..130).all(|block| free.pop() == Some(block)));
        assert_eq!(free.pop(), None);
        for block in [7, 129, 64] {
            free.push(block);
        }
        assert_eq!(
            (free.pop(), free.pop(), free.pop(), free.pop()),
            (Some(7), Some(64), Some(129), None)
        );
        free.push(3);
        assert_eq!((free.pop(), free.len()), (Some(3), 0));
    }

    #[test]
    fn a_reserved_block_is_given_out_only_after_its_time() {
        let mut free = Free::none(8);
        free.reserve(5);
        free.push(5);
        assert_eq!((free.pop(), free.len()), (None, 0));
        free.unreserve(5);
        assert_eq!(free.pop(), Some(5));
    }

    #[test]
    #[should_panic(expected = "free already")]
    fn a_block_is_not_given_back_twice() {
        let mut free = Free::none(4);
        free.push(2);
        free.push(2);
    }
}
