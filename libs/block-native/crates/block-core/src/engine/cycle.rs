//! Cycles: everything that changes the map, one at a time.

use std::rc::Rc;

use super::catalogue::{Base, Dead};
use super::core::Core;
use super::layers::Whole;
use super::pages::child;
use super::tree::leaf_entry;
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::pool::Phase;

/// Most pages of deleted trees let go of in one cycle, so that the log never waits for long.
const DEAD_PAGES_MAX: usize = 4096;

impl Core {
    /// Runs cycles whenever one is wanted, until the pool ends.
    pub async fn run_cycles(self: Rc<Self>) {
        loop {
            while !self.wanted.cycle.get() {
                self.cycle_bell.next().await;
            }
            if matches!(*self.phase.borrow(), Phase::Ended(_)) {
                self.cycle_ended.ring();
                return;
            }
            self.wanted.cycle.set(false);
            self.cycling.set(true);
            self.cycles_begun.set(self.cycles_begun.get() + 1);
            let outcome = self.cycle().await;
            if outcome.is_ok() {
                self.cycles_ended.set(self.cycles_begun.get());
            }
            self.cycling.set(false);
            // A cycle that found nothing to do would find nothing again, however full the log is:
            // what it waits for is a read that has not ended.
            let went_on = matches!(outcome, Ok(true));
            *self.stalled.borrow_mut() = outcome.err();
            if went_on && (self.log_is_half_full() || !self.catalogue.borrow().dead.is_empty()) {
                self.want_cycle();
            }
            self.cycle_ended.ring();
        }
    }

    /// One cycle. Tells whether there was anything to do. If it fails, nothing is lost:
    /// the log and the last checkpoint are still there.
    ///
    /// # Errors
    /// What could not be read or written.
    pub async fn cycle(self: &Rc<Self>) -> Result<bool, BlockError> {
        let through = self.log.borrow().applied;
        // At this moment, before the log is flushed: who is deleted later may be there again after
        // a crash, so until its record is durable as well nothing may be done to what it reads.
        self.bury_heads();
        let heads = self.seal_layers(through);
        self.seal_reservations();
        if !fault!(DestageBeforeLogFlush) {
            self.flush_log(through, IoClass::Destage).await?;
        }
        self.repair_stripes().await?;
        self.destage_heads(heads, through).await?;
        self.let_go_of_dead().await?;
        let rebuilt = self.rebuild_some().await?;
        if self.wanted.survey.take() {
            let survey = self.survey().await?;
            *self.surveyed.borrow_mut() = survey;
        }
        self.scrub_some().await;
        let tail = through + 1;
        let forced = self.wanted.checkpoint.take();
        let clean = self.pages.borrow().dirty_count() == 0 && !rebuilt;
        if !forced && clean && self.log.borrow().tail == tail && self.frees.borrow().is_empty() {
            self.release_reservations();
            return Ok(false);
        }
        self.checkpoint(tail).await?;
        self.young.borrow_mut().clear();
        self.pages.borrow_mut().end_cycle();
        {
            let mut catalogue = self.catalogue.borrow_mut();
            for head in catalogue.heads.values_mut() {
                head.layers.retain(|layer| layer.through > through);
            }
            catalogue.count_layers();
        }
        self.release_reservations();
        self.end_cycle(tail);
        let mut log = self.log.borrow_mut();
        if log.settle_through < tail {
            log.settle_through = 0;
        }
        Ok(true)
    }

    /// Ends every head's open layer at `through`, and makes one of layers between which no other
    /// head begins: then a stripe is written once, and what it has is never needed in a state that
    /// an interrupted cycle has overwritten in place.
    fn seal_layers(&self, through: u64) -> Vec<u64> {
        let mut catalogue = self.catalogue.borrow_mut();
        let heads: Vec<u64> = catalogue.heads.keys().copied().collect();
        for &head in &heads {
            catalogue.seal(head, through);
            for (sequence, entry) in catalogue.merge_layers(head, through) {
                let blocks = entry.shape.shard_blocks as u64;
                self.let_go_dated(sequence, &entry.places, blocks);
            }
        }
        heads
    }

