//! A write that is not of whole blocks. Guests count in sectors of 512 bytes, the engine in blocks
//! of 4096: what is around such a write is read, merged with it and written back. Nothing else of
//! the device is under way meanwhile, so that no other write of the same block is undone.
//!
//! ```text
//! Waiting --alone--> Reading --read--> Merged --> Writing --> answered
//! ```

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::request::RequestOp;

use super::chain::Segment;
use super::memory::{Memory, Outside};
use super::order::Range;
use super::work::{Work, head_of};
use crate::nbd::protocol::command;
use crate::qos::limiter::Cost;

/// What is written.
pub enum Content {
    /// The guest's bytes.
    Bytes(Vec<Segment>),
    /// Zeroes.
    Zeroes,
}

enum Step {
    Waiting,
    Reading,
    Merged(Buffer),
    Writing,
}

/// A write that goes alone.
pub struct Lone {
    /// The request.
    pub cookie: u64,
    range: Range,
    content: Content,
    durable: bool,
    step: Step,
}

impl Lone {
    /// A write that waits until it is alone.
    #[must_use]
    pub fn new(cookie: u64, range: Range, content: Content, durable: bool) -> Self {
        Self { cookie, range, content, durable, step: Step::Waiting }
    }

    /// Whether nothing of it is with the engine.
    #[must_use]
    pub fn is_with_nobody(&self) -> bool {
        matches!(self.step, Step::Waiting | Step::Merged(_))
    }

    /// The next step, if it can be taken; `alone` says whether nothing else is under way.
    pub fn next_step(&mut self, alone: bool) -> Option<Work> {
        let around = around(self.range);
        let work = |kind, op, cost| {
            let head = head_of(kind, self.cookie, around);
            Some(Work { head, ops: vec![op], cost })
        };
        match std::mem::replace(&mut self.step, Step::Writing) {
            Step::Waiting if alone => {
                self.step = Step::Reading;
                let length = usize::try_from(around.bytes).unwrap_or(usize::MAX);
                let op = RequestOp::Read { offset: around.offset, length };
                work(command::READ, op, Some(Cost::Write(self.range.bytes)))
            }
            Step::Merged(buffer) => {
                let slices = vec![buffer.share()];
                let op = RequestOp::Write { offset: around.offset, slices, fua: self.durable };
                work(command::WRITE, op, None)
            }
            same => {
                self.step = same;
                None
            }
        }
    }

    /// Takes what was read; whether that was what it waited for.
    ///
    /// # Errors
    /// The guest's bytes are not there.
    pub fn merge(&mut self, memory: &Memory, read: &[Slice]) -> Result<bool, Outside> {
        if !matches!(self.step, Step::Reading) {
            return Ok(false);
        }
        let around = around(self.range);
        let bytes = usize::try_from(around.bytes).map_err(|_| Outside)?;
        let mut buffer = Buffer::of_any_bytes(bytes / BLOCK_BYTES);
        let room = buffer.as_bytes_mut();
        let mut at = 0;
        for slice in read {
            let bytes = slice.as_bytes();
            room.get_mut(at..at + bytes.len()).ok_or(Outside)?.copy_from_slice(bytes);
            at += bytes.len();
        }
        let first = usize::try_from(self.range.offset - around.offset).map_err(|_| Outside)?;
        let length = usize::try_from(self.range.bytes).map_err(|_| Outside)?;
        let room = room.get_mut(first..first + length).ok_or(Outside)?;
        match &self.content {
            Content::Zeroes => room.fill(0),
            Content::Bytes(sources) => copy_in(memory, sources, room)?,
        }
        self.step = Step::Merged(buffer);
        Ok(true)
    }
}

/// Copies the guest's bytes; there are as many as there is room.
///
/// # Errors
/// They are not there.
pub fn copy_in(memory: &Memory, sources: &[Segment], room: &mut [u8]) -> Result<(), Outside> {
    let mut at = 0;
    for source in sources {
        let end = at + source.bytes as usize;
        memory.read(source.address, room.get_mut(at..end).ok_or(Outside)?)?;
        at = end;
    }
    Ok(())
}

/// The whole blocks that a range touches.
#[must_use]
pub fn around(range: Range) -> Range {
    let block = BLOCK_BYTES as u64;
    let offset = range.offset - range.offset % block;
    let end = (range.offset + range.bytes).next_multiple_of(block);
    Range { offset, bytes: end - offset }
}

/// The whole blocks within a range, if there is one.
#[must_use]
pub fn within(range: Range) -> Option<Range> {
    let block = BLOCK_BYTES as u64;
    let offset = range.offset.next_multiple_of(block);
    let end = range.offset + range.bytes;
    let end = end - end % block;
    (end > offset).then(|| Range { offset, bytes: end - offset })
}
