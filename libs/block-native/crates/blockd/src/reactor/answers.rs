//! From the engine's answers to replies of clients.

use purlin_block_core::BlockError;
use purlin_block_core::request::{Answer, Reply};

use super::Reactor;
use super::connection::Connection;
use super::pending::Entry;
use crate::engine::Engine;
use crate::nbd::exports::Context;
use crate::nbd::protocol::{NbdError, command_flag};
use crate::nbd::reply;

impl<E: Engine> Reactor<E> {
    /// Puts the engine's replies into the outboxes; whether there was one.
    pub(super) fn answer_requests(&mut self) -> bool {
        let mut any = false;
        while let Some(Reply { tag, result }) = self.engine.next_reply() {
            any = true;
            if let Some(sender) = self.foreign.remove(&tag) {
                // Who asked may have given up waiting.
                let _ = sender.send(result);
                continue;
            }
            let Some((entry, context)) = self.pending.find(tag) else { continue };
            entry.awaited -= 1;
            let result = result.map(|answer| match answer {
                Answer::Extents(extents) => {
                    if entry.extents.len() <= context {
                        entry.extents.resize(context + 1, Vec::new());
                    }
                    entry.extents[context] = extents;
                    None
                }
                Answer::Bytes(slices) => Some(slices),
                Answer::Done => None,
            });
            if let Err(error) = &result {
                entry.failure.get_or_insert(nbd_error(error));
                self.failed += 1;
                if self.failed.is_power_of_two() {
                    let (kind, offset) = (entry.head.kind, entry.head.offset);
                    eprintln!(
                        "purlin-blockd: failed requests: {}; now of kind {kind} at {offset}: {error}",
                        self.failed
                    );
                }
            }
            if entry.awaited > 0 {
                continue;
            }
            let Some(entry) = self.pending.remove(tag) else { continue };
            self.answered += 1;
            if self.devices.contains_key(&entry.connection) {
                let failed = entry.failure.is_some();
                let answer =
                    result.map_err(drop).and_then(|it| if failed { Err(()) } else { Ok(it) });
                self.answer_device(entry.connection, entry.head.cookie, answer);
                continue;
            }
            let Some(connection) = self.connections.get_mut(&entry.connection) else { continue };
            self.touched.push(entry.connection);
            put(connection, &entry, result.ok().flatten());
            connection.answered(&entry.head);
        }
        any
    }
}

fn put(
    connection: &mut Connection,
    entry: &Entry,
    bytes: Option<Vec<purlin_block_core::buffer::Slice>>,
) {
    let structured = connection.session.structured;
    let head = &entry.head;
    if let Some(error) = entry.failure {
        connection.outbox().push_head(|out| reply::failure(out, head.cookie, structured, error));
    } else if let Some(slices) = bytes {
        let outbox = connection.outbox();
        outbox.push_head(|out| {
            reply::read_head(out, head.cookie, structured, head.offset, head.length);
        });
        for slice in slices {
            outbox.push_body(slice);
        }
    } else if entry.extents.is_empty() {
        connection.outbox().push_head(|out| reply::simple(out, head.cookie, None));
    } else {
        put_extents(connection, entry);
    }
}

fn put_extents(connection: &mut Connection, entry: &Entry) {
    let contexts = connection.session.contexts.clone();
    let cookie = entry.head.cookie;
    let one = entry.head.flags & command_flag::REQUEST_ONE != 0;
    let last = entry.extents.len();
    for (number, (context, extents)) in (1u32..).zip(contexts.iter().zip(&entry.extents)) {
        let extents = describe(context, extents, one.then_some(entry.head.length));
        let is_last = number as usize == last;
        let outbox = connection.outbox();
        outbox.push_head(|out| reply::extents(out, cookie, number, &extents, is_last));
    }
}

/// The extents as the protocol has them: 32-bit lengths of whole blocks, flags of the context.
fn describe(
    context: &Context,
    extents: &[purlin_block_core::request::Extent],
    length_max: Option<u32>,
) -> Vec<reply::Extent> {
    let longest = u32::MAX - (super::intake::BLOCK_BYTES - 1);
    extents
        .iter()
        .map(|extent| {
            let length = u32::try_from(extent.length).unwrap_or(longest).min(longest);
            let flags = match (context, extent.set) {
                (Context::Allocation, false) => reply::EXTENT_HOLE | reply::EXTENT_ZERO,
                (Context::Difference { .. }, true) => reply::EXTENT_CHANGED,
                _ => 0,
            };
            reply::Extent { length: length_max.map_or(length, |max| length.min(max)), flags }
        })
        .collect()
}

fn nbd_error(error: &BlockError) -> NbdError {
    match error.errno() {
        1 => NbdError::NotPermitted,
        22 => NbdError::Invalid,
        28 => NbdError::NoSpace,
        108 => NbdError::ShuttingDown,
        _ => NbdError::Io,
    }
}
