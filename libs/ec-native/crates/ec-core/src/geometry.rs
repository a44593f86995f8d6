//! How many shards a stripe has, and which of them is meant.

use std::fmt;

use crate::EcError;

/// The most shards a stripe can have: the number of elements of GF(2^8).
pub const SHARDS_MAX: usize = 256;

/// The numbers of data and parity shards of a stripe, both at least 1 and together at most 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    data_shards: usize,
    parity_shards: usize,
}

impl Geometry {
    /// Checks the two counts.
    ///
    /// # Errors
    /// [`EcError::BadGeometry`] if either count is 0 or their sum exceeds 256.
    pub fn new(data_shards: usize, parity_shards: usize) -> Result<Self, EcError> {
        let fits = data_shards.checked_add(parity_shards).is_some_and(|sum| sum <= SHARDS_MAX);
        if data_shards == 0 || parity_shards == 0 || !fits {
            return Err(EcError::BadGeometry { data_shards, parity_shards });
        }
        Ok(Self { data_shards, parity_shards })
    }

    /// How many shards hold data.
    #[must_use]
    pub fn data_shards(self) -> usize {
        self.data_shards
    }

    /// How many shards hold parity.
    #[must_use]
    pub fn parity_shards(self) -> usize {
        self.parity_shards
    }

    /// How many shards a stripe has in all.
    #[must_use]
    pub fn total_shards(self) -> usize {
        self.data_shards + self.parity_shards
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}+{}", self.data_shards, self.parity_shards)
    }
}

/// The place of a shard in its stripe, from 0: first the data shards, then the parity shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex(pub usize);

impl From<usize> for ShardIndex {
    fn from(index: usize) -> Self {
        Self(index)
    }
}

impl fmt::Display for ShardIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_data_and_one_parity_shard_up_to_256_in_all_are_accepted() {
        for (data, parity) in [(1, 1), (4, 2), (1, 255), (255, 1), (128, 128)] {
            assert_eq!(Geometry::new(data, parity).map(Geometry::total_shards), Ok(data + parity));
        }
    }

    #[test]
    fn no_data_no_parity_or_more_than_256_shards_are_refused() {
        for (data, parity) in [(0, 0), (0, 1), (1, 0), (256, 1), (128, 129), (usize::MAX, 1)] {
            let expected = EcError::BadGeometry { data_shards: data, parity_shards: parity };
            assert_eq!(Geometry::new(data, parity), Err(expected));
        }
    }
}
