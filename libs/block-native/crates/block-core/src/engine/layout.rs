//! What stands at fixed places of a disk and at the head of a log batch.
//!
//! ```text
//! disk     block 0, 1   superblock of even and odd generations
//!          block 2..    log area
//!          rest         shards, map pages, pool state
//! superblock, one block
//!   0  8  magic "PURLNBLK"       8  4  format      12  4  CRC-32C of the block, this field 0
//!  16 16  pool                  32  2  disk        34  1  1 if the log is empty   35  5  0
//!  40  8  generation            48  8  first block of the log   56  8  blocks of the log
//!  64  8  sequence number from which on the log is needed
//!  72  8  bytes of the pool state, 80 4 their CRC-32C, 84 4 0, 88 8 each of six places of it
//! 136  4  count of epochs, then each: 8 nonce, 8 first sequence number
//! batch header, whole blocks
//!   0  8  magic "PURLNLOG"       8  4  CRC-32C of the header, this field 0
//!  12  2  header blocks         14  2  data blocks
//!  16  8  nonce of the epoch    24  8  sequence number
//!  32  8  sequence number through which the log was durable    40 4 bytes of records, records
//! ```

use purlin_ec_core::{crc32c, crc32c_append};

use super::entry::Place;
use super::wire::{Reader, Writer};
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::control::{DiskId, PoolId};
use crate::policy::COPIES_MAX;

/// The newest on-disk format, the only one written.
pub const FORMAT: u32 = 3;
/// The oldest that is read: 1 had no limits and no recovery speed in the pool state, 2 no placement
/// table.
pub const FORMAT_OLDEST: u32 = 1;

/// The format that is written: the newest, but in tests of the upgrade.
pub fn written_format() -> u32 {
    #[cfg(any(test, feature = "mutations"))]
    if let Some(format) = crate::mutation::format() {
        return format;
    }
    FORMAT
}

pub const SUPERBLOCKS: u64 = 2;
pub const EPOCHS_MAX: usize = 64;

const MAGIC: &[u8; 8] = b"PURLNBLK";
const BATCH_MAGIC: &[u8; 8] = b"PURLNLOG";
const CRC_AT: usize = 12;
const BATCH_CRC_AT: usize = 8;
const BATCH_HEAD_BYTES: usize = 44;

/// A run of the log written between two openings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    pub nonce: u64,
    pub first_sequence: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    pub format: u32,
    pub pool: PoolId,
    pub disk: DiskId,
    /// Nothing is in the log from `tail` on, and nobody may write there before the next superblock.
    pub log_is_empty: bool,
    pub generation: u64,
    pub log_start: u64,
    pub log_blocks: u64,
    pub tail: u64,
    pub state_bytes: u64,
    pub state_crc: u32,
    pub state: [Place; COPIES_MAX],
    pub epochs: Vec<Epoch>,
}

/// What a block in a superblock's place turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Superblock(Box<Superblock>),
    Newer(u32),
    Nothing,
}

impl Superblock {
    pub fn to_block(&self) -> Slice {
        let mut writer = Writer::default();
        writer.raw(MAGIC);
        writer.u32(self.format);
        writer.u32(0);
        writer.raw(&self.pool.0);
        writer.u16(self.disk.0);
        writer.u8(u8::from(self.log_is_empty));
        writer.raw(&[0; 5]);
        writer.u64(self.generation);
        writer.u64(self.log_start);
        writer.u64(self.log_blocks);
        writer.u64(self.tail);
        writer.u64(self.state_bytes);
        writer.u32(self.state_crc);
        writer.u32(0);
        for place in self.state {
            writer.u64(place.0);
        }
        writer.count(self.epochs.len());
        for epoch in &self.epochs {
            writer.u64(epoch.nonce);
            writer.u64(epoch.first_sequence);
        }
        seal(&writer.bytes, CRC_AT)
    }

    pub fn from_block(block: &[u8]) -> Found {
        if block.get(..8) != Some(MAGIC) || !is_sealed(block, CRC_AT) {
            return Found::Nothing;
        }
        let mut reader = Reader::new(&block[8..]);
        match reader.u32() {
            Some(format) if format > FORMAT => Found::Newer(format),
            Some(format) if format >= FORMAT_OLDEST => Self::read(format, &mut reader)
                .map_or(Found::Nothing, |found| Found::Superblock(Box::new(found))),
            _ => Found::Nothing,
        }
    }

    fn read(format: u32, reader: &mut Reader<'_>) -> Option<Self> {
        reader.u32()?;
        let pool = PoolId(reader.raw(16)?.try_into().ok()?);
        let disk = DiskId(reader.u16()?);
        let log_is_empty = reader.u8()? == 1;
        reader.raw(5)?;
        let generation = reader.u64()?;
        let (log_start, log_blocks) = (reader.u64()?, reader.u64()?);
        let tail = reader.u64()?;
        let state_bytes = reader.u64()?;
        let state_crc = reader.u32()?;
        reader.u32()?;
        let mut state = [Place::NOWHERE; COPIES_MAX];
        for place in &mut state {
            *place = Place(reader.u64()?);
        }
        let count = reader.count(16)?;
        let epoch = |_| Some(Epoch { nonce: reader.u64()?, first_sequence: reader.u64()? });
        let epochs = (0..count).map(epoch).collect::<Option<_>>()?;
        Some(Self {
            format,
            pool,
            disk,
            log_is_empty,
            generation,
            log_start,
            log_blocks,
            tail,
            state_bytes,
            state_crc,
            state,
            epochs,
        })
    }
}

