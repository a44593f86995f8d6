//! Where each byte of the superblock lies. All integers are little-endian; the region starts at
//! byte 0 of the device.
//!
//! ```text
//! region                              copy (4096 bytes)
//! +--------+----------------+     +--------+------+---------------------------------------------+
//! | offset |                |     | offset | size | field                                       |
//! +--------+----------------+     +--------+------+---------------------------------------------+
//! |      0 | first copy     |     |      0 |    8 | magic, "PURLCACH"                           |
//! |   4096 | second copy    |     |      8 |    4 | version of the layout, 1                    |
//! |   8192 | end            |     |     12 |    4 | slot: 0 in the first copy, 1 in the second  |
//! +--------+----------------+     |     16 |    8 | generation                                  |
//!                                 |     24 |   16 | cache id (RFC 9562 UUID, in text order)     |
//!                                 |     40 |    8 | size of the device in bytes                 |
//!                                 |     48 |    4 | size of a cache line in bytes               |
//!                                 |     52 | 4040 | reserved, zero                              |
//!                                 |   4092 |    4 | CRC-32C (RFC 3720) of bytes 0 to 4091       |
//!                                 +--------+------+---------------------------------------------+
//! ```
//! A copy is one 4 KiB block, the unit that such devices write whole. Magic, version and checksum
//! keep their places in every later version. The slot tells a copy that was written to the other's
//! place from one that belongs there.

use std::ops::Range;

/// The first bytes of a copy.
pub const MAGIC: [u8; 8] = *b"PURLCACH";
/// The version of this layout.
pub const VERSION: u32 = 1;
/// The size of one copy in bytes.
pub const COPY_SIZE_BYTES: usize = 4096;
/// The size of both copies in bytes.
pub const REGION_SIZE_BYTES: usize = 2 * COPY_SIZE_BYTES;
/// The unit of the device's size and the smallest cache line, in bytes.
pub const BLOCK_SIZE_BYTES: u32 = 4096;
/// The largest cache line in bytes.
pub const LINE_SIZE_BYTES_MAX: u32 = 1 << 20;

pub(crate) const MAGIC_AT: Range<usize> = 0..8;
pub(crate) const VERSION_AT: Range<usize> = 8..12;
pub(crate) const SLOT_AT: Range<usize> = 12..16;
pub(crate) const GENERATION_AT: Range<usize> = 16..24;
pub(crate) const CACHE_ID_AT: Range<usize> = 24..40;
pub(crate) const DEVICE_SIZE_AT: Range<usize> = 40..48;
pub(crate) const LINE_SIZE_AT: Range<usize> = 48..52;
pub(crate) const RESERVED_AT: Range<usize> = 52..4092;
pub(crate) const CHECKSUM_AT: Range<usize> = 4092..4096;

const _: () = {
    let fields = [
        (MAGIC_AT, MAGIC.len()),
        (VERSION_AT, size_of::<u32>()),
        (SLOT_AT, size_of::<u32>()),
        (GENERATION_AT, size_of::<u64>()),
        (CACHE_ID_AT, 16),
        (DEVICE_SIZE_AT, size_of::<u64>()),
        (LINE_SIZE_AT, size_of::<u32>()),
        (RESERVED_AT, 4040),
        (CHECKSUM_AT, size_of::<u32>()),
    ];
    let mut end = 0;
    let mut i = 0;
    while i < fields.len() {
        assert!(fields[i].0.start == end, "fields follow each other without a gap");
        assert!(fields[i].0.end - end == fields[i].1, "a field has its drawn size");
        end = fields[i].0.end;
        i += 1;
    }
    assert!(end == COPY_SIZE_BYTES, "the fields fill the copy");
};
