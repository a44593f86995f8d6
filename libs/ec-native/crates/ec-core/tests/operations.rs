//! The operations against each other, and what they refuse.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::thread;

use purlin_ec_core::{Codec, Digest, EcError, ShardIndex, ShardSet, StripeArena, Technique};
use support::{
    Noise, POLICIES, Shards, assert_rebuilds, codec, multiply, on_every_kernel, stripe, subsets,
};

fn slices(shards: &[Vec<u8>]) -> Vec<&[u8]> {
    shards.iter().map(Vec::as_slice).collect()
}

fn slices_mut(shards: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    shards.iter_mut().map(Vec::as_mut_slice).collect()
}

#[test]
fn four_plus_two_equals_the_table_worked_out_by_hand() {
    // Parity 0 is a ^ b ^ c ^ d, parity 1 is a ^ 2b ^ 4c ^ 8d modulo 0x11d. Each column by hand:
    //   1, 0, 0, 0        ->  1                                   and  1
    //   0, 0x80, 0, 0     ->  0x80       and 2 * 0x80 = 0x100 ^ 0x11d = 0x1d
    //   0, 0, 0x80, 0     ->  0x80       and 4 * 0x80 = 2 * 0x1d      = 0x3a
    //   0, 0, 0, 0x80     ->  0x80       and 8 * 0x80 = 4 * 0x1d      = 0x74
    //   0x11, 0x22, 0x33, 0x44 -> 0x44   and 0x11 ^ 0x44 ^ 0xcc ^ (0x220 ^ 0x23a = 0x1a) = 0x83
    let data: [&[u8]; 4] = [
        &[0x01, 0x00, 0x00, 0x00, 0x11],
        &[0x00, 0x80, 0x00, 0x00, 0x22],
        &[0x00, 0x00, 0x80, 0x00, 0x33],
        &[0x00, 0x00, 0x00, 0x80, 0x44],
    ];
    for codec in on_every_kernel(&codec(4, 2, Technique::ReedSolVan)) {
        let mut parity = Shards::zeros(2, 5);
        codec.encode(&data, &mut parity.slices_mut()).unwrap();
        let expected: [&[u8]; 2] =
            [&[0x01, 0x80, 0x80, 0x80, 0x44], &[0x01, 0x1d, 0x3a, 0x74, 0x83]];
        assert_eq!(parity.slices(), expected);
    }
}

#[test]
fn an_update_a_delta_and_encoding_anew_give_the_same_parity() {
    let mut noise = Noise(20);
    for (k, m) in POLICIES.into_iter().chain([(3, 7), (20, 9)]) {
        for technique in Technique::ALL.into_iter().filter(|t| t.is_mds(k, m)) {
            let codec = codec(k, m, technique);
            let mut shards = stripe(&codec, &mut noise, 777);
            for index in 0..k {
                let new = noise.bytes(777);
                let old = std::mem::replace(&mut shards[index], new.clone());
                let delta: Vec<u8> = old.iter().zip(&new).map(|(a, b)| a ^ b).collect();
                let (data, parity) = shards.split_at_mut(k);

                let mut by_delta = parity.to_vec();
                codec
                    .apply_delta(ShardIndex(index), &delta, &mut slices_mut(&mut by_delta))
                    .unwrap();
                codec.update(ShardIndex(index), &old, &new, &mut slices_mut(parity)).unwrap();
                let mut anew = vec![vec![0; 777]; m];
                codec.encode(&slices(data), &mut slices_mut(&mut anew)).unwrap();
                assert!(parity == anew, "{k}+{m} {technique} {index}");
                assert!(by_delta == anew, "{k}+{m} {technique} {index}");
            }
        }
    }
}

