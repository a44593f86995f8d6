//! Formatting SSDs, and finding again what is on them.

use std::collections::BTreeSet;
use std::rc::Rc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::{DiskHandle, DiskOp, IoClass};

use super::commit::{self, write_metadata, write_state, write_table};
use super::core::{Core, index};
use super::metadata::{Entry, Heading, Kept, State, decode_records, decode_state};
use super::{CacheError, Lock, Mode, Phase, STATE_AT, destage};
use crate::policy::Slot;
use crate::{Generation, Superblock};

/// The first task: afterwards the cache serves, or is refused.
pub async fn run(core: Rc<Core>) {
    let attach = core.get().setup.attach;
    let outcome = if attach { format(&core).await } else { open(&core).await };
    let phase = outcome.map_or_else(Phase::Refused, |()| Phase::Running);
    core.get().phase = phase;
    if phase == Phase::Running {
        core.tasks.spawn(commit::run(Rc::clone(&core)));
        core.tasks.spawn(destage::run(Rc::clone(&core)));
    }
    core.bell.ring();
}

async fn read_block(core: &Core, disk: DiskHandle, at: u64) -> Option<Buffer> {
    let op = DiskOp::Read { at, buffer: Buffer::zeroed(1) };
    core.issue(disk, IoClass::Client, op).await.ok().flatten()
}

/// The newest state of each SSD that has one of this cache.
async fn states(core: &Core) -> Vec<(DiskHandle, State)> {
    let (ssds, id, origin) = {
        let inner = core.get();
        (inner.setup.ssds.clone(), inner.setup.cache_id, inner.setup.origin_id)
    };
    let mut found = Vec::new();
    for ssd in ssds {
        let mut newest: Option<State> = None;
        for copy in 0..2 {
            let block = read_block(core, ssd, STATE_AT + copy * BLOCK_BYTES as u64).await;
            let state = block.and_then(|block| decode_state(block.as_bytes()));
            let state = state.filter(|state| state.cache_id == id && state.origin_id == origin);
            let age = |state: State| (state.epoch, state.version);
            if state.map(age) > newest.map(age) {
                newest = state;
            }
        }
        found.extend(newest.map(|state| (ssd, state)));
    }
    found
}

async fn format(core: &Core) -> Result<(), CacheError> {
    if core.get().lock.dirty {
        // The origin lacks what another cache, or this one, has.
        return Err(CacheError::Stale);
    }
    let last = states(core).await.iter().map(|(_, state)| state.epoch).max().unwrap_or(0);
    let (epoch, shape, cache_id) = {
        let inner = core.get();
        (last.max(inner.lock.epoch) + 1, inner.setup.shape, inner.setup.cache_id)
    };
    let superblock = Superblock {
        cache_id,
        generation: Generation(epoch),
        device_size_bytes: shape.size_blocks() * BLOCK_BYTES as u64,
        line_size_bytes: 4096,
    };
    let region = superblock.encode().map_err(|_| CacheError::SsdLost)?;
    let region: Slice = Buffer::copy_of(&region).share();
    for copy in 0..2 {
        let block = region.blocks_at(copy, 1);
        write_metadata(core, &[(copy * BLOCK_BYTES) as u64], &block).await;
    }
    // A generation that no journal block of an earlier cache can have.
    let generation = epoch << 32;
    core.get().generation = generation;
    write_table(core, generation).await;
    begin_epoch(core, epoch, generation, Mode::Writethrough, false).await
}

async fn begin_epoch(
    core: &Core,
    epoch: u64,
    generation: u64,
    mode: Mode,
    dirty: bool,
) -> Result<(), CacheError> {
    write_state(core, |state| {
        state.epoch = epoch;
        state.generation = generation;
        state.mode = mode;
    })
    .await;
    let left = core.get().alive.len();
    if left == 0 {
        return Err(CacheError::SsdLost);
    }
    core.store_lock(Lock { epoch, dirty }).await;
    let mut inner = core.get();
    inner.retired_at = left;
    inner.mode = mode;
    Ok(())
}

