//! Every operation once on small shards, for interpreters: Miri runs this file with the scalar
//! kernel and, where it knows their instructions, with vector kernels.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use purlin_ec_core::{ShardIndex, ShardSet, Technique};
use support::{Noise, Shards, codec, on_every_kernel};

#[test]
fn every_operation_on_small_shards_on_every_kernel() {
    let mut noise = Noise(30);
    for (k, m) in [(3, 2), (2, 5), (1, 1)] {
        let technique = Technique::default_for(k, m);
        for codec in on_every_kernel(&codec(k, m, technique)) {
            for length in [1, 16, 33, 70] {
                let data = Shards::new(&mut noise, k, length, |i| i * 3 + 1);
                let mut parity = Shards::new(&mut noise, m, length, |i| i + 5);
                codec.encode(&data.slices(), &mut parity.slices_mut()).unwrap();
                let verdict = codec.verify(&data.slices(), &parity.slices());
                assert_eq!(verdict, Ok(ShardSet::EMPTY));

                let lost: ShardSet = (0..k.min(m)).collect();
                let given: Vec<Option<&[u8]>> = data
                    .slices()
                    .into_iter()
                    .chain(parity.slices())
                    .enumerate()
                    .map(|(i, shard)| (!lost.contains(ShardIndex(i))).then_some(shard))
                    .collect();
                let mut rebuilt = Shards::zeros(lost.len(), length);
                codec.reconstruct(&given, &mut rebuilt.slices_mut()).unwrap();
                assert_eq!(rebuilt.slices(), data.slices()[..lost.len()]);

                let fresh = noise.bytes(length);
                let mut now = data.slices();
                codec.update(ShardIndex(0), now[0], &fresh, &mut parity.slices_mut()).unwrap();
                now[0] = &fresh;
                assert_eq!(codec.verify(&now, &parity.slices()), Ok(ShardSet::EMPTY));

                let mut sums = Shards::zeros(m, length);
                for (index, shard) in now.iter().enumerate() {
                    codec.accumulate(ShardIndex(index), shard, &mut sums.slices_mut()).unwrap();
                }
                assert_eq!(sums.slices(), parity.slices());

                let stripe = [now.concat(), parity.slices().concat()].concat();
                let mut again = stripe.clone();
                again[k * length..].fill(0);
                codec.encode_stripe(&mut again, length).unwrap();
                assert_eq!(again, stripe);
                again[..length].fill(9);
                codec.reconstruct_stripe(&mut again, length, &ShardSet::from([0])).unwrap();
                assert_eq!(again, stripe);

                let digests: Vec<_> = now.iter().map(|shard| codec.digest(shard)).collect();
                let of_parity: Vec<_> = parity.slices().iter().map(|p| codec.digest(p)).collect();
                assert_eq!(codec.verify_digests(&digests, &of_parity), Ok(ShardSet::EMPTY));
            }
        }
    }
}
