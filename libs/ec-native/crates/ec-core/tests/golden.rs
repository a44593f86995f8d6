//! Parity against the vectors that Debian's ISA-L made (`libs/ec-native/golden`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use purlin_ec_core::{Technique, crc32c};
use support::{Noise, codec, on_every_kernel};

const VECTORS: &str = include_str!("../../../golden/vectors.txt");

/// `technique k m shard_bytes seed crc32c_of_each_parity_shard`; data shard i is splitmix64 from
/// seed + i.
fn assert_vector(line: &str) -> Option<usize> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [technique, k, m, shard_bytes, seed, sums @ ..] = words.as_slice() else { return None };
    let number = |word: &str| word.parse::<usize>().unwrap();
    let (k, m, shard_bytes) = (number(k), number(m), number(shard_bytes));
    let seed: u64 = seed.parse().unwrap();
    assert_eq!(sums.len(), m, "{line}");

    let data: Vec<Vec<u8>> =
        (0..k as u64).map(|shard| Noise(seed + shard).bytes(shard_bytes)).collect();
    let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    for codec in on_every_kernel(&codec(k, m, technique.parse::<Technique>().unwrap())) {
        let mut parity = vec![vec![0; shard_bytes]; m];
        let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        codec.encode(&data, &mut outputs).unwrap();
        let found: Vec<String> = parity.iter().map(|p| format!("{:08x}", crc32c(p))).collect();
        assert_eq!(found, sums, "{line} on {}", codec.kernel());
    }
    Some(m)
}

#[test]
fn parity_is_byte_for_byte_that_of_isa_l_on_every_kernel() {
    let checked: Vec<usize> = VECTORS.lines().filter_map(assert_vector).collect();
    assert!(checked.len() >= 100, "only {} vectors were read", checked.len());
}
