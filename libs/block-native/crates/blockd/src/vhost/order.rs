//! What a request of a guest asks, read from its chain: virtio 1.2, section 5.2.6.
//!
//! ```text
//! readable: type u32, priority u32, sector u64, then what is written
//! writable: what is read, then one byte of status
//! ```

use super::chain::{BadChain, Chain, Segment, split, total_bytes};
use super::memory::Memory;
use super::protocol::Payload;
use crate::nbd::protocol::REQUEST_BYTES_MAX;

/// What addresses on the device count in.
pub const SECTOR_BYTES: u64 = 512;
/// The length of what a guest is told of a device's name.
pub const NAME_BYTES: u64 = 20;
/// Ranges of one discard.
pub const RANGES_MAX: usize = 16;

const HEAD_BYTES: u64 = 16;
const RANGE_BYTES: usize = 16;
/// The one flag of a range: space may be given back.
const UNMAP: u32 = 1;

/// The status of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The device does not do such things.
    Unsupported = 2,
}

/// A range of the device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read into `targets`.
    Read {
        /// What.
        range: Range,
        /// Where to.
        targets: Vec<Segment>,
    },
    /// Write what is in `sources`.
    Write {
        /// Where.
        range: Range,
        /// What.
        sources: Vec<Segment>,
    },
    /// Make what was written durable.
    Flush,
    /// Say the device's name.
    Identify {
        /// Where to.
        targets: Vec<Segment>,
    },
    /// Give space back; what is there then is of no meaning.
    Discard(Vec<Range>),
    /// Make it zeroes.
    WriteZeroes(Range),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where its status goes.
    pub status: u64,
    /// What is to be done, or the status that says why it is not.
    pub action: Result<Action, Status>,
}

/// Reads a request to a device of `size_bytes`.
///
/// # Errors
/// [`BadChain`]: there is no head, or no room for a status.
pub fn read_order(memory: &Memory, chain: &Chain, size_bytes: u64) -> Result<Order, BadChain> {
    let (head, sources) = split(&chain.readable, HEAD_BYTES);
    let writable = total_bytes(&chain.writable);
    if total_bytes(&head) < HEAD_BYTES || writable == 0 {
        return Err(BadChain::Short);
    }
    let (targets, status) = split(&chain.writable, writable - 1);
    let status = status.first().ok_or(BadChain::Short)?.address;
    let head = gather(memory, &head)?;
    let words = Payload(&head);
    let kind = words.four(0).ok_or(BadChain::Short)?;
    let sector = words.eight(8).ok_or(BadChain::Short)?;
    let device = Device { memory, size_bytes };
    let action = match kind {
        0 => device.read(sector, targets),
        1 => device.write(sector, sources),
        4 => Ok(Action::Flush),
        8 if total_bytes(&targets) >= NAME_BYTES => Ok(Action::Identify { targets }),
        8 => Err(Status::Failed),
        11 => device.discard(&sources),
        13 => device.write_zeroes(&sources),
        _ => Err(Status::Unsupported),
    };
    Ok(Order { status, action })
}

/// The bytes of segments, in one run.
///
/// # Errors
/// [`BadChain::Outside`]
pub fn gather(memory: &Memory, segments: &[Segment]) -> Result<Vec<u8>, BadChain> {
    let mut bytes = Vec::new();
    for segment in segments {
        let from = bytes.len();
        bytes.resize(from + segment.bytes as usize, 0);
        memory.read(segment.address, &mut bytes[from..]).map_err(|_| BadChain::Outside)?;
    }
    Ok(bytes)
}

struct Device<'a> {
    memory: &'a Memory,
    size_bytes: u64,
}

impl Device<'_> {
    fn range(&self, sector: u64, bytes: u64) -> Result<Range, Status> {
        let offset = sector.checked_mul(SECTOR_BYTES).ok_or(Status::Failed)?;
        let end = offset.checked_add(bytes).ok_or(Status::Failed)?;
        let whole = bytes > 0 && bytes.is_multiple_of(SECTOR_BYTES);
        if whole && end <= self.size_bytes {
            Ok(Range { offset, bytes })
        } else {
            Err(Status::Failed)
        }
    }

    fn carried(&self, sector: u64, segments: &[Segment]) -> Result<Range, Status> {
        let bytes = total_bytes(segments);
        if bytes > u64::from(REQUEST_BYTES_MAX) {
            return Err(Status::Failed);
        }
        self.range(sector, bytes)
    }

    fn read(&self, sector: u64, targets: Vec<Segment>) -> Result<Action, Status> {
        Ok(Action::Read { range: self.carried(sector, &targets)?, targets })
    }

    fn write(&self, sector: u64, sources: Vec<Segment>) -> Result<Action, Status> {
        Ok(Action::Write { range: self.carried(sector, &sources)?, sources })
    }

    /// The ranges of a request with their flags.
    fn ranges(&self, sources: &[Segment]) -> Result<Vec<(Range, u32)>, Status> {
        let bytes = total_bytes(sources);
        let count = usize::try_from(bytes).map_err(|_| Status::Failed)? / RANGE_BYTES;
        if count == 0 || count > RANGES_MAX || bytes != (count * RANGE_BYTES) as u64 {
            return Err(Status::Failed);
        }
        let raw = gather(self.memory, sources).map_err(|_| Status::Failed)?;
        let one = |raw: &[u8]| {
            let words = Payload(raw);
            let number = |word: Option<u32>| word.ok_or(Status::Failed);
            let sector = words.eight(0).ok_or(Status::Failed)?;
            let bytes = u64::from(number(words.four(8))?) * SECTOR_BYTES;
            Ok((self.range(sector, bytes)?, number(words.four(12))?))
        };
        raw.chunks(RANGE_BYTES).map(one).collect()
    }

    fn discard(&self, sources: &[Segment]) -> Result<Action, Status> {
        let ranges = self.ranges(sources)?;
        if ranges.iter().any(|(_, flags)| *flags != 0) {
            return Err(Status::Unsupported);
        }
        Ok(Action::Discard(ranges.into_iter().map(|(range, _)| range).collect()))
    }

    fn write_zeroes(&self, sources: &[Segment]) -> Result<Action, Status> {
        match self.ranges(sources)?.as_slice() {
            [(_, flags)] if flags & !UNMAP != 0 => Err(Status::Unsupported),
            [(range, _)] if range.bytes <= u64::from(REQUEST_BYTES_MAX) => {
                Ok(Action::WriteZeroes(*range))
            }
            _ => Err(Status::Failed),
        }
    }
}
