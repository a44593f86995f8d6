//! From requests of guests to requests of the engine, and from its answers to theirs.

use std::sync::Arc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::request::RequestOp;

use super::chain::{BadChain, Segment, walk};
use super::device::Device;
use super::lone::{Content, Lone, around, copy_in, within};
use super::memory::{Memory, Outside};
use super::order::{Action, NAME_BYTES, Order, Range, Status, read_order};
use super::under_way::{Brings, UnderWay};
use crate::nbd::protocol::command;
use crate::nbd::request::RequestHead;
use crate::qos::limiter::Cost;

/// What the engine is to do for a device.
pub struct Work {
    /// What it is known by, as a request of NBD would be.
    pub head: RequestHead,
    /// What is asked of the engine.
    pub ops: Vec<RequestOp>,
    /// What it costs of the volume's limits; `None` where that is paid.
    pub cost: Option<Cost>,
}

/// The head by which the reactor knows a request of a device.
#[must_use]
pub fn head_of(kind: u16, cookie: u64, range: Range) -> RequestHead {
    let length = u32::try_from(range.bytes).unwrap_or(u32::MAX);
    RequestHead { flags: 0, kind, cookie, offset: range.offset, length }
}

/// A request that was read from its chain.
struct Begun {
    queue: u16,
    head: u16,
    memory: Arc<Memory>,
    status: u64,
    durable: bool,
}

impl Device {
    /// The next thing the engine is to do for the guest of a volume of `size_bytes`.
    pub fn take(&mut self, size_bytes: u64) -> Option<Work> {
        if let Some(work) = self.next_step() {
            return Some(work);
        }
        while self.has_room() && self.heads_left > 0 {
            let (queue, head) = self.next_head()?;
            self.heads_left -= 1;
            match self.begin(queue, head, size_bytes) {
                Ok(Some(work)) => return Some(work),
                Ok(None) => {}
                Err(bad) => self.break_queue(queue, bad),
            }
        }
        None
    }

    /// The next step of a write that goes alone.
    pub fn next_step(&mut self) -> Option<Work> {
        let alone = self.requests.count() == 1;
        let lone = self.lone.as_mut()?;
        if self.closed && lone.is_with_nobody() {
            self.requests.remove(lone.cookie);
            self.lone = None;
            return None;
        }
        lone.next_step(alone)
    }

    fn begin(&mut self, queue: u16, head: u16, size: u64) -> Result<Option<Work>, BadChain> {
        let Some(served) = self.rings.get_mut(&queue) else { return Ok(None) };
        let memory = Arc::clone(&served.ring.setup().memory);
        let durable = served.ring.setup().durable;
        let chain = walk(&memory, served.ring.table(), head)?;
        let Order { status, action } = read_order(&memory, &chain, size)?;
        served.in_flight += 1;
        let begun = Begun { queue, head, memory, status, durable };
        match action {
            Ok(action) => {
                let work = self.begin_action(begun, action);
                if work.is_err()
                    && let Some(served) = self.rings.get_mut(&queue)
                {
                    served.in_flight -= 1;
                }
                work
            }
            Err(status) => {
                self.finish(begun, Err(status));
                Ok(None)
            }
        }
    }

    fn begin_action(&mut self, begun: Begun, action: Action) -> Result<Option<Work>, BadChain> {
        match action {
            Action::Read { range, targets } => {
                let around = around(range);
                let length = whole(around.bytes)?;
                let skip = whole(range.offset - around.offset)?;
                let brings = Brings::Bytes { targets, skip };
                let cookie = self.keep(begun, brings, length);
                let ops = vec![RequestOp::Read { offset: around.offset, length }];
                let head = head_of(command::READ, cookie, around);
                Ok(Some(Work { head, ops, cost: Some(Cost::Read(range.bytes)) }))
            }
            Action::Write { range, sources } if around(range) == range => {
                self.begin_write(begun, range, &sources).map(Some)
            }
            Action::WriteZeroes(range) if around(range) == range => {
                let fua = begun.durable;
                let cookie = self.keep(begun, Brings::Status, 0);
                let Range { offset, bytes: length } = range;
                let ops = vec![RequestOp::Zero { offset, length, fua }];
                let head = head_of(command::WRITE_ZEROES, cookie, range);
                Ok(Some(Work { head, ops, cost: Some(Cost::Request) }))
            }
            Action::Write { range, sources } => {
                self.begin_lone(begun, range, Content::Bytes(sources))
            }
            Action::WriteZeroes(range) => self.begin_lone(begun, range, Content::Zeroes),
            Action::Flush => {
                let cookie = self.keep(begun, Brings::Status, 0);
                let head = head_of(command::FLUSH, cookie, Range { offset: 0, bytes: 0 });
                let ops = vec![RequestOp::Flush];
                Ok(Some(Work { head, ops, cost: Some(Cost::Request) }))
            }
            Action::Identify { targets } => {
                let mut name = self.name.clone().into_bytes();
                name.resize(whole(NAME_BYTES)?, 0);
                let done = copy_out(&begun.memory, &targets, std::iter::once(&name[..]));
                self.finish(begun, done.map_err(|_| Status::Failed));
                Ok(None)
            }
            Action::Discard(ranges) => Ok(self.begin_discard(begun, &ranges)),
        }
    }

