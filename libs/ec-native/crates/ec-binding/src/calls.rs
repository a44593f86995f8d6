//! The calls that work in the calling thread.

use napi::bindgen_prelude::{BufferSlice, Either};
use napi_derive::napi;
use purlin_ec_core::{ShardIndex, ShardSet};

use crate::failure::{EcFailure, guarded};
use crate::handles::with_codec;
use crate::work::{Work, refuse_overlaps};

/// What a call answers: nothing, the parity rows that differ, or a failure.
pub type Outcome = Option<Either<Vec<u32>, EcFailure>>;

/// Does one operation on borrowed buffers; see `EcAddon` in `src/addon.ts`.
#[napi]
#[must_use]
pub fn perform(
    operation: u32,
    handle: u32,
    index: u32,
    inputs: Vec<BufferSlice<'_>>,
    mut outputs: Vec<BufferSlice<'_>>,
) -> Outcome {
    outcome(guarded(|| {
        let work = Work::new(operation, handle, index)?;
        work.run(&shared(&inputs), &mut exclusive(&mut outputs))
    }))
}

/// Makes the shards `wanted` out of `inputs`, which are the shards `present`, both ascending lists
/// of indices.
#[napi]
#[must_use]
pub fn reconstruct(
    handle: u32,
    present: BufferSlice<'_>,
    wanted: BufferSlice<'_>,
    inputs: Vec<BufferSlice<'_>>,
    mut outputs: Vec<BufferSlice<'_>>,
) -> Outcome {
    outcome(guarded(|| {
        let set = |indices: &[u8]| indices.iter().copied().map(usize::from).collect::<ShardSet>();
        let (present, wanted) = (set(&present), set(&wanted));
        let plan = with_codec(handle, |codec| codec.decode_plan(&present, &wanted))??;
        let place = |source: &ShardIndex| inputs.get(present.rank(*source));
        let sources: Vec<&[u8]> =
            plan.sources().iter().filter_map(place).map(AsRef::as_ref).collect();
        let mut outputs = exclusive(&mut outputs);
        refuse_overlaps(&shared(&inputs), &outputs)?;
        plan.reconstruct(&sources, &mut outputs)?;
        Ok(None)
    }))
}

/// Writes the parity of stripes that lie one after the other.
#[napi]
#[must_use]
pub fn encode_batch(
    handle: u32,
    mut arena: BufferSlice<'_>,
    shard_bytes: i64,
) -> Option<EcFailure> {
    guarded(|| {
        let shard_bytes = usize::try_from(shard_bytes).unwrap_or_default();
        Ok(with_codec(handle, |codec| codec.encode_batch(&mut arena, shard_bytes))??)
    })
    .err()
}

/// A result as JavaScript gets it.
pub fn outcome(result: Result<Option<Vec<u32>>, EcFailure>) -> Outcome {
    match result {
        Ok(rows) => rows.map(Either::A),
        Err(failure) => Some(Either::B(failure)),
    }
}

fn shared<'list>(buffers: &'list [BufferSlice<'_>]) -> Vec<&'list [u8]> {
    buffers.iter().map(AsRef::as_ref).collect()
}

fn exclusive<'list>(buffers: &'list mut [BufferSlice<'_>]) -> Vec<&'list mut [u8]> {
    buffers.iter_mut().map(|buffer| &mut **buffer).collect()
}
