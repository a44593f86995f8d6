//! Reading a pool through for what is bad, and repairing it.
//!
//! A scrub goes through every tree in order, a bounded piece in each cycle, so that the log is
//! emptied between the pieces however long the whole takes. Nothing moves under a piece. What is
//! written anew behind the cursor is good; what was shared when it was seen is not looked at again.

use std::collections::HashMap;
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::{Core, Counters};
use super::pages::{Pointer, child};
use super::tree::{Root, leaf_entry, leaf_slot, slot};
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::control::{ControlAnswer, ScrubProgress, ScrubReport};
use crate::disk::IoClass;
use crate::error::BlockError;

/// Most stripes read in one cycle.
const STRIPES_A_CYCLE: u64 = 64;
/// Most pages of the map read in one cycle.
const PAGES_A_CYCLE: u64 = 1024;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// The scrub that runs, or the one that has ended last.
#[derive(Default)]
pub struct Scrub {
    running: bool,
    paused: bool,
    deep: bool,
    /// The next head and stripe.
    cursor: (u64, u64),
    /// The pages on the way to the last stripe, by level.
    path: Vec<u64>,
    /// Which head had a shared page or stripe first, by its key.
    seen: HashMap<u64, u64>,
    report: ScrubReport,
    failed: Option<BlockError>,
    ended: u64,
}

impl Core {
    /// Begins a scrub, or joins the one that runs, and waits for its end.
    ///
    /// # Errors
    /// A scrub runs that reads less, or the map cannot be read.
    pub async fn scrub(self: &Rc<Self>, deep: bool) -> Result<ControlAnswer, BlockError> {
        let wanted = {
            let mut scrub = self.scrub.borrow_mut();
            if scrub.running && deep && !scrub.deep {
                let reason = "a scrub of the metadata runs; wait for its end".to_owned();
                return Err(BlockError::Invalid { reason });
            }
            let ended = scrub.ended;
            if !scrub.running {
                *scrub = Scrub { running: true, deep, ended, ..Scrub::default() };
            }
            ended + 1
        };
        self.want_cycle();
        while self.scrub.borrow().ended < wanted {
            self.cycle_ended.next().await;
            if let Some(refusal) = self.refusal() {
                return Err(refusal);
            }
            let stalled = self.stalled.borrow().clone();
            if let Some(error) = stalled {
                self.end_scrub(Some(error));
            }
        }
        let scrub = self.scrub.borrow();
        scrub.failed.clone().map_or(Ok(ControlAnswer::Scrubbed(scrub.report)), Err)
    }

    /// Holds the scrub that runs, or lets it go on.
    ///
    /// # Errors
    /// None runs.
    pub fn pause_scrub(&self, pause: bool) -> Result<ControlAnswer, BlockError> {
        let mut scrub = self.scrub.borrow_mut();
        if !scrub.running {
            return Err(BlockError::Invalid { reason: "no scrub runs".to_owned() });
        }
        scrub.paused = pause;
        drop(scrub);
        self.want_cycle();
        Ok(ControlAnswer::Done)
    }

    /// How far the scrub is that runs.
    pub fn scrub_progress(&self) -> Option<ScrubProgress> {
        let scrub = self.scrub.borrow();
        if !scrub.running {
            return None;
        }
        let catalogue = self.catalogue.borrow();
        let (head, stripe) = scrub.cursor;
        let behind = catalogue.heads.range(..head).map(|(_, head)| head.blocks).sum::<u64>();
        let within = stripe.saturating_mul(self.geometry.get().stripe_blocks as u64);
        let within = catalogue.heads.get(&head).map_or(0, |head| head.blocks.min(within));
        Some(ScrubProgress {
            deep: scrub.deep,
            paused: scrub.paused,
            walked_bytes: (behind + within) * BLOCK,
            planned_bytes: catalogue.heads.values().map(|head| head.blocks).sum::<u64>() * BLOCK,
            report: scrub.report,
        })
    }

    /// Goes on with the scrub, if one runs.
    pub async fn scrub_some(self: &Rc<Self>) {
        let goes_on = {
            let scrub = self.scrub.borrow();
            scrub.running && !scrub.paused
        };
        if !goes_on || self.closing.get() {
            return;
        }
        match self.scrub_piece().await {
            Ok(true) => self.end_scrub(None),
            Ok(false) => self.want_cycle(),
            Err(error) => self.end_scrub(Some(error)),
        }
    }

    fn end_scrub(&self, failed: Option<BlockError>) {
        let mut scrub = self.scrub.borrow_mut();
        if !scrub.running {
            return;
        }
        scrub.running = false;
        scrub.ended += 1;
        scrub.failed = failed;
        scrub.seen = HashMap::new();
    }

