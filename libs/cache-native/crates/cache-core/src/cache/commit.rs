//! Group commit: flush the data, then write what changed in the slots to the journal. All requests
//! that came until it begins share one.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::{DiskOp, IoClass};

use super::core::{Core, Inner, Waiter, index};
use super::metadata::{Entry, Heading, Kept, RECORDS_MAX, encode_records, encode_state};
use super::tasks::promise;
use super::{CacheError, Lock};

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
    proof: u64,
}

async fn commit_once(core: &Rc<Core>, flush_origin: bool) -> Result<(), CacheError> {
    let changes = core.get().begin_changes();
    let outcome = flush(core, flush_origin, !changes.is_empty()).await;
    let records = core.get().records(changes);
    for part in records.chunks(RECORDS_MAX) {
        write_journal(core, part).await;
    }
    loop {
        let left = core.get().alive.len();
        if left >= core.get().retired_at {
            break;
        }
        retire(core, left).await;
    }
    let mut inner = core.get();
    if inner.alive.is_empty() {
        inner.committing.clear();
        inner.forget_clean();
        let whole = inner.dirty.is_empty();
        return outcome.and(if whole { Ok(()) } else { Err(CacheError::SsdLost) });
    }
    let committing = std::mem::take(&mut inner.committing);
    for (slot, entry) in records {
        inner.apply(slot, entry);
    }
    for (slot, entry) in committing {
        inner.free_unused(slot, entry);
        inner.repin(slot);
    }
    outcome
}

async fn flush(core: &Core, origin: bool, ssd: bool) -> Result<(), CacheError> {
    let origin = origin && core.get().origin_is_unflushed();
    let number = core.get().flushes_begun + 1;
    let handle = core.get().setup.origin;
    let flushing = origin.then(|| {
        core.get().flushes_begun = number;
        core.issue(handle, IoClass::Client, DiskOp::Flush)
    });
    if ssd && core.get().ssd_unflushed && !super::mutation!(NoDataFlush) {
        core.get().ssd_unflushed = false;
        let ssds = core.get().alive.clone();
        let all: Vec<_> =
            ssds.iter().map(|s| (*s, core.issue(*s, IoClass::Client, DiskOp::Flush))).collect();
        for (ssd, flush) in all {
            if flush.await.is_err() {
                core.get().drop_ssd(ssd);
            }
        }
    }
    let Some(flushing) = flushing else { return Ok(()) };
    match flushing.await {
        Ok(_) => {
            core.get().flushes_done = number;
            Ok(())
        }
        Err(_) => Err(CacheError::Origin),
    }
}

/// Writes a metadata block to all its places; false if no SSD took it.
pub async fn write_metadata(core: &Core, places: &[u64], slice: &Slice) -> bool {
    let ssds = core.get().alive.clone();
    let op = |at| DiskOp::Write { at, slices: vec![slice.clone()], fua: true };
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

async fn write_journal(core: &Rc<Core>, records: &[(u32, Entry)]) {
    let blocks = u64::from(core.get().setup.shape.journal_blocks);
    if core.get().journal_at == blocks {
        // The other half is free once the table of this generation is written.
        let ready = || {
            let inner = core.get();
            (inner.state.generation == inner.generation || inner.alive.is_empty()).then_some(())
        };
        core.bell.until(ready).await;
        let mut inner = core.get();
        inner.generation += 1;
        inner.journal_at = 0;
        drop(inner);
        core.tasks.spawn(checkpoint(Rc::clone(core)));
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
        (places, encode_records(heading, records))
    };
    write_metadata(core, &places, &slice).await;
}

async fn checkpoint(core: Rc<Core>) {
    let generation = core.get().generation;
    write_table(&core, generation).await;
    write_state(&core, |state| state.generation = generation).await;
    core.bell.ring();
}

/// Writes what the metadata says of all slots to the table of a generation.
pub async fn write_table(core: &Core, generation: u64) {
    let slots = core.get().setup.shape.slots;
    for (sequence, first) in (0..slots).step_by(RECORDS_MAX).enumerate() {
        let (places, slice) = {
            let inner = core.get();
            let sequence = sequence as u64;
            let cache_id = inner.setup.cache_id;
            let heading = Heading { cache_id, generation, sequence, in_table: true };
            let last = slots.min(first + u32::try_from(RECORDS_MAX).unwrap_or(slots));
            let held = (first..last).map(|slot| (slot, inner.on_disk(slot)));
            let records: Vec<_> = held.filter(|(_, entry)| entry.kept != Kept::Vacant).collect();
            (inner.setup.shape.table_at(generation, sequence), encode_records(heading, &records))
        };
        write_metadata(core, &places, &slice).await;
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
        write_metadata(core, &[super::STATE_AT + copy * 4096], &encode_state(&state)).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
}

/// Beyond every page: who writes the state blocks.
const STATE_RANGE: std::ops::Range<u64> = u64::MAX - 1..u64::MAX;

/// What is left goes on in a new epoch, in which an SSD that comes back is known to be stale.
async fn retire(core: &Core, left: usize) {
    let epoch = core.get().state.epoch + 1;
    if left > 0 {
        write_state(core, |state| state.epoch = epoch).await;
    } else {
        core.get().state.epoch = epoch;
    }
    let lock = Lock { epoch, ..core.get().lock };
    if !super::mutation!(KeepEpoch) {
        core.store_lock(lock).await;
    }
    core.get().retired_at = left;
}

impl Inner {
    fn begin_changes(&mut self) -> Vec<Change> {
        let changes = self.changes();
        self.committing = changes.iter().map(|change| (change.slot, change.entry)).collect();
        for change in &changes {
            self.repin(change.slot);
        }
        changes
    }

    /// A block that only the commit kept from being free.
    fn free_unused(&mut self, slot: u32, entry: Entry) {
        let keeps = |other: Entry| other.kept != Kept::Vacant && other.block == entry.block;
        let used = keeps(self.entries[index(slot)]) || keeps(self.on_disk(slot));
        if entry.kept != Kept::Vacant && !used {
            self.free.push(entry.block);
        }
    }

    fn changes(&self) -> Vec<Change> {
        let each = self.recorded.keys().map(|&slot| Change {
            slot,
            entry: self.entries[index(slot)],
            proof: self.unproven.get(&slot).copied().unwrap_or(0),
        });
        each.collect()
    }

    /// What can be recorded now. Clean content of which the origin may lose its part is not; what
    /// was recorded before it is taken back.
    fn records(&self, changes: Vec<Change>) -> Vec<(u32, Entry)> {
        let mut records = Vec::new();
        for Change { slot, entry, proof } in changes {
            let recorded = self.on_disk(slot);
            let vacant = Entry { kept: Kept::Vacant, ..entry };
            let proven = proof <= self.flushes_done || super::mutation!(RecordUnproven);
            let record = match (recorded.kept, entry.kept) {
                (_, Kept::Dirty) => entry,
                (Kept::Dirty, _) if !proven => continue,
                (_, Kept::Clean) if proven => entry,
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
        let now = self.entries[index(slot)];
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
        } else {
            self.recorded.insert(slot, record);
        }
        self.repin(slot);
    }

    /// Without an SSD nothing clean is kept, and no metadata says anything.
    pub fn forget_clean(&mut self) {
        for slot in 0..self.setup.shape.slots {
            if self.entries[index(slot)].kept == Kept::Clean {
                self.entries[index(slot)].kept = Kept::Vacant;
            }
            self.recorded.remove(&slot);
            self.repin(slot);
        }
        self.leaving.clear();
    }
}
