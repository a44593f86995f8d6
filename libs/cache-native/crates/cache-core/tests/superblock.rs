//! The superblock through its public face: its bytes, every damage, the choice between the copies.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use purlin_cache_core::layout::{COPY_SIZE_BYTES, REGION_SIZE_BYTES};
use purlin_cache_core::{
    CacheId, CopyError, Decoded, FieldError, Generation, Slot, Superblock, SuperblockError,
};

fn superblock(generation: u64) -> Superblock {
    Superblock {
        cache_id: CacheId(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
        generation: Generation(generation),
        device_size_bytes: 64 << 30,
        line_size_bytes: 16 << 10,
    }
}

fn copy(generation: u64, slot: Slot) -> [u8; COPY_SIZE_BYTES] {
    superblock(generation).encode_copy(slot).unwrap()
}

fn region(first: &[u8; COPY_SIZE_BYTES], second: &[u8; COPY_SIZE_BYTES]) -> Vec<u8> {
    [*first, *second].concat()
}

/// CRC-32C by its definition, a bit at a time (reflected polynomial 0x82f63b78).
fn crc32c_by_definition(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// Puts the checksum right again after a test has changed the bytes under it.
fn sealed(copy: &[u8; COPY_SIZE_BYTES]) -> [u8; COPY_SIZE_BYTES] {
    let mut copy = *copy;
    let checksum = crc32c_by_definition(&copy[..4092]);
    copy[4092..].copy_from_slice(&checksum.to_le_bytes());
    copy
}

#[test]
fn the_bytes_are_those_of_the_drawn_table() {
    let copy = copy(0x0102_0304_0506_0708, Slot::Second);
    let head = b"PURLCACH\x01\0\0\0\x01\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01\
        \x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\
        \0\0\0\0\x10\0\0\0\0\x40\0\0";
    assert_eq!(copy[..52], *head);
    assert!(copy[52..4092].iter().all(|byte| *byte == 0));
    assert_eq!(crc32c_by_definition(b"123456789"), 0xe306_9283, "the check value of RFC 3720");
    assert_eq!(copy[4092..], crc32c_by_definition(&copy[..4092]).to_le_bytes());
}

#[test]
fn what_is_written_is_read_back() {
    for generation in [0, 1, u64::MAX] {
        let written = superblock(generation);
        let expected = Decoded { superblock: written, damage: None };
        assert_eq!(Superblock::decode(&written.encode().unwrap()), Ok(expected));
    }
}

#[test]
fn every_single_bit_flip_of_a_copy_is_caught() {
    let whole = copy(7, Slot::First);
    for bit in 0..COPY_SIZE_BYTES * 8 {
        let mut flipped = whole;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = Superblock::decode_copy(&flipped, Slot::First).unwrap_err();
        let expected = if bit < 64 { "magic" } else { "checksum" };
        assert!(error.to_string().contains(expected), "bit {bit}: {error}");
    }
}

#[test]
fn the_newer_whole_copy_is_taken_whichever_place_it_has() {
    for (first, second) in [(4, 5), (5, 4), (u64::MAX, 0)] {
        let bytes = region(&copy(first, Slot::First), &copy(second, Slot::Second));
        let decoded = Superblock::decode(&bytes).unwrap();
        assert_eq!(decoded, Decoded { superblock: superblock(first.max(second)), damage: None });
    }
}

#[test]
fn a_damaged_newer_copy_leaves_the_older_one_and_is_named() {
    let mut newer = copy(9, Slot::Second);
    newer[1000] ^= 1;
    let decoded = Superblock::decode(&region(&copy(8, Slot::First), &newer)).unwrap();
    assert_eq!(decoded.superblock, superblock(8));
    assert!(matches!(decoded.damage, Some((Slot::Second, CopyError::BadChecksum { .. }))));
}

#[test]
fn power_lost_at_any_sector_of_an_update_leaves_the_old_or_the_new_superblock() {
    let old = superblock(3).encode().unwrap();
    let new = superblock(4).encode().unwrap();
    for sectors in 0..=REGION_SIZE_BYTES / 512 {
        let torn = [&new[..sectors * 512], &old[sectors * 512..]].concat();
        let expected = if sectors * 512 < COPY_SIZE_BYTES { 3 } else { 4 };
        let decoded = Superblock::decode(&torn).unwrap();
        assert_eq!(decoded.superblock, superblock(expected), "{sectors} sectors written");
    }
}

#[test]
fn both_copies_lost_says_what_is_wrong_with_each() {
    let mut second = copy(1, Slot::Second);
    second[20] ^= 0x80;
    let error = Superblock::decode(&region(&[0; COPY_SIZE_BYTES], &second)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(
        error,
        SuperblockError::BothLost {
            first: CopyError::BadMagic { found: [0, 0, 0, 0, 0, 0, 0, 0] },
            second: CopyError::BadChecksum { .. }
        }
    ));
    assert!(
        text.starts_with("both copies of the superblock are lost; first: no superblock:"),
        "{text}"
    );
}

#[test]
fn a_whole_copy_of_a_newer_version_is_never_passed_over() {
    let mut newer = copy(1, Slot::Second);
    newer[8] = 2;
    let unsupported = Err(SuperblockError::UnsupportedVersion { found: 2 });
    assert_eq!(Superblock::decode(&region(&copy(5, Slot::First), &sealed(&newer))), unsupported);
}

#[test]
fn a_copy_written_to_the_place_of_the_other_is_not_taken() {
    let astray = region(&copy(6, Slot::First), &copy(7, Slot::First));
    let decoded = Superblock::decode(&astray).unwrap();
    assert_eq!(decoded.superblock, superblock(6));
    assert_eq!(decoded.damage, Some((Slot::Second, CopyError::WrongSlot { found: 0 })));
}

#[test]
fn copies_of_one_generation_that_differ_are_an_error() {
    let other = Superblock { line_size_bytes: 4096, ..superblock(2) };
    let bytes = region(&copy(2, Slot::First), &other.encode_copy(Slot::Second).unwrap());
    assert_eq!(Superblock::decode(&bytes), Err(SuperblockError::CopiesDiffer { generation: 2 }));
}

#[test]
fn a_buffer_of_another_length_is_an_error() {
    for found in [0, 1, COPY_SIZE_BYTES, REGION_SIZE_BYTES - 1, REGION_SIZE_BYTES + 1, 12288] {
        let error = Err(SuperblockError::WrongLength { found });
        assert_eq!(Superblock::decode(&vec![0; found]), error);
    }
}

#[test]
fn sizes_out_of_their_range_are_neither_written_nor_read() {
    for found in [0, 2048, 4097, 12288, 1 << 21] {
        let wrong = Superblock { line_size_bytes: found, ..superblock(1) };
        assert_eq!(wrong.encode(), Err(FieldError::LineSize { found }));
    }
    for found in [0, 8192, 24576 - 4096, 24576 + 1] {
        let wrong = Superblock { device_size_bytes: found, ..superblock(1) };
        assert_eq!(wrong.encode(), Err(FieldError::DeviceSize { found, minimum: 24576 }));
    }
    let mut impossible = copy(1, Slot::First);
    impossible[48..52].copy_from_slice(&3u32.to_le_bytes());
    let error = Superblock::decode_copy(&sealed(&impossible), Slot::First);
    assert_eq!(error, Err(CopyError::Field(FieldError::LineSize { found: 3 })));
}
