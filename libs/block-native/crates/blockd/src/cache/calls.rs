//! What can be asked of caches while they serve, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use purlin_block_core::request::VolumeId;
use purlin_cache_core::cache::{CacheError, Mode, Status};

use super::devices::Device;
use super::recorder::Taken;

/// For calls that are answered at once.
pub const SOON: Duration = Duration::from_secs(30);
/// For calls that are answered when everything dirty is on the slow disk.
pub const DRAINED: Duration = Duration::from_hours(24);

/// A call; those of modes concern every layer of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheCall {
    /// How the layers are; answered at once.
    Status,
    /// Another mode; answered when nothing is dirty that the new mode does not have.
    Mode(Mode),
    /// Everything answered before is durable.
    Flush,
    /// What is lost is given up.
    AcceptLoss,
    /// Everything dirty goes home, then the SSDs are let go.
    Detach,
    /// The SSDs are taken anew, empty.
    Attach,
    /// A further SSD is filled; answered when it has everything.
    Adopt(Arc<Device>),
    /// An SSD is let go of, by its path, while another has everything.
    Dismiss(Arc<str>),
    /// Begins to note a volume's requests.
    RecordStart(VolumeId),
    /// Gives what was noted since the last time.
    RecordTake,
    /// Ends it.
    RecordStop,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CacheAnswer {
    /// Done.
    Done,
    /// How each layer is.
    Status(Vec<LayerStatus>),
    /// Requests that were noted.
    Taken(Taken),
}

/// Why a call was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The engine has no cache.
    #[error("it has no cache")]
    NoCache,
    /// It is attached already.
    #[error("its cache is attached; detach it first")]
    Attached,
    /// It is attached no more.
    #[error("its cache is detached; attach it first")]
    Detached,
    /// No cache has this SSD.
    #[error("no cache here has the SSD {0}; see its status")]
    NoDevice(String),
    /// A cache does not fit on it.
    #[error("{0} has {1} bytes, and the cache takes {2}")]
    TooSmall(String, u64, u64),
    /// A cache has it already.
    #[error("a cache here has the SSD {0} already")]
    Taken(String),
    /// No other SSD has what it has.
    #[error("{0} is the only SSD in use; attach another one first")]
    Only(String),
    /// The cache refused.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Nobody answered in time.
    #[error("it did not answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl CallError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCache => "PUR_CACHE_NONE",
            Self::Attached | Self::Detached => "PUR_CACHE_STATE",
            Self::NoDevice(_) | Self::TooSmall(..) | Self::Taken(_) => "PUR_CACHE_REFUSED",
            Self::Only(_) => code(CacheError::SsdLost),
            Self::Cache(error) => code(*error),
            Self::Late(_) => "PUR_DEADLINE_PASSED",
        }
    }
}

/// The stable code of what a cache says.
#[must_use]
pub fn code(error: CacheError) -> &'static str {
    match error {
        CacheError::Origin => "PUR_CACHE_ORIGIN",
        CacheError::Lost => "PUR_CACHE_LOST",
        CacheError::SsdLost => "PUR_CACHE_SSD",
        CacheError::Stale => "PUR_CACHE_STALE",
        CacheError::Damaged => "PUR_CACHE_DAMAGED",
    }
}

/// How one layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerStatus {
    /// The cached disk.
    pub origin: String,
    /// Its SSDs.
    pub devices: Vec<String>,
    /// As the cache says.
    pub cache: Status,
    /// Pages it has room for.
    pub slots: u32,
    /// The first pages that are lost, at most [`LOST_SHOWN_MAX`].
    pub lost: Vec<u64>,
    /// What it has done since it was opened.
    pub counts: Counts,
}

/// Lost pages that are named in a status.
pub const LOST_SHOWN_MAX: usize = 256;

/// What a layer has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pages that were read.
    pub read_pages: u64,
    /// Pages of them that came from the slow disk.
    pub missed_pages: u64,
    /// Pages that were written.
    pub written_pages: u64,
    /// Requests to the slow disk that read.
    pub origin_reads: u64,
    /// Requests to the slow disk that write.
    pub origin_writes: u64,
    /// Bytes written to each SSD.
    pub ssd_written_bytes: u64,
}
