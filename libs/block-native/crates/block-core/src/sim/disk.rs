//! A disk in memory with a volatile cache, faults, and the states a crash can leave.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use purlin_ec_core::crc32c;

use super::random::Random;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::disk::{Disk, DiskDone, DiskError, DiskFacts, DiskIo, DiskOp, Media};

const SECTOR_BYTES: usize = 512;

/// What a block holds, with its checksum for fingerprints of states.
#[derive(Debug)]
pub struct Stored {
    bytes: [u8; BLOCK_BYTES],
    crc: u32,
}

type Content = Arc<Stored>;

fn stored(bytes: &[u8; BLOCK_BYTES]) -> Content {
    Arc::new(Stored { crc: crc32c(bytes), bytes: *bytes })
}

/// How the volatile blocks of a crash are chosen. Each is a case real disks show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashMode {
    /// Nothing volatile arrived: power gone at once.
    NothingArrived,
    /// Everything arrived: the process died, the disk did not.
    EverythingArrived,
    /// Each volatile block arrived or not.
    AnySubset,
    /// As `AnySubset`, and some are torn at 512 bytes.
    Torn,
    /// All but one volatile block arrived.
    OneMissing,
    /// One volatile block arrived, all others did not.
    OneArrived,
}

impl CrashMode {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NothingArrived,
        Self::EverythingArrived,
        Self::AnySubset,
        Self::Torn,
        Self::OneMissing,
        Self::OneArrived,
    ];
}

/// An operation that was submitted and not carried out yet. A write counts as volatile from here
/// on: it may have reached the medium although nobody was told.
#[derive(Debug)]
struct InFlight {
    io: DiskIo,
    /// Of a flush: how many volatile blocks were answered before it was issued.
    covers: u64,
    /// Of a write: what it puts where.
    blocks: Vec<(usize, Content)>,
}

/// A volatile block; `order` counts writes as they were carried out.
#[derive(Debug, Clone)]
struct Volatile {
    order: u64,
    block: usize,
    content: Content,
}

/// A disk in memory. Submitted operations wait until [`SimDisk::step`] carries one out, so that a
/// test decides the order; as a plain [`Disk`] (`poll`) it carries them out as they came.
#[derive(Debug)]
pub struct SimDisk {
    facts: DiskFacts,
    durable: Vec<Option<Content>>,
    volatile: Vec<Volatile>,
    in_flight: VecDeque<InFlight>,
    order: u64,
    bad_blocks: BTreeSet<usize>,
    gone: bool,
    lose_writes: u32,
    misdirect_writes: u32,
    fail_next: u32,
    fail_after: Option<u64>,
}

