//! `rusty_erasure`, Cauchy matrix, the decode plan kept. `upd` is given the difference of the old
//! and the new shard, as the library asks for it.

use crate::{Outcome, Shards};
use purlin_bench_line::{Arena, Request, timed};
use rusty_erasure::{Matrix, coder};

pub fn measure(request: &Request, arena: &mut Arena) -> Outcome {
    let Request { k, m, .. } = *request;
    let lost = request.lost();
    let code = coder(Matrix::cauchy(k, m).ok()?).ok()?;
    let mut stripes: Vec<_> = arena.stripes().map(|bytes| Shards::of(request, bytes)).collect();
    let encode = |shards: &mut Shards<'_>| {
        let data: Vec<&[u8]> = shards.data.iter().map(|shard| &**shard).collect();
        code.encode(&data, &mut shards.parity).expect("shards of one length");
    };
    stripes.iter_mut().for_each(encode);
    let timing = match request.op.as_str() {
        "enc" => timed(request, &mut stripes, encode),
        "dec" | "rep" => {
            let present: Vec<bool> = (0..k + m).map(|shard| shard >= lost).collect();
            let wanted: Vec<usize> = (0..lost).collect();
            let plan = code.decode_plan(&present, &wanted).expect("k shards are there");
            let timing = timed(request, &mut stripes, |shards| {
                let there = shards.data[lost..].iter().chain(&shards.parity);
                let all: Vec<Option<&[u8]>> = std::iter::repeat_n(None, lost)
                    .chain(there.map(|shard| Some(&**shard)))
                    .collect();
                code.recover_with(&plan, &all, &mut shards.spare[..lost]).expect("a fitting plan");
            });
            return Some((timing, stripes[0].are_rebuilt(lost)));
        }
        "upd" => timed(request, &mut stripes, |shards| {
            code.update(k / 2, &*shards.spare[0], &mut shards.parity).expect("a shard of the code");
        }),
        _ => return None,
    };
    Some((timing, true))
}
