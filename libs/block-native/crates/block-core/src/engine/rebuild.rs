//! Bringing stripes and pages to where, and in the shape in which, they should be.
//!
//! A pass goes through every tree in order, a bounded number of stripes a cycle. The cycle looks
//! stripes up and changes the map, one after the other; what takes a disk's time, reading shards
//! and writing them where nothing is, goes on for many stripes at once, so that recovery can use
//! as much of the disks as its class is given. A stripe that several trees share is written once:
//! the pass remembers it, and holds a reference of its own meanwhile, so that nobody overwrites it
//! in place before the last tree has it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::core::Core;
use super::entry::Entry;
use super::exchange::{Travelling, Verdict};
use super::in_flight::InFlight;
use super::tree::Root;
use super::write_stripe::Blocks;
use crate::control::DiskState;
use crate::disk::IoClass;
use crate::error::BlockError;

/// Most stripes that are moved or written anew in one cycle: seconds of fast disks, since while a
/// cycle ends recovery uses none of its share. And how many are when somebody waits for the cycle's
/// end: the log, which goes home with the next one, or an owner's call.
const STRIPES_A_CYCLE: usize = 32_768;
const STRIPES_A_SHORT_CYCLE: usize = 64;
/// Most stripes looked at in one cycle.
const LOOKS_A_CYCLE: usize = 131_072;
/// Stripes worked on at once: with shards of 64 KiB they are 1 MiB of each of four disks.
const STRIPES_AT_ONCE: usize = 64;
/// How many stripes change the map before changed pages are looked at.
const STRIPES_A_WINDOW: usize = 512;

/// A stripe that is being worked on.
struct Job {
    head: u64,
    stripe: u64,
    entry: Rc<Entry>,
    class: IoClass,
}

/// What has become of a stripe, before the map knows of it.
enum Done {
    /// Shards went where there was room, or did not arrive.
    Carried(Travelling, bool),
    /// The whole was written anew, or cannot be now.
    Written(Result<Option<Entry>, BlockError>),
}

/// What one cycle works on.
#[derive(Default)]
struct Crew {
    in_flight: InFlight<(Job, Done)>,
    /// The stripes it works on, by key: what another tree shares is not begun a second time.
    keys: HashSet<u64>,
    begun: usize,
    moved: usize,
}

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
    /// Something else is to be moved than when the pass began.
    changed: bool,
    pub passes: u64,
}

impl Core {
    /// Goes on with a pass, if one is wanted. Tells whether it changed the map.
    pub async fn rebuild_some(self: &Rc<Self>) -> Result<bool, BlockError> {
        if !self.wanted.rebuild.get() {
            return Ok(false);
        }
        if self.rebuild.borrow().cursor.is_none() {
            self.rebuild.borrow_mut().changed = false;
        }
        self.plan_progress().await?;
        let mut crew = Crew::default();
        let mut walked = self.walk_some(&mut crew).await;
        if let Err(error) = self.end_all(&mut crew, walked.is_err()).await {
            walked = Err(error);
        }
        match walked? {
            None => self.end_pass(crew.moved as u64),
            cursor => {
                let mut rebuild = self.rebuild.borrow_mut();
                rebuild.cursor = cursor;
                rebuild.moved += crew.moved as u64;
                drop(rebuild);
                self.want_cycle();
            }
        }
        Ok(crew.moved > 0)
    }

    /// Begins with stripes from the cursor on. Gives the new one, or `None` at the end of a pass.
    async fn walk_some(self: &Rc<Self>, crew: &mut Crew) -> Result<Option<(u64, u64)>, BlockError> {
        let (mut head, mut stripe) = self.rebuild.borrow().cursor.unwrap_or((0, 0));
        let mut looks = 0;
        loop {
            let next = self.catalogue.borrow().heads.range(head..).next().map(|(&id, _)| id);
            let Some(found) = next else { return Ok(None) };
            if found != head {
                (head, stripe) = (found, 0);
            }
            let root = self.catalogue.borrow().root(head);
            let next = match root {
                Some(root) => self.next_stripe(root, stripe, u64::MAX, IoClass::Recovery).await?,
                None => None,
            };
            let Some(at) = next else {
                (head, stripe) = (head + 1, 0);
                continue;
            };
            self.begin_stripe(crew, head, at).await?;
            while let Some(ended) = crew.in_flight.ended() {
                self.end_job(crew, ended).await?;
            }
            while crew.in_flight.len() >= STRIPES_AT_ONCE {
                self.end_next(crew).await?;
            }
            looks += 1;
            stripe = at + 1;
            let awaited =
                self.wanted.cycle.get() || self.wanted.waiting.get() > 0 || self.log_is_half_full();
            let most = if awaited { STRIPES_A_SHORT_CYCLE } else { STRIPES_A_CYCLE };
            if crew.begun >= most || looks >= LOOKS_A_CYCLE {
                return Ok(Some((head, stripe)));
            }
        }
    }

