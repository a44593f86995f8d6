//! An SSD takes part while the cache serves, and one leaves: how a lost or worn SSD is replaced.
//!
//! The newcomer is given every block that is written from now on, then those that were there
//! before, then journal and table of the next generation. Only when it has all of that, durably, is
//! it written a state block; until then an opening takes it for a stranger.

use std::rc::Rc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::{DiskHandle, DiskOp, IoClass};
use purlin_block_core::tasks::all;

use super::commit::{STATE_RANGE, commit, write_state};
use super::core::{Core, Inner};
use super::metadata::{Entry, Kept};
use super::open::superblock_of;
use super::{CacheError, Phase, STATE_AT};

/// Blocks that are copied at a time.
const COPIES_MAX: usize = 32;

/// Who exchanges SSDs; beyond every page.
const EXCHANGE_RANGE: std::ops::Range<u64> = u64::MAX - 4..u64::MAX - 3;

/// An SSD that does not have everything yet.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer {
    pub ssd: DiskHandle,
    /// Slots whose blocks it has.
    pub slots: u32,
    /// Whether it has the blocks of all slots.
    pub copied: bool,
    /// The first generation whose journal and table it is given.
    pub generation: Option<u64>,
}

/// Lets an SSD take part; answered when it has everything. What was on it is gone.
pub async fn adopt(core: &Rc<Core>, ssd: DiskHandle) -> Result<(), CacheError> {
    let id = core.bell.until(|| core.get().ranges.try_take(EXCHANGE_RANGE)).await;
    let result = take_part(core, ssd).await;
    let mut inner = core.get();
    inner.newcomer = None;
    inner.ranges.release(id);
    drop(inner);
    core.bell.ring();
    result
}

