//! What a pool's owner asks for: volumes, snapshots, disks, redundancy, status.

use std::collections::BTreeMap;
use std::fmt;

use crate::disk::{DiskFacts, DiskHandle, IoClass, Media};
use crate::error::BlockError;
use crate::placement::{Census, Expand, Level, TableDisk};
use crate::policy::Policy;
use crate::request::{Tag, VolumeId};

/// A pool, unique in the world; 16 random bytes chosen by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub [u8; 16]);

impl fmt::Display for PoolId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A disk's number in its pool. It stays the same for the life of the pool and is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DiskId(pub u16);

/// A device handed to a pool.
#[derive(Debug, Clone)]
pub struct DiskSpec {
    /// The caller's number for it.
    pub handle: DiskHandle,
    /// What it is called; kept with the pool, so that it has its name also while it is missing. At
    /// most 64 bytes.
    pub name: String,
    /// What it is.
    pub facts: DiskFacts,
    /// Fault domains from the widest to the server, `["room-1", "rack-2", "server-3"]`; the disk
    /// itself is the last one and is not named. At most 8 of at most 64 bytes.
    pub domains: Vec<String>,
}

/// How a pool is made. What is `None` is chosen from the disks' sizes.
#[derive(Debug, Clone)]
pub struct PoolSpec {
    /// Chosen by the caller, never used again.
    pub id: PoolId,
    /// Redundancy.
    pub policy: Policy,
    /// What may fail as one.
    pub level: Level,
    /// Log on each disk: a quarter of the disk, at most 4 GiB, unless given.
    pub log_bytes: Option<u64>,
    /// Bytes of a shard: 64 KiB of replicas and 16 KiB of erasure coding, unless given.
    pub shard_bytes: Option<u32>,
    /// Write over whatever is on the disks.
    pub force: bool,
}

/// How a pool is opened.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Random, different at every opening.
    pub nonce: u64,
    /// Open although disks are missing, as far as the policy lets nothing be lost.
    pub degraded: bool,
    /// Bytes of memory for map pages, half of it for those not written yet.
    pub page_cache_bytes: usize,
    /// Bytes of memory for the index of the log: at half of it, what is in the log goes home.
    pub log_index_bytes: usize,
    /// What may fail as one, where it shall be something else than is written in the pool.
    pub level: Option<Level>,
}

impl OpenOptions {
    /// The usual ones.
    #[must_use]
    pub fn new(nonce: u64) -> Self {
        let (page_cache_bytes, log_index_bytes) = (16 << 20, 28 << 20);
        Self { nonce, degraded: true, page_cache_bytes, log_index_bytes, level: None }
    }
}

/// A control call.
#[derive(Debug)]
pub struct Control {
    /// Comes back in the reply.
    pub tag: Tag,
    /// What.
    pub op: ControlOp,
}

