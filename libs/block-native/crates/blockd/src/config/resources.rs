//! The fields of each kind, as `libs/schema` has them.

use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Where servers stand.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologySpec {
    /// Data centres.
    pub roots: Vec<Root>,
}

/// A data centre.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Its name.
    pub datacenter: String,
    /// Its rooms.
    pub rooms: Vec<Room>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Its name.
    pub room: String,
    /// Its racks.
    pub racks: Vec<Rack>,
}

/// A rack.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rack {
    /// Its name.
    pub rack: String,
    /// The servers in it.
    pub servers: Vec<String>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PoolSpec {
    /// `local` alone is this daemon's.
    #[serde(default)]
    pub engine: EngineKind,
    /// Replicas or erasure coding.
    pub redundancy: Redundancy,
    /// What may fail as one.
    #[serde(default)]
    pub fault_domain: FaultDomain,
    /// What becomes of disks that are added.
    #[serde(default)]
    pub expand: Expand,
    /// Files or block devices.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Faster devices in front of the disks.
    pub cache: Option<Cache>,
    /// How fast recovery may go.
    #[serde(default)]
    pub recovery: Recovery,
    /// When the pool is read through.
    #[serde(default)]
    pub scrub: Scrub,
    /// What the agent warns at and refuses; nothing of it is this daemon's.
    #[serde(default)]
    pub capacity: IgnoredAny,
}

/// Who serves a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// This daemon.
    #[default]
    Local,
    /// A Ceph cluster.
    Ceph,
}

/// How a pool survives failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Redundancy {
    /// Equal copies.
    Replicas(u8),
    /// `K+M` or `K+M:B`.
    Erasure(String),
}

/// What may fail as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultDomain {
    /// A disk.
    #[default]
    Disk,
    /// A server.
    Server,
    /// A rack.
    Rack,
    /// A room.
    Room,
}

/// What becomes of disks that are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expand {
    /// All disks share all stripes.
    #[default]
    Rebalance,
    /// They take new stripes alone, and nothing moves.
    NewGroup,
}

/// What a disk is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// It rotates.
    Hdd,
    /// Flash.
    Ssd,
    /// Flash on PCI Express.
    Nvme,
}

/// A file or block device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Disk {
    /// Its name.
    pub name: String,
    /// The server it is in; devices of a cache have none.
    pub server: Option<String>,
    /// Relative to the configuration file.
    pub path: PathBuf,
    /// The size of a file that is to be made.
    #[serde(rename = "sizeGiB")]
    pub size_gib: Option<f64>,
    /// What it is made of; the kernel is asked where it is left out.
    pub media: Option<Medium>,
}

/// Faster devices in front of the disks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cache {
    /// One, or two that mirror what is not on disks yet.
    pub devices: Vec<Disk>,
    /// What is done with writes.
    #[serde(default)]
    pub mode: CacheMode,
    /// How much of it may be dirty in writeback, in percent.
    pub dirty_percent: Option<u32>,
    /// Whoever applies the resource judges it: the daemon starts what it is told to.
    #[serde(rename = "force")]
    _force: Option<bool>,
}

/// What a cache does with writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMode {
    /// They go to the disks and the cache.
    #[default]
    Writethrough,
    /// They go to the cache, later to the disks.
    Writeback,
    /// They go to the disks alone.
    PassThrough,
}

/// How fast recovery may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recovery {
    /// Its share where clients want all of a disk.
    pub speed: Speed,
}

/// Recovery's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// A tenth.
    #[default]
    Low,
    /// Half.
    Medium,
    /// Two thirds.
    High,
}

/// When a pool is read through.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Scrub {
    /// Metadata.
    pub every_hours: u32,
    /// Everything.
    pub deep_every_days: u32,
    /// When the agent asks for none.
    pub busy: IgnoredAny,
}

impl Default for Scrub {
    fn default() -> Self {
        Self { every_hours: 24, deep_every_days: 7, busy: IgnoredAny }
    }
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VolumeSpec {
    /// Its pool.
    pub pool: String,
    /// Its size; that of the source where it is left out.
    #[serde(rename = "sizeGiB")]
    pub size_gib: Option<f64>,
    /// What it begins as.
    pub source: Option<Source>,
    /// What it may use.
    pub qos: Option<Qos>,
}

/// What a volume begins as.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The snapshot's name.
    pub snapshot: String,
    /// Whether it stays tied to it.
    pub clone: CloneKind,
}

/// Whether a clone stays tied to its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloneKind {
    /// A copy.
    Independent,
    /// It shares the snapshot's blocks, in the same pool.
    Linked,
}

/// What a volume may use.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Qos {
    /// Requests a second.
    pub iops: Option<u64>,
    /// Requests a second of a burst.
    pub iops_burst: Option<u64>,
    /// Mebibytes read a second.
    #[serde(rename = "readMiBps")]
    pub read_mibps: Option<f64>,
    /// Mebibytes written a second.
    #[serde(rename = "writeMiBps")]
    pub write_mibps: Option<f64>,
    /// How long a burst may last.
    pub burst_seconds: Option<f64>,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotSpec {
    /// Of which volume.
    pub volume: String,
}
