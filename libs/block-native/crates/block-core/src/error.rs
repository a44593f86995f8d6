//! What can go wrong, with codes that mean the same in TypeScript.

use crate::control::DiskId;
use crate::policy::Policy;
use crate::request::VolumeId;

/// An operating error. [`BlockError::code`] is stable; the sentence says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Offset or length is not a multiple of 4096.
    #[error("offset {offset} and length {length} must be multiples of 4096")]
    Unaligned {
        /// As asked.
        offset: u64,
        /// As asked.
        length: u64,
    },
    /// Beyond the end of the volume, or longer than a request may be.
    #[error("bytes {offset}+{length} are beyond what a request to this volume may cover")]
    OutOfRange {
        /// As asked.
        offset: u64,
        /// As asked.
        length: u64,
    },
    /// A snapshot was to be written.
    #[error("volume {} is a snapshot and cannot be written; clone it", volume.0)]
    ReadOnly {
        /// Which.
        volume: VolumeId,
    },
    /// No such volume.
    #[error("there is no volume {} in this pool", volume.0)]
    NoVolume {
        /// Which.
        volume: VolumeId,
    },
    /// No such disk.
    #[error("there is no disk {} in this pool", disk.0)]
    NoDisk {
        /// Which.
        disk: DiskId,
    },
    /// The name is taken.
    #[error("the name {name} is taken in this pool")]
    NameTaken {
        /// Which.
        name: String,
    },
    /// Others depend on it.
    #[error("it cannot be deleted while these depend on it: {}", dependents.join(", "))]
    HasDependents {
        /// Their names.
        dependents: Vec<String>,
    },
    /// Full.
    #[error("the pool has no room for another stripe; delete something or add a disk")]
    NoSpace,
    /// More shards of a stripe are gone or bad than it survives.
    #[error("bytes from {offset} of volume {} cannot be read: {found} of {needed} shards are left",
        volume.0)]
    Lost {
        /// Which volume.
        volume: VolumeId,
        /// First byte of the stripe.
        offset: u64,
        /// Good shards.
        found: usize,
        /// Shards that would be enough.
        needed: usize,
    },
    /// Too few disks are left to write.
    #[error("{found} fault domains are left and a write needs {needed}; bring disks back")]
    TooFewDisks {
        /// Live ones.
        found: usize,
        /// Least number.
        needed: usize,
    },
    /// Disks are missing that may alone hold acknowledged writes.
    #[error("the pool cannot be opened without disks {missing:?}; bring them back")]
    DisksMissing {
        /// Which.
        missing: Vec<u16>,
    },
    /// Something else is on the disk.
    #[error("device {handle} holds {found}; use force to write over it")]
    ForeignDisk {
        /// The caller's number.
        handle: u32,
        /// What was found.
        found: String,
    },
    /// A newer format.
    #[error("the pool has on-disk format {found} and this program knows up to {known}; upgrade")]
    NewerFormat {
        /// On the disk.
        found: u32,
        /// Of this program.
        known: u32,
    },
    /// No valid superblock.
    #[error("no device of the pool has a valid superblock")]
    NoSuperblock,
    /// The map or the log cannot be read.
    #[error("the pool's {what} cannot be read on any disk")]
    Damaged {
        /// Which part.
        what: String,
    },
    /// Numbers out of range.
    #[error("{policy} is not a policy: replicas 1..6, K 2..16, M 1..4, B 1..M")]
    BadPolicy {
        /// As asked.
        policy: Policy,
    },
    /// Arguments that make no sense together.
    #[error("{reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// The pool is closed or has failed.
    #[error("the pool takes no requests: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
}

impl BlockError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unaligned { .. } => "PUR_BLOCK_UNALIGNED",
            Self::OutOfRange { .. } => "PUR_BLOCK_OUT_OF_RANGE",
            Self::ReadOnly { .. } => "PUR_BLOCK_READ_ONLY",
            Self::NoVolume { .. } => "PUR_BLOCK_NO_VOLUME",
            Self::NoDisk { .. } => "PUR_BLOCK_NO_DISK",
            Self::NameTaken { .. } => "PUR_BLOCK_NAME_TAKEN",
            Self::HasDependents { .. } => "PUR_BLOCK_HAS_DEPENDENTS",
            Self::NoSpace => "PUR_BLOCK_NO_SPACE",
            Self::Lost { .. } => "PUR_BLOCK_LOST",
            Self::TooFewDisks { .. } => "PUR_BLOCK_TOO_FEW_DISKS",
            Self::DisksMissing { .. } => "PUR_BLOCK_DISKS_MISSING",
            Self::ForeignDisk { .. } => "PUR_BLOCK_FOREIGN_DISK",
            Self::NewerFormat { .. } => "PUR_BLOCK_NEWER_FORMAT",
            Self::NoSuperblock => "PUR_BLOCK_NO_SUPERBLOCK",
            Self::Damaged { .. } => "PUR_BLOCK_DAMAGED",
            Self::BadPolicy { .. } => "PUR_BLOCK_BAD_POLICY",
            Self::Invalid { .. } => "PUR_BLOCK_INVALID",
            Self::Closed { .. } => "PUR_BLOCK_CLOSED",
        }
    }

    /// The error number an NBD client is told: `EINVAL`, `EPERM`, `ENOSPC`, `ESHUTDOWN` or `EIO`.
    #[must_use]
    pub fn errno(&self) -> u32 {
        match self {
            Self::Unaligned { .. } | Self::OutOfRange { .. } | Self::Invalid { .. } => 22,
            Self::ReadOnly { .. } => 1,
            Self::NoSpace => 28,
            Self::Closed { .. } => 108,
            _ => 5,
        }
    }
}