/// What an owner can ask for. Answers come when the change is durable, unless said otherwise;
/// work that goes on behind it shows in [`PoolStatus`].
#[derive(Debug)]
pub enum ControlOp {
    /// A new volume that reads as zeros.
    CreateVolume {
        /// Unique in the pool.
        name: String,
        /// A multiple of 4096.
        size_bytes: u64,
    },
    /// Takes a volume or a snapshot away; its space comes back in the background. Refused with
    /// the names of those that depend on it.
    Delete(VolumeId),
    /// Makes a volume larger.
    Grow {
        /// Which.
        volume: VolumeId,
        /// A multiple of 4096, not less than now.
        size_bytes: u64,
    },
    /// Freezes what was answered before. Independent of size.
    Snapshot {
        /// Of what.
        volume: VolumeId,
        /// Unique in the pool.
        name: String,
        /// Seconds since 1970.
        time_seconds: u64,
    },
    /// A volume that begins as the snapshot is. Independent of size.
    Clone {
        /// Of what.
        snapshot: VolumeId,
        /// Unique in the pool.
        name: String,
        /// Linked ones keep the snapshot from being deleted until they are flattened.
        linked: bool,
    },
    /// Ends a linked clone's dependence. Independent of size.
    Flatten(VolumeId),
    /// Makes the volume what one of its snapshots is. Independent of size.
    Rollback {
        /// Which.
        volume: VolumeId,
        /// Whither.
        snapshot: VolumeId,
    },
    /// Limits of a volume, changeable in use.
    SetLimits {
        /// Which.
        volume: VolumeId,
        /// The new limits.
        limits: Limits,
    },
    /// How fast recovery may go against clients.
    SetRecoverySpeed(RecoverySpeed),
    /// Another number of replicas, or a folded policy made a standard one. The work that follows
    /// shows as misplaced stripes.
    SetPolicy(Policy),
    /// Further disks; answered when they take part. What `expand` has moved goes on behind it.
    AddDisks {
        /// Which.
        disks: Vec<DiskSpec>,
        /// What becomes of them.
        expand: Expand,
        /// Write over whatever is on them.
        force: bool,
    },
    /// A disk that was missing is back: the same superblock on a device of this number.
    ReturnDisk(DiskSpec),
    /// Moves everything off a disk, which stays in the pool; or, with `on` false, uses it again.
    /// Answered when it is empty, or used.
    EvacuateDisk {
        /// Which.
        disk: DiskId,
        /// Whether it is to be emptied.
        on: bool,
    },
    /// As `EvacuateDisk`, then lets the disk go; answered when it is free.
    RemoveDisk(DiskId),
    /// Puts another disk in the place of one, which is emptied and let go of, or given up where it
    /// is missing. Answered when the old one is no member any more.
    ReplaceDisk {
        /// The old one.
        disk: DiskId,
        /// The new one.
        by: DiskSpec,
        /// Write over whatever is on the new one.
        force: bool,
    },
    /// No I/O to a disk and no data moved because of it, until it is taken out of maintenance.
    SetMaintenance {
        /// Which.
        disk: DiskId,
        /// Into or out of it.
        on: bool,
    },
    /// Gives up a missing disk: what was on it is rebuilt elsewhere.
    ForgetDisk(DiskId),
    /// A device answers nothing any more, or does again. It is missing from then on, where the
    /// policy survives that; else it is refused, and operations go on waiting for it. One that
    /// answers again catches up. No operation of before may be under way on it then.
    SetAnswering {
        /// Which.
        disk: DiskHandle,
        /// Whether it answers.
        answers: bool,
    },
    /// Where disks stand, and what may fail as one. What this puts at risk moves, with a rebalance;
    /// refused where these disks cannot hold whole stripes so.
    SetTopology {
        /// What may fail as one.
        level: Level,
        /// The fault domains of devices, as in [`DiskSpec`].
        domains: Vec<(DiskHandle, Vec<String>)>,
    },
    /// Reads the whole map (and with `deep` all chunks), repairs what is bad; answered at the end.
    /// Where one runs that reads as much, its end is waited for.
    Scrub {
        /// Chunks too.
        deep: bool,
    },
    /// Holds the scrub that runs, or lets it go on.
    PauseScrub(bool),
    /// Moves stripes to where placement wants them; answered at the end. It ends a pause.
    Rebalance,
    /// Holds the moving of stripes that are safe where they are, or lets it go on. What was lost is
    /// rebuilt in either case.
    PauseRebalance(bool),
    /// Looks through the map for what is really placed; answered at the end.
    Survey,
    /// Everything in the log goes home and the map is written; answered at the end.
    Checkpoint,
    /// As `Checkpoint`, then the pool takes no more requests.
    Close,
    /// How things are; answered at once.
    Status,
}

/// Token buckets of a volume; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests a second.
    pub iops: u32,
    /// Read bytes a second.
    pub read_bytes_per_second: u64,
    /// Written bytes a second.
    pub write_bytes_per_second: u64,
    /// Seconds of the rate that may be used at once; at least 1.
    pub burst_seconds: u32,
}

/// Share of recovery where clients and recovery both want all of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecoverySpeed {
    /// A tenth.
    Low,
    /// Half.
    Medium,
    /// Two thirds.
    High,
}

/// The reply to one [`Control`].
#[derive(Debug)]
pub struct ControlReply {
    /// That of the call.
    pub tag: Tag,
    /// What became of it.
    pub result: Result<ControlAnswer, BlockError>,
}

/// What a control call was answered with.
#[derive(Debug)]
pub enum ControlAnswer {
    /// Done.
    Done,
    /// The new volume or snapshot.
    Volume(VolumeId),
    /// The number of the new disk.
    Disk(DiskId),
    /// The numbers of the new disks.
    Disks(Vec<DiskId>),
    /// What is really placed.
    Surveyed(Box<Survey>),
    /// What a scrub found.
    Scrubbed(ScrubReport),
    /// How things are.
    Status(Box<PoolStatus>),
}

/// What the map says of where stripes are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// The disks as placement sees them, those that are away or to be emptied too.
    pub disks: Vec<TableDisk>,
    /// Stripes in the map, each counted once.
    pub stripes: u64,
    /// Bytes of their shards on each disk.
    pub stored: BTreeMap<DiskId, u64>,
    /// Sets of disks that hold stripes, by how many shards those can still lose: as many as the
    /// policy promises, but for stripes that are short.
    pub placed: BTreeMap<usize, Census>,
    /// Stripes by the same number.
    pub counted: BTreeMap<usize, u64>,
    /// Bytes of shards that are not where placement wants them.
    pub misplaced_bytes: u64,
    /// Bytes of shards on disks that are to be emptied.
    pub homeless_bytes: u64,
    /// Bytes of shards that are on no disk any more.
    pub lost_bytes: u64,
    /// What has to move in any case for each disk to hold its share, by the distances of
    /// placement.
    pub least_bytes: [u64; 4],
}

