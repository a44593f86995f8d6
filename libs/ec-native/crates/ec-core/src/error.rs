//! What can go wrong, as values.

/// An operating error of the codec. The text says what was tried, what was found and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EcError {
    /// The counts of shards are outside the code's limits.
    #[error(
        "cannot make a codec of {data_shards} data and {parity_shards} parity shards: \
         each must be at least 1 and their sum at most 256"
    )]
    BadGeometry {
        /// The data shards asked for.
        data_shards: usize,
        /// The parity shards asked for.
        parity_shards: usize,
    },
    /// A list of shards has the wrong length.
    #[error("{found} {what} shards were given where the codec has {expected}: give one a place")]
    WrongShardCount {
        /// Which list: `data`, `parity` or `stripe`.
        what: &'static str,
        /// How many the codec has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A shard is empty or its length differs from the first one's.
    #[error(
        "shard {index} has {found} bytes where {expected} were expected: \
         all shards of a stripe must have one length of at least 1 byte"
    )]
    WrongShardLength {
        /// The shard's place in its stripe.
        index: usize,
        /// The length of the first shard in bytes, at least 1.
        expected: usize,
        /// The length of this shard in bytes.
        found: usize,
    },
    /// More shards are lost than the code can rebuild.
    #[error("cannot rebuild the stripe: {found} shards are left and {needed} are needed")]
    TooFewShards {
        /// How many shards decoding needs.
        needed: usize,
        /// How many are left.
        found: usize,
    },
    /// Enough shards are left, but too few of their matrix rows are independent.
    ///
    /// `gf_gen_rs_matrix` guarantees independence for up to 3 parity shards, for 4 up to 21 data
    /// shards and for 5 up to 5; outside that region some losses cannot be rebuilt.
    #[error(
        "cannot rebuild the stripe from shards {survivors:?}: their equations are not independent, \
         which this technique allows beyond 3 parity shards; another shard is needed"
    )]
    Dependent {
        /// The shards that are left.
        survivors: Vec<usize>,
    },
}
