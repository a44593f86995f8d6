//! Encoding, and rebuilding of whatever is lost.

use crate::EcError;
use crate::field::multiply_add;
use crate::geometry::{Geometry, ShardIndex};
use crate::matrix::{Row, encoding_row, independent_rows, invert, multiply_row};

/// The code of one geometry. Cheap to share: it holds the parity rows of the matrix and no state.
#[derive(Debug, Clone)]
pub struct Codec {
    geometry: Geometry,
    parity_rows: Vec<Row>,
}

/// A shard that was lost, with its bytes as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltShard {
    /// Which shard of the stripe it is.
    pub index: ShardIndex,
    /// Its bytes, as many as every other shard of the stripe has.
    pub bytes: Vec<u8>,
}

impl Codec {
    /// The codec of `geometry`.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        let parity_rows = (geometry.data_shards()..geometry.total_shards())
            .map(|index| encoding_row(geometry, ShardIndex(index)))
            .collect();
        Self { geometry, parity_rows }
    }

    /// The parity shards of `data`: one for each parity place, each as long as a data shard.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`] and [`EcError::WrongShardLength`].
    pub fn encode(&self, data: &[&[u8]]) -> Result<Vec<Vec<u8>>, EcError> {
        expect_count("data", self.geometry.data_shards(), data.len())?;
        let size =
            common_length(data.iter().enumerate().map(|(i, shard)| (ShardIndex(i), *shard)))?;
        Ok(self.parity_rows.iter().map(|row| combine(row, data, size)).collect())
    }

    /// Rebuilds the lost shards (`None`) of a stripe, data and parity alike, in the order of their
    /// places.
    ///
    /// `shards` has one entry a place, data first. Nothing is rebuilt if nothing is lost.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`], [`EcError::WrongShardLength`], [`EcError::TooFewShards`], and
    /// [`EcError::Dependent`] where this technique cannot rebuild the loss.
    pub fn reconstruct(&self, shards: &[Option<&[u8]>]) -> Result<Vec<RebuiltShard>, EcError> {
        expect_count("stripe", self.geometry.total_shards(), shards.len())?;
        let needed = self.geometry.data_shards();
        let present: Vec<(ShardIndex, &[u8])> = shards
            .iter()
            .enumerate()
            .filter_map(|(i, shard)| shard.map(|bytes| (ShardIndex(i), bytes)))
            .collect();
        if present.len() < needed {
            return Err(EcError::TooFewShards { needed, found: present.len() });
        }
        let size = common_length(present.iter().copied())?;
        if present.len() == shards.len() {
            return Ok(Vec::new());
        }

        let rows: Vec<Row> = present.iter().map(|(i, _)| encoding_row(self.geometry, *i)).collect();
        let chosen = independent_rows(&rows);
        let dependent =
            || EcError::Dependent { survivors: present.iter().map(|(index, _)| index.0).collect() };
        if chosen.len() < needed {
            return Err(dependent());
        }
        let bytes: Vec<&[u8]> = chosen.iter().map(|&place| present[place].1).collect();
        let chosen_rows = chosen.iter().map(|&place| rows[place].clone()).collect();
        let decoding = invert(chosen_rows).ok_or_else(dependent)?;
        let lost = (0..shards.len()).filter(|&i| shards[i].is_none()).map(ShardIndex);
        Ok(lost
            .map(|index| {
                let row = multiply_row(&encoding_row(self.geometry, index), &decoding);
                RebuiltShard { index, bytes: combine(&row, &bytes, size) }
            })
            .collect())
    }
}

/// The sum of `row[i]` times `shards[i]`.
fn combine(row: &[u8], shards: &[&[u8]], size: usize) -> Vec<u8> {
    let mut sum = vec![0; size];
    for (&coefficient, shard) in row.iter().zip(shards) {
        multiply_add(&mut sum, coefficient, shard);
    }
    sum
}

fn expect_count(what: &'static str, expected: usize, found: usize) -> Result<(), EcError> {
    if expected == found { Ok(()) } else { Err(EcError::WrongShardCount { what, expected, found }) }
}

/// The length in bytes that all `shards` have.
fn common_length<'a>(
    shards: impl Iterator<Item = (ShardIndex, &'a [u8])>,
) -> Result<usize, EcError> {
    let mut expected = None;
    for (ShardIndex(index), shard) in shards {
        let size = *expected.get_or_insert(shard.len().max(1));
        if shard.len() != size {
            return Err(EcError::WrongShardLength { index, expected: size, found: shard.len() });
        }
    }
    Ok(expected.unwrap_or_default())
}
