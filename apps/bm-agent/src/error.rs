//! What can go wrong, in sentences for the log.
use std::path::PathBuf;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The words behind the program's name.
    #[error("{0}")]
    Usage(String),
    /// A file of the agent's own.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The configuration does not fit.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// Which file.
        path: PathBuf,
        /// What does not fit, and what would.
        reason: String,
    },
    /// The token cannot be used.
    #[error("{}: {reason}", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The address to be asked at cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A push came to nothing.
    #[error("{0}")]
    Push(String),
}
