//! What the daemon is to serve, checked and with every path whole.

use std::path::PathBuf;

use purlin_block_core::Policy;
use purlin_block_core::control::RecoverySpeed;

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
    /// Its disks; a disk's handle is its place.
    pub disks: Vec<DiskPlan>,
    /// How fast recovery may go.
    pub recovery: RecoverySpeed,
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
    /// Fault domains from the widest down to the level that must differ; for the level of disks,
    /// down to the server.
    pub domains: Vec<String>,
    /// Whether the disk itself is the level that must differ.
    pub alone: bool,
}

impl DiskPlan {
    /// The domain that must differ from those of other shards.
    #[must_use]
    pub fn domain(&self) -> Vec<String> {
        let own = self.alone.then(|| format!("disk {}", self.name));
        self.domains.iter().cloned().chain(own).collect()
    }
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