async fn open(core: &Core) -> Result<(), CacheError> {
    let lock = core.get().lock;
    let mut found = states(core).await;
    if !super::mutation!(AcceptStale) {
        found.retain(|(_, state)| state.epoch >= lock.epoch);
    }
    let newest = found.iter().map(|(_, state)| (state.epoch, state.version)).max();
    let newest = newest.ok_or(CacheError::Stale)?;
    // An SSD of the lock's epoch has everything that was answered, even if another one was already
    // written a newer epoch when the crash came.
    let newest = found.iter().find(|(_, state)| (state.epoch, state.version) == newest);
    let state = newest.map(|(_, state)| *state).ok_or(CacheError::Stale)?;
    if state.shape != core.get().setup.shape {
        return Err(CacheError::Stale);
    }
    core.get().alive = found.iter().map(|(ssd, _)| *ssd).collect();
    core.get().state = state;
    let dirty = lock.dirty || state.mode == Mode::Writeback;
    if !load(core, state.generation).await {
        if dirty {
            return Err(CacheError::Damaged);
        }
        core.get().entries.fill(Entry::default());
    }
    core.get().restore()?;
    // Journal blocks of the generation after the last one may be torn rests of the crash.
    let step = if super::mutation!(KeepGeneration) { 1 } else { 3 };
    let generation = state.generation + step;
    core.get().generation = generation;
    write_table(core, generation).await;
    let draining = !core.get().dirty.is_empty() && state.mode != Mode::Writeback;
    core.get().draining = draining;
    begin_epoch(core, state.epoch + 1, generation, state.mode, dirty).await
}

/// Reads table and journals into the entries; false if something is missing in the middle.
async fn load(core: &Core, generation: u64) -> bool {
    let shape = core.get().setup.shape;
    for sequence in 0..shape.table_blocks() {
        let places = shape.table_at(generation, sequence);
        let Some(records) = read_records(core, generation, sequence, &places, true).await else {
            return false;
        };
        core.get().take(&records);
    }
    let mut ended = false;
    for generation in [generation, generation + 1] {
        for sequence in 0..u64::from(shape.journal_blocks) {
            let places = shape.journal_at(generation, sequence);
            match read_records(core, generation, sequence, &places, false).await {
                // Each block was durable before the next was written.
                Some(_) if ended => return false,
                Some(records) => core.get().take(&records),
                None => ended = true,
            }
        }
    }
    true
}

async fn read_records(
    core: &Core,
    generation: u64,
    sequence: u64,
    places: &[u64],
    in_table: bool,
) -> Option<Vec<(u32, Entry)>> {
    let (ssds, cache_id) = {
        let inner = core.get();
        (inner.alive.clone(), inner.setup.cache_id)
    };
    let heading = Heading { cache_id, generation, sequence, in_table };
    for ssd in ssds {
        for at in places {
            let block = read_block(core, ssd, *at).await;
            let records = block.and_then(|block| decode_records(block.as_bytes(), heading));
            if records.is_some() {
                return records;
            }
        }
    }
    None
}

impl super::core::Inner {
    fn take(&mut self, records: &[(u32, Entry)]) {
        for (slot, entry) in records {
            if let Some(place) = self.entries.get_mut(index(*slot)) {
                *place = *entry;
            }
        }
    }

    /// Gives the policy what the metadata has, and finds the free blocks.
    fn restore(&mut self) -> Result<(), CacheError> {
        let blocks = self.setup.shape.blocks();
        let mut used = BTreeSet::new();
        for slot in 0..self.setup.shape.slots {
            let entry = self.entries[index(slot)];
            if entry.kept == Kept::Vacant {
                continue;
            }
            let fits = entry.page < self.setup.origin_blocks
                && entry.block < blocks
                && !used.contains(&entry.block)
                && self.policy.restore(entry.page, Slot(slot));
            if fits {
                used.insert(entry.block);
            } else if entry.kept == Kept::Dirty {
                return Err(CacheError::Damaged);
            } else {
                self.entries[index(slot)].kept = Kept::Vacant;
            }
            if fits && entry.kept == Kept::Dirty {
                self.dirty.insert(entry.page);
            }
            self.repin(slot);
        }
        self.free = (0..blocks).rev().filter(|block| !used.contains(block)).collect();
        Ok(())
    }

    /// Slots with something in them.
    pub fn cached_pages(&self) -> usize {
        self.entries.iter().filter(|entry| entry.kept != Kept::Vacant).count()
    }
}
