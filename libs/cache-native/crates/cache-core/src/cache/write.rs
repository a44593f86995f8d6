//! A write: into the cache alone (writeback), or to the origin and then into the cache.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::IoClass;

use super::commit::commit;
use super::core::{Core, Inner, index};
use super::fill;
use super::metadata::{Entry, Kept};
use super::tasks::all;
use super::{CacheError, Mode, Tag};

/// A page that goes into the cache alone.
struct Back {
    page: u64,
    slot: u32,
    block: u32,
    slice: Slice,
}

pub async fn write(core: Rc<Core>, tag: Tag, first: u64, slices: Vec<Slice>, fua: bool) {
    let slices: Vec<Slice> =
        slices.iter().flat_map(|s| (0..s.blocks()).map(|at| s.blocks_at(at, 1))).collect();
    let pages = first..first + slices.len() as u64;
    let id = core.get().ranges.queue(pages.clone(), true);
    core.bell.until(|| core.get().ranges.is_first(id).then_some(())).await;
    let (mut back, mut through) = (Vec::new(), Vec::new());
    let mut fills = Vec::new();
    for (page, slice) in pages.zip(slices) {
        let mut inner = core.get();
        if inner.mode != Mode::PassThrough && !inner.alive.is_empty() {
            fills.extend(inner.access(page).filter(|other| *other != page));
        }
        match inner.place_back(page) {
            Some((slot, block)) => back.push(Back { page, slot, block, slice }),
            None => through.push((page, slice)),
        }
    }
    for page in fills {
        fill::begin(&core, page, None);
    }
    through.extend(write_back(&core, back).await);
    through.sort_unstable_by_key(|(page, _)| *page);
    let mut result = write_origin(&core, &through).await;
    if fua && result.is_ok() {
        result = flush(&core).await;
    }
    core.reply(tag, result.map(|()| None));
    if result.is_ok() {
        write_cache(&core, through).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
}

/// Everything answered is durable from here on.
pub async fn flush(core: &Core) -> Result<(), CacheError> {
    if super::mutation!(FlushAnsweredEarly) { Ok(()) } else { commit(core, true).await }
}

async fn write_back(core: &Core, back: Vec<Back>) -> Vec<(u64, Slice)> {
    if back.iter().any(|each| core.get().leaving.contains_key(&each.page)) {
        let _failed_means_no_ssd = commit(core, false).await;
    }
    let writes = back.iter().map(|each| core.write_block(each.block, each.slice.clone())).collect();
    let taken = all(writes).await;
    let mut rest = Vec::new();
    let mut inner = core.get();
    for (Back { page, slot, block, slice }, taken) in back.into_iter().zip(taken) {
        if taken == 0 {
            inner.free.push(block);
            rest.push((page, slice));
        } else {
            let crc = crc32c::crc32c(slice.as_bytes());
            inner.change(slot, Entry { page, block, crc, kept: Kept::Dirty });
            inner.memory.remove(page);
            inner.lost.remove(&page);
        }
        inner.release(slot);
    }
    rest
}

async fn write_origin(core: &Core, pages: &[(u64, Slice)]) -> Result<(), CacheError> {
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
        writes.push(core.write_origin(IoClass::Client, run[0].0, slices));
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
        inner.lost.remove(page);
    }
    Ok(())
}

async fn write_cache(core: &Rc<Core>, pages: Vec<(u64, Slice)>) {
    let fills: Vec<_> = {
        let mut inner = core.get();
        pages.iter().filter_map(|(page, slice)| fill::place(&mut inner, *page, slice)).collect()
    };
    all(fills.into_iter().map(|fill| fill::write(core, fill)).collect()).await;
}

impl Inner {
    /// A slot and a free block for a page that is written into the cache alone; the slot is held.
    fn place_back(&mut self, page: u64) -> Option<(u32, u32)> {
        if self.mode != Mode::Writeback || self.alive.is_empty() {
            return None;
        }
        let slot = self.policy.find(page)?.0;
        if self.entries[index(slot)].kept != Kept::Dirty && self.is_full_of_dirty() {
            return None;
        }
        let block = self.allocate()?;
        self.hold(slot);
        Some((slot, block))
    }
}
