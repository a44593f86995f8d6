//! Replies of the transmission phase. They are put together in one run of bytes per connection, so
//! that all that is ready goes out in one call.

use super::protocol::{CHUNK_MAGIC, NbdError, SIMPLE_REPLY_MAGIC, chunk};

/// The state of an extent in a metadata context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many bytes.
    pub length: u32,
    /// The context's flags.
    pub flags: u32,
}

/// `base:allocation`: nothing is stored there.
pub const EXTENT_HOLE: u32 = 1;
/// `base:allocation`: it reads as zeroes.
pub const EXTENT_ZERO: u32 = 2;
/// `purlin:difference:SNAPSHOT`: it was written since.
pub const EXTENT_CHANGED: u32 = 1;

/// A reply without bytes, of either outcome.
pub fn simple(out: &mut Vec<u8>, cookie: u64, error: Option<NbdError>) {
    out.extend(SIMPLE_REPLY_MAGIC.to_be_bytes());
    out.extend(error.map_or(0, |error| error as u32).to_be_bytes());
    out.extend(cookie.to_be_bytes());
}

/// What stands before `length` bytes that were read at `offset`.
pub fn read_head(out: &mut Vec<u8>, cookie: u64, structured: bool, offset: u64, length: u32) {
    if !structured {
        return simple(out, cookie, None);
    }
    chunk_head(out, cookie, chunk::OFFSET_BYTES, chunk::DONE, length.saturating_add(8));
    out.extend(offset.to_be_bytes());
}

/// The refusal or failure of a request. Reads and block status are answered in chunks once
/// structured replies were agreed on; so is everything else, for one way of doing it.
pub fn failure(out: &mut Vec<u8>, cookie: u64, structured: bool, error: NbdError) {
    if !structured {
        return simple(out, cookie, Some(error));
    }
    chunk_head(out, cookie, chunk::ERROR, chunk::DONE, 6);
    out.extend((error as u32).to_be_bytes());
    out.extend(0u16.to_be_bytes());
}

/// The extents of one context; `last` ends the reply.
pub fn extents(out: &mut Vec<u8>, cookie: u64, context: u32, extents: &[Extent], last: bool) {
    let length = u32::try_from(4 + extents.len() * 8).unwrap_or(u32::MAX);
    let flags = if last { chunk::DONE } else { 0 };
    chunk_head(out, cookie, chunk::BLOCK_STATUS, flags, length);
    out.extend(context.to_be_bytes());
    for extent in extents {
        out.extend(extent.length.to_be_bytes());
        out.extend(extent.flags.to_be_bytes());
    }
}

fn chunk_head(out: &mut Vec<u8>, cookie: u64, kind: u16, flags: u16, length: u32) {
    out.extend(CHUNK_MAGIC.to_be_bytes());
    out.extend(flags.to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(cookie.to_be_bytes());
    out.extend(length.to_be_bytes());
}
