//! A write: into the cache alone (writeback), or to the origin and then into the cache.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::IoClass;

use super::commit::commit;
use super::core::{Core, Inner, index};
use super::fill;
use super::metadata::{Entry, Kept};
use super::{CacheError, Mode, Tag, ordered};
use purlin_block_core::tasks::all;

/// A page that goes into the cache alone.
pub struct Back {
    pub page: u64,
    pub slot: u32,
    pub block: u32,
    pub slice: Slice,
    /// The flush epoch in which it got its place.
    pub epoch: u32,
}

/// A write as it came.
pub struct Write {
    pub tag: Tag,
    pub class: IoClass,
    pub first: u64,
    pub slices: Vec<Slice>,
    pub fua: bool,
}

pub async fn write(core: Rc<Core>, write: Write) {
    let blocks = |s: &Slice| (0..s.blocks()).map(|at| s.blocks_at(at, 1)).collect::<Vec<_>>();
    let slices: Vec<Slice> = write.slices.iter().flat_map(blocks).collect();
    if core.get().is_ordered() {
        return ordered::write(core, Write { slices, ..write }).await;
    }
    if core.get().is_order_lost() {
        return core.reply(write.tag, Err(CacheError::SsdLost));
    }
    let Write { tag, class, first, fua, .. } = write;
    let pages = first..first + slices.len() as u64;
    let id = core.get().ranges.queue(pages.clone(), true);
    core.bell.until(|| core.get().ranges.is_first(id).then_some(())).await;
    let admits = core.get().meet(class, first, slices.len());
    let (mut back, mut through) = (Vec::new(), Vec::new());
    let mut fills = Vec::new();
    for (page, slice) in pages.zip(slices) {
        let mut inner = core.get();
        if admits {
            fills.extend(inner.access(page).filter(|other| *other != page));
        }
        match inner.place_back(page, admits) {
            Some((slot, block)) => {
                let epoch = inner.order.open_epoch();
                back.push(Back { page, slot, block, slice, epoch });
            }
            None => through.push((page, slice)),
        }
    }
    for page in fills {
        fill::begin(&core, page, None);
    }
    through.extend(write_back(&core, back).await);
    through.sort_unstable_by_key(|(page, _)| *page);
    let mut result = write_origin(&core, class, &through).await;
    if fua && result.is_ok() {
        result = flush(&core).await;
    }
    core.reply(tag, result.map(|()| None));
    if result.is_ok() && admits {
        write_cache(&core, through).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
}

/// Everything answered is durable from here on.
pub async fn flush(core: &Core) -> Result<(), CacheError> {
    core.get().order.close_epoch();
    if super::mutation!(FlushAnsweredEarly) { Ok(()) } else { commit(core, true).await }
}

pub async fn write_back(core: &Core, back: Vec<Back>) -> Vec<(u64, Slice)> {
    if back.iter().any(|each| core.get().leaving.contains_key(&each.page)) {
        let _failed_means_no_ssd = commit(core, false).await;
    }
    let writes = back.iter().map(|each| core.write_block(each.block, each.slice.clone())).collect();
    let taken = all(writes).await;
    let mut rest = Vec::new();
    let mut inner = core.get();
    for (Back { page, slot, block, slice, epoch }, taken) in back.into_iter().zip(taken) {
        if taken == 0 {
            inner.free.push(block);
            rest.push((page, slice));
        } else {
            let crc = crc32c::crc32c(slice.as_bytes());
            inner.change(slot, Entry { page, block, crc, kept: Kept::Dirty, epoch });
            inner.memory.remove(page);
            inner.find_again(page);
        }
        inner.release(slot);
    }
    rest
}

pub async fn write_origin(
    core: &Core,
    class: IoClass,
    pages: &[(u64, Slice)],
) -> Result<(), CacheError> {
    if pages.is_empty() {
        return Ok(());
    }
    let mut recorded = false;
    for (page, _) in pages {
        let mut inner = core.get();
        inner.memory.remove(*page);
        if let Some((slot, entry)) = inner.find(*page).filter(|(_, e)| e.kept == Kept::Clean) {
            inner.change(slot, Entry { page: entry.page, ..Entry::default() });
        }
        recorded |= inner.is_recorded_clean(*page);
    }
    if recorded && !super::mutation!(WriteBeforeVacate) {
        // Otherwise a restart would take what the cache had for what the origin has.
        let _failed_means_no_ssd = commit(core, false).await;
    }
    let mut writes = Vec::new();
    for run in pages.chunk_by(|(page, _), (next, _)| page + 1 == *next) {
        let slices = run.iter().map(|(_, slice)| slice.clone()).collect();
        writes.push(core.write_origin(class, run[0].0, slices));
    }
    let failed = all(writes).await.into_iter().any(|result| result.is_err());
    if failed {
        return Err(CacheError::Origin);
    }
    let mut inner = core.get();
    for (page, _) in pages {
        // What was dirty is older than what the origin has now.
        if let Some((slot, entry)) = inner.find(*page) {
            inner.change(slot, Entry { page: entry.page, ..Entry::default() });
        }
        inner.find_again(*page);
    }
    Ok(())
}

pub async fn write_cache(core: &Rc<Core>, pages: Vec<(u64, Slice)>) {
    let fills: Vec<_> = {
        let mut inner = core.get();
        pages.iter().filter_map(|(page, slice)| fill::place(&mut inner, *page, slice)).collect()
    };
    all(fills.into_iter().map(|fill| fill::write(core, fill)).collect()).await;
}

impl Inner {
    /// A slot and a free block for a page that is written into the cache alone; the slot is held.
    /// Where the dirty share is at its limit, a page comes in for each that goes home.
    pub fn place_back(&mut self, page: u64, admits: bool) -> Option<(u32, u32)> {
        if self.mode != Mode::Writeback || self.alive.is_empty() {
            return None;
        }
        let found = self.policy.find(page).map(|slot| slot.0);
        let is_dirty = found.is_some_and(|slot| self.entries[index(slot)].kept == Kept::Dirty);
        if !is_dirty && (!admits || self.is_full_of_dirty()) {
            return None;
        }
        let slot = if let Some(slot) = found {
            slot
        } else {
            let write = self.policy.claim(page)?;
            self.reassign(write);
            write.slot.0
        };
        let block = self.allocate()?;
        self.hold(slot);
        Some((slot, block))
    }
}
