//! Errors as values, and the wall that no panic passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use purlin_block_core::BlockError;
use purlin_block_core::placement::PlacementError;

/// An operating error as a value.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct BlockFailure {
    /// The stable code of the error.
    pub code: String,
    /// The sentence for people.
    pub message: String,
}

impl BlockFailure {
    /// Numbers or words that do not fit.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: "PUR_BLOCK_PLACEMENT".to_owned(), message: message.into() }
    }
}

impl From<PlacementError> for BlockFailure {
    fn from(error: PlacementError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

impl From<BlockError> for BlockFailure {
    fn from(error: BlockError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Runs `step`; a panic, which would be a fault of ours, becomes `PUR_INTERNAL` instead of the end
/// of the process.
pub fn guarded<Value>(
    step: impl FnOnce() -> Result<Value, BlockFailure>,
) -> Either<Value, BlockFailure> {
    let outcome = catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no text");
        Err(BlockFailure {
            code: "PUR_INTERNAL".to_owned(),
            message: format!("placement failed by a fault of its own: {text}"),
        })
    });
    match outcome {
        Ok(value) => Either::A(value),
        Err(failure) => Either::B(failure),
    }
}
