//! A write: into the cache alone (writeback), or to the origin and then into the cache.

use std::ops::Range;
use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::IoClass;

use super::commit::commit;
use super::core::{Core, Inner};
use super::fill;
use super::metadata::{Entry, Kept, checksum};
use super::{CacheError, Mode, Tag, ordered};
use purlin_block_core::tasks::all;

/// A larger write without room is as good for the disk as what destage does.
const OVERFLOW_PAGES_MAX: u64 = 8;

/// A page that goes into the cache alone.
pub struct Back {
    pub page: u64,
    pub slot: u32,
    pub block: u32,
    pub slice: Slice,
    /// The flush epoch in which it got its place; 0 without `ordered`.
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

/// A write that waits for others of its pages, with the hold in whose place it waits.
pub struct Queued {
    tag: Tag,
    pages: Range<u64>,
    slices: Vec<Slice>,
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
    let Some(slices) = wait(&core, id, Queued { tag, pages: pages.clone(), slices }, !fua).await
    else {
        // It was answered with one before it.
        return;
    };
    let admits = core.get().meet(class, first, slices.len());
    let mut fills = Vec::new();
    if admits {
        let mut inner = core.get();
        fills.extend(pages.clone().filter_map(|page| inner.access(page)));
    }
    let placed = core.get().place_all(pages.clone(), admits);
    for page in fills.into_iter().filter(|page| !pages.contains(page)) {
        fill::begin(&core, page, None);
    }
    let each = pages.clone().zip(slices);
    let mut through: Vec<(u64, Slice)> = if let Some(placed) = placed {
        let back = placed.into_iter().zip(each).map(|((slot, block), (page, slice))| Back {
            page,
            slot,
            block,
            slice,
            epoch: 0,
        });
        write_back(&core, back.collect()).await
    } else {
        // As one request, also where the cache has some of it: the disk takes no longer for that.
        core.get().pass(class, admits, &pages);
        each.collect()
    };
    let mut tags = vec![tag];
    if through.len() as u64 == pages.end - pages.start {
        core.get().overtake(&pages, &mut through, &mut tags);
    }
    let mut result = write_origin(&core, class, &through).await;
    if fua && result.is_ok() {
        result = flush(&core).await;
    }
    for tag in tags {
        core.reply(tag, result.map(|()| None));
    }
    if result.is_ok() && admits {
        write_cache(&core, through).await;
    }
    core.get().ranges.release(id);
    core.bell.ring();
}

/// Waits until it is the turn of the hold `id`; what is to be written then, or `None` if a write
/// before it took that along.
async fn wait(core: &Core, id: u64, write: Queued, may_go_along: bool) -> Option<Vec<Slice>> {
    if core.get().ranges.is_first(id) || !may_go_along {
        core.bell.until(|| core.get().ranges.is_first(id).then_some(())).await;
        return Some(write.slices);
    }
    core.get().queued.insert(id, write);
    let settled = || {
        let mut inner = core.get();
        let taken = !inner.queued.contains_key(&id);
        (taken || inner.ranges.is_first(id)).then(|| inner.queued.remove(&id))
    };
    core.bell.until(settled).await.map(|write| write.slices)
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
    let blocks: Vec<_> = back.iter().map(|each| (each.block, each.slice.clone())).collect();
    let taken = core.write_blocks(&blocks).await;
    let mut rest = Vec::new();
    let mut inner = core.get();
    for (Back { page, slot, block, slice, epoch }, taken) in back.into_iter().zip(taken) {
        if taken == 0 {
            inner.free.push(block);
            rest.push((page, slice));
        } else {
            let crc = checksum(slice.as_bytes());
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
    core.get().turns.client_comes();
    let result = vacate_and_write(core, class, pages).await;
    core.get().turns.client_leaves();
    result
}

async fn vacate_and_write(
    core: &Core,
    class: IoClass,
    pages: &[(u64, Slice)],
) -> Result<(), CacheError> {
    let vacated = is_vacated(core, pages.iter().map(|(page, _)| *page));
    if !vacated && !super::mutation!(WriteBeforeVacate) {
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
    supersede(&mut core.get(), pages.iter().map(|(page, _)| *page));
    Ok(())
}

/// Gives up what the cache has clean of these pages; whether the metadata on the SSD has none of
/// them as clean any more.
pub fn is_vacated(core: &Core, pages: impl Iterator<Item = u64>) -> bool {
    let mut inner = core.get();
    let mut vacated = true;
    for page in pages {
        inner.memory.remove(page);
        if let Some((slot, entry)) = inner.find(page).filter(|(_, e)| e.kept == Kept::Clean) {
            inner.change(slot, Entry { page: entry.page, ..Entry::default() });
        }
        vacated &= !inner.is_recorded_clean(page);
    }
    vacated
}

/// What was dirty is older than what the origin has now.
pub fn supersede(inner: &mut Inner, pages: impl Iterator<Item = u64>) {
    // A flush that is asked for from here on has to see to it that the older is taken back.
    inner.last_client_write = Some(inner.flushes_begun);
    for page in pages {
        if let Some((slot, entry)) = inner.find(page) {
            inner.change(slot, Entry { page: entry.page, ..Entry::default() });
        }
        inner.find_again(page);
    }
}

pub async fn write_cache(core: &Rc<Core>, pages: Vec<(u64, Slice)>) {
    let fills: Vec<_> = {
        let mut inner = core.get();
        pages.iter().filter_map(|(page, slice)| fill::place(&mut inner, *page, slice)).collect()
    };
    fill::write(core, fills).await;
}

impl Inner {
    /// A slot and a free block for each of these pages, if all can be written into the cache alone;
    /// the slots are held. Where the dirty share is at its limit, pages come in for those that go
    /// home.
    pub fn place_all(&mut self, pages: Range<u64>, admits: bool) -> Option<Vec<(u32, u32)>> {
        if self.mode != Mode::Writeback || self.alive.is_empty() || !admits {
            return None;
        }
        let is_dirty = |page: u64| self.find(page).is_some_and(|(_, e)| e.kept == Kept::Dirty);
        let more = pages.clone().filter(|page| !is_dirty(*page)).count();
        if more > 0 && (self.dirty.len() + more) as u64 > self.dirty_limit() {
            return None;
        }
        let mut placed = Vec::with_capacity(more);
        for page in pages {
            let Some(place) = self.place(page) else {
                for (slot, block) in placed {
                    self.free.push(block);
                    self.release(slot);
                }
                return None;
            };
            placed.push(place);
        }
        Some(placed)
    }

    fn place(&mut self, page: u64) -> Option<(u32, u32)> {
        let slot = if let Some(slot) = self.policy.find(page) {
            slot.0
        } else {
            let write = self.policy.claim(page)?;
            self.reassign(write);
            write.slot.0
        };
        let block = self.allocate()?;
        self.hold(slot);
        Some((slot, block))
    }

    /// A write goes to the origin. A small one that would have found room in an emptier cache gives
    /// destage a turn. Before what may be a stream the way is made free.
    fn pass(&mut self, class: IoClass, admits: bool, pages: &Range<u64>) {
        let small = pages.end - pages.start <= OVERFLOW_PAGES_MAX;
        if admits && small && self.mode == Mode::Writeback {
            self.turns.overflow();
        } else if class == IoClass::Client && !self.alive.is_empty() {
            self.clear_way();
        }
    }

    /// What is clean in the way of a stream is given up ahead of it, many pages with one commit:
    /// the metadata must not have them as clean any more when the origin is written.
    fn clear_way(&mut self) {
        let Some(ahead) = self.streams.take_ahead() else { return };
        let mut recorded = false;
        for page in ahead.start..ahead.end.min(self.setup.origin_blocks) {
            let clean = self.find(page).filter(|(_, entry)| entry.kept == Kept::Clean);
            if let Some((slot, _)) = clean.filter(|_| self.ranges.is_free(page)) {
                self.change(slot, Entry { page, ..Entry::default() });
            }
            recorded |= self.is_recorded_clean(page);
        }
        if recorded {
            self.want_commit(false);
        }
    }

    /// Writes that wait for these very pages go along: none of them is answered yet, so the newest
    /// may as well be the only one.
    fn overtake(
        &mut self,
        pages: &Range<u64>,
        through: &mut Vec<(u64, Slice)>,
        tags: &mut Vec<Tag>,
    ) {
        let same = |(_, write): &(&u64, &Queued)| write.pages == *pages;
        let later: Vec<u64> = self.queued.iter().filter(same).map(|(id, _)| *id).collect();
        for id in later {
            let Some(write) = self.queued.remove(&id) else { continue };
            self.ranges.release(id);
            tags.push(write.tag);
            *through = pages.clone().zip(write.slices).collect();
        }
    }
}
