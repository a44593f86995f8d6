//! What is found again when a cache is opened: table, then journals, and what is lost where both
//! copies of a block are gone on every SSD.
//!
//! A table block that is gone leaves slots of which nothing is known: every page that belongs in
//! their sets may be lost, save those that are known to be elsewhere. A journal block that is gone
//! is followed by one that names its pages: those are lost, unless a later record says where they
//! are; clean content from before it is not used any more.

use std::collections::{BTreeSet, HashSet};

use purlin_block_core::buffer::Buffer;
use purlin_block_core::disk::{DiskHandle, DiskOp, IoClass};

use super::core::{Core, Inner};
use super::metadata::{Entry, Heading, Kept, LOST_MAX, Records};
use super::metadata::{RECORDS_MAX, decode_lost, decode_records};
use super::slots::Content;
use crate::policy::Slot;

/// Reads one block; `None` if that fails.
pub async fn read_block(core: &Core, disk: DiskHandle, at: u64) -> Option<Buffer> {
    let op = DiskOp::Read { at, buffer: Buffer::zeroed(1) };
    core.issue(disk, IoClass::Client, op).await.ok().flatten()
}

/// The first copy of a metadata block that `decode` takes.
async fn read_copies<T>(
    core: &Core,
    places: &[u64],
    decode: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let ssds = core.get().alive.clone();
    for ssd in ssds {
        for at in places {
            let block = read_block(core, ssd, *at).await;
            let found = block.and_then(|block| decode(block.as_bytes()));
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// What is known of the slots while blocks are read.
#[derive(Default)]
struct Replay {
    /// Slots of table blocks that are gone.
    unknown: BTreeSet<u32>,
    lost: BTreeSet<u64>,
    /// Pages that a record of the journal tells of, where that matters.
    told: HashSet<u64>,
    /// Slots whose last record is of something dirty that cannot be there.
    unfit: BTreeSet<u32>,
    is_damaged: bool,
}

/// Reads table and journals into the slots. The pages that are lost if any were dirty; `None` if
/// that cannot be told.
pub async fn load(core: &Core, generation: u64) -> Option<(bool, BTreeSet<u64>)> {
    let mut replay = Replay::default();
    load_lost(core, generation, &mut replay).await?;
    load_table(core, generation, &mut replay).await;
    load_journals(core, generation, &mut replay).await?;
    let inner = core.get();
    let lost_max = usize::try_from(inner.setup.shape.lost_blocks()).ok()? * LOST_MAX;
    inner.suspect(&mut replay);
    let is_told = replay.unfit.is_empty() && replay.lost.len() <= lost_max;
    is_told.then_some((replay.is_damaged, replay.lost))
}

fn heading(core: &Core, generation: u64, sequence: u64, in_table: bool) -> Heading {
    let cache_id = core.get().setup.cache_id;
    Heading { cache_id, generation, sequence, in_table }
}

async fn load_lost(core: &Core, generation: u64, replay: &mut Replay) -> Option<()> {
    let shape = core.get().setup.shape;
    for sequence in 0..shape.lost_blocks() {
        let heading = heading(core, generation, sequence, true);
        let places = shape.lost_at(generation, sequence);
        let (pages, all) = read_copies(core, &places, |block| decode_lost(block, heading)).await?;
        replay.lost.extend(pages);
        if replay.lost.len() >= all {
            return Some(());
        }
    }
    None
}

async fn load_table(core: &Core, generation: u64, replay: &mut Replay) {
    let shape = core.get().setup.shape;
    for sequence in 0..shape.table_blocks() {
        let heading = heading(core, generation, sequence, true);
        let places = shape.table_at(generation, sequence);
        let block = read_copies(core, &places, |block| decode_records(block, heading)).await;
        if let Some(Records { records, .. }) = block {
            core.get().take(&records, replay);
        } else {
            let slots = (0..shape.slots).skip(index_of(sequence) * RECORDS_MAX);
            replay.unknown.extend(slots.take(RECORDS_MAX));
            replay.is_damaged = true;
        }
    }
}

async fn load_journals(core: &Core, generation: u64, replay: &mut Replay) -> Option<()> {
    let shape = core.get().setup.shape;
    let mut gone = 0;
    for generation in [generation, generation + 1] {
        for sequence in 0..u64::from(shape.journal_blocks) {
            let heading = heading(core, generation, sequence, false);
            let places = shape.journal_at(generation, sequence);
            let block = read_copies(core, &places, |block| decode_records(block, heading)).await;
            let Some(Records { records, prior }) = block else {
                gone += 1;
                continue;
            };
            // Each block was durable before the next was written, so nothing ends before this one.
            match gone {
                0 => {}
                1 => core.get().pass_gap(&prior, replay),
                _ => return None,
            }
            gone = 0;
            if !replay.unknown.is_empty() {
                replay.told.extend(records.iter().map(|(_, entry)| entry.page));
            }
            core.get().take(&records, replay);
        }
    }
    Some(())
}

fn index_of(sequence: u64) -> usize {
    usize::try_from(sequence).unwrap_or(usize::MAX)
}

impl Inner {
    fn take(&mut self, records: &[(u32, Entry)], replay: &mut Replay) {
        for (slot, entry) in records {
            replay.lost.remove(&entry.page);
            if *slot < self.setup.shape.slots {
                replay.unknown.remove(slot);
                replay.unfit.remove(slot);
                let fits = self.lay(*slot, *entry);
                if !fits && entry.kept == Kept::Dirty {
                    replay.unfit.insert(*slot);
                }
            }
        }
    }

    /// Puts into a slot what a record has for it; `false` leaves it empty: there is nothing, or
    /// the page or the block belongs elsewhere.
    fn lay(&mut self, slot: u32, entry: Entry) -> bool {
        self.vacate(slot);
        let Entry { page, block, crc, kept, epoch } = entry;
        let fits = kept != Kept::Vacant
            && page < self.setup.origin_blocks
            && block < self.setup.shape.blocks()
            && self.policy.restore(page, Slot(slot));
        if fits {
            self.slots.put(slot, Content { kept, block, checksum: crc, epoch });
        }
        fits
    }

    /// Nothing is in the slot, and the policy does not know of a page there.
    pub fn vacate(&mut self, slot: u32) {
        self.slots.put(slot, Content::default());
        self.policy.empty(Slot(slot));
    }

    /// Nothing is in any slot.
    pub fn forget_all(&mut self) {
        (0..self.setup.shape.slots).for_each(|slot| self.vacate(slot));
    }

    /// A journal block is gone that was about these pages.
    fn pass_gap(&mut self, pages: &[u64], replay: &mut Replay) {
        replay.is_damaged = true;
        replay.lost.extend(pages);
        let pages: HashSet<u64> = pages.iter().copied().collect();
        for slot in 0..self.setup.shape.slots {
            let entry = self.entry(slot);
            let is_gone = entry.kept == Kept::Clean || pages.contains(&entry.page);
            if entry.kept != Kept::Vacant && is_gone {
                self.vacate(slot);
            }
        }
    }

    /// Pages that may have been in the slots of which nothing is known.
    fn suspect(&self, replay: &mut Replay) {
        if replay.unknown.is_empty() {
            return;
        }
        for slot in &replay.unknown {
            let pages = self.policy.pages_of(Slot(*slot));
            let pages = pages.filter(|page| *page < self.setup.origin_blocks);
            let is_known = |page: u64| self.find(page).is_some() || replay.told.contains(&page);
            let pages = pages.filter(|page| !is_known(*page));
            replay.lost.extend(pages);
        }
    }
}
