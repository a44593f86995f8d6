//! Group commit: flush the data, then write what changed in the slots to the journal. All requests
//! that came until it begins share one.

use std::collections::BTreeMap;
use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::{DiskHandle, DiskOp, IoClass};

use super::CacheError;
use super::core::{Core, Inner, IoResult, Waiter};
use super::metadata::{
    Entry, Heading, Kept, LOST_MAX, NO_SLOT, RECORDS_MAX, encode_lost, encode_records, encode_state,
};
use super::record::Proof;
use super::slots::Content;
use purlin_block_core::tasks::{Awaited, promise};

/// Empty blocks of the journal that one commit writes.
const EMPTY_BLOCKS_MAX: usize = 64;

/// Blocks of the table that are written with one operation.
const TABLE_BLOCKS_TOGETHER: usize = 64;

/// Waits until everything that was answered before is durable: on the SSDs, and with
/// `flush_origin` on the origin.
pub async fn commit(core: &Core, flush_origin: bool) -> Result<(), CacheError> {
    let (promise, awaited) = promise();
    core.get().waiters.push(Waiter { flush_origin, promise });
    core.bell.ring();
    awaited.await
}

/// The task that commits for all.
pub async fn run(core: Rc<Core>) {
    loop {
        let take = || {
            let mut inner = core.get();
            (!inner.waiters.is_empty()).then(|| std::mem::take(&mut inner.waiters))
        };
        let waiters = core.bell.until(take).await;
        let flush_origin = waiters.iter().any(|waiter| waiter.flush_origin);
        let result = commit_once(&core, flush_origin).await;
        for waiter in waiters {
            // A failed flush of the origin concerns only those who wanted one.
            let concerned = waiter.flush_origin || result != Err(CacheError::Origin);
            waiter.promise.keep(if concerned { result } else { Ok(()) });
        }
        core.bell.ring();
    }
}

/// A slot as it was before the flush.
struct Change {
    slot: u32,
    entry: Entry,
    proof: Proof,
}

async fn commit_once(core: &Rc<Core>, flush_wanted: bool) -> Result<(), CacheError> {
    hurry_journal(core).await;
    let changes = core.get().begin_changes();
    let found = core.get().found.clone();
    let outcome = flush(core, flush_wanted, !changes.is_empty()).await;
    let mut records = core.get().records(changes);
    records.extend(core.get().found_records(&found));
    for part in records.chunks(super::journal_records()) {
        write_journal(core, part).await;
        // At once: the next block may begin the other half of the journal, whose table must hold
        // what this one says.
        if !super::mutation!(TakeInLate) {
            core.get().take_in(part);
        }
    }
    if super::mutation!(TakeInLate) {
        core.get().take_in(&records);
    }
    loop {
        let left = core.get().alive.len();
        if left >= core.get().retired_at {
            break;
        }
        retire(core, left).await;
    }
    if core.get().alive.is_empty() {
        // What was destaged is on the origin alone now.
        let unflushed = flush_wanted && core.get().origin_is_unflushed();
        let flushed = if unflushed { flush_origin(core, IoClass::Client).await } else { Ok(()) };
        let mut inner = core.get();
        inner.committing.clear();
        inner.forget_clean();
        let whole = !inner.lacks();
        let kept = if whole { Ok(()) } else { Err(CacheError::SsdLost) };
        return outcome.and(flushed).and(kept);
    }
    let mut inner = core.get();
    let committing = std::mem::take(&mut inner.committing);
    for (slot, entry) in committing {
        inner.free_unused(slot, entry);
        inner.repin(slot);
    }
    outcome
}

/// A flush of the origin that is on its way, with its number.
struct OriginFlush {
    number: u64,
    answer: Awaited<IoResult>,
}

impl OriginFlush {
    fn begin(core: &Core, class: IoClass) -> Self {
        let (number, origin) = {
            let mut inner = core.get();
            inner.flushes_begun += 1;
            (inner.flushes_begun, inner.setup.origin)
        };
        Self { number, answer: core.issue(origin, class, DiskOp::Flush) }
    }

