//! Every kernel of this processor against the scalar one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use purlin_ec_core::{Codec, Kernel, ShardIndex, ShardSet, Store, StripeArena, Technique};
use support::{Noise, Shards, codec, on_every_kernel};

/// Row counts on both sides of what one pass works out, single and odd source counts.
const CODES: [(usize, usize); 12] = [
    (1, 1),
    (1, 3),
    (2, 1),
    (3, 2),
    (4, 2),
    (8, 3),
    (10, 4),
    (7, 5),
    (9, 6),
    (6, 7),
    (13, 9),
    (17, 2),
];

/// What each kernel makes of the same stripe with every operation.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    encoded: Vec<Vec<u8>>,
    streamed: Vec<Vec<u8>>,
    updated: Vec<Vec<u8>>,
    accumulated: Vec<Vec<u8>>,
    rebuilt: Vec<Vec<u8>>,
    differing: Vec<ShardSet>,
    digest: [u8; 64],
}

fn run(codec: &Codec, length: usize, seed: u64) -> Outcome {
    let geometry = codec.geometry();
    let (k, m) = (geometry.data_shards(), geometry.parity_shards());
    let mut noise = Noise(seed);
    let data = Shards::new(&mut noise, k, length, |i| (i * 13 + length) % 67);
    let fresh = noise.bytes(length);
    let changed = noise.below(k);
    let mut parity = Shards::new(&mut noise, m, length, |i| (i * 7 + length / 3) % 65);

    codec.encode(&data.slices(), &mut parity.slices_mut()).unwrap();
    let encoded = parity.memory().to_vec();
    let mut differing = vec![codec.verify(&data.slices(), &parity.slices().clone()).unwrap()];

    let mut streamed = Shards::zeros(m, length);
    let streaming = codec.with_store(Store::Stream);
    streaming.encode(&data.slices(), &mut streamed.slices_mut()).unwrap();

    let mut accumulated = Shards::zeros(m, length);
    for index in (0..k).rev() {
        let shard = data.slices()[index];
        codec.accumulate(ShardIndex(index), shard, &mut accumulated.slices_mut()).unwrap();
    }

    let lost: ShardSet = (0..k.min(m)).collect();
    let plan = codec.decode_plan(&ShardSet::first(k + m).difference(&lost), &lost).unwrap();
    let all: Vec<&[u8]> = [data.slices(), parity.slices()].concat();
    let sources: Vec<&[u8]> = plan.sources().iter().map(|source| all[source.0]).collect();
    let mut rebuilt = Shards::new(&mut noise, lost.len(), length, |i| (i * 5) % 63);
    plan.reconstruct(&sources, &mut rebuilt.slices_mut()).unwrap();
    let rebuilt = rebuilt.memory().to_vec();

    let old = data.slices()[changed];
    codec.update(ShardIndex(changed), old, &fresh, &mut parity.slices_mut()).unwrap();
    let updated = parity.memory().to_vec();
    // One byte of one row is wrong, at a place of its own for every length.
    let rotten = noise.below(m);
    parity.slices_mut()[rotten][noise.below(length)] ^= 1;
    let mut now = data.slices();
    now[changed] = &fresh;
    differing.push(codec.verify(&now, &parity.slices()).unwrap());
    assert_eq!(differing, [ShardSet::EMPTY, ShardSet::from([rotten])]);

    Outcome {
        encoded,
        streamed: streamed.memory().to_vec(),
        updated,
        accumulated: accumulated.memory().to_vec(),
        rebuilt,
        differing,
        digest: *codec.digest(&fresh).as_bytes(),
    }
}

#[test]
fn every_kernel_gives_the_scalar_bytes_for_lengths_up_to_300_and_odd_ones_unaligned() {
    for (place, (k, m)) in CODES.into_iter().enumerate() {
        for technique in Technique::ALL.into_iter().filter(|t| t.is_mds(k, m)) {
            let codecs = on_every_kernel(&codec(k, m, technique));
            let (scalar, vectors) = codecs.split_last().unwrap();
            assert_eq!(scalar.kernel(), Kernel::Scalar);
            for length in (1..=300).chain([511, 512, 513, 1023, 1025, 2047, 4096, 4109]) {
                let seed = (place * 10_000 + length) as u64;
                let expected = run(scalar, length, seed);
                for codec in vectors {
                    let found = run(codec, length, seed);
                    let kernel = codec.kernel();
                    assert!(found == expected, "{kernel} {k}+{m} {technique} {length}");
                }
            }
        }
    }
}

#[test]
fn streamed_parity_of_aligned_shards_is_the_same() {
    let codec = codec(8, 3, Technique::ReedSolVan);
    for shard_bytes in [64, 128, 192, 256, 4096, 4160] {
        let mut arena = StripeArena::new(3, 11, shard_bytes).unwrap();
        let noise = Noise(shard_bytes as u64).bytes(arena.as_bytes().len());
        arena.as_bytes_mut().copy_from_slice(&noise);
        let scalar = codec.with_kernel(Kernel::Scalar).unwrap();
        scalar.encode_batch(arena.as_bytes_mut(), shard_bytes).unwrap();
        let expected = arena.as_bytes().to_vec();
        for codec in on_every_kernel(&codec) {
            arena.as_bytes_mut().copy_from_slice(&noise);
            let streaming = codec.with_store(Store::Stream);
            streaming.encode_batch(arena.as_bytes_mut(), shard_bytes).unwrap();
            assert!(arena.as_bytes() == expected, "{} {shard_bytes}", codec.kernel());
            assert_eq!(streaming.store(), Store::Stream);
        }
    }
}

#[test]
fn wide_codes_and_long_shards_give_the_scalar_bytes() {
    for (k, m, length) in [(1, 255, 300), (128, 128, 130), (200, 56, 1111), (40, 8, 70_001)] {
        let technique = Technique::default_for(k, m);
        let codecs = on_every_kernel(&codec(k, m, technique));
        let (scalar, vectors) = codecs.split_last().unwrap();
        let expected = run(scalar, length, 5);
        for codec in vectors {
            assert!(run(codec, length, 5) == expected, "{} {k}+{m}", codec.kernel());
        }
    }
}

#[test]
fn the_best_kernel_is_the_first_one_available_and_the_default() {
    let available = Kernel::available();
    assert_eq!(available.first(), Some(&Kernel::best()));
    assert_eq!(available.last(), Some(&Kernel::Scalar));
    if std::env::var_os("PURLIN_EC_KERNEL").is_none() {
        assert_eq!(codec(4, 2, Technique::ReedSolVan).kernel(), Kernel::best());
    }
}
