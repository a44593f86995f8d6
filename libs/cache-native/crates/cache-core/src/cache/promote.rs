//! In idle times pages of hot regions come from the origin into slots that are worth nothing. They
//! give way again like others, the first of all if nobody asks for them.

use std::rc::Rc;

use purlin_block_core::disk::IoClass;

use super::Mode;
use super::core::{Core, Inner};
use super::fill;
use super::heat::REGION_PAGES;

/// Pages that are fetched at once; a client who wants one of them waits for that.
const STEP_PAGES: u64 = 32;

/// The task that promotes.
pub async fn run(core: Rc<Core>) {
    loop {
        let first = core.bell.until(|| core.get().next_region()).await;
        let end = (first + REGION_PAGES).min(core.get().setup.origin_blocks);
        for start in (first..end).step_by(usize::try_from(STEP_PAGES).unwrap_or(1)) {
            if core.get().may_promote() {
                fetch(&core, start..end.min(start + STEP_PAGES)).await;
            }
        }
        core.bell.ring();
    }
}

async fn fetch(core: &Core, pages: std::ops::Range<u64>) {
    let Some(hold) = core.get().ranges.try_take(pages.clone()) else { return };
    let absent: Vec<u64> = pages.filter(|page| core.get().is_absent(*page)).collect();
    let runs: Vec<&[u64]> = absent.chunk_by(|page, next| page + 1 == *next).collect();
    for run in runs {
        let read = core.read_origin(IoClass::Destage, run[0], run.len()).await;
        let Ok(Some(buffer)) = read else { continue };
        let slice = buffer.share();
        let each = run.iter().enumerate().map(|(at, page)| (*page, slice.blocks_at(at, 1)));
        let fills: Vec<_> = each
            .filter_map(|(page, slice)| {
                let mut inner = core.get();
                inner.make_room(page)?;
                fill::place(&mut inner, page, &slice)
            })
            .collect();
        fill::write(core, fills).await;
    }
    core.get().ranges.release(hold);
    core.bell.ring();
}

impl Inner {
    fn may_promote(&self) -> bool {
        self.is_idle() && self.mode != Mode::PassThrough && !self.alive.is_empty()
    }

    fn next_region(&mut self) -> Option<u64> {
        if self.may_promote() { self.heat.take_hottest() } else { None }
    }

    /// Neither in a slot nor in memory nor lost.
    pub fn is_absent(&self, page: u64) -> bool {
        let cached = self.find(page).is_some() || self.memory.find(page).is_some();
        !cached && !self.lost.contains(&page)
    }

    pub fn make_room(&mut self, page: u64) -> Option<()> {
        if self.policy.find(page).is_none() {
            let write = self.policy.promote(page)?;
            self.reassign(write);
        }
        Some(())
    }
}
