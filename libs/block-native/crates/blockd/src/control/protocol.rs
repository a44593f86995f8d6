//! The words of the control socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::qos::limiter::VolumeLimits;

/// The version of these words.
pub const VERSION: u32 = 1;
/// The longest line.
pub const LINE_BYTES_MAX: u64 = 64 << 10;

/// An SSD that caches are to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDevice {
    /// Its path.
    pub device: PathBuf,
    /// How large its file is made when it is not there.
    #[serde(default)]
    pub size_bytes: Option<u64>,
    /// Write over whatever is on it.
    #[serde(default)]
    pub overwrite: bool,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// Comes back in the answer.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub call: Call,
}

/// What can be asked. Volumes and snapshots go by their names, which are unique in the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", content = "arguments", rename_all = "kebab-case")]
#[serde(rename_all_fields = "camelCase")]
pub enum Call {
    /// How everything is.
    Status,
    /// A new volume that reads as zeroes.
    VolumeCreate {
        /// Its pool.
        pool: String,
        /// Its name, a DNS label.
        name: String,
        /// A multiple of 4096.
        size_bytes: u64,
        /// What it may use.
        #[serde(default)]
        limits: VolumeLimits,
    },
    /// A volume that begins as a snapshot is. Into another pool it is copied, and served when all
    /// of it is there; a copy that was cut off is begun again by the same call.
    VolumeClone {
        /// The snapshot.
        snapshot: String,
        /// The volume's name.
        name: String,
        /// Whether it shares the snapshot's blocks; only in the snapshot's pool.
        linked: bool,
        /// Its pool; that of the snapshot when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<String>,
        /// Whether a copy is answered at its end, or at once.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Makes a volume larger.
    VolumeGrow {
        /// Which.
        name: String,
        /// A multiple of 4096, not less than now.
        size_bytes: u64,
        /// Ends its clients' connections, since NBD tells a size only to who connects.
        #[serde(default)]
        reconnect: bool,
    },
    /// The parts of a volume or snapshot that hold written bytes, or that may differ from an older
    /// snapshot of it; some of them, and where to go on.
    VolumeExtents {
        /// Which.
        name: String,
        /// The older snapshot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
        /// Where to begin, a multiple of 4096.
        #[serde(default)]
        offset: u64,
    },
    /// Changes what a volume may use.
    VolumeLimit {
        /// Which.
        name: String,
        /// What it may use from now on.
        limits: VolumeLimits,
    },
    /// Ends a linked clone's dependence.
    VolumeFlatten {
        /// Which.
        name: String,
    },
    /// Makes a volume what one of its snapshots is. Its clients must have gone.
    VolumeRollback {
        /// Which.
        name: String,
        /// Whither.
        snapshot: String,
    },
    /// Takes a volume away with its socket; a copy that makes it is stopped.
    VolumeDelete {
        /// Which.
        name: String,
    },
    /// Freezes a volume.
    SnapshotCreate {
        /// Of which volume.
        volume: String,
        /// The snapshot's name.
        name: String,
    },
    /// Takes a snapshot away.
    SnapshotDelete {
        /// Which.
        name: String,
    },
    /// How fast recovery may go.
    PoolRecoverySpeed {
        /// Which pool.
        pool: String,
        /// `low`, `medium` or `high`.
        speed: Speed,
    },
    /// Reads a pool through and repairs what is bad; answered at the end.
    PoolScrub {
        /// Which pool.
        pool: String,
        /// Chunks too.
        deep: bool,
    },
    /// Holds the scrub of a pool that runs, or lets it go on.
    PoolScrubPause {
        /// Which pool.
        pool: String,
        /// Whether it is held.
        on: bool,
    },
    /// Moves stripes to where placement wants them. It ends a pause.
    PoolRebalance {
        /// Which pool.
        pool: String,
        /// Whether it is answered at the end, or at once.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Holds the moving of stripes that are safe where they are, or lets it go on.
    PoolRebalancePause {
        /// Which pool.
        pool: String,
        /// Whether it is held.
        on: bool,
    },
    /// Takes over where disks stand and what may fail as one, as the configuration file says it
    /// now; what this puts at risk moves.
    PoolTopology {
        /// Which pool.
        pool: String,
    },
    /// What is really placed in a pool, and which failures that survives.
    PoolExplain {
        /// Which pool.
        pool: String,
    },
    /// Sends everything in the log home; answered at the end.
    PoolCheckpoint {
        /// Which pool.
        pool: String,
    },
    /// Another redundancy.
    PoolPolicy {
        /// Which pool.
        pool: String,
        /// `{"replicas":3}` or `{"erasure":"4+2"}`.
        redundancy: crate::config::Redundancy,
    },
    /// No I/O to a disk and no movement because of it, or an end of that.
    DiskMaintenance {
        /// Which pool.
        pool: String,
        /// The disk.
        disk: DiskName,
        /// Into or out of it.
        on: bool,
    },
    /// Makes disks that the configuration file names part of a pool, as its `expand` says; answered
    /// when they take part.
    DiskAdd {
        /// Which pool.
        pool: String,
        /// Their names in the file.
        disks: Vec<String>,
        /// Write over whatever is on them.
        #[serde(default)]
        force: bool,
    },
    /// A disk that was missing is back.
    DiskReturn {
        /// Which pool.
        pool: String,
        /// Its name in the file.
        disk: String,
    },
    /// Puts a disk that the configuration file names in the place of another one, which is emptied
    /// and let go of, or given up where it is missing.
    DiskReplace {
        /// Which pool.
        pool: String,
        /// The old one.
        disk: DiskName,
        /// The new one's name in the file.
        by: String,
        /// Write over whatever is on the new one.
        #[serde(default)]
        force: bool,
        /// Whether it is answered at the end, or at once.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Empties a disk, which stays in the pool, or uses it again.
    DiskEvacuate {
        /// Which pool.
        pool: String,
        /// The disk.
        disk: DiskName,
        /// Whether it is to be emptied.
        on: bool,
        /// Whether it is answered at the end, or at once.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Empties a disk and lets it go.
    DiskRemove {
        /// Which pool.
        pool: String,
        /// The disk.
        disk: DiskName,
        /// Whether it is answered at the end, or at once.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Gives up a missing disk.
    DiskForget {
        /// Which pool.
        pool: String,
        /// The disk.
        disk: DiskName,
    },
    /// How a pool's caches are. Where a cached device is served, its name stands for the pool's.
    CacheStatus {
        /// Which pool.
        pool: String,
    },
    /// Another mode of a pool's caches; answered when nothing is dirty that the new mode does not
    /// have, while requests go on.
    CacheMode {
        /// Which pool.
        pool: String,
        /// `writethrough`, `writeback` or `pass-through`.
        mode: crate::config::CacheMode,
    },
    /// Makes everything answered durable; in writeback on the SSDs.
    CacheFlush {
        /// Which pool.
        pool: String,
    },
    /// Gives up what was lost with an SSD: those blocks are what the slow disk has.
    CacheAcceptLoss {
        /// Which pool.
        pool: String,
    },
    /// Sends what is dirty home and lets the SSDs go; answered at the end.
    CacheDetach {
        /// Which pool.
        pool: String,
    },
    /// Fills an SSD for a pool's caches; answered when it has everything.
    CacheDeviceAdd {
        /// Which pool.
        pool: String,
        /// The SSD.
        #[serde(flatten)]
        words: NewDevice,
    },
    /// Lets go of an SSD of a pool's caches while another has everything.
    CacheDeviceRemove {
        /// Which pool.
        pool: String,
        /// Its path.
        device: String,
    },
    /// Takes the SSDs of a pool's caches again, empty.
    CacheAttach {
        /// Which pool.
        pool: String,
    },
    /// Begins to note the requests to a volume.
    RecordStart {
        /// Which.
        volume: String,
    },
    /// Gives what was noted since the last time, as lines of a trace.
    RecordTake {
        /// Which.
        volume: String,
    },
    /// Ends the noting.
    RecordStop {
        /// Which.
        volume: String,
    },
    /// Hands pools and clients over to a new process of `program`; this one ends.
    Upgrade {
        /// The new daemon's program; this one's own file when left out.
        program: Option<PathBuf>,
    },
    /// Closes the pools and ends the daemon.
    Stop,
}

/// A disk by its number in its pool, which it keeps, or by its name in the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DiskName {
    /// The number.
    Number(u16),
    /// The name.
    Name(String),
}

fn yes() -> bool {
    true
}

/// Recovery's share where clients want all of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// A tenth.
    Low,
    /// Half.
    Medium,
    /// Two thirds.
    High,
}

/// An answer: a result or an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// [`VERSION`].
    pub version: u32,
    /// That of the request; 0 where it had none that could be read.
    pub id: u64,
    /// What was found or done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// Reads a line.
///
/// # Errors
/// The request's id as far as it can be read, and what is wrong.
pub fn read(line: &[u8]) -> Result<Request, (u64, Failure)> {
    let invalid = |id, message: String| (id, Failure::new("PUR_INVALID", message));
    let value: serde_json::Value = serde_json::from_slice(line)
        .map_err(|error| invalid(0, format!("the line is no JSON object: {error}")))?;
    let id = value.get("id").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(VERSION.into()) {
        let found = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        let message = format!("this daemon speaks version {VERSION}, the request has {found}");
        return Err((id, Failure::new("PUR_BLOCK_CONTROL_VERSION", message)));
    }
    serde_json::from_value(value).map_err(|error| invalid(id, format!("no such call: {error}")))
}