/// Lets go of an SSD while another has everything too; by its epoch it is stale from then on.
pub async fn dismiss(core: &Rc<Core>, ssd: DiskHandle) -> Result<(), CacheError> {
    let id = core.bell.until(|| core.get().ranges.try_take(EXCHANGE_RANGE)).await;
    let result = match core.get().alive.as_slice() {
        [] => Err(CacheError::SsdLost),
        [only] if *only == ssd => Err(CacheError::SsdLost),
        _ => Ok(()),
    };
    if result.is_ok() {
        core.get().alive.retain(|other| *other != ssd);
        // It raises the epoch before it answers.
        let _a_lost_ssd_says_so_itself = commit(core, false).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
    result
}

async fn take_part(core: &Rc<Core>, ssd: DiskHandle) -> Result<(), CacheError> {
    // Writes that an earlier newcomer was given as well are over.
    core.bell.until(|| (core.get().block_writes[1] == 0).then_some(())).await;
    {
        let mut inner = core.get();
        if inner.alive.is_empty() || inner.phase != Phase::Running {
            return Err(CacheError::SsdLost);
        }
        if inner.alive.contains(&ssd) {
            return Ok(());
        }
        inner.newcomer = Some(Newcomer { ssd, slots: 0, copied: false, generation: None });
    }
    // Not while an earlier state is on its way to it.
    let id = core.bell.until(|| core.get().ranges.try_take(STATE_RANGE)).await;
    let nothing = Buffer::zeroed(1).share();
    for copy in 0..2 {
        give(core, ssd, STATE_AT + copy * BLOCK_BYTES as u64, &nothing).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
    let superblock = {
        let inner = core.get();
        superblock_of(&inner, inner.state.epoch)?
    };
    for copy in 0..2 {
        give(core, ssd, (copy * BLOCK_BYTES) as u64, &superblock.blocks_at(copy, 1)).await;
    }
    // What is written from here on it is given too.
    core.bell.until(|| (core.get().block_writes[0] == 0).then_some(())).await;
    copy_blocks(core, ssd).await?;
    follow_journal(core, ssd).await?;
    core.issue(ssd, IoClass::Recovery, DiskOp::Flush).await.map_err(|_| CacheError::SsdLost)?;
    // An SSD that was lost meanwhile is stale first.
    while core.get().has_unretired() {
        core.get().newcomer(ssd)?;
        let _a_lost_ssd_says_so_itself = commit(core, false).await;
    }
    {
        let mut inner = core.get();
        inner.newcomer(ssd)?;
        inner.newcomer = None;
        inner.alive.push(ssd);
        inner.retired_at = inner.alive.len();
        if !inner.setup.ssds.contains(&ssd) {
            inner.setup.ssds.push(ssd);
        }
    }
    write_state(core, |_| {}).await;
    Ok(())
}

/// Writes to the newcomer alone.
async fn give(core: &Core, ssd: DiskHandle, at: u64, slice: &Slice) {
    let op = DiskOp::Write { at, slices: vec![slice.clone()], fua: true };
    if let Err(error) = core.issue(ssd, IoClass::Recovery, op).await {
        core.get().ssd_failed(ssd, error);
    }
}

async fn copy_blocks(core: &Core, ssd: DiskHandle) -> Result<(), CacheError> {
    let slots = core.get().setup.shape.slots;
    let mut next = if super::mutation!(AdoptUncopied) { slots } else { 0 };
    while next < slots {
        let mut found: Vec<Entry> = Vec::new();
        {
            let mut inner = core.get();
            while next < slots && found.len() < COPIES_MAX {
                found.extend(inner.blocks_of(next));
                next += 1;
            }
            for entry in &found {
                inner.free.reserve(entry.block);
            }
        }
        let copies = found.iter().map(|entry| copy(core, ssd, *entry)).collect();
        all(copies).await;
        let mut inner = core.get();
        for entry in &found {
            inner.free.unreserve(entry.block);
        }
        inner.newcomer(ssd)?.slots = next;
    }
    core.get().newcomer(ssd)?.copied = true;
    Ok(())
}

async fn copy(core: &Core, ssd: DiskHandle, entry: Entry) {
    // What no SSD can read is lost with a newcomer and without.
    let Some(slice) = core.read_slot(entry).await else { return };
    let at = core.get().setup.shape.block_at(entry.block);
    let op = DiskOp::Write { at, slices: vec![slice], fua: false };
    if let Err(error) = core.issue(ssd, IoClass::Recovery, op).await {
        core.get().ssd_failed(ssd, error);
    }
}

/// Waits until the newcomer has a whole table, and the journal after it.
async fn follow_journal(core: &Rc<Core>, ssd: DiskHandle) -> Result<(), CacheError> {
    while core.get().newcomer(ssd)?.generation.is_none() {
        let _brings_the_turn_of_the_journal_nearer = commit(core, false).await;
    }
    core.bell
        .until(|| {
            let mut inner = core.get();
            let table = inner.table_generation;
            match inner.newcomer(ssd).map(|newcomer| newcomer.generation) {
                Ok(first) => first.filter(|first| table >= *first).map(|_| Ok(())),
                Err(error) => Some(Err(error)),
            }
        })
        .await
}

impl Inner {
    /// The newcomer, as long as it takes what it is given and somebody has what it lacks.
    fn newcomer(&mut self, ssd: DiskHandle) -> Result<&mut Newcomer, CacheError> {
        let serves = self.phase == Phase::Running && !self.alive.is_empty();
        let newcomer = self.newcomer.as_mut().filter(|newcomer| newcomer.ssd == ssd && serves);
        newcomer.ok_or(CacheError::SsdLost)
    }

    /// Whether an SSD was lost that the epoch does not exclude yet.
    fn has_unretired(&self) -> bool {
        self.alive.len() != self.retired_at
    }

    /// Everything that the metadata has, or may have soon, in a slot: each block once.
    fn blocks_of(&self, slot: u32) -> Vec<Entry> {
        let committing = self.committing.get(&slot).copied().unwrap_or_default();
        let mut found: Vec<Entry> = Vec::new();
        for entry in [self.entry(slot), self.on_disk(slot), committing] {
            let known = found.iter().any(|other| other.block == entry.block);
            if entry.kept != Kept::Vacant && !known {
                found.push(entry);
            }
        }
        found
    }

    /// SSDs that are given the blocks of slots.
    pub fn takers(&self) -> Vec<DiskHandle> {
        self.alive.iter().copied().chain(self.newcomer.map(|newcomer| newcomer.ssd)).collect()
    }

    /// SSDs that are given journal and table.
    pub fn metadata_takers(&self) -> Vec<DiskHandle> {
        let newcomer = self.newcomer.filter(|newcomer| newcomer.generation.is_some());
        self.alive.iter().copied().chain(newcomer.map(|newcomer| newcomer.ssd)).collect()
    }

    /// Whether the journal shall turn so that the newcomer has all of a generation.
    pub fn newcomer_waits(&self) -> bool {
        self.newcomer.is_some_and(|newcomer| newcomer.copied && newcomer.generation.is_none())
    }

    /// The journal has turned: from here on the newcomer is given it.
    pub fn tell_newcomer(&mut self) {
        let generation = self.generation;
        if let Some(newcomer) = self.newcomer.as_mut().filter(|newcomer| newcomer.copied) {
            newcomer.generation.get_or_insert(generation);
        }
    }
}
