//! The blocks that say what the slots hold: journal and table blocks, and the state block.
//!
//! ```text
//! journal and table block                      state block
//!  offset size field                            offset size field
//!       0    8 magic, "PURLCREC"                     0    8 magic, "PURLCSTA"
//!       8   16 cache id                              8   16 cache id
//!      24    8 generation                           24   16 origin id
//!      32    8 sequence, or index in the table      40    8 version, higher with each change
//!      40    4 records                              48    8 generation of the table
//!      44    4 1 in a table block, 0 in a journal   56    8 epoch
//!      48  126 records of 24 bytes                  64    4 slots
//!    3072  126 pages of the block before            68    4 spare blocks
//!    4080    4 how many of those                    72    4 journal blocks
//!    4092    4 CRC-32C of bytes 0 to 4091           76    4 mode
//! record: slot u32, block u32, page u64,          4092    4 CRC-32C of bytes 0 to 4091
//!   24 bits of CRC-32C u32, kept in 2 bits, epoch in 30
//!
//! block of lost pages: as a journal block to 40, magic "PURLCLST"
//!      40    4 pages in this block                  44    4 pages in all blocks
//!      48  500 pages                              4092    4 CRC-32C of bytes 0 to 4091
//! ```
//! A journal block names the pages of the block before it, so that the loss of both copies of one
//! is the loss of known pages. A record without a slot says that its page is lost no more.

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};

use super::{Mode, Shape};
use crate::CacheId;

const RECORDS_MAGIC: [u8; 8] = *b"PURLCREC";
const STATE_MAGIC: [u8; 8] = *b"PURLCSTA";
const RECORDS_AT: usize = 48;
const LOST_MAGIC: [u8; 8] = *b"PURLCLST";
const RECORD_BYTES: usize = 24;
const PRIOR_COUNT_AT: usize = 4080;
const CHECKSUM_AT: usize = 4092;
/// Records of one block.
pub const RECORDS_MAX: usize = (PRIOR_COUNT_AT - RECORDS_AT) / (RECORD_BYTES + 8);
const PRIOR_AT: usize = RECORDS_AT + RECORDS_MAX * RECORD_BYTES;
/// Pages of one block of lost pages.
pub const LOST_MAX: usize = 500;
/// The bits of an epoch that a record has.
pub const EPOCH_MASK: u32 = u32::MAX >> 2;
/// The slot of a record that only says that its page is not lost.
pub const NO_SLOT: u32 = u32::MAX;

/// The checksum of a page that the cache holds: 24 bits of its CRC-32C, which is what there is
/// memory for. Of sixteen million pages that rot one is not noticed.
pub fn checksum(page: &[u8]) -> u32 {
    crc32c::crc32c(page) & CHECKSUM_MASK
}

const CHECKSUM_MASK: u32 = (1 << 24) - 1;

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// Nothing.
    #[default]
    Vacant,
    /// What the origin has too.
    Clean,
    /// What the origin does not have yet.
    Dirty,
}

/// What a slot holds, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    pub page: u64,
    pub block: u32,
    /// [`checksum`] of the page.
    pub crc: u32,
    pub kept: Kept,
    /// Of dirty pages: the low bits of the flush epoch in which they were written.
    pub epoch: u32,
}

/// Which journal or table block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading {
    pub cache_id: CacheId,
    pub generation: u64,
    pub sequence: u64,
    pub in_table: bool,
}

/// What the state block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub cache_id: CacheId,
    pub origin_id: [u8; 16],
    pub version: u64,
    pub generation: u64,
    pub epoch: u64,
    pub shape: Shape,
    pub mode: Mode,
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

fn take<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&block[at..at + N]);
    bytes
}

fn number(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(block, at))
}

fn long(block: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(block, at))
}

fn seal(mut buffer: Buffer) -> Slice {
    let crc = crc32c::crc32c(&buffer.as_bytes()[..CHECKSUM_AT]);
    put(buffer.as_bytes_mut(), CHECKSUM_AT, &crc.to_le_bytes());
    buffer.share()
}

fn is_whole(block: &[u8], magic: [u8; 8]) -> bool {
    block.len() == BLOCK_BYTES
        && block[..8] == magic
        && number(block, CHECKSUM_AT) == crc32c::crc32c(&block[..CHECKSUM_AT])
}

/// What a journal or table block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    pub records: Vec<(u32, Entry)>,
    /// The pages of the journal block before it.
    pub prior: Vec<u64>,
}

/// A journal or table block of at most [`RECORDS_MAX`] records, after one with the pages `prior`.
pub fn encode_records(heading: Heading, records: &[(u32, Entry)], prior: &[u64]) -> Slice {
    assert!(records.len() <= RECORDS_MAX, "a block has room for its records");
    assert!(prior.len() <= RECORDS_MAX, "a block has room for the pages of the one before");
    let mut buffer = Buffer::zeroed(1);
    let block = buffer.as_bytes_mut();
    put(block, 0, &RECORDS_MAGIC);
    put(block, 8, &heading.cache_id.0);
    put(block, 24, &heading.generation.to_le_bytes());
    put(block, 32, &heading.sequence.to_le_bytes());
    put(block, 40, &u32::try_from(records.len()).unwrap_or(0).to_le_bytes());
    put(block, 44, &u32::from(heading.in_table).to_le_bytes());
    for (index, (slot, entry)) in records.iter().enumerate() {
        let at = RECORDS_AT + index * RECORD_BYTES;
        put(block, at, &slot.to_le_bytes());
        put(block, at + 4, &entry.block.to_le_bytes());
        put(block, at + 8, &entry.page.to_le_bytes());
        put(block, at + 16, &entry.crc.to_le_bytes());
        put(block, at + 20, &(entry.kept as u32 | entry.epoch << 2).to_le_bytes());
    }
    for (index, page) in prior.iter().enumerate() {
        put(block, PRIOR_AT + index * 8, &page.to_le_bytes());
    }
    put(block, PRIOR_COUNT_AT, &u32::try_from(prior.len()).unwrap_or(0).to_le_bytes());
    seal(buffer)
}

