//! A set of shards of one stripe.

use std::fmt;

use crate::geometry::{SHARDS_MAX, ShardIndex};

const WORD_BITS: usize = 64;

/// Which shards of a stripe: one bit for each of up to 256 places. Indices from 256 on are never
/// in a set; inserting one does nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ShardSet {
    words: [u64; SHARDS_MAX / WORD_BITS],
}

impl ShardSet {
    /// The empty set.
    pub const EMPTY: Self = Self { words: [0; SHARDS_MAX / WORD_BITS] };

    /// The shards 0..`count`; at most 256.
    #[must_use]
    pub fn first(count: usize) -> Self {
        (0..count.min(SHARDS_MAX)).map(ShardIndex).collect()
    }

    /// Adds `index`.
    pub fn insert(&mut self, index: ShardIndex) {
        if let Some(word) = self.words.get_mut(index.0 / WORD_BITS) {
            *word |= 1 << (index.0 % WORD_BITS);
        }
    }

    /// Takes `index` out.
    pub fn remove(&mut self, index: ShardIndex) {
        if let Some(word) = self.words.get_mut(index.0 / WORD_BITS) {
            *word &= !(1 << (index.0 % WORD_BITS));
        }
    }

    /// Whether `index` is in the set.
    #[must_use]
    pub fn contains(&self, index: ShardIndex) -> bool {
        self.words
            .get(index.0 / WORD_BITS)
            .is_some_and(|word| word >> (index.0 % WORD_BITS) & 1 == 1)
    }

    /// How many shards are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words == Self::EMPTY.words
    }

    /// The shards in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ShardIndex> + use<> {
        self.words.into_iter().enumerate().flat_map(|(place, word)| {
            std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|rest| *rest != 0)
                .map(move |rest| ShardIndex(place * WORD_BITS + rest.trailing_zeros() as usize))
        })
    }

    /// How many shards of the set stand before `index`: its place among [`ShardSet::iter`].
    #[must_use]
    pub fn rank(&self, index: ShardIndex) -> usize {
        self.intersection(&Self::first(index.0)).len()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// The four words of 64 bits, shard 0 in the lowest bit of the first.
    #[must_use]
    pub fn words(&self) -> [u64; 4] {
        self.words
    }

    /// The set of four words as [`ShardSet::words`] gives them.
    #[must_use]
    pub fn from_words(words: [u64; 4]) -> Self {
        Self { words }
    }

    fn zip(&self, other: &Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        Self { words: std::array::from_fn(|i| operation(self.words[i], other.words[i])) }
    }
}

impl FromIterator<ShardIndex> for ShardSet {
    fn from_iter<Indices: IntoIterator<Item = ShardIndex>>(indices: Indices) -> Self {
        let mut set = Self::EMPTY;
        indices.into_iter().for_each(|index| set.insert(index));
        set
    }
}

impl FromIterator<usize> for ShardSet {
    fn from_iter<Indices: IntoIterator<Item = usize>>(indices: Indices) -> Self {
        indices.into_iter().map(ShardIndex).collect()
    }
}

impl<Index: Into<ShardIndex>, const COUNT: usize> From<[Index; COUNT]> for ShardSet {
    fn from(indices: [Index; COUNT]) -> Self {
        indices.into_iter().map(Into::into).collect()
    }
}

impl fmt::Debug for ShardSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter().map(|index| index.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_across_all_four_words() {
        let indices = [0, 1, 63, 64, 127, 128, 200, 255];
        let set: ShardSet = indices.into_iter().collect();
        assert_eq!(set.iter().map(|index| index.0).collect::<Vec<_>>(), indices);
        assert_eq!(set.len(), indices.len());
        for (place, index) in indices.into_iter().enumerate() {
            assert!(set.contains(ShardIndex(index)));
            assert_eq!(set.rank(ShardIndex(index)), place);
        }
        assert!(!set.contains(ShardIndex(2)));
    }

    #[test]
    fn indices_from_256_on_are_never_in_a_set() {
        let mut set = ShardSet::first(1000);
        assert_eq!(set.len(), 256);
        set.insert(ShardIndex(256));
        set.remove(ShardIndex(usize::MAX));
        assert_eq!(set.len(), 256);
        assert!(!set.contains(ShardIndex(256)));
    }

    #[test]
    fn union_intersection_and_difference_are_those_of_sets() {
        let (low, high) = (ShardSet::first(130), (100..200).collect::<ShardSet>());
        assert_eq!(low.union(&high), ShardSet::first(200));
        assert_eq!(low.intersection(&high), (100..130).collect());
        assert_eq!(low.difference(&high), ShardSet::first(100));
        assert!(low.difference(&low).is_empty());
        assert_eq!(ShardSet::from_words(low.words()), low);
    }
}
