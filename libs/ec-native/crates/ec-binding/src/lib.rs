//! The thin Node-API face of `purlin-ec-core`: free functions over borrowed buffers. Errors cross
//! as values (`EcFailure`); the TypeScript above throws them with their code.

use std::collections::HashMap;

use napi::bindgen_prelude::{Either, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use purlin_ec_core::{Codec, EcError, Geometry, RebuiltShard};

/// An operating error as a value.
#[napi(object)]
pub struct EcFailure {
    /// The stable code of the error.
    pub code: String,
    /// The sentence for people.
    pub message: String,
    /// The figures of the error by name.
    pub context: HashMap<String, u32>,
}

/// A shard that was lost and is there again.
#[napi(object)]
pub struct RebuiltShardOutput {
    /// Its place in the stripe.
    pub index: u32,
    /// Its bytes.
    pub bytes: Uint8Array,
}

/// Checks a geometry; `null` if it is good.
#[napi]
#[must_use]
pub fn check_geometry(data_shards: u32, parity_shards: u32) -> Option<EcFailure> {
    geometry(data_shards, parity_shards).err().map(|error| failure(&error))
}

/// The parity shards of `data`.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
#[must_use]
pub fn encode(
    data_shards: u32,
    parity_shards: u32,
    data: Vec<Uint8ArraySlice<'_>>,
) -> Either<Vec<Uint8Array>, EcFailure> {
    let shards: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
    let parity = geometry(data_shards, parity_shards)
        .and_then(|geometry| Codec::new(geometry).encode(&shards));
    match parity {
        Ok(parity) => Either::A(parity.into_iter().map(Uint8Array::from).collect()),
        Err(error) => Either::B(failure(&error)),
    }
}

/// The lost shards (`null`) of a stripe, data and parity alike.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
#[must_use]
pub fn reconstruct(
    data_shards: u32,
    parity_shards: u32,
    shards: Vec<Option<Uint8ArraySlice<'_>>>,
) -> Either<Vec<RebuiltShardOutput>, EcFailure> {
    let shards: Vec<Option<&[u8]>> =
        shards.iter().map(|shard| shard.as_ref().map(AsRef::as_ref)).collect();
    let rebuilt = geometry(data_shards, parity_shards)
        .and_then(|geometry| Codec::new(geometry).reconstruct(&shards));
    match rebuilt {
        Ok(rebuilt) => Either::A(rebuilt.into_iter().map(output).collect()),
        Err(error) => Either::B(failure(&error)),
    }
}

fn geometry(data_shards: u32, parity_shards: u32) -> Result<Geometry, EcError> {
    Geometry::new(data_shards as usize, parity_shards as usize)
}

fn output(shard: RebuiltShard) -> RebuiltShardOutput {
    RebuiltShardOutput { index: count(shard.index.0), bytes: shard.bytes.into() }
}

fn failure(error: &EcError) -> EcFailure {
    let (code, context): (&str, Vec<(&str, usize)>) = match *error {
        EcError::BadGeometry { data_shards, parity_shards } => {
            ("PUR_EC_INVALID", vec![("dataShards", data_shards), ("parityShards", parity_shards)])
        }
        EcError::WrongShardCount { expected, found, .. } => {
            ("PUR_EC_INVALID", vec![("expected", expected), ("found", found)])
        }
        EcError::WrongShardLength { index, expected, found } => (
            "PUR_EC_INVALID",
            vec![("index", index), ("expectedBytes", expected), ("foundBytes", found)],
        ),
        EcError::TooFewShards { needed, found } => {
            ("PUR_EC_TOO_FEW_SHARDS", vec![("needed", needed), ("found", found)])
        }
        EcError::Dependent { ref survivors } => {
            ("PUR_EC_TOO_FEW_SHARDS", vec![("found", survivors.len())])
        }
    };
    EcFailure {
        code: code.to_owned(),
        message: error.to_string(),
        context: context.into_iter().map(|(name, value)| (name.to_owned(), count(value))).collect(),
    }
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