#[test]
fn sums_of_sums_of_each_site_are_the_lost_shards() {
    let codec = codec(8, 3, Technique::ReedSolVan);
    let mut noise = Noise(21);
    let shards = stripe(&codec, &mut noise, 300);
    for lost in subsets(11, 3).filter(|lost| lost.len() == 3) {
        let plan = codec.decode_plan(&ShardSet::first(11).difference(&lost), &lost).unwrap();
        let mut total = vec![vec![0; 300]; 3];
        for site in 0..3 {
            let mut sum = vec![vec![0; 300]; 3];
            for source in plan.sources().iter().filter(|source| source.0 % 3 == site) {
                plan.accumulate(*source, &shards[source.0], &mut slices_mut(&mut sum)).unwrap();
            }
            let parts = total.iter_mut().flatten().zip(sum.iter().flatten());
            parts.for_each(|(total, part)| *total ^= part);
        }
        for (index, bytes) in plan.wanted().iter().zip(&total) {
            assert!(*bytes == shards[index.0], "{index} of {lost:?}");
        }
        let other = lost.iter().next().unwrap();
        let mut sum = vec![vec![0; 300]; 3];
        let error = plan.accumulate(other, &shards[0], &mut slices_mut(&mut sum)).unwrap_err();
        assert!(matches!(error, EcError::WrongShardIndex { .. }), "{error}");
    }
}

#[test]
fn stripes_in_a_row_are_encoded_verified_and_rebuilt_in_place() {
    for (k, m) in POLICIES.into_iter().chain([(30, 5)]) {
        for codec in on_every_kernel(&codec(k, m, Technique::default_for(k, m))) {
            let mut noise = Noise(22);
            let mut arena = StripeArena::new(4, k + m, 100).unwrap();
            for place in 0..4 {
                let data = noise.bytes(k * 100);
                arena.stripe_mut(place).unwrap()[..k * 100].copy_from_slice(&data);
            }
            codec.encode_batch(arena.as_bytes_mut(), 100).unwrap();
            for place in 0..4 {
                let mut alone = arena.stripe(place).unwrap().to_vec();
                assert_eq!(codec.verify_stripe(&alone, 100), Ok(ShardSet::EMPTY));
                alone[k * 100..].fill(0);
                codec.encode_stripe(&mut alone, 100).unwrap();
                assert!(alone == arena.stripe(place).unwrap());

                let lost: ShardSet = (0..m).map(|_| ShardIndex(noise.below(k + m))).collect();
                let mut damaged = alone.clone();
                for index in lost.iter() {
                    damaged[index.0 * 100..][..100].fill(0xee);
                }
                codec.reconstruct_stripe(&mut damaged, 100, &lost).unwrap();
                assert!(damaged == alone, "{k}+{m} {lost:?}");
                codec.reconstruct_stripe(&mut damaged, 100, &ShardSet::EMPTY).unwrap();
                assert!(damaged == alone);
            }
        }
    }
}

#[test]
fn shards_with_gaps_are_rebuilt_in_ascending_order() {
    let codec = codec(4, 2, Technique::Cauchy);
    let shards = stripe(&codec, &mut Noise(23), 33);
    for lost in subsets(6, 2) {
        let given: Vec<Option<&[u8]>> = shards
            .iter()
            .enumerate()
            .map(|(i, shard)| (!lost.contains(ShardIndex(i))).then_some(shard.as_slice()))
            .collect();
        let mut outputs = vec![vec![0; 33]; lost.len()];
        codec.reconstruct(&given, &mut slices_mut(&mut outputs)).unwrap();
        for (index, output) in lost.iter().zip(&outputs) {
            assert_eq!(*output, shards[index.0]);
        }
    }
}

#[test]
fn verify_names_the_parity_rows_that_differ_and_all_of_them_for_rotten_data() {
    let codec = codec(8, 3, Technique::ReedSolVan);
    let shards = stripe(&codec, &mut Noise(24), 5000);
    for rotten in subsets(3, 3) {
        let mut shards = shards.clone();
        rotten.iter().for_each(|row| shards[8 + row.0][4999 - row.0] ^= 0x10);
        let shards = slices(&shards);
        assert_eq!(codec.verify(&shards[..8], &shards[8..]), Ok(rotten));
    }
    let mut shards = shards;
    shards[3][0] ^= 1;
    let shards = slices(&shards);
    assert_eq!(codec.verify(&shards[..8], &shards[8..]), Ok(ShardSet::first(3)));
}

