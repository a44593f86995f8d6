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

use super::core::{Core, Inner, index};
use super::metadata::{Entry, Heading, Kept, LOST_MAX, NO_SLOT, Records};
use super::metadata::{RECORDS_MAX, decode_lost, decode_records};
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
    /// Pages that a record of the journal tells of.
    told: HashSet<u64>,
    is_damaged: bool,
}

/// Reads table and journals into the entries. The pages that are lost if any were dirty; `None` if
/// that cannot be told.
pub async fn load(core: &Core, generation: u64) -> Option<(bool, BTreeSet<u64>)> {
    let mut replay = Replay::default();
    load_lost(core, generation, &mut replay).await?;
    load_table(core, generation, &mut replay).await;
    load_journals(core, generation, &mut replay).await?;
    let inner = core.get();
    let lost_max = usize::try_from(inner.setup.shape.lost_blocks()).ok()? * LOST_MAX;
    inner.suspect(&mut replay);
    (replay.lost.len() <= lost_max).then_some((replay.is_damaged, replay.lost))
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
            replay.told.extend(records.iter().map(|(_, entry)| entry.page));
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
            if *slot != NO_SLOT
                && let Some(place) = self.entries.get_mut(index(*slot))
            {
                *place = *entry;
                replay.unknown.remove(slot);
            }
        }
    }

    /// A journal block is gone that was about these pages.
    fn pass_gap(&mut self, pages: &[u64], replay: &mut Replay) {
        replay.is_damaged = true;
        replay.lost.extend(pages);
        let pages: HashSet<u64> = pages.iter().copied().collect();
        for entry in &mut self.entries {
            if entry.kept == Kept::Clean || pages.contains(&entry.page) {
                *entry = Entry::default();
            }
        }
    }

    /// Pages that may have been in the slots of which nothing is known.
    fn suspect(&self, replay: &mut Replay) {
        if replay.unknown.is_empty() {
            return;
        }
        let held = self.entries.iter().filter(|entry| entry.kept != Kept::Vacant);
        let known: HashSet<u64> = held.map(|entry| entry.page).collect();
        for slot in &replay.unknown {
            let pages = self.policy.pages_of(Slot(*slot));
            let pages = pages.filter(|page| *page < self.setup.origin_blocks);
            let pages = pages.filter(|page| !known.contains(page) && !replay.told.contains(page));
            replay.lost.extend(pages);
        }
    }
}