    async fn end_next(self: &Rc<Self>, crew: &mut Crew) -> Result<(), BlockError> {
        match crew.in_flight.next().await {
            Some(ended) => self.end_job(crew, ended).await,
            None => Ok(()),
        }
    }

    /// Waits for all that is under way. After a failure nothing of it gets into the map.
    async fn end_all(self: &Rc<Self>, crew: &mut Crew, mut failed: bool) -> Result<(), BlockError> {
        let mut outcome = Ok(());
        while let Some(ended) = crew.in_flight.next().await {
            if failed {
                match ended.1 {
                    Done::Carried(travelling, _) => self.give_up(&travelling),
                    Done::Written(Ok(Some(new))) => {
                        self.let_go(&new.places, new.shape.shard_blocks as u64);
                    }
                    Done::Written(_) => {}
                }
                continue;
            }
            if let Err(error) = self.end_job(crew, ended).await {
                (outcome, failed) = (Err(error), true);
            }
        }
        outcome
    }

    fn end_pass(&self, moved: u64) {
        let mut rebuild = self.rebuild.borrow_mut();
        let all = rebuild.moved + moved;
        self.counters.short_stripes.set(std::mem::take(&mut rebuild.short));
        rebuild.cursor = None;
        rebuild.moved = 0;
        rebuild.passes += 1;
        let unfinished = std::mem::take(&mut rebuild.unfinished);
        let changed = rebuild.changed;
        let shared = std::mem::take(&mut rebuild.shared);
        drop(rebuild);
        for (_, entry) in shared.into_values() {
            self.drop_entry(&entry);
        }
        // Trees that came to be behind the cursor are seen by the next pass, and so is what has to
        // move since it began.
        if all == 0 && !changed {
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
        {
            let mut rebuild = self.rebuild.borrow_mut();
            rebuild.surveyed = false;
            rebuild.changed = true;
        }
        self.wanted.rebuild.set(true);
        self.want_cycle();
    }

    /// Begins with a stripe if it is not as it should be.
    async fn begin_stripe(
        self: &Rc<Self>,
        crew: &mut Crew,
        head: u64,
        stripe: u64,
    ) -> Result<(), BlockError> {
        let (root, found, entry) = loop {
            let Some(root) = self.catalogue.borrow().root(head) else { return Ok(()) };
            let found = self.look_up(root, stripe, IoClass::Recovery).await?;
            match found.entry.clone() {
                None => return Ok(()),
                // Another tree's, which is not in the map yet as it will be.
                Some(entry) if crew.keys.contains(&entry.key()) => self.end_next(crew).await?,
                Some(entry) => break (root, found, entry),
            }
        };
        let mut job = Job { head, stripe, entry, class: IoClass::Recovery };
        match self.judge(&job.entry, stripe) {
            Verdict::Stay => {
                if self.path_should_move(root, stripe).await? {
                    self.set_entry(head, stripe, Some(&job.entry)).await?;
                    crew.begun += 1;
                    crew.moved += 1;
                }
                Ok(())
            }
            Verdict::Exchange(exchange) => {
                if !exchange.rebuilds {
                    job.class = IoClass::Migration;
                }
                let alone = !found.shared && !self.pages.borrow().is_shared(job.entry.key());
                let travelling = if alone { self.begin_exchange(exchange) } else { None };
                match travelling {
                    Some(travelling) => {
                        self.begin_carrying(crew, job, travelling);
                        Ok(())
                    }
                    None => self.begin_writing(crew, job).await,
                }
            }
            Verdict::Anew => self.begin_writing(crew, job).await,
        }
    }

    fn begin_carrying(self: &Rc<Self>, crew: &mut Crew, job: Job, travelling: Travelling) {
        crew.keys.insert(job.entry.key());
        crew.begun += 1;
        let core = Rc::clone(self);
        crew.in_flight.begin(&self.tasks, async move {
            let arrived = core.carry(&job.entry, &travelling, job.class).await;
            (job, Done::Carried(travelling, arrived))
        });
    }

    /// Begins to write a stripe anew, or takes what was written for another tree.
    async fn begin_writing(self: &Rc<Self>, crew: &mut Crew, job: Job) -> Result<(), BlockError> {
        let Job { head, stripe, ref entry, .. } = job;
        // The place of a stripe that is gone may have become another's: the whole must be equal.
        let known = self.rebuild.borrow().shared.get(&entry.key()).cloned();
        if let Some((_, new)) = known.filter(|(old, _)| old == entry) {
            self.pages.borrow_mut().add_reference(new.key());
            crew.moved += 1;
            return self.set_entry(head, stripe, Some(&new)).await;
        }
        crew.keys.insert(entry.key());
        crew.begun += 1;
        let core = Rc::clone(self);
        crew.in_flight.begin(&self.tasks, async move {
            let written = core.write_anew(&job.entry, job.stripe, job.class).await;
            (job, Done::Written(written))
        });
        Ok(())
    }

    /// Lets the map know of what was done with a stripe.
    async fn end_job(
        self: &Rc<Self>,
        crew: &mut Crew,
        (job, done): (Job, Done),
    ) -> Result<(), BlockError> {
        crew.keys.remove(&job.entry.key());
        let Job { head, stripe, ref entry, .. } = job;
        match done {
            Done::Carried(travelling, arrived) => {
                if !arrived || !self.end_exchange(head, stripe, entry, &travelling).await? {
                    self.give_up(&travelling);
                    return self.begin_writing(crew, job).await;
                }
            }
            Done::Written(written) => {
                let Some(new) = written? else {
                    self.rebuild.borrow_mut().unfinished = true;
                    return Ok(());
                };
                if !self.must_leave(entry) && !self.stays(&new, stripe) {
                    // There is no better place for it now: writing it over and over gains nothing.
                    self.let_go(&new.places, new.shape.shard_blocks as u64);
                    return Ok(());
                }
                if self.is_shared(head, stripe, entry).await? {
                    self.pages.borrow_mut().add_reference(new.key());
                    let pair = (Rc::clone(entry), new.clone());
                    self.rebuild.borrow_mut().shared.insert(entry.key(), pair);
                }
                self.set_entry(head, stripe, Some(&new)).await?;
            }
        }
        crew.moved += 1;
        if crew.moved.is_multiple_of(STRIPES_A_WINDOW) {
            self.write_pages_early().await?;
        }
        Ok(())
    }

    /// Whether a stripe would be left as it is.
    fn stays(&self, entry: &Entry, stripe: u64) -> bool {
        let short = self.rebuild.borrow().short;
        let verdict = self.judge(entry, stripe);
        self.rebuild.borrow_mut().short = short;
        matches!(verdict, Verdict::Stay)
    }

    /// Whether another tree has the stripe too, or may come to have it.
    async fn is_shared(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        entry: &Entry,
    ) -> Result<bool, BlockError> {
        if self.pages.borrow().is_shared(entry.key()) {
            return Ok(true);
        }
        let Some(root) = self.catalogue.borrow().root(head) else { return Ok(false) };
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
    /// disk that is to be emptied or was given up. All of the way is written anew together, and
    /// what it replaces is free only afterwards: a disk without room for that would get a page of
    /// it and lose another one, for ever.
    async fn path_should_move(
        self: &Rc<Self>,
        root: Root,
        stripe: u64,
    ) -> Result<bool, BlockError> {
        let mut found = false;
        let path = self.path(root, stripe).await?;
        for &pointer in &path {
            if pointer.is_dirty() {
                continue;
            }
            let members = self.members.borrow();
            let there = pointer.places.iter().filter(|place| place.is_somewhere());
            found |= there.clone().any(|place| {
                members.get(place.disk()).is_none_or(|member| member.state == DiskState::Leaving)
            });
            drop(members);
            found |= there.count() < self.page_disks(pointer.key(), path.len() as u64).len();
        }
        Ok(found)
    }
}
