//! Bringing stripes and pages to where, and in the shape in which, they should be.
//!
//! A pass goes through every tree in order, a bounded number of stripes a cycle. A stripe that
//! several trees share is written once: the pass remembers it, and holds a reference of its own
//! meanwhile, so that nobody overwrites it in place before the last tree has it.

use std::collections::HashMap;
use std::rc::Rc;

use super::core::Core;
use super::entry::Entry;
use super::exchange::Verdict;
use super::tree::Root;
use super::write_stripe::Blocks;
use crate::control::DiskState;
use crate::disk::IoClass;
use crate::error::BlockError;

/// Most stripes written anew in one cycle.
const STRIPES_A_CYCLE: usize = 256;
/// Most stripes looked at in one cycle.
const LOOKS_A_CYCLE: usize = 65_536;

/// How far a pass has come.
#[derive(Default)]
pub struct Rebuild {
    /// The next head and stripe; `None` between passes.
    cursor: Option<(u64, u64)>,
    /// What was written for shared stripes: the old one and the new one, by the key of the old.
    shared: HashMap<u64, (Rc<Entry>, Entry)>,
    moved: u64,
    /// A stripe should have moved and could not.
    unfinished: bool,
    /// Stripes the pass has found that lack something and cannot be made whole now.
    pub short: u64,
    /// Whether it is known how much there is to move.
    surveyed: bool,
    pub passes: u64,
}

impl Core {
    /// Goes on with a pass, if one is wanted. Tells whether it changed the map.
    pub async fn rebuild_some(self: &Rc<Self>) -> Result<bool, BlockError> {
        if !self.wanted.rebuild.get() {
            return Ok(false);
        }
        self.plan_progress().await?;
        let (mut head, mut stripe) = self.rebuild.borrow().cursor.unwrap_or((0, 0));
        let (mut moved, mut looks) = (0, 0);
        loop {
            let next = self.catalogue.borrow().heads.range(head..).next().map(|(&id, _)| id);
            let Some(found) = next else { break };
            if found != head {
                (head, stripe) = (found, 0);
            }
            let root = self.catalogue.borrow().root(head);
            let next = match root {
                Some(root) => self.next_stripe(root, stripe, u64::MAX, IoClass::Recovery).await?,
                None => None,
            };
            let (Some(root), Some(at)) = (root, next) else {
                (head, stripe) = (head + 1, 0);
                continue;
            };
            moved += usize::from(self.rebuild_stripe(head, root, at).await?);
            looks += 1;
            stripe = at + 1;
            if moved >= STRIPES_A_CYCLE || looks >= LOOKS_A_CYCLE {
                let mut rebuild = self.rebuild.borrow_mut();
                rebuild.cursor = Some((head, stripe));
                rebuild.moved += moved as u64;
                drop(rebuild);
                self.want_cycle();
                return Ok(moved > 0);
            }
        }
        self.end_pass(moved as u64);
        Ok(moved > 0)
    }

    fn end_pass(&self, moved: u64) {
        let mut rebuild = self.rebuild.borrow_mut();
        let all = rebuild.moved + moved;
        self.counters.short_stripes.set(std::mem::take(&mut rebuild.short));
        rebuild.cursor = None;
        rebuild.moved = 0;
        rebuild.passes += 1;
        let unfinished = std::mem::take(&mut rebuild.unfinished);
        let shared = std::mem::take(&mut rebuild.shared);
        drop(rebuild);
        for (_, entry) in shared.into_values() {
            self.drop_entry(&entry);
        }
        // Trees that came to be behind the cursor are seen by the next pass.
        if all == 0 {
            self.wanted.rebuild.set(false);
            self.rebuild.borrow_mut().surveyed = false;
            if self.wanted.rebalance.get() && !self.wanted.paused.get() {
                self.wanted.rebalance.set(false);
                self.table.borrow_mut().settle_all();
            }
            if !unfinished {
                self.forget_empty();
            }
            self.wanted.checkpoint.set(true);
            self.want_cycle();
        } else {
            self.want_cycle();
        }
    }

    /// Before the first pass since something has changed: how much there is to move.
    async fn plan_progress(self: &Rc<Self>) -> Result<(), BlockError> {
        let due = {
            let rebuild = self.rebuild.borrow();
            rebuild.cursor.is_none() && !rebuild.surveyed
        };
        if due {
            let survey = self.survey().await?;
            let rebalances = self.wanted.rebalance.get() && !self.wanted.paused.get();
            let mut moving = self.moving.get();
            let misplaced = if rebalances { survey.misplaced_bytes } else { 0 };
            moving.planned_bytes = survey.homeless_bytes + survey.lost_bytes + misplaced;
            moving.least_bytes = survey.least_bytes;
            self.moving.set(moving);
            self.rebuild.borrow_mut().surveyed = true;
        }
        Ok(())
    }

