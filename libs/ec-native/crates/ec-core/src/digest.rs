//! A digest of a shard that obeys the code's own arithmetic.

use crate::field;
use crate::kernel::Engine;
use crate::table::Entries;

/// How many bytes a digest has, and how many of a shard one step takes in.
const LANES: usize = 64;

/// 64 bytes: lane l is the sum of byte l of each block of 64, times 2^(blocks after it); the last
/// block is filled up with zeros.
///
/// It is linear over GF(2^8): the digest of a parity shard is its row of coefficients applied to
/// the digests of the data shards ([`Digest::combine`]), so that parity is checked out of k + m
/// digests, without the shards. It is an addition to a shard's CRC and never replaces it: powers
/// of 2 repeat after 255, so blocks that lie 255 blocks apart can change places unseen, zeros at
/// the end count nothing, and who wants to can make a collision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; LANES]);

impl Digest {
    /// The digest of bytes that [`Digest::as_bytes`] gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; LANES]) -> Self {
        Self(bytes)
    }

    /// Its 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; LANES] {
        &self.0
    }

    /// The sum of `row[i]` times `digests[i]`, as many as both have.
    #[must_use]
    pub fn combine(row: &[u8], digests: &[Self]) -> Self {
        let mut sum = [0; LANES];
        for (&coefficient, digest) in row.iter().zip(digests) {
            field::multiply_add(&mut sum, coefficient, &digest.0);
        }
        Self(sum)
    }

    /// The powers 1 to 4 of the step between blocks, as [`Digest::of`] takes them.
    pub(crate) fn powers(engine: Engine) -> Entries {
        engine.prepare(&[1, 2, 3, 4].map(field::power_of_two))
    }

    pub(crate) fn of(engine: Engine, powers: &Entries, bytes: &[u8]) -> Self {
        let mut state = [0; LANES];
        engine.digest(powers, bytes, &mut state);
        Self(state)
    }
}
