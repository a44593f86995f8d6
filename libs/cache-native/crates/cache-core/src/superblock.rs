//! Writing and reading the superblock.
//!
//! A change is written to one copy, flushed, and then to the other, so that at any moment at least
//! one copy is whole. Reading takes the whole copy with the higher generation.

use std::ops::Range;

use crate::error::{CopyError, FieldError, SuperblockError};
use crate::layout::{
    BLOCK_SIZE_BYTES, CACHE_ID_AT, CHECKSUM_AT, COPY_SIZE_BYTES, DEVICE_SIZE_AT, GENERATION_AT,
    LINE_SIZE_AT, LINE_SIZE_BYTES_MAX, MAGIC, MAGIC_AT, REGION_SIZE_BYTES, SLOT_AT, VERSION,
    VERSION_AT,
};
use crate::{CacheId, layout};

/// The number of a superblock's change; each change has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// One of the two places of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Bytes 0 to 4095.
    First,
    /// Bytes 4096 to 8191.
    Second,
}

/// What a cache's superblock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// Which cache it is.
    pub cache_id: CacheId,
    /// How new it is.
    pub generation: Generation,
    /// The size of the device in bytes: a multiple of 4096 that holds the region and one line.
    pub device_size_bytes: u64,
    /// The size of a cache line in bytes: a power of two from 4 KiB to 1 MiB.
    pub line_size_bytes: u32,
}

/// A superblock read from its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The superblock of the newer whole copy.
    pub superblock: Superblock,
    /// The copy that cannot be used, if there is one, and why: it should be written again.
    pub damage: Option<(Slot, CopyError)>,
}

impl Slot {
    fn number(self) -> u32 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

impl Superblock {
    /// Both copies, as they stand on a device that was formatted or wholly updated.
    ///
    /// # Errors
    /// [`FieldError`] for a size out of its range.
    pub fn encode(&self) -> Result<[u8; REGION_SIZE_BYTES], FieldError> {
        let mut region = [0; REGION_SIZE_BYTES];
        let (first, second) = region.split_at_mut(COPY_SIZE_BYTES);
        first.copy_from_slice(&self.encode_copy(Slot::First)?);
        second.copy_from_slice(&self.encode_copy(Slot::Second)?);
        Ok(region)
    }

    /// One copy, for an update that writes them one after the other.
    ///
    /// # Errors
    /// [`FieldError`] for a size out of its range.
    pub fn encode_copy(&self, slot: Slot) -> Result<[u8; COPY_SIZE_BYTES], FieldError> {
        self.check()?;
        let mut copy = [0; COPY_SIZE_BYTES];
        copy[MAGIC_AT].copy_from_slice(&MAGIC);
        copy[VERSION_AT].copy_from_slice(&VERSION.to_le_bytes());
        copy[SLOT_AT].copy_from_slice(&slot.number().to_le_bytes());
        copy[GENERATION_AT].copy_from_slice(&self.generation.0.to_le_bytes());
        copy[CACHE_ID_AT].copy_from_slice(&self.cache_id.0);
        copy[DEVICE_SIZE_AT].copy_from_slice(&self.device_size_bytes.to_le_bytes());
        copy[LINE_SIZE_AT].copy_from_slice(&self.line_size_bytes.to_le_bytes());
        let checksum = crc32c::crc32c(&copy[..CHECKSUM_AT.start]);
        copy[CHECKSUM_AT].copy_from_slice(&checksum.to_le_bytes());
        Ok(copy)
    }

    /// Reads the copy that lies at `slot`.
    ///
    /// # Errors
    /// [`CopyError`]. The checksum is judged before the version, so an unknown version is one that
    /// was really written.
    pub fn decode_copy(copy: &[u8; COPY_SIZE_BYTES], slot: Slot) -> Result<Self, CopyError> {
        let magic = bytes(copy, MAGIC_AT);
        if magic != MAGIC {
            return Err(CopyError::BadMagic { found: magic });
        }
        let stored = u32::from_le_bytes(bytes(copy, CHECKSUM_AT));
        let computed = crc32c::crc32c(&copy[..CHECKSUM_AT.start]);
        if stored != computed {
            return Err(CopyError::BadChecksum { stored, computed });
        }
        let version = u32::from_le_bytes(bytes(copy, VERSION_AT));
        if version != VERSION {
            return Err(CopyError::UnsupportedVersion { found: version });
        }
        let found = u32::from_le_bytes(bytes(copy, SLOT_AT));
        if found != slot.number() {
            return Err(CopyError::WrongSlot { found });
        }
        let superblock = Self {
            cache_id: CacheId(bytes(copy, CACHE_ID_AT)),
            generation: Generation(u64::from_le_bytes(bytes(copy, GENERATION_AT))),
            device_size_bytes: u64::from_le_bytes(bytes(copy, DEVICE_SIZE_AT)),
            line_size_bytes: u32::from_le_bytes(bytes(copy, LINE_SIZE_AT)),
        };
        superblock.check()?;
        Ok(superblock)
    }

    /// Reads the superblock from its region: the whole copy with the higher generation.
    ///
    /// # Errors
    /// [`SuperblockError`]. A whole copy of an unknown version is never passed over for the other
    /// one, because the other one may be what a newer version has left behind.
    pub fn decode(region: &[u8]) -> Result<Decoded, SuperblockError> {
        let wrong_length = || SuperblockError::WrongLength { found: region.len() };
        let (copies, rest) = region.as_chunks::<COPY_SIZE_BYTES>();
        let ([first, second], []) = (copies, rest) else {
            return Err(wrong_length());
        };
        match (Self::decode_copy(first, Slot::First), Self::decode_copy(second, Slot::Second)) {
            (Err(CopyError::UnsupportedVersion { found }), _)
            | (_, Err(CopyError::UnsupportedVersion { found })) => {
                Err(SuperblockError::UnsupportedVersion { found })
            }
            (Ok(first), Ok(second)) => newer(first, second),
            (Ok(superblock), Err(error)) => {
                Ok(Decoded { superblock, damage: Some((Slot::Second, error)) })
            }
            (Err(error), Ok(superblock)) => {
                Ok(Decoded { superblock, damage: Some((Slot::First, error)) })
            }
            (Err(first), Err(second)) => Err(SuperblockError::BothLost { first, second }),
        }
    }

    fn check(&self) -> Result<(), FieldError> {
        let line = self.line_size_bytes;
        if !line.is_power_of_two() || !(BLOCK_SIZE_BYTES..=LINE_SIZE_BYTES_MAX).contains(&line) {
            return Err(FieldError::LineSize { found: line });
        }
        let minimum = layout::REGION_SIZE_BYTES as u64 + u64::from(line);
        let found = self.device_size_bytes;
        if found < minimum || !found.is_multiple_of(u64::from(BLOCK_SIZE_BYTES)) {
            return Err(FieldError::DeviceSize { found, minimum });
        }
        Ok(())
    }
}

fn newer(first: Superblock, second: Superblock) -> Result<Decoded, SuperblockError> {
    if first.generation == second.generation && first != second {
        return Err(SuperblockError::CopiesDiffer { generation: first.generation.0 });
    }
    let superblock = if first.generation >= second.generation { first } else { second };
    Ok(Decoded { superblock, damage: None })
}

/// The bytes of a field; the layout's assertions prove that `range` has `N` bytes and lies in the
/// copy.
fn bytes<const N: usize>(copy: &[u8; COPY_SIZE_BYTES], range: Range<usize>) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&copy[range]);
    field
}
