//! The thin Node-API face of `purlin-cache-core`. Errors cross as values (`CacheFailure`); the
//! TypeScript above throws them with their code.

mod simulation;

use napi::bindgen_prelude::{BigInt, Either, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use purlin_cache_core::{Generation, Slot, Superblock, SuperblockError};

/// An operating error as a value.
#[napi(object)]
pub struct CacheFailure {
    /// The stable code of the error.
    pub code: String,
    /// The sentence for people.
    pub message: String,
}

/// The fields of a superblock.
#[napi(object)]
pub struct SuperblockFields {
    /// The UUID of the cache.
    pub cache_id: String,
    /// The number of the change.
    pub generation: BigInt,
    /// The size of the device in bytes.
    pub device_size_bytes: BigInt,
    /// The size of a cache line in bytes.
    pub line_size_bytes: u32,
}

/// A superblock that was read.
#[napi(object)]
pub struct SuperblockReading {
    /// What it says.
    pub fields: SuperblockFields,
    /// `first` or `second` if that copy must be written again.
    pub damaged_copy: Option<String>,
}

/// Both copies of the superblock with these fields, 8192 bytes.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
#[must_use]
pub fn encode_superblock(fields: SuperblockFields) -> Either<Uint8Array, CacheFailure> {
    let region = superblock(&fields)
        .and_then(|superblock| superblock.encode().map_err(|error| invalid(&error.to_string())));
    match region {
        Ok(region) => Either::A(Uint8Array::from(region.as_slice())),
        Err(failure) => Either::B(failure),
    }
}

/// The superblock of the newer whole copy in these 8192 bytes.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
#[must_use]
pub fn decode_superblock(region: Uint8ArraySlice<'_>) -> Either<SuperblockReading, CacheFailure> {
    match Superblock::decode(&region) {
        Ok(decoded) => Either::A(SuperblockReading {
            fields: SuperblockFields {
                cache_id: decoded.superblock.cache_id.to_string(),
                generation: decoded.superblock.generation.0.into(),
                device_size_bytes: decoded.superblock.device_size_bytes.into(),
                line_size_bytes: decoded.superblock.line_size_bytes,
            },
            damaged_copy: decoded.damage.map(|(slot, _)| name(slot).to_owned()),
        }),
        Err(error) => {
            Either::B(CacheFailure { code: code(&error).to_owned(), message: error.to_string() })
        }
    }
}

fn superblock(fields: &SuperblockFields) -> Result<Superblock, CacheFailure> {
    Ok(Superblock {
        cache_id: fields.cache_id.parse().map_err(|error| invalid(&format!("{error}")))?,
        generation: Generation(unsigned("generation", &fields.generation)?),
        device_size_bytes: unsigned("deviceSizeBytes", &fields.device_size_bytes)?,
        line_size_bytes: fields.line_size_bytes,
    })
}

fn unsigned(name: &str, value: &BigInt) -> Result<u64, CacheFailure> {
    match value.get_u64() {
        (false, number, true) => Ok(number),
        _ => Err(invalid(&format!("{name} must be from 0 to {}", u64::MAX))),
    }
}

fn invalid(message: &str) -> CacheFailure {
    CacheFailure { code: "PUR_CACHE_INVALID".to_owned(), message: message.to_owned() }
}

fn code(error: &SuperblockError) -> &'static str {
    match error {
        SuperblockError::WrongLength { .. } => "PUR_CACHE_INVALID",
        SuperblockError::UnsupportedVersion { .. } => "PUR_CACHE_VERSION",
        SuperblockError::BothLost { .. } | SuperblockError::CopiesDiffer { .. } => {
            "PUR_CACHE_SUPERBLOCK_LOST"
        }
    }
}

fn name(slot: Slot) -> &'static str {
    match slot {
        Slot::First => "first",
        Slot::Second => "second",
    }
}