    fn begin_write(
        &mut self,
        begun: Begun,
        range: Range,
        sources: &[Segment],
    ) -> Result<Work, BadChain> {
        let bytes = whole(range.bytes)?;
        let mut buffer = Buffer::of_any_bytes(bytes / BLOCK_BYTES);
        copy_in(&begun.memory, sources, buffer.as_bytes_mut()).map_err(|_| BadChain::Outside)?;
        let fua = begun.durable;
        let cookie = self.keep(begun, Brings::Status, bytes);
        let slices = vec![buffer.share()];
        let ops = vec![RequestOp::Write { offset: range.offset, slices, fua }];
        let head = head_of(command::WRITE, cookie, range);
        Ok(Work { head, ops, cost: Some(Cost::Write(range.bytes)) })
    }

    fn begin_lone(
        &mut self,
        begun: Begun,
        range: Range,
        content: Content,
    ) -> Result<Option<Work>, BadChain> {
        let durable = begun.durable;
        let bytes = whole(around(range).bytes)?;
        let cookie = self.keep(begun, Brings::Status, bytes);
        self.lone = Some(Lone::new(cookie, range, content, durable));
        Ok(self.next_step())
    }

    /// Gives back the whole blocks of the ranges: a discard is a hint, so what is left over of
    /// blocks stays.
    fn begin_discard(&mut self, begun: Begun, ranges: &[Range]) -> Option<Work> {
        let blocks: Vec<Range> = ranges.iter().copied().filter_map(within).collect();
        let Some(first) = blocks.first().copied() else {
            self.finish(begun, Ok(0));
            return None;
        };
        let fua = begun.durable;
        let cookie = self.keep(begun, Brings::Status, 0);
        let ops = blocks.iter().map(|range| RequestOp::Zero {
            offset: range.offset,
            length: range.bytes,
            fua,
        });
        let head = head_of(command::TRIM, cookie, first);
        Some(Work { head, ops: ops.collect(), cost: Some(Cost::Request) })
    }

    fn keep(&mut self, begun: Begun, brings: Brings, held_bytes: usize) -> u64 {
        let Begun { queue, head, memory, status, .. } = begun;
        self.requests.insert(UnderWay { queue, head, memory, status, brings, held_bytes })
    }

    /// Takes the engine's answer to a request of the device.
    pub fn answer(&mut self, cookie: u64, result: Result<Option<Vec<Slice>>, ()>) {
        let mut result = result;
        if let Some(lone) = self.lone.as_mut().filter(|lone| lone.cookie == cookie) {
            if let (Ok(Some(read)), Some(request)) = (&result, self.requests.get(cookie)) {
                match lone.merge(&request.memory, read) {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(_) => result = Err(()),
                }
            }
            self.lone = None;
        }
        let Some(request) = self.requests.remove(cookie) else { return };
        let UnderWay { queue, head, memory, status, brings, .. } = request;
        let begun = Begun { queue, head, memory, status, durable: false };
        let done = match (brings, result) {
            (Brings::Status, Ok(_)) => Ok(0),
            (Brings::Bytes { targets, skip }, Ok(Some(slices))) => {
                let mut skip = skip;
                let pieces = slices.iter().map(|slice| {
                    let bytes = slice.as_bytes();
                    let skipped = skip.min(bytes.len());
                    skip -= skipped;
                    &bytes[skipped..]
                });
                copy_out(&begun.memory, &targets, pieces).map_err(|_| Status::Failed)
            }
            _ => Err(Status::Failed),
        };
        self.finish(begun, done);
    }

    /// Tells the guest how a request ended: so many bytes were written for it, or a status. The
    /// memory of a front end that is gone may be another's by now, so nothing is told there.
    fn finish(&mut self, begun: Begun, done: Result<u32, Status>) {
        let Begun { queue, head, memory, status, .. } = begun;
        let Some(served) = self.rings.get_mut(&queue) else { return };
        served.in_flight -= 1;
        if self.closed {
            return;
        }
        let (written, code) = match done {
            Ok(written) => (written, Status::Done),
            Err(code) => (0, code),
        };
        let told = memory.write(status, &[code as u8]).map_err(|_| BadChain::Outside);
        let told = told.and_then(|()| served.ring.put_used(head, written.saturating_add(1)));
        if let Err(bad) = told {
            self.break_queue(queue, bad);
        }
    }
}

/// Copies runs of bytes to the guest as far as there is room; gives how many there were.
fn copy_out<'a>(
    memory: &Memory,
    targets: &[Segment],
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Result<u32, Outside> {
    let mut targets = targets.iter().copied();
    let mut room: Option<Segment> = targets.next();
    let mut written = 0u32;
    for mut piece in pieces {
        while let (Some(segment), false) = (room, piece.is_empty()) {
            let here = piece.len().min(segment.bytes as usize);
            memory.write(segment.address, &piece[..here])?;
            piece = &piece[here..];
            // No more than the segment has, so it fits.
            let here = u32::try_from(here).unwrap_or(segment.bytes);
            written += here;
            let left = segment.bytes - here;
            let address = segment.address + u64::from(here);
            room = if left > 0 { Some(Segment { address, bytes: left }) } else { targets.next() };
        }
    }
    Ok(written)
}

/// A length that was checked to be of a request.
fn whole(bytes: u64) -> Result<usize, BadChain> {
    usize::try_from(bytes).map_err(|_| BadChain::Outside)
}
