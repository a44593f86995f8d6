//! The option `ordered`: dirty pages go home in the order of the flushes, so that the origin alone
//! is at any time what a disk may be after a power cut some time ago: stale, but consistent.
//!
//! A flush closes an epoch. Pages of one epoch go home in any order, as a disk may write what no
//! flush covers; those of the next only when all of them are durable there. Only the newest content
//! of a page is kept, so a page of a closed epoch is not written again before it is home: such a
//! write waits, and so does one for which there is no room, because nothing may overtake on the way
//! to the origin.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::IoClass;

use super::commit::flush_origin;
use super::core::{Core, Inner};
use super::dirty::Dirty;
use super::fill;
use super::metadata::{EPOCH_MASK, Kept};
use super::options::Options;
use super::write::{Back, Write, flush, write_back, write_cache, write_origin};
use super::{CacheError, Mode};

/// Which dirty pages were written in which epoch; none where the option is off.
#[derive(Debug)]
pub struct Order {
    now: u64,
    pages: BTreeMap<u64, Dirty>,
    /// Writes that wait for pages to be home.
    pub waiting: usize,
}

impl Default for Order {
    fn default() -> Self {
        Self { now: START, pages: BTreeMap::new(), waiting: 0 }
    }
}

/// Records have the low bits of an epoch; this is a multiple of what they can count to.
const START: u64 = 1 << 40;

impl Order {
    /// What a record has of the epoch that is open.
    pub fn open_epoch(&self) -> u32 {
        u32::try_from(self.now & u64::from(EPOCH_MASK)).unwrap_or(0)
    }

    /// A flush was asked for.
    pub fn close_epoch(&mut self) {
        self.now += 1;
    }

    /// The epoch of a record; it is not newer than the open one.
    fn epoch(&self, recorded: u32) -> u64 {
        self.now - u64::from(self.open_epoch().wrapping_sub(recorded) & EPOCH_MASK)
    }

    pub fn insert(&mut self, page: u64, recorded: u32) {
        self.pages.entry(self.epoch(recorded)).or_default().insert(page);
    }

    pub fn remove(&mut self, page: u64, recorded: u32) {
        let epoch = self.epoch(recorded);
        if let Some(pages) = self.pages.get_mut(&epoch) {
            pages.remove(page);
            if pages.is_empty() {
                self.pages.remove(&epoch);
            }
        }
    }

    /// The oldest epoch with dirty pages: it goes home first.
    pub fn first(&self) -> Option<u64> {
        self.pages.keys().next().copied()
    }

    fn pages_of(&self, epoch: u64) -> Option<&Dirty> {
        self.pages.get(&epoch)
    }

    /// The epoch after all of these records is open.
    pub fn resume(&mut self, recorded: impl Iterator<Item = u32>) {
        let half = (EPOCH_MASK >> 1) + 1;
        let newer = |one: u32, other: u32| one.wrapping_sub(other) & EPOCH_MASK < half;
        let newest = recorded.reduce(|one, other| if newer(one, other) { one } else { other });
        self.now = START + newest.map_or(0, |newest| u64::from(newest) + 1);
    }
}

impl Inner {
    /// Whether writes keep the order of flushes.
    pub fn is_ordered(&self) -> bool {
        self.options.ordered && self.mode == Mode::Writeback && !self.alive.is_empty()
    }

    /// Whether what is written now could not keep it any more.
    pub fn is_order_lost(&self) -> bool {
        self.options.ordered && self.alive.is_empty() && self.lacks()
    }

    /// Slots and blocks for all of these pages, or nothing.
    fn place_in_order(&mut self, pages: Range<u64>) -> Option<Vec<(u32, u32)>> {
        let open = self.order.open_epoch();
        let closed = |(_, entry): (u32, super::metadata::Entry)| {
            entry.kept == Kept::Dirty && entry.epoch != open
        };
        if pages.clone().any(|page| self.find(page).is_some_and(closed)) {
            return None;
        }
        self.place_all(pages, true)
    }
}

