//! What a volume's client asks for and what it is answered.

use crate::buffer::Slice;
use crate::error::BlockError;

/// A volume or a snapshot, unique in its pool and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeId(pub u64);

/// Names a request among those in flight; chosen by the caller, returned in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// A request to one volume. Offsets and lengths are bytes, multiples of 4096 (an NBD server
/// announces 4096 as its least block size; clients with smaller sectors read, change and write).
#[derive(Debug)]
pub struct Request {
    /// Comes back in the reply.
    pub tag: Tag,
    /// Which volume; reads and block status take snapshots as well.
    pub volume: VolumeId,
    /// What.
    pub op: RequestOp,
}

/// What a client can ask for. The volume's requests in flight are unordered among each other, as
/// those of NBD are.
#[derive(Debug)]
pub enum RequestOp {
    /// Bytes of the volume.
    Read {
        /// First byte.
        offset: u64,
        /// How many; at most [`REQUEST_BYTES_MAX`].
        length: usize,
    },
    /// Replace bytes. The slices begin and end at whole blocks and are not copied.
    Write {
        /// First byte.
        offset: u64,
        /// What, one after the other; at most [`REQUEST_BYTES_MAX`] together.
        slices: Vec<Slice>,
        /// Durable when answered.
        fua: bool,
    },
    /// Everything answered before is durable when this is answered.
    Flush,
    /// The range reads as zeros from now on, and its space is given back.
    Zero {
        /// First byte.
        offset: u64,
        /// How many; no limit but the volume's size.
        length: u64,
        /// Durable when answered.
        fua: bool,
    },
    /// Nobody needs the range any more. A pool has zeros there from now on; what is in front of a
    /// device passes it on, and anything may be read there.
    Discard {
        /// First byte.
        offset: u64,
        /// How many; no limit but the volume's size.
        length: u64,
        /// Durable when answered.
        fua: bool,
    },
    /// Which parts are allocated (`base:allocation`).
    BlockStatus {
        /// First byte.
        offset: u64,
        /// How many.
        length: u64,
        /// Most extents wanted; fewer may be given, at least one.
        extents_max: usize,
    },
    /// Which parts may differ from `base`, a snapshot of this volume or of its ancestors.
    Difference {
        /// The older side.
        base: VolumeId,
        /// First byte.
        offset: u64,
        /// How many.
        length: u64,
        /// Most extents wanted.
        extents_max: usize,
    },
}

/// Most bytes of one read or write.
pub const REQUEST_BYTES_MAX: usize = 32 << 20;

/// A run of bytes that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many bytes; the first extent begins at the request's offset.
    pub length: u64,
    /// Block status: holds written bytes (else a hole that reads as zeros). Difference: may differ.
    pub set: bool,
}

/// What a request was answered with.
#[derive(Debug)]
pub enum Answer {
    /// The bytes of a read, in order. They can be sent as they are (`writev`).
    Bytes(Vec<Slice>),
    /// Done: write, flush, zero.
    Done,
    /// Block status and difference: covers at least the first block of what was asked.
    Extents(Vec<Extent>),
}

/// The reply to one [`Request`].
#[derive(Debug)]
pub struct Reply {
    /// That of the request.
    pub tag: Tag,
    /// What became of it. `BlockError::errno` gives what NBD wants.
    pub result: Result<Answer, BlockError>,
}
