//! What clients need no more leaves the cache, and the origin is told.
//!
//! An advice: what is read there afterwards may be what was there or what the origin makes of it.
//! But cache and origin stay the same, through a crash too: as with a write, metadata has none of
//! it as clean when the origin is told, and what was dirty is given up only after that.

use std::ops::Range;
use std::rc::Rc;

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::{DiskError, DiskOp, IoClass};

use super::commit::{commit, flush_origin};
use super::core::Core;
use super::write::{is_vacated, supersede};
use super::{CacheError, Tag};

/// Pages that are given up at a time; others who want them wait for that.
const PART_PAGES: u64 = 8192;

/// A discard as it came.
pub struct Discard {
    pub tag: Tag,
    pub class: IoClass,
    pub pages: Range<u64>,
}

pub async fn discard(core: Rc<Core>, Discard { tag, class, pages }: Discard) {
    let mut result = Ok(());
    let mut first = pages.start;
    while result.is_ok() && first < pages.end {
        let part = first..pages.end.min(first + PART_PAGES);
        first = part.end;
        let id = core.get().ranges.queue(part.clone(), true);
        core.bell.until(|| core.get().ranges.is_first(id).then_some(())).await;
        if class == IoClass::Client {
            let mut inner = core.get();
            inner.asked_at = inner.now.unwrap_or_default();
        }
        result = tell_origin(&core, class, part).await;
        core.get().ranges.release(id);
        core.bell.ring();
    }
    core.reply(tag, result.map(|()| None));
}

async fn tell_origin(core: &Core, class: IoClass, pages: Range<u64>) -> Result<(), CacheError> {
    if !may_be_told(core).await {
        return Ok(());
    }
    if !is_vacated(core, pages.clone()) && !super::mutation!(DiscardBeforeVacate) {
        let _failed_means_no_ssd = commit(core, false).await;
    }
    core.discard_origin(class, pages.clone()).await.map_err(|_| CacheError::Origin)?;
    supersede(&mut core.get(), pages);
    Ok(())
}

/// With `ordered` the origin may not lose what its clients still had when what it has was written:
/// an advice is not worth waiting for that.
async fn may_be_told(core: &Core) -> bool {
    if core.get().is_order_lost() {
        return false;
    }
    if !core.get().is_ordered() || super::mutation!(DiscardAtOnce) {
        return true;
    }
    if !core.get().dirty.is_empty() {
        return false;
    }
    !core.get().origin_is_unflushed() || flush_origin(core, IoClass::Client).await.is_ok()
}

impl Core {
    /// Tells the origin that pages are not needed.
    async fn discard_origin(&self, class: IoClass, pages: Range<u64>) -> Result<(), DiskError> {
        let bytes = |pages: u64| pages * BLOCK_BYTES as u64;
        let (at, length) = (bytes(pages.start), bytes(pages.end - pages.start));
        self.change_origin(class, DiskOp::Discard { at, length }).await
    }
}