    async fn end(self, core: &Core) -> Result<(), CacheError> {
        self.answer.await.map_err(|_| CacheError::Origin)?;
        let mut inner = core.get();
        inner.flushes_done = inner.flushes_done.max(self.number);
        Ok(())
    }
}

/// Everything that the origin has answered is durable there when this is done.
pub async fn flush_origin(core: &Core, class: IoClass) -> Result<(), CacheError> {
    OriginFlush::begin(core, class).end(core).await
}

async fn flush(core: &Core, origin: bool, ssd: bool) -> Result<(), CacheError> {
    let wanted = origin && core.get().client_is_unflushed();
    let flushing = wanted.then(|| OriginFlush::begin(core, IoClass::Client));
    if ssd && core.get().ssd_unflushed && !super::mutation!(NoDataFlush) {
        core.get().ssd_unflushed = false;
        let ssds = core.get().takers();
        let all: Vec<_> =
            ssds.iter().map(|s| (*s, core.issue(*s, IoClass::Client, DiskOp::Flush))).collect();
        for (ssd, flush) in all {
            if flush.await.is_err() {
                core.get().drop_ssd(ssd);
            }
        }
    }
    match flushing {
        Some(flushing) => flushing.end(core).await,
        None => Ok(()),
    }
}

/// Writes a metadata block to all its places; false if no SSD took it.
pub async fn write_metadata(core: &Core, places: &[u64], slice: &Slice) -> bool {
    write_together(core, places, std::slice::from_ref(slice)).await
}

/// Writes metadata blocks that lie one after the other to all places of the first.
async fn write_together(core: &Core, places: &[u64], slices: &[Slice]) -> bool {
    let ssds = core.get().metadata_takers();
    write_to(core, &ssds, places, slices).await
}

async fn write_to(core: &Core, ssds: &[DiskHandle], places: &[u64], slices: &[Slice]) -> bool {
    let op = |at| DiskOp::Write { at, slices: slices.to_vec(), fua: true };
    let all: Vec<_> = ssds
        .iter()
        .flat_map(|ssd| places.iter().map(move |at| (*ssd, *at)))
        .map(|(ssd, at)| (ssd, core.issue(ssd, IoClass::Client, op(at))))
        .collect();
    for (ssd, write) in all {
        if write.await.is_err() {
            core.get().drop_ssd(ssd);
        }
    }
    !core.get().alive.is_empty()
}

/// Fills the half of the journal with empty blocks where a newcomer waits for the next one; others
/// who commit do not wait for all of it.
async fn hurry_journal(core: &Rc<Core>) {
    for _ in 0..EMPTY_BLOCKS_MAX {
        if !core.get().newcomer_waits() {
            return;
        }
        write_journal(core, &[]).await;
    }
}

/// Goes on in the other half of the journal, which is free once the table of this generation is
/// written.
async fn turn_journal(core: &Rc<Core>) {
    let ready = || {
        let inner = core.get();
        (inner.table_generation == inner.generation || inner.alive.is_empty()).then_some(())
    };
    core.bell.until(ready).await;
    let mut inner = core.get();
    inner.generation += 1;
    inner.journal_at = 0;
    inner.tell_newcomer();
    drop(inner);
    core.tasks.spawn(checkpoint(Rc::clone(core)));
}

async fn write_journal(core: &Rc<Core>, records: &[(u32, Entry)]) {
    let blocks = u64::from(core.get().setup.shape.journal_blocks);
    if core.get().journal_at == blocks {
        turn_journal(core).await;
    }
    let (places, slice) = {
        let mut inner = core.get();
        let heading = Heading {
            cache_id: inner.setup.cache_id,
            generation: inner.generation,
            sequence: inner.journal_at,
            in_table: false,
        };
        let places = inner.setup.shape.journal_at(inner.generation, inner.journal_at);
        inner.journal_at += 1;
        let pages = records.iter().map(|(_, entry)| entry.page).collect();
        let prior = std::mem::replace(&mut inner.prior, pages);
        (places, encode_records(heading, records, &prior))
    };
    write_metadata(core, &places, &slice).await;
}

