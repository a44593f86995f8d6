//! Copying a snapshot into another pool: what it holds, piece by piece, holes left out.

use std::ops::Range;
use std::time::Duration;

use purlin_block_core::BlockError;
use purlin_block_core::buffer::Slice;
use purlin_block_core::request::{Answer, RequestOp, VolumeId};

use super::pool_thread::PoolThread;
use crate::reactor::mailbox::Mail;

/// One read and one write.
const PIECE_BYTES: u64 = 1 << 20;
/// For one request.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
const EXTENTS_MAX: usize = 256;
/// Ranges of one answer, which is below 256 KiB with them.
const RANGES_MAX: usize = 4096;

/// A pool with a volume in it.
pub type Place<'a> = (&'a PoolThread, VolumeId);

/// Copies `size_bytes` bytes and makes them durable.
///
/// # Errors
/// Either engine's.
pub fn copy_volume(from: Place<'_>, to: Place<'_>, size_bytes: u64) -> Result<(), BlockError> {
    let mut offset = 0;
    while offset < size_bytes {
        let length = size_bytes - offset;
        let asked = RequestOp::BlockStatus { offset, length, extents_max: EXTENTS_MAX };
        let Answer::Extents(extents) = request(from, asked)? else { return Err(odd()) };
        for extent in extents {
            let end = (offset + extent.length).min(size_bytes);
            if extent.set {
                copy_range(from, to, offset, end)?;
            }
            offset = end;
        }
    }
    request(to, RequestOp::Flush).map(drop)
}

/// Ranges that are set, neighbours joined, and where to go on: absent at the end.
type Ranges = (Vec<Range<u64>>, Option<u64>);

/// Ranges from `offset` on that hold written bytes, or that may differ from `base`.
///
/// # Errors
/// The engine's.
pub fn set_ranges(
    place: Place<'_>,
    base: Option<VolumeId>,
    mut offset: u64,
    size_bytes: u64,
) -> Result<Ranges, BlockError> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    while offset < size_bytes && ranges.len() < RANGES_MAX {
        let (length, extents_max) = (size_bytes - offset, EXTENTS_MAX);
        let asked = match base {
            None => RequestOp::BlockStatus { offset, length, extents_max },
            Some(base) => RequestOp::Difference { base, offset, length, extents_max },
        };
        let Answer::Extents(extents) = request(place, asked)? else { return Err(odd()) };
        for extent in extents {
            let end = (offset + extent.length).min(size_bytes);
            match ranges.last_mut() {
                Some(last) if extent.set && last.end == offset => last.end = end,
                _ if extent.set => ranges.push(offset..end),
                _ => {}
            }
            offset = end;
        }
    }
    Ok((ranges, (offset < size_bytes).then_some(offset)))
}

fn copy_range(from: Place<'_>, to: Place<'_>, start: u64, end: u64) -> Result<(), BlockError> {
    let mut offset = start;
    while offset < end {
        let length = PIECE_BYTES.min(end - offset);
        let read = RequestOp::Read { offset, length: usize::try_from(length).map_err(|_| odd())? };
        let Answer::Bytes(slices) = request(from, read)? else { return Err(odd()) };
        debug_assert_eq!(slices.iter().map(Slice::len).sum::<usize>() as u64, length);
        request(to, RequestOp::Write { offset, slices, fua: false })?;
        offset += length;
    }
    Ok(())
}

fn request((pool, volume): Place<'_>, op: RequestOp) -> Result<Answer, BlockError> {
    let reason = || format!("it did not answer within {} s", REQUEST_TIMEOUT.as_secs());
    pool.mailbox
        .ask(REQUEST_TIMEOUT, |sender| Mail::Request(volume, op, sender))
        .unwrap_or_else(|| Err(BlockError::Closed { reason: reason() }))
}

fn odd() -> BlockError {
    BlockError::Invalid { reason: "the engine gave an answer to another question".to_owned() }
}
