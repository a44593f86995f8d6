//! Why a front end is hung up on.

use std::io;

/// What a front end did that cannot be served. Its connection ends; it may come again.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The connection broke, or the front end was late.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// A message that is not understood here.
    #[error("it sent message {request}, which was not agreed on")]
    Unknown {
        /// Its number.
        request: u32,
    },
    /// A message that is not as the protocol has it.
    #[error("it sent {what}, which the protocol does not allow")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// Memory that could be taken away under the daemon.
    #[error(
        "its memory can shrink, which would end this daemon: give the machine memory of the kind \
         memfd, sealed (memory-backend-memfd,share=on)"
    )]
    Unsealed,
    /// Memory that cannot be mapped.
    #[error("its memory cannot be mapped: {0}")]
    Unmapped(String),
    /// The volume's pool does not answer.
    #[error("the volume's pool did not answer in time")]
    Late,
}

impl From<rustix::io::Errno> for Refusal {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Broken(error.into())
    }
}