impl SimDisk {
    /// A disk of zeros with `blocks` blocks of 4096 bytes.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        let facts = DiskFacts {
            size_bytes: (blocks * BLOCK_BYTES) as u64,
            sector_bytes: 512,
            media: Media::Nvme,
        };
        Self {
            facts,
            durable: vec![None; blocks],
            volatile: Vec::new(),
            in_flight: VecDeque::new(),
            order: 0,
            bad_blocks: BTreeSet::new(),
            gone: false,
            lose_writes: 0,
            misdirect_writes: 0,
            fail_next: 0,
            fail_after: None,
        }
    }

    /// The disk as a crash at this moment may leave it; faults stay, what was in flight does not.
    #[must_use]
    pub fn crash(&self, mode: CrashMode, random: &mut Random) -> Self {
        let mut durable = self.durable.clone();
        let pending = self.pending_blocks();
        let chosen = random.below(pending.len());
        for (index, (block, content)) in pending.into_iter().enumerate() {
            let arrives = match mode {
                CrashMode::NothingArrived => false,
                CrashMode::EverythingArrived => true,
                CrashMode::AnySubset | CrashMode::Torn => random.one_in(2),
                CrashMode::OneMissing => index != chosen,
                CrashMode::OneArrived => index == chosen,
            };
            if arrives {
                durable[block] = Some(content);
            } else if mode == CrashMode::Torn && random.one_in(2) {
                let sectors = random.bits();
                durable[block] = Some(torn(durable[block].as_ref(), &content, sectors));
            }
        }
        let bad_blocks = self.bad_blocks.clone();
        Self { facts: self.facts, durable, bad_blocks, gone: self.gone, ..Self::new(0) }
    }

    /// How many blocks are volatile: carried out and not flushed, or in flight.
    #[must_use]
    pub fn volatile_blocks(&self) -> usize {
        self.pending_blocks().len()
    }

    /// How many operations wait to be carried out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Carries out the waiting operation `index` (0 the oldest) and answers it.
    pub fn step(&mut self, index: usize) -> Option<DiskDone> {
        let InFlight { io, covers, blocks } = self.in_flight.remove(index)?;
        Some(DiskDone { id: io.id, result: self.carry_out(io.op, covers, blocks) })
    }

    /// Every block of these fails to be read until it is written.
    pub fn make_bad(&mut self, block: usize) {
        self.bad_blocks.insert(block);
    }

    /// Turns one bit of a block over, on the medium.
    pub fn rot(&mut self, block: usize, bit: usize) {
        let mut content = self.content(block).map_or([0; BLOCK_BYTES], |found| found.bytes);
        content[bit / 8 % BLOCK_BYTES] ^= 1 << (bit % 8);
        self.volatile.retain(|volatile| volatile.block != block);
        self.durable[block] = Some(stored(&content));
    }

    /// The next `count` writes are answered and not carried out.
    pub fn lose_writes(&mut self, count: u32) {
        self.lose_writes = count;
    }

    /// The next `count` writes go one block further than they should.
    pub fn misdirect_writes(&mut self, count: u32) {
        self.misdirect_writes = count;
    }

    /// The next `count` operations are answered with an error and not carried out.
    pub fn fail_next(&mut self, count: u32) {
        self.fail_next = count;
    }

    /// From now on the disk does what it is told. What is wrong on the medium stays.
    pub fn obey(&mut self) {
        (self.lose_writes, self.misdirect_writes, self.fail_next) = (0, 0, 0);
    }

    /// Takes the disk away, or gives it back as it was.
    pub fn set_gone(&mut self, gone: bool) {
        self.gone = gone;
    }

    /// Whether it was taken away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// After `operations` more, the disk is gone.
    pub fn fail_after(&mut self, operations: u64) {
        self.fail_after = Some(operations);
    }

    /// A number that differs where what is durable differs.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let crcs =
            self.durable.iter().enumerate().filter_map(|(at, c)| Some((at, c.as_ref()?.crc)));
        crcs.fold(u64::from(self.gone), |sum, (at, crc)| {
            let mixed = (at as u64) << 32 | u64::from(crc);
            sum ^ Random::new(mixed).bits()
        })
    }

    /// Whether a block in `from..to` is volatile.
    #[must_use]
    pub fn has_volatile(&self, from: usize, to: usize) -> bool {
        let waiting = self.in_flight.iter().flat_map(|waiting| &waiting.blocks);
        let carried = self.volatile.iter().map(|volatile| volatile.block);
        carried.chain(waiting.map(|(block, _)| *block)).any(|block| (from..to).contains(&block))
    }

    fn pending_blocks(&self) -> Vec<(usize, Content)> {
        let carried = self.volatile.iter().map(|v| (v.block, Arc::clone(&v.content)));
        let mut pending: Vec<_> = carried.collect();
        for waiting in &self.in_flight {
            let each = waiting.blocks.iter().map(|(block, content)| (*block, Arc::clone(content)));
            pending.extend(each);
        }
        pending
    }

    fn content(&self, block: usize) -> Option<&Content> {
        let newest = self.volatile.iter().rev().find(|volatile| volatile.block == block);
        newest.map(|volatile| &volatile.content).or(self.durable[block].as_ref())
    }

    fn carry_out(
        &mut self,
        op: DiskOp,
        covers: u64,
        blocks: Vec<(usize, Content)>,
    ) -> Result<Option<Buffer>, DiskError> {
        if let Some(left) = self.fail_after.as_mut() {
            if *left == 0 {
                self.gone = true;
            }
            *left = left.saturating_sub(1);
        }
        if self.gone {
            return Err(DiskError::Gone);
        }
        if self.fail_next > 0 {
            self.fail_next -= 1;
            return Err(DiskError::Io);
        }
        match op {
            DiskOp::Read { at, mut buffer } => {
                let first = block_at(at);
                if self.bad_blocks.range(first..first + buffer.blocks()).next().is_some() {
                    return Err(DiskError::Io);
                }
                for (index, bytes) in buffer.as_bytes_mut().chunks_mut(BLOCK_BYTES).enumerate() {
                    match self.content(first + index) {
                        Some(content) => bytes.copy_from_slice(&content.bytes),
                        None => bytes.fill(0),
                    }
                }
                Ok(Some(buffer))
            }
            DiskOp::Write { fua, .. } => {
                self.write(blocks, fua);
                Ok(None)
            }
            DiskOp::Flush => {
                self.flush(covers);
                Ok(None)
            }
            DiskOp::Discard { .. } => Ok(None),
        }
    }

    fn write(&mut self, blocks: Vec<(usize, Content)>, fua: bool) {
        if self.lose_writes > 0 {
            self.lose_writes -= 1;
            return;
        }
        let shift = usize::from(self.misdirect_writes > 0);
        self.misdirect_writes = self.misdirect_writes.saturating_sub(1);
        for (block, content) in blocks {
            let block = (block + shift) % self.durable.len();
            self.bad_blocks.remove(&block);
            if fua {
                self.volatile.retain(|volatile| volatile.block != block);
                self.durable[block] = Some(content);
            } else {
                self.order += 1;
                self.volatile.push(Volatile { order: self.order, block, content });
            }
        }
    }

    fn flush(&mut self, covers: u64) {
        for Volatile { order, block, content } in std::mem::take(&mut self.volatile) {
            if order <= covers {
                self.durable[block] = Some(content);
            } else {
                self.volatile.push(Volatile { order, block, content });
            }
        }
    }
}