/// How the moving of stripes is going: since the last change of what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moving {
    /// Stripes that are safe where they are go to where placement wants them.
    pub rebalancing: bool,
    /// They are held.
    pub paused: bool,
    /// Bytes moved from one disk to another: within a server, a rack, a room, across rooms.
    pub moved_bytes: [u64; 4],
    /// The least that any placement would have to move, by the same distances.
    pub least_bytes: [u64; 4],
    /// Bytes of shards that were lost and are written anew.
    pub rebuilt_bytes: u64,
    /// Bytes written anew beside them, of stripes that could not be moved shard by shard.
    pub rewritten_bytes: u64,
    /// Bytes to move and to rebuild when it began; 0 until that is known.
    pub planned_bytes: u64,
}

/// What a scrub went through and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScrubReport {
    /// Map pages read on every disk that has them.
    pub pages: u64,
    /// Stripes read and checked (deep only).
    pub stripes: u64,
    /// Shards or pages that were bad and are repaired.
    pub repaired: u64,
    /// Stripes with more bad shards than their policy survives.
    pub lost: u64,
}

/// How far a scrub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubProgress {
    /// Chunks too.
    pub deep: bool,
    /// It is held.
    pub paused: bool,
    /// Bytes of volumes and snapshots, as large as they are, that it is through with.
    pub walked_bytes: u64,
    /// All of them.
    pub planned_bytes: u64,
    /// What it has found so far.
    pub report: ScrubReport,
}

/// How a pool is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its id.
    pub id: PoolId,
    /// Its redundancy.
    pub policy: Policy,
    /// Checkpoints so far; grows by one each.
    pub generation: u64,
    /// Its disks.
    pub disks: Vec<DiskStatus>,
    /// Its volumes and snapshots.
    pub volumes: Vec<VolumeStatus>,
    /// Bytes of the volumes' sizes together.
    pub provisioned_bytes: u64,
    /// Bytes of live log records of one copy.
    pub log_used_bytes: u64,
    /// Bytes of log a copy can have.
    pub log_bytes: u64,
    /// Stripes with fewer shards than the policy wants, as the last walk of the map found them.
    pub short_stripes: u64,
    /// Bad chunks that reads found and that were rebuilt and rewritten, since opening.
    pub repaired_chunks: u64,
    /// What it has of memory.
    pub memory: MemoryStatus,
    /// Bytes written to disks for clients' writes, log and home and map, since opening.
    pub written_bytes: u64,
    /// Bytes written by clients, since opening.
    pub client_written_bytes: u64,
    /// What may fail as one.
    pub level: Level,
    /// The moving of stripes.
    pub moving: Moving,
    /// The scrub that runs.
    pub scrub: Option<ScrubProgress>,
}

/// What a pool has of memory, beside requests under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStatus {
    /// Bytes of map pages.
    pub cache_bytes: u64,
    /// The most they may be.
    pub cache_bytes_max: u64,
    /// Bytes of the index of the log.
    pub log_bytes: u64,
    /// The most they may be.
    pub log_bytes_max: u64,
    /// Bytes of allocation maps.
    pub space_bytes: u64,
    /// Bytes of counts of what is shared.
    pub reference_bytes: u64,
}

impl MemoryStatus {
    /// All of it.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.cache_bytes + self.log_bytes + self.space_bytes + self.reference_bytes
    }
}

/// How a disk of a pool is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStatus {
    /// Its number.
    pub id: DiskId,
    /// The caller's number for it, where it is there.
    pub handle: Option<DiskHandle>,
    /// What it is called; empty where nobody has said.
    pub name: String,
    /// Its fault domains.
    pub domains: Vec<String>,
    /// In what state.
    pub state: DiskState,
    /// Bytes for shards and map pages.
    pub size_bytes: u64,
    /// Bytes of them taken.
    pub used_bytes: u64,
    /// Failed operations since opening.
    pub errors: u64,
    /// What it is made of.
    pub media: Media,
    /// Bytes read from it and written to it to move and rebuild stripes, since the last change of
    /// what is wanted.
    pub moved_bytes: u64,
}

/// The life of a disk in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskState {
    /// Reads and writes.
    Online,
    /// Added or returned, and not part of a checkpoint yet.
    Joining,
    /// Not there or failed; what it holds of newer stripes is not used.
    Missing,
    /// Set aside by its owner.
    Maintenance,
    /// Being emptied.
    Leaving,
}

/// How a volume or snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeStatus {
    /// Its id.
    pub id: VolumeId,
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// A snapshot is read-only.
    pub snapshot: bool,
    /// The volume a snapshot is of, or the snapshot a linked clone is of.
    pub parent: Option<VolumeId>,
    /// Seconds since 1970, of a snapshot.
    pub time_seconds: u64,
    /// Its limits.
    pub limits: Limits,
}

/// Bytes moved by class since opening, as the queue counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassBytes(pub [u64; IoClass::ALL.len()]);
