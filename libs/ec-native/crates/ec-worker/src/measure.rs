//! The operations, timed, and the check of what came of them.

use purlin_bench_line::{Arena, Request, Timing, timed};
use purlin_ec_core::{Codec, EcError, ShardIndex, ShardSet};

use crate::reference;
use crate::settings::Settings;

/// Runs the operation of `request` on the stripes of `arena` for its time. The flag says whether
/// the bytes are right: parity as a definition of its own makes it, rebuilt shards as they were.
pub fn measure(
    settings: &Settings,
    request: &Request,
    arena: &mut Arena,
) -> Result<(Timing, bool), String> {
    let codec = settings.codec(request.k, request.m).map_err(|error| error.to_string())?;
    let whole = (request.k + request.m) * request.size;
    for stripe in arena.stripes() {
        codec.encode_stripe(&mut stripe[..whole], request.size).map_err(|e| e.to_string())?;
    }
    let outcome = match request.op.as_str() {
        "enc" => encode(&codec, request, arena),
        "batch" => encode_batch(&codec, request, arena),
        "dec" | "rep" => rebuild(&codec, request, arena),
        "upd" => update(&codec, request, arena),
        other => return Err(format!("no operation {other}; there are enc, dec, rep, upd, batch")),
    };
    outcome.map_err(|error| error.to_string())
}

fn encode(codec: &Codec, request: &Request, arena: &mut Arena) -> Result<(Timing, bool), EcError> {
    let Request { k, m, size, .. } = *request;
    let whole = (k + m) * size;
    let mut stripes: Vec<&mut [u8]> = arena.stripes().map(|s| &mut s[..whole]).collect();
    // Only what the timed calls write may pass the check.
    stripes[0][k * size..].fill(0xA5);
    let mut outcome = Ok(());
    let timing = timed(request, &mut stripes, |stripe| {
        if let Err(error) = codec.encode_stripe(stripe, size) {
            outcome = Err(error);
        }
    });
    outcome?;
    let (data, parity) = stripes[0].split_at(k * size);
    let ok = reference::parity(codec.technique(), k, m, data, size) == parity;
    Ok((timing, ok))
}

/// All stripes of the ring in one call, without spare shards between them: what a batch from Node
/// is held against.
fn encode_batch(
    codec: &Codec,
    request: &Request,
    arena: &mut Arena,
) -> Result<(Timing, bool), EcError> {
    let Request { k, m, size, stripes: count, .. } = *request;
    let whole = (k + m) * size;
    let mut batch = [&mut arena.bytes_mut()[..whole * count]];
    batch[0][k * size..whole].fill(0xA5);
    let mut outcome = Ok(());
    let timing = timed(request, &mut batch, |stripes| {
        if let Err(error) = codec.encode_batch(stripes, size) {
            outcome = Err(error);
        }
    });
    outcome?;
    let (data, rest) = batch[0].split_at(k * size);
    let ok = reference::parity(codec.technique(), k, m, data, size) == rest[..m * size];
    Ok((Timing { iters: timing.iters * count as u64, ..timing }, ok))
}

/// A stripe whose first shards are lost: what is left of it, and where they are made anew.
struct Damaged<'a> {
    lost: Vec<&'a [u8]>,
    sources: Vec<&'a [u8]>,
    outputs: Vec<&'a mut [u8]>,
}

fn rebuild(codec: &Codec, request: &Request, arena: &mut Arena) -> Result<(Timing, bool), EcError> {
    let Request { k, m, size, .. } = *request;
    let wanted = ShardSet::first(request.lost());
    let plan = codec.decode_plan(&ShardSet::first(k + m).difference(&wanted), &wanted)?;
    let mut stripes: Vec<Damaged<'_>> = arena
        .stripes()
        .map(|stripe| {
            let (whole, spare) = stripe.split_at_mut((k + m) * size);
            let whole = &*whole;
            let shard = |index: &ShardIndex| &whole[index.0 * size..][..size];
            Damaged {
                lost: plan.wanted().iter().map(shard).collect(),
                sources: plan.sources().iter().map(shard).collect(),
                outputs: spare.chunks_exact_mut(size).take(plan.wanted().len()).collect(),
            }
        })
        .collect();
    for output in &mut stripes[0].outputs {
        output.fill(0xA5);
    }
    let mut outcome = Ok(());
    let timing = timed(request, &mut stripes, |Damaged { sources, outputs, .. }| {
        if let Err(error) = plan.reconstruct(sources, outputs) {
            outcome = Err(error);
        }
    });
    outcome?;
    let Damaged { lost, outputs, .. } = &stripes[0];
    let ok = lost.iter().zip(outputs).all(|(before, after)| *before == &**after);
    Ok((timing, ok))
}

/// A stripe whose middle data shard changes between two states.
struct Changing<'a> {
    old: &'a [u8],
    new: &'a [u8],
    parity: Vec<&'a mut [u8]>,
}

fn update(codec: &Codec, request: &Request, arena: &mut Arena) -> Result<(Timing, bool), EcError> {
    let Request { k, m, size, stripes: count, .. } = *request;
    let index = k / 2;
    let first = arena.stripes().next().map(|stripe| stripe.to_vec()).unwrap_or_default();
    let mut stripes: Vec<Changing<'_>> = arena
        .stripes()
        .map(|stripe| {
            let (data, rest) = stripe.split_at_mut(k * size);
            let (parity, spare) = rest.split_at_mut(m * size);
            Changing {
                old: &data[index * size..][..size],
                new: &spare[..size],
                parity: parity.chunks_exact_mut(size).collect(),
            }
        })
        .collect();
    let mut outcome = Ok(());
    let timing = timed(request, &mut stripes, |Changing { old, new, parity }| {
        if let Err(error) = codec.update(ShardIndex(index), old, new, parity) {
            outcome = Err(error);
        }
    });
    outcome?;
    // Every call changes the parity by the same difference, so each second one takes it back.
    let calls = timing.iters.div_ceil(count as u64);
    let mut data = first[..k * size].to_vec();
    if calls % 2 == 1 {
        data[index * size..][..size].copy_from_slice(&first[(k + m) * size..][..size]);
    }
    let parity = stripes[0].parity.concat();
    Ok((timing, reference::parity(codec.technique(), k, m, &data, size) == parity))
}