impl Disk for SimDisk {
    fn facts(&self) -> DiskFacts {
        self.facts
    }

    fn submit(&mut self, io: DiskIo) {
        if let DiskOp::Read { at, buffer } = &io.op {
            let end = block_at(*at) + buffer.blocks();
            assert!(end <= self.durable.len(), "a read beyond the end of a disk");
        }
        if let DiskOp::Write { at, slices, .. } = &io.op {
            let end = block_at(*at) + slices.iter().map(Slice::blocks).sum::<usize>();
            assert!(end <= self.durable.len(), "a write beyond the end of a disk");
        }
        let blocks = match &io.op {
            DiskOp::Write { at, slices, .. } => blocks_of(*at, slices),
            _ => Vec::new(),
        };
        self.in_flight.push_back(InFlight { io, covers: self.order, blocks });
    }

    fn poll(&mut self) -> Option<DiskDone> {
        self.step(0)
    }
}

fn block_at(at: u64) -> usize {
    let block = usize::try_from(at).unwrap_or(usize::MAX);
    assert!(block.is_multiple_of(BLOCK_BYTES), "an address that is not a whole block");
    block / BLOCK_BYTES
}

fn blocks_of(at: u64, slices: &[Slice]) -> Vec<(usize, Content)> {
    let bytes = slices.iter().flat_map(|slice| slice.as_bytes().as_chunks::<BLOCK_BYTES>().0);
    bytes.enumerate().map(|(index, bytes)| (block_at(at) + index, stored(bytes))).collect()
}

