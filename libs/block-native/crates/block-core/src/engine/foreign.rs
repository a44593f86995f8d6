//! What is on a disk that is to become part of a pool.

use super::layout::{Found, Superblock};
use crate::buffer::BLOCK_BYTES;

/// Blocks that are looked at: every signature below is in them.
pub const LOOK_BLOCKS: usize = 17;

/// A mark that something else leaves: where, what, and its name. Sources: `include/linux/magic.h`,
/// `struct ext4_super_block`, the XFS and Btrfs on-disk formats, LVM2's label, mdadm's
/// superblock 1.2, the GPT of the UEFI specification, NTFS, LUKS, swap, Ceph's `BlueStore` label.
const MARKS: &[(usize, &[u8], &str)] = &[
    (0, b"XFSB", "an XFS file system"),
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (0, b"bluestore block device", "a Ceph BlueStore"),
    (3, b"NTFS    ", "an NTFS file system"),
    (512, b"EFI PART", "a GPT partition table"),
    (512, b"LABELONE", "an LVM physical volume"),
    (1080, b"\x53\xef", "an ext2, ext3 or ext4 file system"),
    (4086, b"SWAPSPACE2", "swap space"),
    (4096, b"\xfc\x4e\x2b\xa9", "a member of an md array"),
    (65_600, b"_BHRfS_M", "a Btrfs file system"),
    (510, b"\x55\xaa", "a partition table or a boot sector"),
];

/// Names what the first blocks of a disk hold; `None` if they hold nothing.
pub fn what_is_on(bytes: &[u8]) -> Option<String> {
    for block in bytes.chunks(BLOCK_BYTES).take(2) {
        match Superblock::from_block(block) {
            Found::Superblock(found) => {
                return Some(format!("disk {} of pool {}", found.disk.0, found.pool));
            }
            Found::Newer(format) => {
                return Some(format!("a disk of a pool of format {format}, which is newer"));
            }
            Found::Nothing => {}
        }
    }
    let mark = MARKS.iter().find(|(at, mark, _)| bytes.get(*at..at + mark.len()) == Some(mark));
    match mark {
        Some((_, _, name)) => Some((*name).to_string()),
        None if bytes.iter().any(|&byte| byte != 0) => Some("something unknown".to_string()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_nothing_and_known_marks_are_named() {
        let mut bytes = vec![0; LOOK_BLOCKS * BLOCK_BYTES];
        assert_eq!(what_is_on(&bytes), None);
        for (at, mark, name) in MARKS {
            bytes.fill(0);
            bytes[*at..at + mark.len()].copy_from_slice(mark);
            assert_eq!(what_is_on(&bytes).as_deref(), Some(*name));
        }
        bytes.fill(0);
        bytes[70] = 1;
        assert_eq!(what_is_on(&bytes).as_deref(), Some("something unknown"));
    }
}