    /// Some more; whether that was the last.
    async fn scrub_piece(self: &Rc<Self>) -> Result<bool, BlockError> {
        let before = self.scrub.borrow().report;
        loop {
            let (cursor, stripe) = self.scrub.borrow().cursor;
            let next = self.catalogue.borrow().heads.range(cursor..).next().map(|(&id, _)| id);
            let Some(head) = next else { return Ok(true) };
            let stripe = if head == cursor { stripe } else { 0 };
            let root = self.catalogue.borrow().root(head);
            let stripe = match root {
                Some(root) => self.scrub_leaf(head, root, stripe, before).await?,
                None => None,
            };
            let mut scrub = self.scrub.borrow_mut();
            scrub.cursor = stripe.map_or((head + 1, 0), |stripe| (head, stripe));
            if stripe.is_none() {
                scrub.path.clear();
            }
            if is_enough(before, scrub.report) {
                return Ok(false);
            }
        }
    }

    /// Looks at the way to a stripe and at its leaf from there on; where to go on in this tree.
    async fn scrub_leaf(
        self: &Rc<Self>,
        head: u64,
        root: Root,
        stripe: u64,
        before: ScrubReport,
    ) -> Result<Option<u64>, BlockError> {
        let geometry = self.geometry.get();
        if stripe >= geometry.reach(root.height - 1) {
            return Ok(None);
        }
        let mut pointer = root.pointer;
        for level in (0..root.height).rev() {
            let reach = geometry.reach(level);
            let behind = (stripe / reach + 1).saturating_mul(reach);
            if pointer.is_null() || self.is_of_another(pointer.key(), head) {
                return Ok(Some(behind));
            }
            let page = self.page(&pointer, IoClass::Scrub).await?;
            self.scrub_page_once(usize::from(root.height - 1 - level), &pointer, &page).await;
            if level > 0 {
                pointer = child(&page, slot(geometry, level, stripe));
                continue;
            }
            if !self.scrub.borrow().deep {
                return Ok(Some(behind));
            }
            let count = usize::try_from(geometry.leaf_entries).unwrap_or_default();
            let first = leaf_slot(geometry, stripe);
            let read = self.scrub.borrow().report.stripes - before.stripes;
            let left = usize::try_from(STRIPES_A_CYCLE.saturating_sub(read)).unwrap_or_default();
            let mut stripes = Vec::new();
            let mut next = behind;
            for (at, stripe) in (first..count).zip(stripe..) {
                if stripes.len() == left {
                    next = stripe;
                    break;
                }
                let Some(entry) = leaf_entry(geometry, &page, at) else { continue };
                if !self.is_of_another(entry.key(), head) {
                    stripes.push((stripe, Rc::new(entry)));
                }
            }
            let repairs = self.run_jobs(stripes, |core, (stripe, entry)| async move {
                core.repair_stripe(stripe, &entry, IoClass::Scrub).await
            });
            for repaired in repairs.await {
                let report = &mut self.scrub.borrow_mut().report;
                report.stripes += 1;
                match repaired {
                    Some(repaired) => report.repaired += repaired,
                    None => report.lost += 1,
                }
            }
            return Ok(Some(next));
        }
        Ok(None)
    }

    /// Whether something is shared and was seen in another tree before.
    fn is_of_another(&self, key: u64, head: u64) -> bool {
        self.pages.borrow().is_shared(key)
            && *self.scrub.borrow_mut().seen.entry(key).or_insert(head) != head
    }

    /// Reads a page on every disk that has it, unless it is on the way to the last stripe as well.
    async fn scrub_page_once(self: &Rc<Self>, depth: usize, pointer: &Pointer, page: &Buffer) {
        {
            let mut scrub = self.scrub.borrow_mut();
            if scrub.path.get(depth) == Some(&pointer.key()) {
                return;
            }
            scrub.path.truncate(depth);
            scrub.path.push(pointer.key());
        }
        if pointer.is_dirty() {
            return;
        }
        let mut repaired = 0;
        for place in pointer.places.into_iter().filter(|&place| self.should_have(place)) {
            let read = self.read(place, 1, IoClass::Scrub).await;
            if read.is_ok_and(|read| crc32c(read.as_bytes()) == pointer.crc) {
                continue;
            }
            let slice = Buffer::copy_of(page.as_bytes()).share();
            repaired += u64::from(self.write(place, vec![slice], IoClass::Scrub).await.is_ok());
        }
        Counters::add(&self.counters.repaired, repaired);
        let report = &mut self.scrub.borrow_mut().report;
        report.pages += 1;
        report.repaired += repaired;
    }
}

fn is_enough(before: ScrubReport, now: ScrubReport) -> bool {
    now.stripes - before.stripes >= STRIPES_A_CYCLE || now.pages - before.pages >= PAGES_A_CYCLE
}