async fn checkpoint(core: Rc<Core>) {
    let generation = core.get().generation;
    write_lost(&core, generation).await;
    write_table(&core, generation).await;
    write_state(&core, |state| state.generation = generation).await;
    // Not before the state is durable: until then the old table and journal count.
    core.get().table_generation = generation;
    core.bell.ring();
}

/// Writes what the metadata says of all slots to the table of a generation.
pub async fn write_table(core: &Core, generation: u64) {
    let blocks = core.get().setup.shape.table_blocks();
    for first in (0..blocks).step_by(TABLE_BLOCKS_TOGETHER) {
        let last = blocks.min(first + TABLE_BLOCKS_TOGETHER as u64);
        let (places, slices) = {
            let inner = core.get();
            let each = (first..last).map(|sequence| inner.table_block(generation, sequence));
            (inner.setup.shape.table_at(generation, first), each.collect::<Vec<_>>())
        };
        write_together(core, &places, &slices).await;
    }
}

/// Writes which pages are lost beside the table of a generation.
pub async fn write_lost(core: &Core, generation: u64) {
    let (pages, shape, cache_id) = {
        let inner = core.get();
        (inner.lost_listed.clone(), inner.setup.shape, inner.setup.cache_id)
    };
    let pages: Vec<u64> = pages.into_iter().collect();
    let parts = pages.chunks(LOST_MAX).chain(pages.is_empty().then_some(&pages[..]));
    for (part, sequence) in parts.zip(0..shape.lost_blocks()) {
        let heading = Heading { cache_id, generation, sequence, in_table: true };
        let slice = encode_lost(heading, part, pages.len());
        write_metadata(core, &shape.lost_at(generation, sequence), &slice).await;
    }
}

