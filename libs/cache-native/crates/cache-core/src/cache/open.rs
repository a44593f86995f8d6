//! Formatting SSDs, and finding again what is on them.

use std::rc::Rc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::DiskHandle;

use super::commit::{self, write_lost, write_metadata, write_state, write_table};
use super::core::{Core, Inner};
use super::metadata::{Kept, State, decode_state};
use super::options::Alert;
use super::replay::{load, read_block};
use super::{CacheError, Mode, Phase, STATE_AT, destage, promote};
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
        core.tasks.spawn(promote::run(Rc::clone(&core)));
    }
    core.bell.ring();
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

/// The first blocks of an SSD: whose it is.
pub fn superblock_of(inner: &Inner, epoch: u64) -> Result<Slice, CacheError> {
    let superblock = Superblock {
        cache_id: inner.setup.cache_id,
        generation: Generation(epoch),
        device_size_bytes: inner.setup.shape.size_blocks() * BLOCK_BYTES as u64,
        line_size_bytes: 4096,
    };
    let region = superblock.encode().map_err(|_| CacheError::SsdLost)?;
    Ok(Buffer::copy_of(&region).share())
}

async fn format(core: &Core) -> Result<(), CacheError> {
    if core.get().lock.dirty {
        // The origin lacks what another cache, or this one, has.
        return Err(CacheError::Stale);
    }
    let last = states(core).await.iter().map(|(_, state)| state.epoch).max().unwrap_or(0);
    let epoch = last.max(core.get().lock.epoch) + 1;
    let region = superblock_of(&core.get(), epoch)?;
    for copy in 0..2 {
        let block = region.blocks_at(copy, 1);
        write_metadata(core, &[(copy * BLOCK_BYTES) as u64], &block).await;
    }
    // A generation that no journal block of an earlier cache can have.
    let generation = epoch << 32;
    core.get().generation = generation;
    write_lost(core, generation).await;
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
    core.store_lock(epoch, Some(dirty)).await;
    let mut inner = core.get();
    inner.retired_at = left;
    inner.table_generation = generation;
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
    let mut mode = state.mode;
    match load(core, state.generation).await {
        Some((is_damaged, lost)) if dirty => {
            let mut inner = core.get();
            inner.lost_listed.clone_from(&lost);
            if is_damaged {
                // What is readable goes home, and nothing new comes in.
                mode = Mode::PassThrough;
                inner.alerts.push_back(Alert::MetadataDamaged(lost.len()));
            }
            inner.lost = lost;
        }
        Some(_) => {}
        None if dirty => return Err(CacheError::Damaged),
        None => core.get().forget_all(),
    }
    core.get().restore()?;
    core.get().resume_order();
    // Journal blocks of the generation after the last one may be torn rests of the crash.
    let step = if super::mutation!(KeepGeneration) { 1 } else { 3 };
    let generation = state.generation + step;
    core.get().generation = generation;
    write_lost(core, generation).await;
    write_table(core, generation).await;
    let draining = !core.get().dirty.is_empty() && mode != Mode::Writeback;
    core.get().draining = draining;
    begin_epoch(core, state.epoch + 1, generation, mode, dirty).await
}

impl Inner {
    /// Finds what is dirty and which blocks are free.
    fn restore(&mut self) -> Result<(), CacheError> {
        for slot in 0..self.setup.shape.slots {
            let entry = self.entry(slot);
            if entry.kept == Kept::Vacant {
                continue;
            }
            let is_first = self.policy.find(entry.page) == Some(Slot(slot));
            if is_first && self.free.claim(entry.block) {
                self.cached_pages += 1;
            } else if entry.kept == Kept::Dirty {
                return Err(CacheError::Damaged);
            } else {
                self.vacate(slot);
                continue;
            }
            if entry.kept == Kept::Dirty {
                self.dirty.insert(entry.page);
            }
            self.repin(slot);
        }
        Ok(())
    }
}