    /// From here on something else is to be moved than before.
    pub fn begin_anew(&self) {
        let mut rebuild = self.rebuild.borrow_mut();
        rebuild.surveyed = false;
        // What was found by a pass that has begun is found again by the next.
        drop(rebuild);
        self.wanted.rebuild.set(true);
        self.want_cycle();
    }

    /// Writes one stripe anew if it is not as it should be. Tells whether it did.
    async fn rebuild_stripe(
        self: &Rc<Self>,
        head: u64,
        root: Root,
        stripe: u64,
    ) -> Result<bool, BlockError> {
        let found = self.look_up(root, stripe, IoClass::Recovery).await?;
        let Some(entry) = found.entry else { return Ok(false) };
        let mut class = IoClass::Recovery;
        match self.judge(&entry, stripe) {
            Verdict::Stay => {
                if self.path_should_move(root, stripe).await? {
                    self.set_entry(head, stripe, Some(&entry)).await?;
                    return Ok(true);
                }
                return Ok(false);
            }
            Verdict::Exchange(exchange) => {
                if !exchange.rebuilds {
                    class = IoClass::Migration;
                }
                let alone = !found.shared && !self.pages.borrow().is_shared(entry.key());
                if alone && self.exchange(head, stripe, &entry, exchange, class).await? {
                    return Ok(true);
                }
            }
            Verdict::Anew => {}
        }
        // The place of a stripe that is gone may have become another's: the whole must be equal.
        let known = self.rebuild.borrow().shared.get(&entry.key()).cloned();
        let known = known.filter(|(old, _)| *old == entry).map(|(_, new)| new);
        let new = if let Some(known) = known {
            self.pages.borrow_mut().add_reference(known.key());
            known
        } else {
            let Some(new) = self.write_anew(&entry, stripe, class).await? else {
                self.rebuild.borrow_mut().unfinished = true;
                return Ok(false);
            };
            if !self.must_leave(&entry) && !self.stays(&new, stripe) {
                // There is no better place for it now: writing it over and over gains nothing.
                self.let_go(&new.places, new.shape.shard_blocks as u64);
                return Ok(false);
            }
            if self.pages.borrow().is_shared(entry.key())
                || self.is_path_shared(root, stripe).await?
            {
                self.pages.borrow_mut().add_reference(new.key());
                let pair = (Rc::clone(&entry), new.clone());
                self.rebuild.borrow_mut().shared.insert(entry.key(), pair);
            }
            new
        };
        self.set_entry(head, stripe, Some(&new)).await?;
        Ok(true)
    }

    /// Whether a stripe would be left as it is.
    fn stays(&self, entry: &Entry, stripe: u64) -> bool {
        let short = self.rebuild.borrow().short;
        let verdict = self.judge(entry, stripe);
        self.rebuild.borrow_mut().short = short;
        matches!(verdict, Verdict::Stay)
    }

    async fn is_path_shared(self: &Rc<Self>, root: Root, stripe: u64) -> Result<bool, BlockError> {
        Ok(self.look_up(root, stripe, IoClass::Recovery).await?.shared)
    }

    /// The stripe's blocks in a new place; `None` if that cannot be done now.
    async fn write_anew(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        stripe: u64,
        class: IoClass,
    ) -> Result<Option<Entry>, BlockError> {
        let mut blocks: Blocks = vec![None; self.geometry.get().stripe_blocks];
        let lost = match self.read_kept(stripe, entry, entry.present, &mut blocks, class).await {
            Ok(lost) => lost,
            // The disks that have the rest are missing: it stays as it is until they are back.
            Err(BlockError::Lost { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.write_stripe(None, stripe, &blocks, class).await {
            Ok(mut new) => {
                super::destage::poison(&mut new, lost);
                self.note_rewritten(&new);
                Ok(Some(new))
            }
            Err(BlockError::NoSpace | BlockError::TooFewDisks { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a page on the way to the stripe has fewer copies than it could have, or one on a
    /// disk that is to be emptied or was given up.
    async fn path_should_move(
        self: &Rc<Self>,
        root: Root,
        stripe: u64,
    ) -> Result<bool, BlockError> {
        let mut found = false;
        for pointer in self.path(root, stripe).await? {
            if pointer.is_dirty() {
                continue;
            }
            let members = self.members.borrow();
            let there = pointer.places.iter().filter(|place| place.is_somewhere());
            found |= there.clone().any(|place| {
                members.get(place.disk()).is_none_or(|member| member.state == DiskState::Leaving)
            });
            drop(members);
            found |= there.count() < self.page_disks(pointer.key(), 1).len();
        }
        Ok(found)
    }
}
