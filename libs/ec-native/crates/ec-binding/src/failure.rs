//! Errors as values, and the wall that no panic passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi_derive::napi;
use purlin_ec_core::EcError;

/// An operating error as a value.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct EcFailure {
    /// The stable code of the error.
    pub code: String,
    /// The sentence for people.
    pub message: String,
}

impl EcFailure {
    /// Numbers, lists or handles that do not fit.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { code: "PUR_EC_INVALID".to_owned(), message: message.into() }
    }
}

impl From<EcError> for EcFailure {
    fn from(error: EcError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

/// Runs `step`; a panic, which would be a fault of ours, becomes `PUR_INTERNAL` instead of the end
/// of the process.
pub fn guarded<Value>(step: impl FnOnce() -> Result<Value, EcFailure>) -> Result<Value, EcFailure> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no text");
        Err(EcFailure {
            code: "PUR_INTERNAL".to_owned(),
            message: format!("erasure coding failed by a fault of its own: {text}"),
        })
    })
}