/// A write that keeps the order. Where nothing is dirty and there is no room it goes to the origin.
pub async fn write(core: Rc<Core>, write: Write) {
    let Write { tag, class, first, slices, fua } = write;
    let pages = first..first + slices.len() as u64;
    {
        let mut inner = core.get();
        inner.asked_at = inner.now.unwrap_or_default();
        inner.order.waiting += 1;
    }
    let (id, placed) = loop {
        let id = core.get().ranges.queue(pages.clone(), true);
        core.bell.until(|| core.get().ranges.is_first(id).then_some(())).await;
        if !core.get().is_ordered() {
            break (id, None);
        }
        let placed = core.get().place_in_order(pages.clone());
        if placed.is_some() {
            break (id, placed);
        }
        if core.get().dirty.is_empty() {
            let unflushed = core.get().origin_is_unflushed();
            if !unflushed || flush_origin(&core, IoClass::Client).await.is_ok() {
                break (id, None);
            }
        }
        let ticks = {
            let mut inner = core.get();
            inner.ranges.release(id);
            inner.ticks
        };
        core.bell.ring();
        core.bell.until(|| (core.get().ticks != ticks).then_some(())).await;
    };
    core.get().order.waiting -= 1;
    let fills: Vec<u64> = {
        let mut inner = core.get();
        pages.clone().filter_map(|page| inner.access(page)).collect()
    };
    for page in fills.into_iter().filter(|page| !pages.contains(page)) {
        fill::begin(&core, page, None);
    }
    let each = pages.zip(slices);
    let through: Vec<(u64, Slice)> = match placed {
        Some(placed) => {
            // A flush that begins from here on need not cover it. But later writes may not come
            // home before what it replaces: it is of the epoch in which it got its place.
            let epoch = core.get().order.open_epoch();
            let back = placed.into_iter().zip(each);
            let back =
                back.map(|((slot, block), (page, slice))| Back { page, slot, block, slice, epoch });
            write_back(&core, back.collect()).await
        }
        None => each.collect(),
    };
    let mut result = if !through.is_empty() && core.get().is_order_lost() {
        Err(CacheError::SsdLost)
    } else {
        write_origin(&core, class, &through).await
    };
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

impl Inner {
    /// The epoch whose pages go home, where that matters.
    pub fn first_epoch(&self) -> Option<u64> {
        let ordered = self.options.ordered && !super::mutation!(IgnoreOrder);
        if ordered { self.order.first() } else { None }
    }

    /// How many windows and pages may go home: those of an epoch, or all.
    pub fn homeward(&self, epoch: Option<u64>) -> (usize, usize) {
        let of_epoch = |pages: &Dirty| (pages.windows(), pages.len());
        match epoch {
            Some(epoch) => self.order.pages_of(epoch).map_or((0, 0), of_epoch),
            None => (self.dirty.windows(), self.dirty.len()),
        }
    }

    /// The next window from the cursor on with pages that may go home.
    pub fn next_homeward(&self, epoch: Option<u64>) -> Option<(u64, u64)> {
        match epoch {
            Some(epoch) => self.order.pages_of(epoch)?.next_from(self.cursor),
            None => self.next_dirty(self.cursor),
        }
    }

    /// Opens the epoch after those of what was found.
    pub fn resume_order(&mut self) {
        self.order.resume(self.slots.dirty().map(|slot| self.slots.content(slot).epoch));
        self.order_dirty();
    }

    /// Other choices from now on. What became dirty without `ordered` is of the oldest epoch.
    pub fn configure(&mut self, options: Options) {
        let before = std::mem::replace(&mut self.options, options);
        if before.ordered != options.ordered {
            self.order_dirty();
        }
    }

    fn order_dirty(&mut self) {
        self.order.pages.clear();
        if !self.options.ordered {
            return;
        }
        let slots: Vec<u32> = self.slots.dirty().collect();
        for entry in slots.into_iter().map(|slot| self.entry(slot)).collect::<Vec<_>>() {
            if !self.lost.contains(&entry.page) {
                self.order.insert(entry.page, entry.epoch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_epoch_goes_first_also_where_the_recorded_numbers_wrap() {
        for start in [0, 5, EPOCH_MASK - 1, EPOCH_MASK] {
            let recorded = |at: u32| start.wrapping_add(at) & EPOCH_MASK;
            let mut order = Order::default();
            order.resume([2, 0, 1].into_iter().map(recorded));
            assert_eq!(order.open_epoch(), recorded(3));
            for at in [2, 0, 1] {
                order.insert(u64::from(at) + 10, recorded(at));
            }
            for at in 0..3 {
                let epoch = order.first().and_then(|epoch| order.pages_of(epoch));
                let first: Vec<_> = epoch.into_iter().flat_map(Dirty::iter).collect();
                assert_eq!(first, [u64::from(at) + 10]);
                order.remove(u64::from(at) + 10, recorded(at));
            }
            assert_eq!(order.first(), None);
        }
    }
}
