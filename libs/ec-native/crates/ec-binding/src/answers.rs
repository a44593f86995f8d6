//! Checksums, write plans and folded policies.

use napi::bindgen_prelude::{BufferSlice, Either, Uint8Array};
use napi_derive::napi;
use purlin_ec_core::{Digest, EcError, Folding, ShardSet, WriteMethod, crc32c_append, write_plan};

use crate::failure::{EcFailure, guarded};
use crate::handles::{answer, number, set, with_codec};

/// The CRC-32C of what `initial` is that of, followed by `bytes`.
#[napi(js_name = "crc32c")]
#[must_use]
pub fn crc32c(bytes: BufferSlice<'_>, initial: u32) -> u32 {
    crc32c_append(initial, &bytes)
}

/// The 64 bytes of a shard's linear digest.
#[napi]
#[must_use]
pub fn digest(handle: u32, shard: BufferSlice<'_>) -> Either<Uint8Array, EcFailure> {
    answer(guarded(|| {
        let digest = with_codec(handle, |codec| codec.digest(&shard))?;
        Ok(digest.as_bytes().to_vec().into())
    }))
}

/// Which parity rows have digests that are not those of the data's.
#[napi]
#[must_use]
pub fn verify_digests(
    handle: u32,
    data: Vec<BufferSlice<'_>>,
    parity: Vec<BufferSlice<'_>>,
) -> Either<Vec<u32>, EcFailure> {
    answer(guarded(|| {
        let (data, parity) = (digests(&data)?, digests(&parity)?);
        let rows = with_codec(handle, |codec| codec.verify_digests(&data, &parity))??;
        Ok(indices(&rows))
    }))
}

fn digests(buffers: &[BufferSlice<'_>]) -> Result<Vec<Digest>, EcFailure> {
    let read = |buffer: &BufferSlice<'_>| {
        let bytes = <[u8; 64]>::try_from(buffer.as_ref());
        let found = buffer.len();
        let wrong = |_| EcFailure::invalid(format!("a digest has 64 bytes and not {found}"));
        bytes.map(Digest::from_bytes).map_err(wrong)
    };
    buffers.iter().map(read).collect()
}

/// How a partial write is done with the fewest reads.
#[napi(object)]
pub struct WritePlanOutput {
    /// `full`, `delta` or `reconstruct`.
    pub method: String,
    /// The shards to read that are not cached.
    pub reads: Vec<u32>,
    /// The data shards to rebuild out of what is read and cached.
    pub rebuilds: Vec<u32>,
    /// The shards to write.
    pub writes: Vec<u32>,
}

/// Chooses the method of a partial write.
#[napi]
#[must_use]
pub fn write_method(
    handle: u32,
    changed: Vec<u32>,
    cached: Vec<u32>,
    lost: Vec<u32>,
) -> Either<WritePlanOutput, EcFailure> {
    answer(guarded(|| {
        let geometry = with_codec(handle, purlin_ec_core::Codec::geometry)?;
        let plan = write_plan(geometry, &set(&changed), &set(&cached), &set(&lost))?;
        let method = match plan.method {
            WriteMethod::Full => "full",
            WriteMethod::Delta => "delta",
            WriteMethod::Reconstruct => "reconstruct",
        };
        Ok(WritePlanOutput {
            method: method.to_owned(),
            reads: indices(&plan.reads),
            rebuilds: indices(&plan.rebuilds),
            writes: indices(&plan.writes),
        })
    }))
}

/// A policy K+M:B worked out; the twin of `foldedGeometry` in TypeScript.
#[napi(object)]
pub struct FoldingOutput {
    /// K.
    pub data_shards: u32,
    /// M.
    pub parity_shards: u32,
    /// B: how many fault domains may fail at once.
    pub domain_failures: u32,
    /// The most shards of a stripe in one domain.
    pub shards_per_domain: u32,
    /// The least number of domains.
    pub domains_min: u32,
}

/// Works a policy out.
#[napi]
#[must_use]
pub fn fold_policy(policy: String) -> Either<FoldingOutput, EcFailure> {
    answer(guarded(|| {
        let folding: Folding = policy.parse()?;
        Ok(FoldingOutput {
            data_shards: number(folding.geometry().data_shards()),
            parity_shards: number(folding.geometry().parity_shards()),
            domain_failures: number(folding.domain_failures()),
            shards_per_domain: number(folding.shards_per_domain()),
            domains_min: number(folding.domains_min()),
        })
    }))
}

/// Whether every stripe outlives the loss of any `domains` domains and any `shards` others.
#[napi]
#[must_use]
pub fn folding_survives(policy: String, domains: u32, shards: u32) -> bool {
    let folding: Result<Folding, EcError> = policy.parse();
    folding.is_ok_and(|folding| folding.survives(domains as usize, shards as usize))
}

/// The shards of each of `domains` domains, as even as possible; `null` where there are too few.
#[napi]
#[must_use]
pub fn folding_spread(policy: String, domains: u32) -> Option<Vec<u32>> {
    let folding: Folding = policy.parse().ok()?;
    let spread = folding.spread(domains as usize)?;
    Some(spread.into_iter().map(number).collect())
}

fn indices(set: &ShardSet) -> Vec<u32> {
    set.iter().map(|index| number(index.0)).collect()
}
