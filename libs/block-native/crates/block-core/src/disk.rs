//! The seam to disks: operations the engine asks for and what became of them.
//!
//! The engine does no I/O. It is a value that emits [`DiskIo`] and takes [`DiskDone`]; whatever
//! stands between (`io_uring`, threads, the SSD cache, the simulator) implements [`Disk`] or does
//! the same by other means. Rules both sides keep:
//!
//! 1. Every `DiskIo` is answered exactly once, in any order, by a `DiskDone` of the same `id`.
//!    A back end that loses a disk answers with [`DiskError::Gone`]; it never stays silent.
//! 2. Operations in flight are unordered, unless they wait for each other's answers. The engine
//!    never has two in flight that overlap where one writes.
//! 3. A write is volatile until a `Flush` that was issued after its answer is answered; a write
//!    with `fua` is durable when answered. A `Flush` covers the writes answered before it was
//!    issued, and no others.
//! 4. After a crash a volatile write may be there, not there, or torn at 512 bytes.
//! 5. Addresses and lengths are whole blocks of 4096 bytes, buffers begin at a multiple of 4096:
//!    this suits sectors of 512 and of 4096 bytes and `O_DIRECT`.

use crate::buffer::{Buffer, Slice};

/// A device as the caller numbers it. It is the caller's name alone: the engine finds out from
/// the superblock which disk of the pool it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DiskHandle(pub u32);

/// Names one operation among those of one pool (or one cache) that are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IoId(pub u64);

/// Whom an operation is for. The engine queues by class; back ends may pass it on as I/O priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IoClass {
    /// A client waits for it.
    Client,
    /// Log to home, map checkpoints, cache to disk.
    Destage,
    /// Rebuild, back-fill, replacement of a bad chunk.
    Recovery,
    /// Rebalance, conversion, evacuation.
    Migration,
    /// Scrub and deep scrub.
    Scrub,
    /// Freeing what deleted snapshots and volumes held.
    SnapTrim,
}

impl IoClass {
    /// All, the client's first.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Destage, Self::Recovery, Self::Migration, Self::Scrub, Self::SnapTrim];
}

/// What a device is. The caller finds it out once (`BLKGETSIZE64`, `BLKSSZGET`,
/// `queue/rotational`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFacts {
    /// Whole blocks it has, in bytes; what is beyond the last whole block is not used.
    pub size_bytes: u64,
    /// 512 or 4096. The engine writes whole blocks of 4096 bytes on either.
    pub sector_bytes: u32,
    /// What it is made of.
    pub media: Media,
}

/// Media class. Mixed classes in one pool work and warn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Media {
    /// Rotates: destage goes in address order.
    Hdd,
    /// SATA or SAS flash.
    Ssd,
    /// `NVMe` flash.
    Nvme,
}

/// What is asked of a disk. `at` is in bytes, a multiple of 4096.
#[derive(Debug)]
pub enum DiskOp {
    /// Fill `buffer` from `at`. The buffer comes back in [`DiskDone::result`].
    Read {
        /// The first byte.
        at: u64,
        /// Where it goes; its length is the length of the read.
        buffer: Buffer,
    },
    /// Write `slices` one after the other from `at` (a `writev`); at most [`WRITE_SLICES_MAX`].
    Write {
        /// The first byte.
        at: u64,
        /// What is written. The same slices may be on their way to several disks.
        slices: Vec<Slice>,
        /// Durable when answered (`RWF_DSYNC`).
        fua: bool,
    },
    /// Make durable every write answered before this was issued (`fdatasync`).
    Flush,
    /// What is there is not needed any more. An advice: reading it back may give anything, and
    /// `Ok` may be answered without doing anything.
    Discard {
        /// The first byte.
        at: u64,
        /// How many bytes.
        length: u64,
    },
}

/// Most slices of one write: below `IOV_MAX` of Linux (1024).
pub const WRITE_SLICES_MAX: usize = 512;

/// One operation on one disk.
#[derive(Debug)]
pub struct DiskIo {
    /// Comes back in the answer.
    pub id: IoId,
    /// Where.
    pub disk: DiskHandle,
    /// For whom.
    pub class: IoClass,
    /// What.
    pub op: DiskOp,
}

impl DiskIo {
    /// Bytes moved by it; 0 of a flush and a discard.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.op {
            DiskOp::Read { buffer, .. } => buffer.len(),
            DiskOp::Write { slices, .. } => slices.iter().map(Slice::len).sum(),
            DiskOp::Flush | DiskOp::Discard { .. } => 0,
        }
    }
}

/// The answer to one [`DiskIo`].
#[derive(Debug)]
pub struct DiskDone {
    /// That of the operation.
    pub id: IoId,
    /// A read gives its buffer back; the others give `None`.
    pub result: Result<Option<Buffer>, DiskError>,
}

/// What can go wrong on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// This operation failed, others may succeed (`EIO`, a bad sector). A failed write leaves its
    /// range undefined.
    #[error("input/output error")]
    Io,
    /// The device is not there any more; every later operation fails too.
    #[error("the device is gone")]
    Gone,
    /// The device says it is full (a sparse file on a full file system).
    #[error("no space on the device")]
    NoSpace,
    /// It took longer than its deadline.
    #[error("the device did not answer in time")]
    Timeout,
}

/// A device, or a layer over one (the cache), as a step function. Its user calls `submit`, then
/// takes answers with `poll` until there are none; a layer over real disks emits the operations
/// below it on its own and is told their answers by its own means.
pub trait Disk {
    /// What it is.
    fn facts(&self) -> DiskFacts;

    /// Takes an operation. Never waits and never fails; failure is an answer.
    fn submit(&mut self, io: DiskIo);

    /// The next answer, if one is there.
    fn poll(&mut self) -> Option<DiskDone>;
}