#[test]
fn digests_of_parity_are_the_matrix_applied_to_the_digests_of_data() {
    let mut noise = Noise(25);
    for (k, m) in POLICIES.into_iter().chain([(20, 8)]) {
        for length in [1, 63, 64, 65, 300, 4096, 70_000] {
            let codec = codec(k, m, Technique::default_for(k, m));
            let shards = stripe(&codec, &mut noise, length);
            let mut digests: Vec<Digest> = shards.iter().map(|shard| codec.digest(shard)).collect();
            assert_eq!(codec.verify_digests(&digests[..k], &digests[k..]), Ok(ShardSet::EMPTY));
            let row = noise.below(m);
            let mut rotten = shards[k + row].clone();
            rotten[noise.below(length)] ^= 0x40;
            digests[k + row] = codec.digest(&rotten);
            let expected = Ok(ShardSet::from([row]));
            assert_eq!(codec.verify_digests(&digests[..k], &digests[k..]), expected);
        }
    }
}

#[test]
fn a_digest_is_the_polynomial_of_its_blocks() {
    let codec = codec(2, 1, Technique::ReedSolVan);
    let mut bytes = vec![0; 64 * 3 - 10];
    (bytes[5], bytes[64 + 5], bytes[128 + 5]) = (0x81, 0x42, 0x07);
    let expected = multiply(multiply(0x81, 2), 2) ^ multiply(0x42, 2) ^ 0x07;
    let digest = codec.digest(&bytes);
    assert_eq!(digest.as_bytes()[5], expected);
    assert_eq!(digest.as_bytes().iter().filter(|&&lane| lane != 0).count(), 1);
    assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
    assert_eq!(codec.digest(&[]), Digest::from_bytes([0; 64]));
}

#[test]
fn a_plan_is_kept_used_again_and_shared_between_threads() {
    let codec = codec(10, 4, Technique::ReedSolVan);
    let lost = ShardSet::from([0, 3, 11]);
    let plan = codec.decode_plan(&ShardSet::first(14).difference(&lost), &lost).unwrap();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (codec, plan, lost) = (codec.clone(), plan.clone(), lost);
            scope.spawn(move || {
                let mut noise = Noise(seed);
                for _ in 0..50 {
                    let length = 1 + noise.below(2000);
                    let shards = stripe(&codec, &mut noise, length);
                    let sources: Vec<&[u8]> =
                        plan.sources().iter().map(|s| shards[s.0].as_slice()).collect();
                    let mut outputs = vec![vec![0; length]; 3];
                    plan.reconstruct(&sources, &mut slices_mut(&mut outputs)).unwrap();
                    for (index, output) in plan.wanted().iter().zip(&outputs) {
                        assert!(*output == shards[index.0]);
                    }
                    assert_rebuilds(&codec, &shards, &lost);
                }
            });
        }
    });
}

#[test]
fn one_codec_rebuilds_more_losses_at_once_than_it_keeps_plans_for() {
    let codec = codec(10, 4, Technique::Cauchy);
    let shards = stripe(&codec, &mut Noise(26), 50);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for lost in subsets(14, 4).filter(|lost| lost.len() == 4) {
                    assert_rebuilds(&codec, &shards, &lost);
                }
            });
        }
    });
}

fn lengths(count: usize, length: usize) -> Vec<Vec<u8>> {
    vec![vec![0; length]; count]
}