    /// Takes home what every head has, each after those it begins in.
    async fn destage_heads(
        self: &Rc<Self>,
        heads: Vec<u64>,
        through: u64,
    ) -> Result<(), BlockError> {
        let mut left = heads;
        while !left.is_empty() {
            let ready = |head: &u64| self.catalogue.borrow().root(*head).is_some();
            let (now, later): (Vec<_>, Vec<_>) = left.iter().copied().partition(ready);
            // Those that begin in a head after `through` have no layers to take home yet.
            if now.is_empty() {
                return Ok(());
            }
            for head in now {
                self.destage_head(head, through).await?;
            }
            left = later;
        }
        Ok(())
    }

    async fn destage_head(self: &Rc<Self>, head: u64, through: u64) -> Result<(), BlockError> {
        let (layers, ends) = {
            let catalogue = self.catalogue.borrow();
            let Some(found) = catalogue.heads.get(&head) else { return Ok(()) };
            let layers: Vec<u64> = found.layers.iter().map(|layer| layer.through).collect();
            (layers, found.ends.clone())
        };
        let mut ends = ends.into_iter().filter(|&end| end <= through).peekable();
        for layer in layers.into_iter().filter(|&layer| layer <= through) {
            while let Some(end) = ends.next_if(|&end| end < layer) {
                self.share_tree(head, end);
            }
            self.destage_layer(head, layer).await?;
        }
        for end in ends {
            self.share_tree(head, end);
        }
        Ok(())
    }

    /// The tree of `head` has everything up to record `end`: those that begin there share it.
    fn share_tree(&self, head: u64, end: u64) {
        let mut catalogue = self.catalogue.borrow_mut();
        let Some(root) = catalogue.root(head) else { return };
        let begins = Base::Frozen { head, through: end };
        for other in catalogue.heads.values_mut().filter(|other| other.base == begins) {
            other.base = Base::Tree(root);
            if !fault!(ForgetSnapshotReference) {
                self.pages.borrow_mut().add_reference(root.pointer.key());
            }
        }
        catalogue.find_ends();
    }

    /// Heads nobody needs leave their trees to be let go of.
    fn bury_heads(&self) {
        let mut catalogue = self.catalogue.borrow_mut();
        let applied = self.log.borrow().applied;
        for head in catalogue.take_unneeded() {
            if let Base::Tree(root) = head.base
                && !root.pointer.is_null()
            {
                catalogue.dead.push(Dead { pointer: root.pointer, level: root.height - 1 });
            }
            let changed = head.layers.iter().flat_map(|layer| layer.stripes.values());
            for changed in changed {
                if let Some(Whole::Stripe(entry)) = &changed.whole {
                    let blocks = entry.shape.shard_blocks as u64;
                    self.let_go_dated(applied, &entry.places, blocks);
                }
            }
        }
    }

    /// Lets go of some pages of dead trees, and of the stripes only they have.
    async fn let_go_of_dead(self: &Rc<Self>) -> Result<(), BlockError> {
        let geometry = self.geometry.get();
        for _ in 0..DEAD_PAGES_MAX {
            let Some(Dead { pointer, level }) = self.catalogue.borrow().dead.last().copied() else {
                return Ok(());
            };
            let shared = self.pages.borrow_mut().drop_reference(pointer.key());
            if shared {
                self.catalogue.borrow_mut().dead.pop();
            } else {
                let page = self.page(&pointer, IoClass::SnapTrim).await?;
                self.catalogue.borrow_mut().dead.pop();
                if level > 0 {
                    let slots = 0..usize::try_from(super::geometry::FAN_OUT).unwrap_or_default();
                    let below = slots.map(|slot| child(&page, slot)).filter(|p| !p.is_null());
                    let below = below.map(|pointer| Dead { pointer, level: level - 1 });
                    self.catalogue.borrow_mut().dead.extend(below);
                } else {
                    let slots = 0..usize::try_from(geometry.leaf_entries).unwrap_or_default();
                    for entry in slots.filter_map(|slot| leaf_entry(geometry, &page, slot)) {
                        self.drop_entry(&entry);
                    }
                }
                let mut pages = self.pages.borrow_mut();
                if pointer.is_dirty() {
                    pages.forget_dirty(pointer.key());
                } else {
                    pages.forget(pointer.key());
                    drop(pages);
                    self.let_go(&pointer.places, 1);
                }
            }
        }
        Ok(())
    }
}
