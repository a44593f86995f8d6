//! CRC-32C (Castagnoli), which tells a rotten shard from a good one.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of `bytes`, as iSCSI (RFC 3720) has it.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c_append(0, bytes)
}

/// The CRC-32C of what `crc` is the CRC-32C of, followed by `bytes`.
#[must_use]
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    let mut digest =
        Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(crc ^ u32::MAX));
    digest.update(bytes);
    u32::try_from(digest.finalize()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3720_hold() {
        // Appendix B.4 of the RFC.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn parts_give_the_sum_of_the_whole_wherever_it_is_cut() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| ((i * i) >> 3).to_le_bytes()[0]).collect();
        for cut in 0..=bytes.len() {
            let (first, rest) = bytes.split_at(cut);
            assert_eq!(crc32c_append(crc32c(first), rest), crc32c(&bytes), "{cut}");
        }
    }
}
