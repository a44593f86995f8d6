//! Redundancy: what a stripe is made of and what it survives.

use std::fmt;

use crate::error::BlockError;

/// Most replicas, and most copies of log records and map pages.
pub const COPIES_MAX: usize = 6;
/// Most shards of a stripe.
pub const SHARDS_MAX: usize = 20;

/// How a pool keeps its stripes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// `copies` equal shards, 1..=6.
    Replicas {
        /// How many.
        copies: u8,
    },
    /// `data` shards and `parity` shards, each in a fault domain of its own.
    Erasure {
        /// K, 2..=16.
        data: u8,
        /// M, 1..=4.
        parity: u8,
    },
    /// `data` and `parity` shards, at most `parity / failures` of them in one fault domain.
    Folded {
        /// K, 2..=16.
        data: u8,
        /// M, 1..=4.
        parity: u8,
        /// B: fault domains that may fail.
        failures: u8,
    },
}

impl Policy {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`BlockError::BadPolicy`].
    pub fn check(self) -> Result<Self, BlockError> {
        let good = match self {
            Self::Replicas { copies } => (1..=6).contains(&copies),
            Self::Erasure { data, parity } => Self::good_shape(data, parity),
            Self::Folded { data, parity, failures } => {
                Self::good_shape(data, parity) && (1..=parity).contains(&failures)
            }
        };
        if good { Ok(self) } else { Err(BlockError::BadPolicy { policy: self }) }
    }

    fn good_shape(data: u8, parity: u8) -> bool {
        (2..=16).contains(&data) && (1..=4).contains(&parity)
    }

    /// Data shards of a stripe: K, or 1 of replicas.
    #[must_use]
    pub fn data_shards(self) -> usize {
        match self {
            Self::Replicas { .. } => 1,
            Self::Erasure { data, .. } | Self::Folded { data, .. } => usize::from(data),
        }
    }

    /// Shards beyond those: M, or copies - 1.
    #[must_use]
    pub fn parity_shards(self) -> usize {
        match self {
            Self::Replicas { copies } => usize::from(copies) - 1,
            Self::Erasure { parity, .. } | Self::Folded { parity, .. } => usize::from(parity),
        }
    }

    /// All shards of a stripe.
    #[must_use]
    pub fn shards(self) -> usize {
        self.data_shards() + self.parity_shards()
    }

    /// Most shards of one stripe in one fault domain.
    #[must_use]
    pub fn shards_per_domain(self) -> usize {
        match self {
            Self::Replicas { .. } | Self::Erasure { .. } => 1,
            Self::Folded { parity, failures, .. } => usize::from(parity / failures),
        }
    }

    /// Fault domains that may fail without loss.
    #[must_use]
    pub fn failures(self) -> usize {
        match self {
            Self::Replicas { .. } | Self::Erasure { .. } => self.parity_shards(),
            Self::Folded { failures, .. } => usize::from(failures),
        }
    }

    /// Copies of every log record and map page, each in another fault domain.
    #[must_use]
    pub fn copies(self) -> usize {
        self.failures() + 1
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas { copies } => write!(formatter, "replicas {copies}"),
            Self::Erasure { data, parity } => write!(formatter, "{data}+{parity}"),
            Self::Folded { data, parity, failures } => {
                write!(formatter, "{data}+{parity}:{failures}")
            }
        }
    }
}
