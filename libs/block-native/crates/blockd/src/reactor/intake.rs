//! From bytes of clients to requests of the engine.

use purlin_block_core::Nanoseconds;
use purlin_block_core::request::{Request, RequestOp, VolumeId};

use super::Reactor;
use super::connection::Incoming;
use super::pending::Arrived;
use crate::engine::Engine;
use crate::nbd::exports::Context;
use crate::nbd::protocol::{NbdError, command, command_flag};
use crate::nbd::reply;
use crate::nbd::request::{Limits, RequestHead};
use crate::port::token::ConnectionKey;
use crate::qos::limiter::Cost;

/// What offsets and lengths must be a multiple of.
pub const BLOCK_BYTES: u32 = 4096;
const _: () = assert!(BLOCK_BYTES as usize == purlin_block_core::buffer::BLOCK_BYTES);
/// Reads that are handed in at once: their disk begins with them while the next are looked at.
/// Writes are not divided, since those of one turn share a record of the log.
const READS_AT_ONCE: usize = 8;
/// Extents of one context in one reply: 2 KiB of it.
const EXTENTS_MAX: usize = 256;

impl<E: Engine> Reactor<E> {
    /// Reads requests that have come on touched connections, as far as their bounds allow. Whether
    /// there may be more for the same turn.
    pub(super) fn read_requests(&mut self, now: Nanoseconds) -> bool {
        if self.giving_away.is_some() || !self.started {
            return false;
        }
        let mut reads = 0;
        for index in 0..self.touched.len() {
            let key = self.touched[index];
            self.read_device(key, now);
            while let Some(connection) = self.connections.get_mut(&key)
                && let Some(incoming) = connection.next_request()
            {
                reads += usize::from(incoming.head.kind == command::READ);
                self.read_request(key, incoming, now);
                if reads == READS_AT_ONCE {
                    return true;
                }
            }
        }
        false
    }

    fn read_request(&mut self, key: ConnectionKey, incoming: Incoming, now: Nanoseconds) {
        let Some(connection) = self.connections.get(&key) else { return };
        let volume = connection.volume;
        let contexts = &connection.session.contexts;
        let head = incoming.head;
        let known = self.volumes.get(volume).map(|known| Limits {
            size_bytes: known.size_bytes,
            block_bytes: BLOCK_BYTES,
            read_only: known.read_only,
            contexts: !contexts.is_empty(),
        });
        let checked = match known {
            Some(limits) => head.check(&limits),
            None => Err(NbdError::ShuttingDown),
        };
        let ops = checked.and_then(|()| self.ops_of(incoming, volume, contexts));
        match ops {
            Ok(ops) => {
                let cost = cost_of(&head);
                let arrived = Arrived { connection: key, head, volume, ops, cost };
                if let Some(arrived) = self.volumes.admit(arrived, now) {
                    self.hand_in(arrived);
                }
            }
            Err(error) => self.refuse(key, &head, error),
        }
    }

    fn ops_of(
        &self,
        incoming: Incoming,
        volume: VolumeId,
        contexts: &[Context],
    ) -> Result<Vec<RequestOp>, NbdError> {
        let Incoming { head, payload } = incoming;
        let (offset, length) = (head.offset, u64::from(head.length));
        let fua = head.flags & command_flag::FUA != 0;
        let op = match head.kind {
            command::READ => RequestOp::Read { offset, length: head.length as usize },
            command::WRITE => {
                let payload = payload.ok_or(NbdError::Invalid)?;
                RequestOp::Write { offset, slices: vec![payload.share()], fua }
            }
            command::FLUSH => RequestOp::Flush,
            // A pool gives the space of zeroes back whether asked to or not: nothing is reserved
            // by writing zeroes there, so the wish for no hole changes nothing.
            command::WRITE_ZEROES => RequestOp::Zero { offset, length, fua },
            command::TRIM => RequestOp::Discard { offset, length, fua },
            command::BLOCK_STATUS => {
                let one = head.flags & command_flag::REQUEST_ONE != 0;
                let extents_max = if one { 1 } else { EXTENTS_MAX };
                let difference = |snapshot: &String| {
                    let base = self.volumes.id(snapshot).ok_or(NbdError::Invalid)?;
                    Ok(RequestOp::Difference { base, offset, length, extents_max })
                };
                return contexts
                    .iter()
                    .map(|context| match context {
                        Context::Allocation => {
                            Ok(RequestOp::BlockStatus { offset, length, extents_max })
                        }
                        Context::Difference { snapshot } => difference(snapshot),
                    })
                    .collect();
            }
            _ => return Err(NbdError::Invalid),
        };
        debug_assert!(self.volumes.get(volume).is_some());
        Ok(vec![op])
    }

    /// Gives an admitted request to the engine.
    pub(super) fn hand_in(&mut self, arrived: Arrived) {
        let tags = self.pending.insert(&arrived);
        for (tag, op) in tags.zip(arrived.ops) {
            self.engine.submit(Request { tag, volume: arrived.volume, op });
        }
    }

    /// Answers a request without asking the engine.
    pub(super) fn refuse(&mut self, key: ConnectionKey, head: &RequestHead, error: NbdError) {
        if self.devices.contains_key(&key) {
            self.answer_device(key, head.cookie, Err(()));
            return;
        }
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let structured = connection.session.structured;
        let cookie = head.cookie;
        connection.outbox().push_head(|out| reply::failure(out, cookie, structured, error));
        connection.answered(head);
    }
}

fn cost_of(head: &RequestHead) -> Cost {
    match head.kind {
        command::READ => Cost::Read(head.length.into()),
        command::WRITE => Cost::Write(head.length.into()),
        _ => Cost::Request,
    }
}
