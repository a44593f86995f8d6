//! Any code, any loss, any lengths and alignments: every kernel of this processor must do what the
//! scalar one does, and bad input must be answered by an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use purlin_ec_core::{Codec, Folding, Kernel, ShardIndex, ShardSet, Store, Technique, crc32c};

/// The bytes of the fuzzer, one after the other, then zeros.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> usize {
        match self.0.split_first() {
            None => 0,
            Some((first, rest)) => {
                self.0 = rest;
                usize::from(*first)
            }
        }
    }

    /// `count` bytes that depend on what is left, at an alignment of their own.
    fn shard(&mut self, count: usize) -> (Vec<u8>, usize) {
        let start = self.byte() % 64;
        let mut state = crc32c(self.0).wrapping_add(0x9e37_79b9);
        let bytes = (0..start + count).map(|place| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.0.get(place).copied().unwrap_or_default() ^ state.to_be_bytes()[0]
        });
        (bytes.collect(), start)
    }
}

fn views(shards: &[(Vec<u8>, usize)]) -> Vec<&[u8]> {
    shards.iter().map(|(bytes, start)| &bytes[*start..]).collect()
}

fn views_mut(shards: &mut [(Vec<u8>, usize)]) -> Vec<&mut [u8]> {
    shards.iter_mut().map(|(bytes, start)| &mut bytes[*start..]).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let _ = std::str::from_utf8(bytes).map(str::parse::<Folding>);

    let mut source = Source(bytes);
    let technique = Technique::ALL[source.byte() % 2];
    let (k, m) = (source.byte() % 40, source.byte() % 20);
    let Ok(scalar) = Codec::new(k, m, technique).and_then(|c| c.with_kernel(Kernel::Scalar)) else {
        assert!(k == 0 || m == 0 || !technique.is_mds(k, m));
        return;
    };
    let kernels = Kernel::available();
    let kernel = kernels[source.byte() % kernels.len()];
    let store = if source.byte() % 2 == 0 { Store::Cached } else { Store::Stream };
    let codec = scalar.with_kernel(kernel).expect("an available kernel").with_store(store);
    let length = 1 + source.byte() + 17 * (source.byte() % 64);

    let data: Vec<(Vec<u8>, usize)> = (0..k).map(|_| source.shard(length)).collect();
    let mut parity: Vec<(Vec<u8>, usize)> = (0..m).map(|_| source.shard(length)).collect();
    let mut expected = parity.clone();
    scalar.encode(&views(&data), &mut views_mut(&mut expected)).expect("fitting shards");
    codec.encode(&views(&data), &mut views_mut(&mut parity)).expect("fitting shards");
    // The bytes before each shard are part of what is compared.
    assert!(parity == expected, "{k}+{m} {technique} {kernel} {length}");
    assert_eq!(codec.verify(&views(&data), &views(&parity)), Ok(ShardSet::EMPTY));

    let lost: ShardSet = (0..k + m).filter(|_| source.byte() % 4 == 0).collect();
    let present = ShardSet::first(k + m).difference(&lost);
    match codec.decode_plan(&present, &lost) {
        Err(error) => assert!(lost.len() > m, "{error}"),
        Ok(plan) => {
            assert!(lost.len() <= m);
            let stripe = [views(&data), views(&parity)].concat();
            let sources: Vec<&[u8]> = plan.sources().iter().map(|s| stripe[s.0]).collect();
            let mut rebuilt: Vec<_> = lost.iter().map(|_| source.shard(length)).collect();
            plan.reconstruct(&sources, &mut views_mut(&mut rebuilt)).expect("fitting shards");
            for (index, shard) in lost.iter().zip(views(&rebuilt)) {
                assert!(shard == stripe[index.0], "{k}+{m} {technique} {kernel} {lost:?}");
            }
        }
    }

    let index = source.byte();
    let fresh = source.shard(length);
    let old = &views(&data)[index % k];
    let answer =
        codec.update(ShardIndex(index), old, &fresh.0[fresh.1..], &mut views_mut(&mut parity));
    assert_eq!(answer.is_ok(), index < k);
    if index < k {
        let mut now = views(&data);
        now[index] = &fresh.0[fresh.1..];
        scalar.encode(&now, &mut views_mut(&mut expected)).expect("fitting shards");
        assert!(parity == expected, "{k}+{m} {technique} {kernel} update {index}");
        let digests: Vec<_> = now.iter().map(|shard| codec.digest(shard)).collect();
        let of_parity: Vec<_> = views(&parity).iter().map(|p| codec.digest(p)).collect();
        assert_eq!(codec.verify_digests(&digests, &of_parity), Ok(ShardSet::EMPTY));
        assert_eq!(digests[index], scalar.digest(now[index]));
    }
});
