//! The codec through its public face: golden vectors, every loss, bad input.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use purlin_ec_core::{Codec, EcError, Geometry, RebuiltShard, ShardIndex};

fn codec(data_shards: usize, parity_shards: usize) -> Codec {
    Codec::new(Geometry::new(data_shards, parity_shards).unwrap())
}

/// A small deterministic generator (xorshift32), so that a failure repeats.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn shards(&mut self, count: usize, size_bytes: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| (0..size_bytes).map(|_| self.next().to_le_bytes()[1]).collect())
            .collect()
    }
}

fn stripe(codec: &Codec, data: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let parity = codec.encode(&data.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    data.into_iter().chain(parity).collect()
}

/// Drops the shards of `lost` (a bit a place) and expects them back.
fn assert_rebuilds(codec: &Codec, stripe: &[Vec<u8>], lost: u32) {
    let is_lost = |i: usize| lost >> i & 1 == 1;
    let survivors: Vec<Option<&[u8]>> =
        stripe.iter().enumerate().map(|(i, s)| (!is_lost(i)).then_some(s.as_slice())).collect();
    let expected: Vec<RebuiltShard> = stripe
        .iter()
        .enumerate()
        .filter(|(i, _)| is_lost(*i))
        .map(|(i, bytes)| RebuiltShard { index: ShardIndex(i), bytes: bytes.clone() })
        .collect();
    assert_eq!(codec.reconstruct(&survivors), Ok(expected), "lost {lost:b}");
}

#[test]
fn two_plus_one_is_the_exclusive_or() {
    // 0x53 ^ 0xca = 0x99, 0x00 ^ 0xff = 0xff, 0x81 ^ 0x81 = 0, 0x01 ^ 0x02 = 3.
    let parity = codec(2, 1).encode(&[&[0x53, 0x00, 0x81, 0x01], &[0xca, 0xff, 0x81, 0x02]]);
    assert_eq!(parity, Ok(vec![vec![0x99, 0xff, 0x00, 0x03]]));
}

#[test]
fn four_plus_two_equals_the_table_worked_out_by_hand() {
    // Parity 0 is a ^ b ^ c ^ d, parity 1 is a ^ 2b ^ 4c ^ 8d modulo 0x11d. Each column by hand:
    //   1, 0, 0, 0        ->  1                                   and  1
    //   0, 0x80, 0, 0     ->  0x80       and 2 * 0x80 = 0x100 ^ 0x11d = 0x1d
    //   0, 0, 0x80, 0     ->  0x80       and 4 * 0x80 = 2 * 0x1d      = 0x3a
    //   0, 0, 0, 0x80     ->  0x80       and 8 * 0x80 = 4 * 0x1d      = 0x74
    //   0x11, 0x22, 0x33, 0x44 -> 0x44   and 0x11 ^ 0x44 ^ 0xcc ^ (0x220 ^ 0x23a = 0x1a) = 0x83
    let parity = codec(4, 2).encode(&[
        &[0x01, 0x00, 0x00, 0x00, 0x11],
        &[0x00, 0x80, 0x00, 0x00, 0x22],
        &[0x00, 0x00, 0x80, 0x00, 0x33],
        &[0x00, 0x00, 0x00, 0x80, 0x44],
    ]);
    let expected = [[0x01, 0x80, 0x80, 0x80, 0x44], [0x01, 0x1d, 0x3a, 0x74, 0x83]];
    assert_eq!(parity, Ok(expected.map(Vec::from).into()));
}

#[test]
fn four_plus_two_rebuilds_every_loss_of_up_to_two_shards() {
    let codec = codec(4, 2);
    let stripe = stripe(&codec, Noise(1).shards(4, 67));
    let losses = (0..1u32 << 6).filter(|lost| lost.count_ones() <= 2);
    assert_eq!(losses.clone().count(), 22);
    for lost in losses {
        assert_rebuilds(&codec, &stripe, lost);
    }
}

#[test]
fn any_geometry_of_the_proven_region_rebuilds_random_losses() {
    let mut noise = Noise(0x9e37_79b9);
    for round in 0..400 {
        let parity_shards = 1 + noise.next() % 4;
        let data_shards = 1 + noise.next() % 21;
        let codec = codec(data_shards as usize, parity_shards as usize);
        let size_bytes = 1 + noise.next() as usize % 300;
        let stripe = stripe(&codec, noise.shards(data_shards as usize, size_bytes));
        let mut lost = 0u32;
        for _ in 0..parity_shards {
            lost |= 1 << (noise.next() % (data_shards + parity_shards));
        }
        assert_rebuilds(&codec, &stripe, lost);
        assert!(lost.count_ones() > 0, "round {round} lost nothing");
    }
}

#[test]
fn the_widest_stripe_of_256_shards_rebuilds_a_mixed_loss() {
    let codec = codec(253, 3);
    let stripe = stripe(&codec, Noise(7).shards(253, 5));
    let mut shards: Vec<Option<&[u8]>> = stripe.iter().map(|s| Some(s.as_slice())).collect();
    for lost in [0, 252, 254] {
        shards[lost] = None;
    }
    let rebuilt = codec.reconstruct(&shards).unwrap();
    let indices: Vec<usize> = rebuilt.iter().map(|shard| shard.index.0).collect();
    assert_eq!(indices, [0, 252, 254]);
    assert!(rebuilt.iter().all(|shard| shard.bytes == stripe[shard.index.0]));
}

#[test]
fn more_losses_than_parity_shards_are_an_error() {
    let codec = codec(4, 2);
    let stripe = stripe(&codec, Noise(2).shards(4, 8));
    let shards: Vec<Option<&[u8]>> =
        stripe.iter().enumerate().map(|(i, s)| (i > 2).then_some(s.as_slice())).collect();
    let expected = EcError::TooFewShards { needed: 4, found: 3 };
    assert_eq!(codec.reconstruct(&shards), Err(expected.clone()));
    assert_eq!(codec.reconstruct(&[None; 6]), Err(EcError::TooFewShards { needed: 4, found: 0 }));
    assert_eq!(
        expected.to_string(),
        "cannot rebuild the stripe: 3 shards are left and 4 are needed"
    );
}

#[test]
fn a_wrong_number_of_shards_is_an_error() {
    let codec = codec(4, 2);
    let shard: &[u8] = &[1, 2];
    let wrong = |what, expected, found| EcError::WrongShardCount { what, expected, found };
    assert_eq!(codec.encode(&[shard; 3]), Err(wrong("data", 4, 3)));
    assert_eq!(codec.encode(&[]), Err(wrong("data", 4, 0)));
    assert_eq!(codec.reconstruct(&[Some(shard); 7]), Err(wrong("stripe", 6, 7)));
}

#[test]
fn shards_of_unlike_length_or_of_none_are_an_error() {
    let codec = codec(2, 1);
    let wrong = |index, expected, found| EcError::WrongShardLength { index, expected, found };
    assert_eq!(codec.encode(&[&[1, 2], &[1]]), Err(wrong(1, 2, 1)));
    assert_eq!(codec.encode(&[&[], &[]]), Err(wrong(0, 1, 0)));
    assert_eq!(codec.reconstruct(&[None, Some(&[1]), Some(&[1, 2])]), Err(wrong(2, 1, 2)));
}

/// `gf_gen_rs_matrix` is not MDS everywhere: with four parity shards the first bad geometry has 22
/// data shards (found by trying all square submatrices). The codec must say so and never return
/// wrong bytes.
#[test]
fn a_loss_that_the_technique_cannot_rebuild_is_an_error() {
    let codec = codec(22, 4);
    let stripe = stripe(&codec, Noise(3).shards(22, 4));
    let mut refused = 0;
    for a in 0..22 {
        for b in a + 1..22 {
            for c in b + 1..22 {
                for kept in 22..26 {
                    let lost = |i: usize| [a, b, c].contains(&i) || (i == kept);
                    let shards: Vec<Option<&[u8]>> = stripe
                        .iter()
                        .enumerate()
                        .map(|(i, s)| (!lost(i)).then_some(s.as_slice()))
                        .collect();
                    match codec.reconstruct(&shards) {
                        Ok(rebuilt) => {
                            assert!(rebuilt.iter().all(|s| s.bytes == stripe[s.index.0]));
                        }
                        Err(error) => {
                            assert!(matches!(error, EcError::Dependent { .. }), "{error}");
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 0);
}
