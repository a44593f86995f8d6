//! The log: records gathered into batches, written to several disks, answered in order.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::Core;
use super::entry::Place;
use super::layers::LogBlock;
use super::layout::{BatchHeader, Epoch};
use super::records::Record;
use super::tasks::{self, Awaited, Promise, promise};
use super::wire::Writer;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::control::DiskId;
use crate::disk::IoClass;
use crate::error::BlockError;

/// Most batches on their way. More would be smaller, and what is answered would wait for them.
const IN_FLIGHT_MAX: usize = 2;
/// Most data blocks of a batch and most bytes of its records: a batch is at most about 1 MiB.
const BATCH_BLOCKS_MAX: usize = 256;
const RECORD_BYTES_MAX: usize = 12 * BLOCK_BYTES;
/// How often a batch is tried again on the disks that are left.
const TRIES_MAX: usize = 4;

/// What a batch takes in memory: its places in a B-tree and in the rings of its disks.
const BATCH_BYTES: u64 = 120;

type Outcome = Result<(), BlockError>;

/// A record on its way, with its data.
struct Item {
    record: Record,
    slices: Vec<Slice>,
    done: Promise<Outcome>,
}

/// A batch that is written or being written.
struct Batch {
    records: Vec<Record>,
    done: Vec<Promise<Outcome>>,
}

/// Where a batch is on the disks.
#[derive(Debug, Clone)]
pub struct BatchPlaces {
    pub places: Vec<Place>,
    pub header_blocks: u64,
    /// With the header's.
    pub blocks: u64,
}

#[derive(Default)]
pub struct Log {
    pub epochs: Vec<Epoch>,
    /// The number of the next batch.
    pub next: u64,
    /// Batches up to here are applied and answered.
    pub applied: u64,
    /// Batches up to here are durable.
    pub durable: u64,
    /// Batches before this one are home.
    pub tail: u64,
    pending: VecDeque<Item>,
    in_flight: usize,
    written: BTreeMap<u64, Batch>,
    batches: BTreeMap<u64, BatchPlaces>,
    flushing: bool,
    /// Flushes may not be answered before what replay found went home.
    pub settle_through: u64,
}

impl Log {
    pub fn places(&self, sequence: u64) -> Option<&BatchPlaces> {
        self.batches.get(&sequence)
    }

    pub fn found(&mut self, sequence: u64, places: BatchPlaces) {
        self.batches.insert(sequence, places);
    }

    /// Batches before `tail` are home; epochs that had only such are over.
    pub fn set_tail(&mut self, tail: u64) {
        self.tail = tail;
        let needed = self.epochs.iter().rposition(|epoch| epoch.first_sequence <= tail);
        self.epochs.drain(..needed.unwrap_or(0));
    }

    /// Whether every batch there ever was is home.
    pub fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.tail == self.next
    }

    pub fn forget_before(&mut self, tail: u64) {
        self.batches = self.batches.split_off(&tail);
    }

    /// Memory of what is known of batches, with their part of the disks' rings.
    fn memory_bytes(&self) -> u64 {
        self.batches.len() as u64 * BATCH_BYTES
    }
}

impl Core {
    /// Puts a record into the next batch; the outcome comes when it is applied.
    pub fn append(&self, record: Record, slices: Vec<Slice>) -> Awaited<Outcome> {
        let (done, outcome) = promise();
        self.log.borrow_mut().pending.push_back(Item { record, slices, done });
        outcome
    }

    /// Forms batches of what waits, as long as there may be more on their way. Tells whether it
    /// formed one.
    pub fn pump_log(self: &Rc<Self>) -> bool {
        let mut formed = false;
        loop {
            {
                let log = self.log.borrow();
                let is_held = self.closing.get() || log.in_flight >= IN_FLIGHT_MAX;
                if log.pending.is_empty() || is_held {
                    return formed;
                }
            }
            self.form_batch();
            formed = true;
        }
    }

