//! What the daemon is to serve, checked and with every path whole.

use std::path::PathBuf;

use purlin_block_core::Policy;
use purlin_block_core::control::RecoverySpeed;
use purlin_block_core::disk::Media;
use purlin_block_core::placement::{Expand, Level};

use purlin_cache_core::cache::Mode;

use crate::qos::limiter::VolumeLimits;

/// Pools and volumes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServePlan {
    /// Pools, each a reactor of its own.
    pub pools: Vec<PoolPlan>,
    /// Volumes, sources before their clones.
    pub volumes: Vec<VolumePlan>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolPlan {
    /// Its name.
    pub name: String,
    /// Its redundancy.
    pub policy: Policy,
    /// What may fail as one.
    pub level: Level,
    /// What becomes of disks that are added.
    pub expand: Expand,
    /// Its disks; a disk's handle is its place.
    pub disks: Vec<DiskPlan>,
    /// How fast recovery may go.
    pub recovery: RecoverySpeed,
    /// SSDs in front of its disks.
    pub cache: Option<CachePlan>,
    /// Where the locks of its disks' caches lie.
    pub locks: PathBuf,
}

/// How much of a cache may be dirty in writeback, in percent, where nobody says it.
pub const DIRTY_PERCENT_MAX: u32 = 70;

/// SSDs in front of a pool's disks.
#[derive(Debug, Clone, PartialEq)]
pub struct CachePlan {
    /// One, or two with the same content.
    pub devices: Vec<DiskPlan>,
    /// What is done with writes.
    pub mode: Mode,
    /// How much may be dirty in writeback, in percent.
    pub dirty_percent_max: u32,
}

/// A disk.
#[derive(Debug, Clone, PartialEq)]
pub struct DiskPlan {
    /// Its name.
    pub name: String,
    /// A file or block device.
    pub path: PathBuf,
    /// How large the file is made when it is not there.
    pub size_bytes: Option<u64>,
    /// Where it stands, from the data centre to the server.
    pub domains: Vec<String>,
    /// What it is made of, where the file says so; else the kernel is asked.
    pub media: Option<Media>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumePlan {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its size; `None` takes that of the source.
    pub size_bytes: Option<u64>,
    /// What it begins as.
    pub source: Option<SourcePlan>,
    /// What it may use.
    pub limits: VolumeLimits,
    /// Its snapshots.
    pub snapshots: Vec<String>,
}

impl VolumePlan {
    /// Whether it begins as a copy out of another pool.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.pool != self.pool)
    }
}

/// What a volume begins as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePlan {
    /// The snapshot.
    pub snapshot: String,
    /// The snapshot's pool.
    pub pool: String,
    /// Whether it shares the snapshot's blocks.
    pub linked: bool,
}
