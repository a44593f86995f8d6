//! Golden vectors, made again by `rusty_erasure` on its own.

use rusty_erasure::{Matrix, coder};
use std::fmt::Write as _;
use std::io::{BufRead, stdin};

/// The little-endian numbers of splitmix64, cut to `size` bytes.
fn shard(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(size).collect()
}

/// Reads lines `TECHNIQUE K M SIZE SEED ...` and prints each with the CRC-32C of every parity
/// shard; those of 256 shards are left out, for the library has at most 255.
pub fn remake() {
    for line in stdin().lock().lines() {
        let line = line.expect("a line of text");
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        let count = |place: usize| words[place].parse::<usize>().expect("a number");
        let (k, m, size) = (count(1), count(2), count(3));
        let seed = words[4].parse::<u64>().expect("a seed");
        let matrix = match words[0] {
            "cauchy" => Matrix::cauchy(k, m),
            _ => Matrix::reed_solomon(k, m),
        };
        let Ok(matrix) = matrix else { continue };
        let code = coder(matrix).expect("a coder");
        let data: Vec<Vec<u8>> = (seed..).take(k).map(|seed| shard(size, seed)).collect();
        let mut parity = vec![vec![0; size]; m];
        let sources: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode(&sources, &mut outputs).expect("shards of one length");
        let mut text = words.join(" ");
        for shard in &parity {
            let _ = write!(text, " {:08x}", crc32c::crc32c(shard));
        }
        println!("{text}");
    }
}
