//! Replay: which batches of the log count, and what they change.

use std::collections::BTreeMap;
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::Core;
use super::entry::{Entry, Place};
use super::layout::{BatchHeader, Epoch};
use super::log::BatchPlaces;
use super::read_stripe::is_right;
use super::records::Record;
use crate::buffer::BLOCK_BYTES;
use crate::control::DiskId;
use crate::disk::IoClass;
use crate::error::BlockError;

/// Blocks of a log read at once.
const SCAN_BLOCKS: u64 = 256;

/// A batch as the disks have it.
struct Found {
    records: Vec<Record>,
    header_blocks: u64,
    blocks: u64,
    durable_through: u64,
    /// Where it is, and whether its data is what its checksums say.
    copies: Vec<(Place, bool)>,
}

impl Core {
    /// Applies the longest run of whole batches from the tail on; none if the pool was closed,
    /// which leaves nothing in the log.
    ///
    /// # Errors
    /// [`BlockError::Damaged`] if a batch that was durable is not there.
    pub async fn replay(
        self: &Rc<Self>,
        changes_through: u64,
        log_is_empty: bool,
    ) -> Result<(), BlockError> {
        let mut found = BTreeMap::new();
        let disks = if log_is_empty { Vec::new() } else { self.members.borrow().usable() };
        for disk in disks {
            self.scan_log(disk, &mut found).await;
        }
        let (tail, copies) = (self.log.borrow().tail, self.policy.get().copies());
        let whole = |batch: &Found| batch.copies.iter().any(|&(_, right)| right);
        let durable = found
            .values()
            .filter(|batch| whole(batch))
            .map(|batch| batch.durable_through)
            .fold(tail - 1, u64::max);
        let mut end = tail - 1;
        while found
            .get(&(end + 1))
            .is_some_and(|batch: &Found| whole(batch) || end < durable || fault!(ReplayTornBatch))
        {
            end += 1;
        }
        if end < durable {
            let what = format!("log: batch {} of {durable} durable ones", end + 1);
            return Err(BlockError::Damaged { what });
        }
        let mut unsettled = false;
        let mut batches = BTreeMap::new();
        for (sequence, batch) in found {
            let past_gap = fault!(ReplayPastGap);
            if sequence > end && !past_gap {
                break;
            }
            let right = batch.copies.iter().filter(|(_, right)| *right).count();
            unsettled |= sequence > durable && right < copies;
            let records = self.records_that_count(&batch, sequence, durable, changes_through).await;
            let good = batch.copies.iter().filter(|(_, is_right)| *is_right || right == 0);
            let places = good.map(|&(place, _)| place).collect();
            let (header_blocks, blocks) = (batch.header_blocks, batch.blocks);
            let places = BatchPlaces { places, header_blocks, blocks };
            self.log.borrow_mut().found(sequence, places);
            self.apply(sequence, records);
            end = end.max(sequence);
            batches.insert(sequence, batch);
        }
        self.catalogue.borrow_mut().seal_at_ends();
        self.restore_rings(&batches);
        let mut log = self.log.borrow_mut();
        log.next = end + 1;
        log.applied = end;
        log.durable = durable.min(end);
        if unsettled {
            log.settle_through = end;
        }
        Ok(())
    }

    fn restore_rings(&self, batches: &BTreeMap<u64, Found>) {
        let mut members = self.members.borrow_mut();
        for member in members.iter_mut() {
            let mut live = Vec::new();
            for (&sequence, batch) in batches {
                let here = batch.copies.iter().filter(|(place, _)| place.disk() == member.id);
                live.extend(here.map(|(place, _)| (sequence, place.block(), batch.blocks)));
            }
            member.log.restore(&live);
        }
    }

    /// The records of a batch that are still to be applied.
    async fn records_that_count(
        self: &Rc<Self>,
        batch: &Found,
        sequence: u64,
        durable: u64,
        changes_through: u64,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        for record in batch.records.iter().cloned() {
            match &record {
                Record::Change(_) if sequence <= changes_through => {}
                Record::Stripe { head, entry, .. } => {
                    // A stripe no flush covers counts if its shards arrived; else what was there
                    // before stays.
                    let known = self.catalogue.borrow().heads.contains_key(head);
                    if known && (sequence <= durable || self.has_arrived(entry).await) {
                        self.mark(&entry.places, entry.shape.shard_blocks as u64, entry.key());
                        records.push(record);
                    } else {
                        self.skipped.set(true);
                    }
                }
                _ => records.push(record),
            }
        }
        records
    }

