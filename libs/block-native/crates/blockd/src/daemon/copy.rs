//! Copying a snapshot into another pool: what it holds, piece by piece, holes left out.

use std::ops::Range;
use std::time::Duration;

use purlin_block_core::BlockError;
use purlin_block_core::buffer::Slice;
use purlin_block_core::request::{Answer, RequestOp, VolumeId};

use super::copies::Copy;
use crate::reactor::mailbox::{Mail, Mailbox};

/// One read and one write.
const PIECE_BYTES: u64 = 1 << 20;
/// For one request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
const EXTENTS_MAX: usize = 256;
/// Ranges of one answer, which is below 256 KiB with them.
const RANGES_MAX: usize = 4096;

/// The way into a pool, and a volume in it.
pub type Place<'a> = (&'a Mailbox, VolumeId);

/// Copies `size_bytes` bytes and makes them durable; `copy` gets to know how far it is, and says
/// whether it goes on.
///
/// # Errors
/// Either engine's, or `Closed` when it was stopped.
pub fn copy_volume(
    from: Place<'_>,
    to: Place<'_>,
    size_bytes: u64,
    copy: &Copy,
) -> Result<(), BlockError> {
    // First how much there is: the map alone is read for it.
    let mut next = Some(0);
    while let Some(offset) = next.filter(|_| !copy.stops()) {
        let (ranges, further) = set_ranges(from, None, offset, size_bytes)?;
        for range in &ranges {
            copy.expect(range.end - range.start);
        }
        next = further;
    }
    let mut next = Some(0);
    while let Some(offset) = next {
        let (ranges, further) = set_ranges(from, None, offset, size_bytes)?;
        for range in ranges {
            copy_range(from, to, range, copy)?;
        }
        next = further;
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

fn copy_range(
    from: Place<'_>,
    to: Place<'_>,
    range: Range<u64>,
    copy: &Copy,
) -> Result<(), BlockError> {
    let mut offset = range.start;
    while offset < range.end {
        if copy.stops() {
            return Err(BlockError::Closed { reason: "the copy was stopped".to_owned() });
        }
        let length = PIECE_BYTES.min(range.end - offset);
        let read = RequestOp::Read { offset, length: usize::try_from(length).map_err(|_| odd())? };
        let Answer::Bytes(slices) = request(from, read)? else { return Err(odd()) };
        debug_assert_eq!(slices.iter().map(Slice::len).sum::<usize>() as u64, length);
        request(to, RequestOp::Write { offset, slices, fua: false })?;
        copy.advance(length);
        offset += length;
    }
    Ok(())
}

fn request((mailbox, volume): Place<'_>, op: RequestOp) -> Result<Answer, BlockError> {
    let reason = || format!("it did not answer within {} s", REQUEST_TIMEOUT.as_secs());
    mailbox
        .ask(REQUEST_TIMEOUT, |sender| Mail::Request(volume, op, sender))
        .unwrap_or_else(|| Err(BlockError::Closed { reason: reason() }))
}

fn odd() -> BlockError {
    BlockError::Invalid { reason: "the engine gave an answer to another question".to_owned() }
}