    fn form_batch(self: &Rc<Self>) {
        let blocks_max = self.batch_blocks_max();
        let mut log = self.log.borrow_mut();
        let mut records = Vec::new();
        let mut done = Vec::new();
        let mut data: Vec<Slice> = Vec::new();
        let (mut data_blocks, mut writer) = (0, Writer::default());
        while let Some(item) = log.pending.front() {
            let blocks = item.record.data_blocks();
            // A change is alone in its batch, so that sequence numbers tell what came before it.
            let change = matches!(item.record, Record::Change(_));
            let full = change
                || data_blocks + blocks > blocks_max
                || writer.bytes.len() > RECORD_BYTES_MAX;
            if full && !records.is_empty() {
                break;
            }
            let Some(item) = log.pending.pop_front() else { break };
            item.record.write(&mut writer);
            records.push(item.record);
            item.slices.iter().for_each(|slice| slice.append_to(&mut data));
            done.push(item.done);
            data_blocks += blocks;
            if change {
                break;
            }
        }
        let sequence = log.next;
        log.next += 1;
        log.in_flight += 1;
        let header = BatchHeader {
            nonce: log.epochs.last().map_or(0, |epoch| epoch.nonce),
            sequence,
            durable_through: log.durable,
            header_blocks: BatchHeader::blocks_for(writer.bytes.len()),
            data_blocks,
        };
        drop(log);
        let mut slices = vec![header.to_blocks(&writer.bytes)];
        slices.extend(data);
        let core = Rc::clone(self);
        self.tasks.spawn(async move {
            let outcome = core.write_batch(&header, &slices).await;
            core.end_batch(sequence, Batch { records, done }, outcome);
        });
    }

    /// Writes a batch to as many disks as the policy wants copies, or as are left.
    async fn write_batch(
        self: &Rc<Self>,
        header: &BatchHeader,
        slices: &[Slice],
    ) -> Result<(), BlockError> {
        let blocks = (header.header_blocks + header.data_blocks) as u64;
        let mut written: Vec<Place> = Vec::new();
        let mut tries = 0;
        loop {
            let places = self.take_log_places(header.sequence, blocks, &written).await?;
            let writes = places.iter().map(|&place| {
                let (core, slices) = (Rc::clone(self), slices.to_vec());
                async move { core.write(place, slices, IoClass::Client).await.map(|()| place) }
            });
            let results = tasks::all(writes.collect()).await;
            let failed = results.iter().any(Result::is_err);
            written.extend(results.into_iter().filter_map(Result::ok));
            tries += 1;
            if !failed && !written.is_empty() {
                break;
            }
            if tries == TRIES_MAX {
                if written.is_empty() {
                    return Err(BlockError::Closed { reason: "the log cannot be written".into() });
                }
                break;
            }
        }
        let header_blocks = header.header_blocks as u64;
        let places = BatchPlaces { places: written, header_blocks, blocks };
        self.log.borrow_mut().found(header.sequence, places);
        Ok(())
    }

    /// Room for one more copy on each disk that should get one, beside those in `written`. Waits
    /// for a cycle where a log is full.
    async fn take_log_places(
        self: &Rc<Self>,
        sequence: u64,
        blocks: u64,
        written: &[Place],
    ) -> Result<Vec<Place>, BlockError> {
        loop {
            let disks = self.log_disks(sequence);
            if disks.is_empty() && written.is_empty() {
                return Err(BlockError::TooFewDisks { found: 0, needed: 1 });
            }
            let copies = if fault!(OneLogCopy) { 1 } else { self.policy.get().copies() };
            let missing: Vec<DiskId> = disks
                .into_iter()
                .filter(|disk| written.iter().all(|place| place.disk() != *disk))
                .take(copies.saturating_sub(written.len()))
                .collect();
            let is_indexable = self.log_index_bytes() < self.options.log_index_bytes as u64;
            if is_indexable && let Some(places) = self.take_rings(&missing, sequence, blocks) {
                if !self.cycling.get() && self.log_is_half_full() {
                    self.want_cycle();
                }
                return Ok(places);
            }
            self.want_cycle();
            self.batch_bell.next().await;
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
        }
    }

    /// Room in the log of each of these disks, or of none.
    fn take_rings(&self, disks: &[DiskId], sequence: u64, blocks: u64) -> Option<Vec<Place>> {
        let mut members = self.members.borrow_mut();
        let fits = |disk: &DiskId| members.get(*disk).is_some_and(|m| m.log.has_room(blocks));
        if !disks.iter().all(fits) {
            return None;
        }
        let places = disks.iter().map(|&disk| {
            let block = members.get_mut(disk)?.log.take(sequence, blocks)?;
            Some(Place::new(disk, block))
        });
        places.collect()
    }

    /// Most data blocks of one batch and of one record: a small log has to hold several batches.
    pub fn batch_blocks_max(&self) -> usize {
        let smallest = self.members.borrow().iter().map(|member| member.log.blocks).min();
        let quarter = usize::try_from(smallest.unwrap_or(0) / 4).unwrap_or(usize::MAX);
        quarter.clamp(1, BATCH_BLOCKS_MAX)
    }

    /// Whether a disk's log or the memory for its index is half full, so that the other half lasts
    /// while the first goes home.
    pub fn log_is_half_full(&self) -> bool {
        self.log_is_filled(1, 2)
    }

