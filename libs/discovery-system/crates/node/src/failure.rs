//! What went wrong, in a sentence for the operator.

/// Says what was tried, on what, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// A failure with a sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Adds what was tried to an error of the system.
pub trait Tried<T> {
    /// The sentence: `what`, a colon, and what the error says.
    ///
    /// # Errors
    /// The error that was there, as a failure.
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: std::fmt::Display> Tried<T> for Result<T, E> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{}: {error}", what())))
    }
}