/// Writes the state blocks, one copy after the other.
pub async fn write_state(core: &Core, change: impl FnOnce(&mut super::metadata::State)) {
    let id = core.bell.until(|| core.get().ranges.try_take(STATE_RANGE)).await;
    let state = {
        let mut inner = core.get();
        change(&mut inner.state);
        inner.state.version += 1;
        inner.state
    };
    for copy in 0..2 {
        let (ssds, slice) = (core.get().alive.clone(), encode_state(&state));
        let places = [super::STATE_AT + copy * 4096];
        write_to(core, &ssds, &places, std::slice::from_ref(&slice)).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
}

/// Beyond every page: who writes the state blocks.
pub const STATE_RANGE: std::ops::Range<u64> = u64::MAX - 1..u64::MAX;

/// What is left goes on in a new epoch, in which an SSD that comes back is known to be stale.
async fn retire(core: &Core, left: usize) {
    let epoch = core.get().state.epoch + 1;
    if left > 0 {
        write_state(core, |state| state.epoch = epoch).await;
    } else {
        core.get().state.epoch = epoch;
    }
    if !super::mutation!(KeepEpoch) {
        core.store_lock(epoch, None).await;
    }
    core.get().retired_at = left;
}

impl Inner {
    fn table_block(&self, generation: u64, sequence: u64) -> Slice {
        let slots = self.setup.shape.slots;
        let heading =
            Heading { cache_id: self.setup.cache_id, generation, sequence, in_table: true };
        let records = u32::try_from(RECORDS_MAX).unwrap_or(slots);
        let first = u32::try_from(sequence).unwrap_or(slots).saturating_mul(records).min(slots);
        let held = (first..slots.min(first + records)).map(|slot| (slot, self.on_disk(slot)));
        let records: Vec<_> = held.filter(|(_, entry)| entry.kept != Kept::Vacant).collect();
        encode_records(heading, &records, &[])
    }

    fn begin_changes(&mut self) -> Vec<Change> {
        let changes = self.changes();
        self.committing = changes.iter().map(|change| (change.slot, change.entry)).collect();
        for change in &changes {
            self.repin(change.slot);
        }
        changes
    }

    /// Takes in what a block of the journal says, once an SSD holds it.
    fn take_in(&mut self, records: &[(u32, Entry)]) {
        if self.alive.is_empty() {
            return;
        }
        for (slot, entry) in records {
            if *slot == NO_SLOT {
                self.lost_listed.remove(&entry.page);
                self.found.remove(&entry.page);
            } else {
                self.apply(*slot, *entry);
            }
        }
    }

    /// A block that only the commit kept from being free.
    fn free_unused(&mut self, slot: u32, entry: Entry) {
        let keeps = |other: Entry| other.kept != Kept::Vacant && other.block == entry.block;
        let used = keeps(self.entry(slot)) || keeps(self.on_disk(slot));
        if entry.kept != Kept::Vacant && !used {
            self.free.push(entry.block);
        }
    }

    /// That pages are lost no more, where the origin has them durably.
    fn found_records(&self, found: &BTreeMap<u64, u64>) -> Vec<(u32, Entry)> {
        let proven = found.iter().filter(|(_, proof)| **proof <= self.flushes_done);
        proven.map(|(page, _)| (NO_SLOT, Entry { page: *page, ..Entry::default() })).collect()
    }

    fn changes(&self) -> Vec<Change> {
        let each = self.recorded.keys().map(|&slot| Change {
            slot,
            entry: self.entry(slot),
            proof: self.unproven.get(&slot).copied().unwrap_or_default(),
        });
        each.collect()
    }

    /// What can be recorded now. Clean content of which the origin may lose its part is not; what
    /// was recorded before it is taken back.
    fn records(&self, changes: Vec<Change>) -> Vec<(u32, Entry)> {
        let mut records = Vec::new();
        for Change { slot, entry, proof } in changes {
            let recorded = self.on_disk(slot);
            let vacant = Entry { kept: Kept::Vacant, epoch: 0, ..entry };
            let is_over = |flush| flush <= self.flushes_done || super::mutation!(RecordUnproven);
            let record = match (recorded.kept, entry.kept) {
                (_, Kept::Dirty) => entry,
                (_, Kept::Clean) if is_over(proof.kept.max(proof.given_up)) => entry,
                (Kept::Dirty, _) if !is_over(proof.given_up) => continue,
                (Kept::Vacant, _) => continue,
                _ => vacant,
            };
            records.push((slot, record));
        }
        records
    }

    /// A record is durable.
    fn apply(&mut self, slot: u32, record: Entry) {
        let old = self.on_disk(slot);
        let now = self.entry(slot);
        let keeps = |entry: Entry| entry.kept != Kept::Vacant && entry.block == old.block;
        if old.kept != Kept::Vacant && !keeps(now) && !keeps(record) {
            self.free.push(old.block);
        }
        let leaves = self.leaving.get(&old.page) == Some(&slot);
        if leaves && (record.kept == Kept::Vacant || record.page != old.page) {
            self.leaving.remove(&old.page);
        }
        let same = record == now || record.kept == Kept::Vacant && now.kept == Kept::Vacant;
        if same {
            self.recorded.remove(&slot);
            self.unproven.remove(&slot);
        } else {
            self.recorded.insert(slot, record);
        }
        self.repin(slot);
    }

    /// Without an SSD nothing clean is kept, and no metadata says anything.
    pub fn forget_clean(&mut self) {
        for slot in 0..self.setup.shape.slots {
            if self.slots.kept(slot) == Kept::Clean {
                self.slots.put(slot, Content::default());
                self.cached_pages -= 1;
            }
            self.recorded.remove(&slot);
            self.unproven.remove(&slot);
            self.repin(slot);
        }
        self.leaving.clear();
    }
}
