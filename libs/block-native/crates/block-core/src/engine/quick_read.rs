//! Reading one block that is in the log, or whose way through the map is in memory: no step of it
//! waits but for its disk, so it is no task. What is not as simple, or not as it should be, is read
//! the usual way.

use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::catalogue::Resolved;
use super::core::{Core, Guard};
use super::entry::{Entry, Place, Spot};
use super::layers::{LogBlock, Source};
use super::pages::child;
use super::tree::{Root, leaf_bytes, leaf_slot, slot};
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::disk::{DiskError, DiskOp, IoClass};
use crate::request::{Answer, Reply, Request, RequestOp};

/// A block on its way from its disk to a client.
pub struct QuickRead {
    request: Request,
    place: Place,
    checksum: u32,
    /// As long as it lives, the block is given to nobody else.
    _guard: Guard,
}

impl Core {
    /// Does a request: a read of one block at once, everything else as a task.
    pub fn take(self: &Rc<Self>, request: Request) {
        if let Some(spot) = self.quick_spot(&request) {
            self.read_quickly(request, spot);
        } else {
            self.tasks.spawn(Rc::clone(self).serve(request));
        }
    }

    /// Where the only block of a read is, if it can be told without waiting.
    fn quick_spot(self: &Rc<Self>, request: &Request) -> Option<Spot> {
        let RequestOp::Read { offset, length: BLOCK_BYTES } = request.op else { return None };
        if self.refusal().is_some() {
            return None;
        }
        let head = self.check(request.volume, offset, BLOCK_BYTES as u64, false).ok()?;
        let block = offset / BLOCK_BYTES as u64;
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let (stripe, within) = (block / stripe_blocks, (block % stripe_blocks).try_into().ok()?);
        let resolved = self.catalogue.borrow().resolve(head, stripe, within)?;
        match resolved {
            Resolved::Map(root) => self.spot(root, stripe, within),
            Resolved::Here(Source::Log(block)) => self.log_spot(block),
            Resolved::Here(Source::Zero | Source::Stripe(_)) => None,
        }
    }

    /// Where a block of the log is: of its copies on the disk that was asked least.
    fn log_spot(&self, LogBlock { sequence, index, checksum }: LogBlock) -> Option<Spot> {
        let log = self.log.borrow();
        let batch = log.places(sequence)?;
        let usable = batch.places.iter().filter_map(|&place| Some((self.reads(place)?, place)));
        let (_, place) = usable.min_by_key(|&(reads, _)| reads)?;
        Some(Spot { place: Place(place.0 + batch.header_blocks + u64::from(index)), checksum })
    }

    /// How often the disk of a place was read, if it can be.
    fn reads(&self, place: Place) -> Option<u64> {
        let members = self.members.borrow();
        members.get(place.disk()).filter(|member| member.is_usable()).map(|member| member.reads)
    }

    /// What the pages in memory say about a block.
    fn spot(&self, root: Root, stripe: u64, within: usize) -> Option<Spot> {
        let geometry = self.geometry.get();
        if stripe >= geometry.reach(root.height.checked_sub(1)?) {
            return None;
        }
        let mut pointer = root.pointer;
        for level in (1..root.height).rev() {
            pointer = child(&*self.page_in_memory(&pointer)?, slot(geometry, level, stripe));
        }
        let page = self.page_in_memory(&pointer)?;
        let bytes = leaf_bytes(geometry, &page, leaf_slot(geometry, stripe));
        Entry::spot(bytes, within, |place| self.reads(place))
    }

    fn read_quickly(self: &Rc<Self>, request: Request, spot: Spot) {
        let Spot { place, checksum } = spot;
        let handle = {
            let mut members = self.members.borrow_mut();
            let member = members.get_mut(place.disk());
            member.and_then(|member| {
                member.reads += 1;
                member.handle
            })
        };
        let Some(handle) = handle else {
            return self.tasks.spawn(Rc::clone(self).serve(request));
        };
        let at = place.block() * BLOCK_BYTES as u64;
        let op = DiskOp::Read { at, buffer: Buffer::of_any_bytes(1) };
        let read = QuickRead { request, place, checksum, _guard: self.guard() };
        self.issue_quick(handle, IoClass::Client, op, read);
    }

    /// Answers a block that is what its checksum says; any other is read the usual way, which looks
    /// for it elsewhere and has it mended.
    pub fn end_quick(self: &Rc<Self>, read: QuickRead, result: Result<Option<Buffer>, DiskError>) {
        let QuickRead { request, place, checksum, _guard } = read;
        match result {
            Ok(Some(buffer)) if fault!(TrustDisks) || crc32c(buffer.as_bytes()) == checksum => {
                let result = Ok(Answer::Bytes(vec![buffer.share()]));
                self.replies.borrow_mut().push_back(Reply { tag: request.tag, result });
                return;
            }
            Ok(_) => {}
            Err(error) => self.note_error(place.disk(), error, false),
        }
        self.tasks.spawn(Rc::clone(self).serve(request));
    }
}
