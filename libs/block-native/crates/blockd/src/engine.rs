//! What a reactor drives: a pool, or whatever takes requests and asks for disk operations as one.

use purlin_block_core::control::{Control, ControlReply};
use purlin_block_core::disk::{DiskDone, DiskIo};
use purlin_block_core::request::{Reply, Request};
use purlin_block_core::{Nanoseconds, Phase, Pool};

/// The step function of [`Pool`]; see there for the loop around it.
pub trait Engine {
    /// Takes a client's request.
    fn submit(&mut self, request: Request);
    /// Takes an owner's call.
    fn control(&mut self, call: Control);
    /// Takes a disk's answer.
    fn complete(&mut self, done: DiskDone);
    /// Works on what was taken.
    fn advance(&mut self, now: Nanoseconds);
    /// The next operation for a disk.
    fn next_io(&mut self) -> Option<DiskIo>;
    /// The next reply to a client.
    fn next_reply(&mut self) -> Option<Reply>;
    /// The next reply to an owner.
    fn next_control_reply(&mut self) -> Option<ControlReply>;
    /// When `advance` must be called again even if nothing happens.
    fn deadline(&self) -> Option<Nanoseconds>;
    /// Where the engine is in its life.
    fn phase(&self) -> Phase;
}

impl Engine for Pool {
    fn submit(&mut self, request: Request) {
        Self::submit(self, request);
    }
    fn control(&mut self, call: Control) {
        Self::control(self, call);
    }
    fn complete(&mut self, done: DiskDone) {
        Self::complete(self, done);
    }
    fn advance(&mut self, now: Nanoseconds) {
        Self::advance(self, now);
    }
    fn next_io(&mut self) -> Option<DiskIo> {
        Self::next_io(self)
    }
    fn next_reply(&mut self) -> Option<Reply> {
        Self::next_reply(self)
    }
    fn next_control_reply(&mut self) -> Option<ControlReply> {
        Self::next_control_reply(self)
    }
    fn deadline(&self) -> Option<Nanoseconds> {
        Self::deadline(self)
    }
    fn phase(&self) -> Phase {
        Self::phase(self)
    }
}
