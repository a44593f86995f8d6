//! What can be wrong with a superblock, as values.

use crate::layout::{BLOCK_SIZE_BYTES, LINE_SIZE_BYTES_MAX, REGION_SIZE_BYTES, VERSION};

/// A field is out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The line's size is no power of two within its range.
    #[error(
        "a cache line of {found} bytes is not possible: \
         a power of two from {BLOCK_SIZE_BYTES} to {LINE_SIZE_BYTES_MAX} is needed"
    )]
    LineSize {
        /// The size asked for or read, in bytes.
        found: u32,
    },
    /// The device is too small or not a whole number of blocks.
    #[error(
        "a device of {found} bytes cannot hold the cache: \
         a multiple of {BLOCK_SIZE_BYTES} of at least {minimum} is needed"
    )]
    DeviceSize {
        /// The size asked for or read, in bytes.
        found: u64,
        /// The superblock's region and one line, in bytes.
        minimum: u64,
    },
}

/// Why one copy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The copy does not begin as a superblock does.
    #[error("no superblock: the magic is {}", found.escape_ascii())]
    BadMagic {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// The bytes are not those that were written.
    #[error("the checksum is {computed:#010x} and {stored:#010x} is stored")]
    BadChecksum {
        /// The checksum in the copy.
        stored: u32,
        /// The checksum of the bytes as they are.
        computed: u32,
    },
    /// The copy is whole, but of a layout this code does not know.
    #[error("version {found} is not known; this is version {VERSION}")]
    UnsupportedVersion {
        /// The version in the copy.
        found: u32,
    },
    /// The copy is whole, but belongs to the other place: a write went astray.
    #[error("the copy of slot {found} lies here")]
    WrongSlot {
        /// The slot in the copy.
        found: u32,
    },
    /// The copy is whole, but was written with an impossible value.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Why no superblock can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuperblockError {
    /// The buffer is not the superblock's region.
    #[error("{found} bytes are no superblock: its two copies are {REGION_SIZE_BYTES} bytes")]
    WrongLength {
        /// The buffer's length in bytes.
        found: usize,
    },
    /// Neither copy can be trusted.
    #[error("both copies of the superblock are lost; first: {first}; second: {second}")]
    BothLost {
        /// What is wrong with the first copy.
        first: CopyError,
        /// What is wrong with the second copy.
        second: CopyError,
    },
    /// A whole copy is of another version. The other copy may be readable, but it may be out of
    /// date.
    #[error(
        "the superblock was written by a newer version of the layout, {found}; this is {VERSION}"
    )]
    UnsupportedVersion {
        /// The version in the copy.
        found: u32,
    },
    /// Both copies are whole and of one generation, and they differ.
    #[error("both copies of the superblock are of generation {generation} and they differ")]
    CopiesDiffer {
        /// The generation of both.
        generation: u64,
    },
}
