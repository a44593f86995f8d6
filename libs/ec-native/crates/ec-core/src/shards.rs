//! Checks of what callers hand in, and lists of slices that need no heap.

use crate::EcError;
use crate::geometry::SHARDS_MAX;

/// Lists up to this long are made in a small array, which costs next to nothing to set up.
pub(crate) const SMALL_LIST: usize = 24;

pub(crate) fn expect_count(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), EcError> {
    if expected == found { Ok(()) } else { Err(EcError::WrongShardCount { what, expected, found }) }
}

/// The length in bytes that all shards of a list have, at least 1.
pub(crate) fn common_length<Shard: AsRef<[u8]>>(
    what: &'static str,
    shards: &[Shard],
) -> Result<usize, EcError> {
    let expected = shards.first().map_or(1, |shard| shard.as_ref().len().max(1));
    expect_length(what, shards, expected)?;
    Ok(expected)
}

pub(crate) fn expect_length<Shard: AsRef<[u8]>>(
    what: &'static str,
    shards: &[Shard],
    expected: usize,
) -> Result<(), EcError> {
    match shards.iter().position(|shard| shard.as_ref().len() != expected) {
        None => Ok(()),
        Some(index) => {
            let found = shards[index].as_ref().len();
            Err(EcError::WrongShardLength { what, index, expected, found })
        }
    }
}

/// Hands the shards of `bytes`, which lie one after the other, to `action`. `bytes` has up to 256
/// times `shard_bytes`.
pub(crate) fn with_shards<Outcome>(
    bytes: &[u8],
    shard_bytes: usize,
    action: impl FnOnce(&[&[u8]]) -> Outcome,
) -> Outcome {
    let count = bytes.len() / shard_bytes;
    let shards = bytes.chunks_exact(shard_bytes);
    if count <= SMALL_LIST {
        let mut list: [&[u8]; SMALL_LIST] = [&[]; SMALL_LIST];
        list.iter_mut().zip(shards).for_each(|(place, shard)| *place = shard);
        action(&list[..count])
    } else {
        let mut list: [&[u8]; SHARDS_MAX] = [&[]; SHARDS_MAX];
        list.iter_mut().zip(shards).for_each(|(place, shard)| *place = shard);
        action(&list[..count])
    }
}

/// As [`with_shards`], to be written.
pub(crate) fn with_shards_mut<Outcome>(
    bytes: &mut [u8],
    shard_bytes: usize,
    action: impl FnOnce(&mut [&mut [u8]]) -> Outcome,
) -> Outcome {
    let count = bytes.len() / shard_bytes;
    let shards = bytes.chunks_exact_mut(shard_bytes);
    if count <= SMALL_LIST {
        let mut list: [&mut [u8]; SMALL_LIST] = std::array::from_fn(|_| Default::default());
        list.iter_mut().zip(shards).for_each(|(place, shard)| *place = shard);
        action(&mut list[..count])
    } else {
        let mut list: [&mut [u8]; SHARDS_MAX] = std::array::from_fn(|_| Default::default());
        list.iter_mut().zip(shards).for_each(|(place, shard)| *place = shard);
        action(&mut list[..count])
    }
}
