//! What can go wrong, as values.

use crate::Technique;

/// An operating error. The text says what was tried, what was found and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
    /// Some losses of no more than the parity shards could not be rebuilt.
    #[error(
        "{technique} cannot be used for {data_shards}+{parity_shards}: its matrix is not MDS \
         there, so some losses of {parity_shards} shards could not be rebuilt; use cauchy"
    )]
    NotMds {
        /// The technique asked for.
        technique: Technique,
        /// The data shards asked for.
        data_shards: usize,
        /// The parity shards asked for.
        parity_shards: usize,
    },
    /// There is no technique of this name.
    #[error("there is no technique {name:?}: use reed_sol_van or cauchy")]
    UnknownTechnique {
        /// The name that was given.
        name: String,
    },
    /// There is no kernel of this name.
    #[error("there is no kernel {name:?}: use avx512-gfni, avx2-gfni, avx2, ssse3, neon or scalar")]
    UnknownKernel {
        /// The name that was given.
        name: String,
    },
    /// The processor lacks what the kernel needs.
    #[error("this processor cannot run the kernel {name}: those it can run are {available}")]
    KernelUnavailable {
        /// The kernel that was asked for.
        name: &'static str,
        /// The names of those that can be used, with commas.
        available: String,
    },
    /// A list of shards has the wrong length.
    #[error("{found} {what} shards were given where {expected} are expected: give one a place")]
    WrongShardCount {
        /// Which list: `data`, `parity`, `source`, `output` or `digest`.
        what: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A shard is empty or its length differs from the first one's.
    #[error(
        "{what} shard {index} has {found} bytes where {expected} were expected: \
         all shards of a stripe must have one length of at least 1 byte"
    )]
    WrongShardLength {
        /// Which list: as for [`EcError::WrongShardCount`].
        what: &'static str,
        /// The shard's place in that list.
        index: usize,
        /// The length of the first shard in bytes, at least 1.
        expected: usize,
        /// The length of this shard in bytes.
        found: usize,
    },
    /// A stripe or a run of stripes is not as long as its shards make it.
    #[error(
        "{found} bytes were given for stripes of {shards} shards of {shard_bytes} bytes: \
         their length must be a multiple of the stripe's, and one stripe's for one stripe"
    )]
    WrongStripeLength {
        /// The length in bytes that was given.
        found: usize,
        /// The shards of a stripe.
        shards: usize,
        /// The length of a shard in bytes that was given.
        shard_bytes: usize,
    },
    /// There is no shard of this index, or not in this role.
    #[error("shard {index} is no {what}: {expected}")]
    WrongShardIndex {
        /// What it was to be: `data shard`, `shard of the stripe`, `source of the plan`, ...
        what: &'static str,
        /// The index that was given.
        index: usize,
        /// Which indices there are.
        expected: String,
    },
    /// More shards are lost than the code can rebuild.
    #[error("cannot rebuild the stripe: {found} shards are left and {needed} are needed")]
    TooFewShards {
        /// How many shards decoding needs.
        needed: usize,
        /// How many are left.
        found: usize,
    },
    /// Two buffers share bytes.
    #[error("buffers {first} and {second} share bytes: every shard needs memory of its own")]
    Overlap {
        /// The place of one of them.
        first: usize,
        /// The place of the other.
        second: usize,
    },
    /// A folded policy that cannot hold.
    #[error(
        "{data_shards}+{parity_shards}:{domain_failures} cannot be placed: \
         {parity_shards} parity shards cannot survive {domain_failures} fault domains; \
         ask for 1 to {parity_shards}"
    )]
    BadFolding {
        /// The data shards.
        data_shards: usize,
        /// The parity shards.
        parity_shards: usize,
        /// The fault domains that were to be survived.
        domain_failures: usize,
    },
    /// A policy that cannot be read.
    #[error("{text:?} is no policy: write K+M or K+M:B, as in 4+2 or 4+2:1")]
    BadPolicy {
        /// What was given.
        text: String,
    },
    /// Memory for stripes could not be had.
    #[error("cannot allocate {stripes} stripes of {shards} shards of {shard_bytes} bytes")]
    OutOfMemory {
        /// The stripes asked for.
        stripes: usize,
        /// The shards of each.
        shards: usize,
        /// The length of a shard in bytes.
        shard_bytes: usize,
    },
}

impl EcError {
    /// The stable code of the error, as the catalogue of the TypeScript side names it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotMds { .. } => "PUR_EC_NOT_MDS",
            Self::TooFewShards { .. } => "PUR_EC_TOO_FEW_SHARDS",
            Self::Overlap { .. } => "PUR_EC_OVERLAP",
            Self::UnknownKernel { .. } | Self::KernelUnavailable { .. } => "PUR_EC_KERNEL",
            Self::OutOfMemory { .. } => "PUR_EC_MEMORY",
            _ => "PUR_EC_INVALID",
        }
    }
}
