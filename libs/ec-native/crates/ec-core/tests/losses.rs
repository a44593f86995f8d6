//! Every loss that a code promises to survive.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use purlin_ec_core::{ShardIndex, ShardSet, Technique};
use support::{Noise, POLICIES, assert_rebuilds, codec, on_every_kernel, stripe, subsets};

#[test]
fn every_loss_is_rebuilt_for_all_codes_of_up_to_14_shards() {
    let mut noise = Noise(7);
    let mut checked = 0;
    for total in 2..=14 {
        for m in 1..total {
            for technique in Technique::ALL.into_iter().filter(|t| t.is_mds(total - m, m)) {
                let codec = codec(total - m, m, technique);
                let stripe = stripe(&codec, &mut noise, 35);
                for lost in subsets(total, m) {
                    assert_rebuilds(&codec, &stripe, &lost);
                    checked += 1;
                }
            }
        }
    }
    // Losses of up to m of n shards, all n and m: 196 610 with cauchy, and those of
    // reed_sol_van where it is MDS.
    assert!(checked > 200_000, "{checked}");
}

#[test]
fn every_loss_of_every_policy_is_rebuilt_on_every_kernel() {
    let mut noise = Noise(8);
    for (k, m) in POLICIES {
        for technique in Technique::ALL {
            for codec in on_every_kernel(&codec(k, m, technique)) {
                let stripe = stripe(&codec, &mut noise, 131);
                for lost in subsets(k + m, m) {
                    assert_rebuilds(&codec, &stripe, &lost);
                }
            }
        }
    }
}

#[test]
fn one_more_loss_than_parity_is_refused_for_every_policy() {
    for (k, m) in POLICIES {
        let codec = codec(k, m, Technique::ReedSolVan);
        for lost in subsets(k + m, m + 1).filter(|lost| lost.len() == m + 1) {
            let present = ShardSet::first(k + m).difference(&lost);
            let error = codec.decode_plan(&present, &lost).unwrap_err();
            assert_eq!(error.code(), "PUR_EC_TOO_FEW_SHARDS", "{k}+{m} {lost:?}");
        }
    }
}

#[test]
fn the_widest_codes_rebuild_as_many_shards_as_they_have_parity() {
    let mut noise = Noise(9);
    for (k, m) in [(253, 3), (128, 128), (1, 255), (255, 1), (3, 253), (240, 16)] {
        let codec = codec(k, m, Technique::default_for(k, m));
        let stripe = stripe(&codec, &mut noise, 70);
        let from_start = (0..m.min(k + m)).collect();
        let random = (0..3).map(|_| {
            let mut lost = ShardSet::EMPTY;
            while lost.len() < m {
                lost.insert(ShardIndex(noise.below(k + m)));
            }
            lost
        });
        for lost in std::iter::once(from_start).chain(random) {
            assert_rebuilds(&codec, &stripe, &lost);
        }
    }
}

#[test]
fn a_part_of_the_losses_can_be_wanted_data_or_parity() {
    let codec = codec(8, 3, Technique::ReedSolVan);
    let stripe = stripe(&codec, &mut Noise(10), 100);
    for lost in subsets(11, 3) {
        for wanted in lost.iter() {
            let present = ShardSet::first(11).difference(&lost);
            let plan = codec.decode_plan(&present, &ShardSet::from([wanted])).unwrap();
            let sources: Vec<&[u8]> =
                plan.sources().iter().map(|s| stripe[s.0].as_slice()).collect();
            let mut output = vec![0; 100];
            plan.reconstruct(&sources, &mut [&mut output]).unwrap();
            assert_eq!(output, stripe[wanted.0], "{wanted} of {lost:?}");
            assert!(plan.sources().len() <= 8);
            assert!(plan.source_set().intersection(&lost).is_empty());
        }
    }
}