fn torn(old: Option<&Content>, new: &Content, sectors: u64) -> Content {
    let mut content = old.map_or([0; BLOCK_BYTES], |found| found.bytes);
    for sector in 0..BLOCK_BYTES / SECTOR_BYTES {
        if sectors >> sector & 1 == 1 {
            let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
            content[range.clone()].copy_from_slice(&new.bytes[range]);
        }
    }
    stored(&content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{DiskHandle, IoClass, IoId};

    fn run(disk: &mut SimDisk, op: DiskOp) -> Result<Option<Buffer>, DiskError> {
        let id = IoId(0);
        disk.submit(DiskIo { id, disk: DiskHandle(0), class: IoClass::Client, op });
        disk.poll().expect("an answer").result
    }

    fn write(disk: &mut SimDisk, block: u64, byte: u8, fua: bool) {
        let slices = vec![Buffer::copy_of(&[byte; BLOCK_BYTES]).share()];
        run(disk, DiskOp::Write { at: block * 4096, slices, fua }).expect("a write");
    }

    fn first_byte(disk: &mut SimDisk, block: u64) -> Result<u8, DiskError> {
        let buffer = Buffer::zeroed(1);
        let read = run(disk, DiskOp::Read { at: block * 4096, buffer })?;
        Ok(read.expect("a buffer").as_bytes()[0])
    }

    #[test]
    fn a_crash_keeps_what_was_flushed_or_fua_and_any_subset_of_the_rest() {
        let mut disk = SimDisk::new(8);
        write(&mut disk, 0, 1, false);
        run(&mut disk, DiskOp::Flush).expect("a flush");
        write(&mut disk, 1, 2, true);
        write(&mut disk, 2, 3, false);
        let mut random = Random::new(1);
        let mut bare = disk.crash(CrashMode::NothingArrived, &mut random);
        let found: Vec<_> = (0..3).map(|block| first_byte(&mut bare, block)).collect();
        assert_eq!(found, [Ok(1), Ok(2), Ok(0)]);
        let mut full = disk.crash(CrashMode::EverythingArrived, &mut random);
        assert_eq!(first_byte(&mut full, 2), Ok(3));
    }

    #[test]
    fn a_flush_covers_only_what_was_answered_before_it_was_issued() {
        let mut disk = SimDisk::new(8);
        let slices = vec![Buffer::copy_of(&[9; BLOCK_BYTES]).share()];
        let io = |op| DiskIo { id: IoId(1), disk: DiskHandle(0), class: IoClass::Client, op };
        disk.submit(io(DiskOp::Flush));
        disk.submit(io(DiskOp::Write { at: 0, slices, fua: false }));
        disk.step(1);
        disk.step(0);
        assert_eq!(disk.volatile_blocks(), 1);
    }

    #[test]
    fn torn_blocks_mix_sectors_of_old_and_new() {
        let mut disk = SimDisk::new(2);
        write(&mut disk, 0, 5, false);
        let mixed = (0..64).any(|seed| {
            let crashed = disk.crash(CrashMode::Torn, &mut Random::new(seed));
            let block = crashed.durable[0].clone();
            block.is_some_and(|found| found.bytes.contains(&5) && found.bytes.contains(&0))
        });
        assert!(mixed);
    }

    #[test]
    fn lying_disks_answer_well_and_bad_blocks_heal_when_written() {
        let mut disk = SimDisk::new(4);
        disk.lose_writes(1);
        write(&mut disk, 0, 1, true);
        assert_eq!(first_byte(&mut disk, 0), Ok(0));
        disk.misdirect_writes(1);
        write(&mut disk, 0, 1, true);
        assert_eq!(first_byte(&mut disk, 1), Ok(1));
        disk.make_bad(2);
        assert_eq!(first_byte(&mut disk, 2), Err(DiskError::Io));
        write(&mut disk, 2, 6, true);
        disk.rot(2, 0);
        assert_eq!(first_byte(&mut disk, 2), Ok(7));
        disk.fail_next(1);
        assert_eq!(first_byte(&mut disk, 2), Err(DiskError::Io));
        assert_eq!(first_byte(&mut disk, 2), Ok(7));
        disk.set_gone(true);
        assert_eq!(first_byte(&mut disk, 2), Err(DiskError::Gone));
    }
}
