//! `reed-solomon-simd`: a code of its own (Leopard over GF(2^16)), shards of even length.

use crate::{Outcome, Shards};
use purlin_bench_line::{Arena, Request, timed};
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

pub fn measure(request: &Request, arena: &mut Arena) -> Outcome {
    let Request { k, m, size, .. } = *request;
    let lost = request.lost();
    let mut encoder = ReedSolomonEncoder::new(k, m, size).ok()?;
    let mut encode = |shards: &mut Shards<'_>| {
        for shard in &shards.data {
            encoder.add_original_shard(&**shard).expect("a shard of that length");
        }
        let result = encoder.encode().expect("k shards");
        for (shard, bytes) in shards.parity.iter_mut().zip(result.recovery_iter()) {
            shard.copy_from_slice(bytes);
        }
    };
    let mut stripes: Vec<_> = arena.stripes().map(|bytes| Shards::of(request, bytes)).collect();
    stripes.iter_mut().for_each(&mut encode);
    match request.op.as_str() {
        "enc" => Some((timed(request, &mut stripes, encode), true)),
        "dec" | "rep" => {
            let mut decoder = ReedSolomonDecoder::new(k, m, size).ok()?;
            let timing = timed(request, &mut stripes, |shards| {
                for (index, shard) in shards.data.iter().enumerate().skip(lost) {
                    decoder.add_original_shard(index, &**shard).expect("a shard of that length");
                }
                for (index, shard) in shards.parity.iter().enumerate().take(lost) {
                    decoder.add_recovery_shard(index, &**shard).expect("a shard of that length");
                }
                let result = decoder.decode().expect("k shards are there");
                for (index, bytes) in result.restored_original_iter() {
                    shards.spare[index].copy_from_slice(bytes);
                }
            });
            Some((timing, stripes[0].are_rebuilt(lost)))
        }
        _ => None,
    }
}