    async fn has_arrived(self: &Rc<Self>, entry: &Entry) -> bool {
        let mut good = 0;
        for shard in 0..entry.shape.shards() {
            let rows = entry.shape.shard_blocks;
            let read = self.read_shard(entry, shard, 0, rows, IoClass::Client).await;
            good += usize::from(read.is_some_and(|r| is_right(entry, shard, 0, r.as_bytes())));
        }
        good >= entry.shape.data
    }

    /// Finds every batch in the log area of a disk that belongs to a known epoch.
    async fn scan_log(self: &Rc<Self>, disk: DiskId, found: &mut BTreeMap<u64, Found>) {
        let area =
            self.members.borrow().get(disk).map(|m| (m.log.start, m.log.start + m.log.blocks));
        let Some((start, end)) = area else { return };
        let mut at = start;
        while at < end {
            let count = usize::try_from(SCAN_BLOCKS.min(end - at)).unwrap_or_default();
            let Ok(chunk) = self.read(Place::new(disk, at), count, IoClass::Client).await else {
                // One bad block must not hide the batches beside it.
                at += if count == 1 { 1 } else { self.scan_slowly(disk, at, count, found).await };
                continue;
            };
            let mut offset = 0;
            while offset < count {
                let bytes = &chunk.as_bytes()[offset * BLOCK_BYTES..];
                let place = Place::new(disk, at + offset as u64);
                let blocks = self.scan_block(place, bytes, end, found).await;
                offset += blocks;
            }
            at += offset as u64;
        }
    }

    async fn scan_slowly(
        self: &Rc<Self>,
        disk: DiskId,
        at: u64,
        count: usize,
        found: &mut BTreeMap<u64, Found>,
    ) -> u64 {
        let mut offset = 0;
        while offset < count {
            let place = Place::new(disk, at + offset as u64);
            offset += match self.read(place, 1, IoClass::Client).await {
                Ok(block) => self.scan_block(place, block.as_bytes(), u64::MAX, found).await,
                Err(_) => 1,
            };
        }
        offset as u64
    }

    /// Looks for a batch that begins with `bytes`; returns how many blocks to go on.
    async fn scan_block(
        self: &Rc<Self>,
        place: Place,
        bytes: &[u8],
        end: u64,
        found: &mut BTreeMap<u64, Found>,
    ) -> usize {
        if !bytes.starts_with(b"PURLNLOG") {
            return 1;
        }
        let counts = (bytes.get(12..14), bytes.get(14..16));
        let (Some(&[low, high]), Some(&[data_low, data_high])) = counts else { return 1 };
        let blocks = usize::from(u16::from_le_bytes([low, high]))
            + usize::from(u16::from_le_bytes([data_low, data_high]));
        if blocks == 0 || place.block() + blocks as u64 > end {
            return 1;
        }
        let whole = if bytes.len() >= blocks * BLOCK_BYTES {
            None
        } else {
            match self.read(place, blocks, IoClass::Client).await {
                Ok(buffer) => Some(buffer),
                Err(_) => return 1,
            }
        };
        let bytes = whole.as_ref().map_or(bytes, |buffer| buffer.as_bytes());
        let Some((header, records)) = BatchHeader::from_blocks(bytes) else { return 1 };
        let Some(records) = Record::read_all(records) else { return 1 };
        let log = self.log.borrow();
        if header.sequence < log.tail || !is_of_epoch(&log.epochs, &header) {
            return 1;
        }
        let checksums = records.iter().flat_map(|record| match record {
            Record::Write { checksums, .. } => checksums.as_slice(),
            _ => &[],
        });
        let data = bytes[header.header_blocks * BLOCK_BYTES..].chunks(BLOCK_BYTES);
        let right = checksums.zip(data).all(|(crc, block)| crc32c(block) == *crc);
        let batch = found.entry(header.sequence).or_insert_with(|| Found {
            records,
            header_blocks: header.header_blocks as u64,
            blocks: blocks as u64,
            durable_through: header.durable_through,
            copies: Vec::new(),
        });
        batch.copies.push((place, right));
        if right { blocks } else { 1 }
    }
}

fn is_of_epoch(epochs: &[Epoch], header: &BatchHeader) -> bool {
    let at = epochs.iter().rposition(|epoch| epoch.first_sequence <= header.sequence);
    at.is_some_and(|at| epochs[at].nonce == header.nonce)
}
