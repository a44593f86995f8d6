//! The configuration of a device as a guest reads it: virtio 1.2, section 5.2.4.

use purlin_block_core::buffer::BLOCK_BYTES;

use super::order::{RANGES_MAX, SECTOR_BYTES};
use super::protocol::QUEUES_MAX;
use crate::nbd::protocol::REQUEST_BYTES_MAX;

/// The longest configuration a front end may ask for.
pub const CONFIG_BYTES_MAX: u32 = 256;

/// Sectors of 512 bytes in a block, as a power of two.
const BLOCK_EXPONENT: u8 = 3;
const _: () = assert!(SECTOR_BYTES << BLOCK_EXPONENT == BLOCK_BYTES as u64);
/// A logical block.
const LOGICAL_BYTES: u32 = 512;
const _: () = assert!(LOGICAL_BYTES as u64 == SECTOR_BYTES);
/// Sectors of the longest request.
const SECTORS_MAX: u32 = REQUEST_BYTES_MAX / LOGICAL_BYTES;
/// Ranges of one discard.
const DISCARD_RANGES_MAX: u32 = 16;
const _: () = assert!(DISCARD_RANGES_MAX as usize == RANGES_MAX);
/// What a client does best, in sectors.
const OPTIMAL_SECTORS: u32 = 128;
/// Runs of one request: what a queue has room for beside head and status.
const SEGMENTS_MAX: u32 = 126;

/// The size a guest is told: whole blocks.
#[must_use]
pub fn told_bytes(size_bytes: u64) -> u64 {
    size_bytes - size_bytes % BLOCK_BYTES as u64
}

/// The configuration of a volume of `size_bytes`. Logical blocks are of 512 bytes, because firmware
/// starts from no others; what is written in whole physical blocks is written as it is.
#[must_use]
pub fn config_space(size_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((told_bytes(size_bytes) / SECTOR_BYTES).to_le_bytes());
    bytes.extend(0u32.to_le_bytes()); // the longest run: not offered
    bytes.extend(SEGMENTS_MAX.to_le_bytes());
    bytes.extend([0; 4]); // cylinders, heads, sectors: not offered
    bytes.extend(LOGICAL_BYTES.to_le_bytes());
    bytes.extend([BLOCK_EXPONENT, 0]);
    bytes.extend((1u16 << BLOCK_EXPONENT).to_le_bytes());
    bytes.extend(OPTIMAL_SECTORS.to_le_bytes());
    bytes.extend([0; 2]); // switching the cache: not offered
    bytes.extend(QUEUES_MAX.to_le_bytes());
    bytes.extend(SECTORS_MAX.to_le_bytes());
    bytes.extend(DISCARD_RANGES_MAX.to_le_bytes());
    bytes.extend((1u32 << BLOCK_EXPONENT).to_le_bytes());
    bytes.extend(SECTORS_MAX.to_le_bytes());
    bytes.extend(1u32.to_le_bytes()); // ranges of zeroes
    bytes.extend([1, 0, 0, 0]); // zeroes may give space back
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_finds_each_field_where_virtio_has_it() {
        let bytes = config_space((1 << 30) + 512);
        assert_eq!(bytes.len(), 60);
        assert_eq!(bytes[..8], ((1u64 << 30) / 512).to_le_bytes());
        assert_eq!(bytes[12..16], SEGMENTS_MAX.to_le_bytes());
        assert_eq!(bytes[20..24], 512u32.to_le_bytes());
        assert_eq!(bytes[34..36], QUEUES_MAX.to_le_bytes());
        assert_eq!(bytes[36..40], 65536u32.to_le_bytes());
        assert_eq!(bytes[56], 1);
    }
}
