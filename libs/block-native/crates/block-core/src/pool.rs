//! A pool as its owner sees it: a step function.
//!
//! ```text
//! loop {
//!     pool.submit(request); pool.control(call);      // from clients
//!     pool.complete(done);                           // from disks
//!     pool.advance(now);                             // once a turn, after all of the above
//!     while let Some(io) = pool.next_io() { ... }    // to disks
//!     while let Some(reply) = pool.next_reply() { ... }
//!     while let Some(reply) = pool.next_control_reply() { ... }
//!     // wait for a request, an answer, or pool.deadline()
//! }
//! ```
//! Requests submitted in one turn share one log record: that is the group commit. A pool lives on
//! one thread (it is not `Send`); build it there. Pools share nothing.

use crate::control::{Control, ControlReply, DiskSpec, OpenOptions, PoolSpec};
use crate::disk::{DiskDone, DiskIo};
use crate::error::BlockError;
use crate::request::{Reply, Request};

/// Nanoseconds of a monotonic clock; only differences count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nanoseconds(pub u64);

/// Where a pool is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Being created or opened; requests wait.
    Starting,
    /// Serving.
    Running,
    /// Creating or opening failed, or it was closed, or its log or map cannot be written any more.
    Ended(Result<(), BlockError>),
}

/// A pool. See the head of this file for the loop around it.
pub struct Pool {
    engine: crate::engine::Engine,
}

impl Pool {
    /// Begins to make a new pool on `disks`; [`Pool::phase`] tells when and whether it is there.
    /// Nothing is written before every disk was found to be empty (or `force` is set).
    #[must_use]
    pub fn create(spec: PoolSpec, disks: Vec<DiskSpec>, options: OpenOptions) -> Self {
        Self { engine: crate::engine::Engine::create(spec, disks, options) }
    }

    /// Begins to open the pool that is on `disks`, in any order. Domains of disks that differ from
    /// those written in the pool replace them.
    #[must_use]
    pub fn open(disks: Vec<DiskSpec>, options: OpenOptions) -> Self {
        Self { engine: crate::engine::Engine::open(disks, options) }
    }

    /// Where the pool is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.engine.phase()
    }

    /// Takes a client's request. Its reply comes from [`Pool::next_reply`].
    pub fn submit(&mut self, request: Request) {
        self.engine.submit(request);
    }

    /// Takes an owner's call. Its reply comes from [`Pool::next_control_reply`].
    pub fn control(&mut self, control: Control) {
        self.engine.control(control);
    }

    /// Takes a disk's answer.
    pub fn complete(&mut self, done: DiskDone) {
        self.engine.complete(done);
    }

    /// Lets the pool work on what it was given. It never waits.
    pub fn advance(&mut self, now: Nanoseconds) {
        self.engine.advance(now);
    }

    /// The next operation for a disk, in the order they were asked for. What keeps the shares of
    /// the classes stands where operations enter the disk.
    pub fn next_io(&mut self) -> Option<DiskIo> {
        self.engine.next_io()
    }

    /// The next reply to a client.
    pub fn next_reply(&mut self) -> Option<Reply> {
        self.engine.next_reply()
    }

    /// The next reply to an owner.
    pub fn next_control_reply(&mut self) -> Option<ControlReply> {
        self.engine.next_control_reply()
    }

    /// Blocks of a volume below one leaf of the map.
    #[cfg(test)]
    pub(crate) fn leaf_blocks(&self) -> u64 {
        self.engine.leaf_blocks()
    }

    /// Levels of the highest tree that has pages; 0 if none has.
    #[cfg(test)]
    pub(crate) fn map_height(&self) -> u8 {
        self.engine.map_height()
    }

    /// Map pages that left memory because there was no room.
    #[cfg(test)]
    pub(crate) fn pages_evicted(&self) -> u64 {
        self.engine.pages_evicted()
    }

    /// When `advance` must be called again even if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanoseconds> {
        self.engine.deadline()
    }
}