/// The head of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHeader {
    pub nonce: u64,
    pub sequence: u64,
    pub durable_through: u64,
    pub header_blocks: usize,
    pub data_blocks: usize,
}

impl BatchHeader {
    /// Blocks of a header that carries `record_bytes`.
    pub fn blocks_for(record_bytes: usize) -> usize {
        (BATCH_HEAD_BYTES + record_bytes).div_ceil(BLOCK_BYTES)
    }

    pub fn to_blocks(&self, records: &[u8]) -> Slice {
        let small = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let mut writer = Writer::default();
        writer.raw(BATCH_MAGIC);
        writer.u32(0);
        writer.u16(small(self.header_blocks));
        writer.u16(small(self.data_blocks));
        writer.u64(self.nonce);
        writer.u64(self.sequence);
        writer.u64(self.durable_through);
        writer.count(records.len());
        writer.raw(records);
        seal(&writer.bytes, BATCH_CRC_AT)
    }

    /// The header and its records, if `bytes` begin with a whole and right one.
    pub fn from_blocks(bytes: &[u8]) -> Option<(Self, &[u8])> {
        if bytes.get(..8) != Some(BATCH_MAGIC) {
            return None;
        }
        let mut reader = Reader::new(&bytes[12..]);
        let header_blocks = usize::from(reader.u16()?);
        let data_blocks = usize::from(reader.u16()?);
        let header = bytes.get(..header_blocks * BLOCK_BYTES)?;
        if !is_sealed(header, BATCH_CRC_AT) {
            return None;
        }
        let nonce = reader.u64()?;
        let sequence = reader.u64()?;
        let durable_through = reader.u64()?;
        let length = reader.count(1)?;
        let records = header.get(BATCH_HEAD_BYTES..BATCH_HEAD_BYTES + length)?;
        Some((Self { nonce, sequence, durable_through, header_blocks, data_blocks }, records))
    }
}

/// Bytes in whole blocks, their CRC-32C written at `crc_at`.
fn seal(bytes: &[u8], crc_at: usize) -> Slice {
    let mut buffer = Buffer::copy_of(bytes);
    let crc = crc32c(buffer.as_bytes());
    buffer.as_bytes_mut()[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    buffer.share()
}

fn is_sealed(bytes: &[u8], crc_at: usize) -> bool {
    let Some((before, rest)) = bytes.split_at_checked(crc_at) else { return false };
    let Some((stored, after)) = rest.split_first_chunk::<4>() else { return false };
    let crc = crc32c_append(crc32c_append(crc32c(before), &[0; 4]), after);
    crc == u32::from_le_bytes(*stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock {
            format: FORMAT,
            pool: PoolId([7; 16]),
            disk: DiskId(3),
            log_is_empty: true,
            generation: 12,
            log_start: 2,
            log_blocks: 64,
            tail: 5,
            state_bytes: 99,
            state_crc: 1,
            state: [Place::new(DiskId(1), 80); COPIES_MAX],
            epochs: vec![Epoch { nonce: 1, first_sequence: 1 }; EPOCHS_MAX],
        }
    }

    #[test]
    fn a_superblock_with_every_epoch_fits_its_block_and_reads_back() {
        let block = superblock().to_block();
        assert_eq!(block.blocks(), 1);
        let found = Superblock::from_block(block.as_bytes());
        assert_eq!(found, Found::Superblock(Box::new(superblock())));
    }

    #[test]
    fn every_changed_bit_of_a_superblock_is_noticed_and_a_newer_format_is_named() {
        let block = superblock().to_block();
        for at in 0..256 {
            let mut bytes = block.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert_eq!(Superblock::from_block(&bytes), Found::Nothing, "byte {at}");
        }
        let newer = Superblock { format: FORMAT + 1, ..superblock() };
        assert_eq!(Superblock::from_block(newer.to_block().as_bytes()), Found::Newer(FORMAT + 1));
    }

    #[test]
    fn a_batch_header_of_several_blocks_reads_back_with_its_records() {
        let records = vec![5; 5000];
        let header = BatchHeader {
            nonce: 3,
            sequence: 9,
            durable_through: 8,
            header_blocks: BatchHeader::blocks_for(records.len()),
            data_blocks: 2,
        };
        assert_eq!(header.header_blocks, 2);
        let blocks = header.to_blocks(&records);
        assert_eq!(BatchHeader::from_blocks(blocks.as_bytes()), Some((header, &records[..])));
        assert_eq!(BatchHeader::from_blocks(&blocks.as_bytes()[..BLOCK_BYTES]), None);
    }
}