/// A block with some of the lost pages, of `all`.
pub fn encode_lost(heading: Heading, pages: &[u64], all: usize) -> Slice {
    assert!(pages.len() <= LOST_MAX, "a block has room for its pages");
    let mut buffer = Buffer::zeroed(1);
    let block = buffer.as_bytes_mut();
    put(block, 0, &LOST_MAGIC);
    put(block, 8, &heading.cache_id.0);
    put(block, 24, &heading.generation.to_le_bytes());
    put(block, 32, &heading.sequence.to_le_bytes());
    put(block, 40, &u32::try_from(pages.len()).unwrap_or(0).to_le_bytes());
    put(block, 44, &u32::try_from(all).unwrap_or(0).to_le_bytes());
    for (index, page) in pages.iter().enumerate() {
        put(block, RECORDS_AT + index * 8, &page.to_le_bytes());
    }
    seal(buffer)
}

/// The lost pages of a block, and how many there are in all blocks.
pub fn decode_lost(block: &[u8], heading: Heading) -> Option<(Vec<u64>, usize)> {
    let found = is_whole(block, LOST_MAGIC)
        && take(block, 8) == heading.cache_id.0
        && long(block, 24) == heading.generation
        && long(block, 32) == heading.sequence;
    let count = usize::try_from(number(block, 40)).ok().filter(|count| *count <= LOST_MAX)?;
    let all = usize::try_from(number(block, 44)).ok()?;
    let pages = (0..count).map(|index| long(block, RECORDS_AT + index * 8)).collect();
    found.then_some((pages, all))
}

/// The records of the block, if it is whole and has this heading.
pub fn decode_records(block: &[u8], heading: Heading) -> Option<Records> {
    let found = is_whole(block, RECORDS_MAGIC)
        && take(block, 8) == heading.cache_id.0
        && long(block, 24) == heading.generation
        && long(block, 32) == heading.sequence
        && number(block, 44) == u32::from(heading.in_table);
    let count = usize::try_from(number(block, 40)).ok().filter(|count| *count <= RECORDS_MAX)?;
    let priors = usize::try_from(number(block, PRIOR_COUNT_AT)).ok()?;
    if !found || priors > RECORDS_MAX {
        return None;
    }
    let prior = (0..priors).map(|index| long(block, PRIOR_AT + index * 8)).collect();
    let records = (0..count).map(|index| {
        let at = RECORDS_AT + index * RECORD_BYTES;
        let (kept, epoch) = (number(block, at + 20) & 3, number(block, at + 20) >> 2);
        let kept = match kept {
            0 => Kept::Vacant,
            1 => Kept::Clean,
            2 => Kept::Dirty,
            _ => return None,
        };
        let (page, crc) = (long(block, at + 8), number(block, at + 16) & CHECKSUM_MASK);
        Some((number(block, at), Entry { page, block: number(block, at + 4), crc, kept, epoch }))
    });
    Some(Records { records: records.collect::<Option<_>>()?, prior })
}

/// The state block.
pub fn encode_state(state: &State) -> Slice {
    let mut buffer = Buffer::zeroed(1);
    let block = buffer.as_bytes_mut();
    put(block, 0, &STATE_MAGIC);
    put(block, 8, &state.cache_id.0);
    put(block, 24, &state.origin_id);
    put(block, 40, &state.version.to_le_bytes());
    put(block, 48, &state.generation.to_le_bytes());
    put(block, 56, &state.epoch.to_le_bytes());
    put(block, 64, &state.shape.slots.to_le_bytes());
    put(block, 68, &state.shape.spare_blocks.to_le_bytes());
    put(block, 72, &state.shape.journal_blocks.to_le_bytes());
    put(block, 76, &(state.mode as u32).to_le_bytes());
    seal(buffer)
}

/// What a state block says, if it is whole.
pub fn decode_state(block: &[u8]) -> Option<State> {
    if !is_whole(block, STATE_MAGIC) {
        return None;
    }
    let mode = match number(block, 76) {
        0 => Mode::PassThrough,
        1 => Mode::Writethrough,
        2 => Mode::Writeback,
        _ => return None,
    };
    Some(State {
        cache_id: CacheId(take(block, 8)),
        origin_id: take(block, 24),
        version: long(block, 40),
        generation: long(block, 48),
        epoch: long(block, 56),
        shape: Shape {
            slots: number(block, 64),
            spare_blocks: number(block, 68),
            journal_blocks: number(block, 72),
        },
        mode,
    })
}