    /// Whether a disk's log, or what is known of the log in memory, is filled to this part.
    pub fn log_is_filled(&self, part: u64, whole: u64) -> bool {
        self.log_index_bytes() * whole > self.options.log_index_bytes as u64 * part
            || self
                .members
                .borrow()
                .iter()
                .any(|m| m.log.span_blocks() * whole > m.log.blocks * part)
    }

    /// Memory of what is known of the log: layers, batches, and room promised to go home to.
    pub fn log_index_bytes(&self) -> u64 {
        self.catalogue.borrow().layer_bytes + self.log.borrow().memory_bytes()
    }

    /// Applies and answers every batch whose turn it is.
    fn end_batch(self: &Rc<Self>, sequence: u64, batch: Batch, outcome: Outcome) {
        self.log.borrow_mut().in_flight -= 1;
        if let Err(error) = outcome {
            self.fail(error.clone());
            self.batch_bell.ring();
            let refusal = self.refusal().unwrap_or(error);
            for done in batch.done {
                done.keep(Err(refusal.clone()));
            }
            return;
        }
        self.log.borrow_mut().written.insert(sequence, batch);
        loop {
            let mut log = self.log.borrow_mut();
            let turn = log.applied + 1;
            let Some(batch) = log.written.remove(&turn) else { break };
            log.applied = turn;
            drop(log);
            self.apply(turn, batch.records);
            for done in batch.done {
                done.keep(Ok(()));
            }
        }
        self.batch_bell.ring();
    }

    /// Makes everything answered so far durable.
    ///
    /// # Errors
    /// [`BlockError::Closed`] if the disks that alone had some of it are lost.
    pub async fn flush(self: &Rc<Self>, class: IoClass) -> Outcome {
        let target = self.log.borrow().applied;
        self.settle().await?;
        self.flush_log(target, class).await
    }

    /// Makes batches up to `target` durable; the cycle's own flush.
    pub async fn flush_log(self: &Rc<Self>, target: u64, class: IoClass) -> Outcome {
        loop {
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            let Some(upto) = self.begin_flush(target) else {
                if self.log.borrow().durable >= target {
                    return Ok(());
                }
                self.batch_bell.next().await;
                continue;
            };
            let failed = self.flush_disks(class).await;
            self.end_flush(upto, failed > 0 && !self.log_is_there(upto));
        }
    }

    /// Through which batch a flush that begins now will reach; `None` if none is needed, or if one
    /// is on its way.
    fn begin_flush(&self, target: u64) -> Option<u64> {
        let mut log = self.log.borrow_mut();
        if log.durable >= target || log.flushing {
            return None;
        }
        log.flushing = true;
        Some(log.applied)
    }

    fn end_flush(&self, upto: u64, lost: bool) {
        let mut log = self.log.borrow_mut();
        log.flushing = false;
        if !lost {
            log.durable = log.durable.max(upto);
        }
        drop(log);
        if lost {
            let what = "log, a part of which was on failed disks alone,".into();
            self.fail(BlockError::Damaged { what });
        }
        self.batch_bell.ring();
    }

    /// Whether every batch that is not durable yet has a copy on a disk that is left.
    fn log_is_there(&self, upto: u64) -> bool {
        let (log, members) = (self.log.borrow(), self.members.borrow());
        let mut young = log.batches.range(log.durable + 1..=upto);
        young.all(|(_, batch)| batch.places.iter().any(|place| members.is_usable(place.disk())))
    }

    /// After a crash, batches may be on fewer disks than they should: they go home before a flush
    /// promises anything.
    async fn settle(self: &Rc<Self>) -> Outcome {
        loop {
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            if self.log.borrow().settle_through == 0 {
                return Ok(());
            }
            self.want_cycle();
            self.cycle_ended.next().await;
        }
    }

    /// Data blocks of one batch, `count` from `first` on, each as its checksum says, from the
    /// first disk that has them so.
    ///
    /// # Errors
    /// [`BlockError::Damaged`] if none has.
    pub async fn read_log(
        self: &Rc<Self>,
        blocks: &[LogBlock],
        class: IoClass,
    ) -> Result<Buffer, BlockError> {
        let first = blocks[0];
        let batch = self.log.borrow().places(first.sequence).cloned();
        let places = batch.iter().flat_map(|batch| &batch.places);
        for &place in places {
            let skip = batch.as_ref().map_or(0, |batch| batch.header_blocks);
            let from = Place(place.0 + skip + u64::from(first.index));
            let Ok(buffer) = self.read(from, blocks.len(), class).await else { continue };
            let each = buffer.as_bytes().chunks(BLOCK_BYTES).zip(blocks);
            if each.into_iter().all(|(bytes, block)| crc32c(bytes) == block.checksum) {
                return Ok(buffer);
            }
            self.want_cycle();
        }
        Err(BlockError::Damaged { what: format!("log batch {}", first.sequence) })
    }
}