#[test]
fn wrong_counts_lengths_and_indices_are_refused_and_nothing_is_written() {
    let codec = codec(4, 2, Technique::ReedSolVan);
    let noise = || Noise(27).bytes(16);
    let expect = |data: usize, data_bytes: usize, parity: usize, parity_bytes: usize| {
        let mut outputs = vec![vec![0x77; parity_bytes]; parity];
        let data = lengths(data, data_bytes);
        let error = codec.encode(&slices(&data), &mut slices_mut(&mut outputs)).unwrap_err();
        assert!(outputs.iter().flatten().all(|&byte| byte == 0x77));
        assert_eq!(error.code(), "PUR_EC_INVALID");
        error
    };
    let count = |what, expected, found| EcError::WrongShardCount { what, expected, found };
    assert_eq!(expect(3, 16, 2, 16), count("data", 4, 3));
    assert_eq!(expect(5, 16, 2, 16), count("data", 4, 5));
    assert_eq!(expect(4, 16, 1, 16), count("parity", 2, 1));
    let length =
        |what, index, expected, found| EcError::WrongShardLength { what, index, expected, found };
    assert_eq!(expect(4, 0, 2, 0), length("data", 0, 1, 0));
    assert_eq!(expect(4, 16, 2, 15), length("parity", 0, 16, 15));

    let mut parity = lengths(2, 16);
    let mut uneven = lengths(4, 16);
    uneven[2].push(0);
    let refused = codec.encode(&slices(&uneven), &mut slices_mut(&mut parity));
    assert_eq!(refused, Err(length("data", 2, 16, 17)));
    let refused = codec.verify(&slices(&uneven), &slices(&parity));
    assert_eq!(refused, Err(length("data", 2, 16, 17)));

    for index in [4, 5, usize::MAX] {
        let mut outputs = slices_mut(&mut parity);
        let answers = [
            codec.update(ShardIndex(index), &noise(), &noise(), &mut outputs),
            codec.apply_delta(ShardIndex(index), &noise(), &mut outputs),
            codec.accumulate(ShardIndex(index), &noise(), &mut outputs),
        ];
        let refused = |answer| matches!(answer, Err(EcError::WrongShardIndex { .. }));
        assert!(answers.into_iter().all(refused));
    }
    let answer = codec.update(ShardIndex(0), &noise(), &[1; 15], &mut slices_mut(&mut parity));
    assert_eq!(answer, Err(length("new", 0, 16, 15)));
    assert_eq!(parity, lengths(2, 16));
}

#[test]
fn stripes_of_a_wrong_length_are_refused() {
    let codec = codec(4, 2, Technique::ReedSolVan);
    for (found, shard_bytes) in
        [(0, 16), (95, 16), (97, 16), (192, 16), (96, 0), (96, usize::MAX), (0, 0)]
    {
        let mut bytes = vec![0; found];
        let expected = Err(EcError::WrongStripeLength { found, shards: 6, shard_bytes });
        assert_eq!(codec.encode_stripe(&mut bytes, shard_bytes), expected);
        let lost = ShardSet::from([1]);
        assert_eq!(codec.reconstruct_stripe(&mut bytes, shard_bytes, &lost), expected);
        assert_eq!(codec.verify_stripe(&bytes, shard_bytes).map(|_| ()), expected);
        if found != 192 {
            assert_eq!(codec.encode_batch(&mut bytes, shard_bytes), expected);
        }
    }
}

#[test]
fn plans_of_shards_beyond_the_stripe_or_of_present_ones_are_refused() {
    let codec = codec(4, 2, Technique::ReedSolVan);
    let all = ShardSet::first(6);
    for (present, wanted) in [
        (ShardSet::first(7), ShardSet::EMPTY),
        (ShardSet::first(5), ShardSet::from([200])),
        (all, ShardSet::from([2])),
    ] {
        let error = codec.decode_plan(&present, &wanted).unwrap_err();
        assert!(matches!(error, EcError::WrongShardIndex { .. }), "{error}");
    }
    let nothing = codec.decode_plan(&all, &ShardSet::EMPTY).unwrap();
    assert_eq!((nothing.sources().len(), nothing.wanted().len()), (0, 0));
    assert_eq!(nothing.reconstruct(&[], &mut []), Ok(()));

    let lost = ShardSet::from([0]);
    let plan = codec.decode_plan(&all.difference(&lost), &lost).unwrap();
    let shards = lengths(4, 9);
    let short = plan.reconstruct(&slices(&shards)[..3], &mut slices_mut(&mut lengths(1, 9)));
    assert!(matches!(short, Err(EcError::WrongShardCount { what: "source", .. })));
    let uneven = plan.reconstruct(&slices(&shards), &mut slices_mut(&mut lengths(1, 8)));
    assert!(matches!(uneven, Err(EcError::WrongShardLength { what: "output", .. })));
}

#[test]
fn one_lost_shard_is_read_from_as_few_shards_as_the_code_allows() {
    let codec = codec(1, 3, Technique::ReedSolVan);
    let lost = ShardSet::from([0, 2]);
    let plan = codec.decode_plan(&ShardSet::first(4).difference(&lost), &lost).unwrap();
    assert_eq!(plan.sources(), [ShardIndex(1)]);
}

#[test]
fn a_codec_is_shared_and_sent_between_threads() {
    fn assert_shared<Shared: Clone + Send + Sync>() {}
    assert_shared::<Codec>();
    assert_shared::<purlin_ec_core::DecodePlan>();
}
