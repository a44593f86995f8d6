//! Moving single shards of a stripe: the others stay where they are and are not written again.

use std::rc::Rc;

use purlin_ec_core::{ShardIndex, ShardSet};

use super::core::Core;
use super::entry::{Entry, Place, Shape};
use super::members::Member;
use super::read_stripe::is_right;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::control::{DiskId, DiskState};
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::placement::Distance;

/// What is to become of a stripe.
pub enum Verdict {
    /// It is as it should be, or cannot be better now.
    Stay,
    /// Some shards go elsewhere.
    Exchange(Exchange),
    /// It is written anew.
    Anew,
}

/// Which shards of a stripe go where.
pub struct Exchange {
    /// As it shall be; it differs from what is by its number of replicas alone.
    pub shape: Shape,
    /// Where the shards stay; nowhere for those that go.
    pub kept: Vec<Place>,
    /// The shards that go, and the disks they go to.
    pub going: Vec<(usize, DiskId)>,
    /// Whether something was lost that is rebuilt.
    pub rebuilds: bool,
}

/// Shards for which there is room where they go.
pub struct Travelling {
    exchange: Exchange,
    places: Vec<Place>,
}

impl Member {
    /// Whether what it has counts: all but what was given up.
    pub fn may_have(&self) -> bool {
        self.state != DiskState::Leaving || self.handle.is_some()
    }
}

impl Core {
    /// What is to become of a stripe, as placement wants it and disks allow it.
    pub fn judge(&self, entry: &Entry, stripe: u64) -> Verdict {
        let policy = self.policy.get();
        let shape = self.geometry.get().shape(policy.data_shards(), policy.parity_shards());
        let both_equal = entry.shape.is_replicated() && shape.is_replicated();
        let like = both_equal && entry.shape.shard_blocks == shape.shard_blocks;
        if entry.shape != shape && !like {
            return self.judge_other_shape(entry, stripe, shape);
        }
        let mut now = self.standing(entry, stripe, shape.shards());
        let named = |now: &[Place]| -> Vec<Option<DiskId>> {
            now.iter().map(|place| place.is_somewhere().then(|| place.disk())).collect()
        };
        let mut to = self.best_disks(stripe, &named(&now));
        self.keep_crowded(entry, &mut now, &mut to);
        let kept = named(&now);
        let going: Vec<(usize, DiskId)> = (0..)
            .zip(kept.iter().zip(&to))
            .filter_map(|(at, (kept, to))| to.filter(|to| Some(*to) != *kept).map(|to| (at, to)))
            .collect();
        let nowhere = to.iter().filter(|disk| disk.is_none()).count();
        let leaves = self.must_leave(entry);
        if nowhere > 0 {
            self.rebuild.borrow_mut().short += 1;
            // What is to leave its disk and finds no place for each of its shards takes the shape
            // that what is left allows.
            if leaves {
                return Verdict::Anew;
            }
        }
        if going.is_empty() && entry.shape == shape {
            return Verdict::Stay;
        }
        let mut kept = now;
        for &(shard, _) in &going {
            kept[shard] = Place::NOWHERE;
        }
        let lost = |&(shard, _): &(usize, DiskId)| {
            let place = entry.places.get(shard).copied().unwrap_or(Place::NOWHERE);
            !self.should_have(place)
        };
        let rebuilds = going.iter().any(lost);
        Verdict::Exchange(Exchange { shape, kept, going, rebuilds })
    }

    /// Shards that are too many on their disk or in their domain stay where nothing better is left:
    /// they would be moved for ever, or be lost.
    fn keep_crowded(&self, entry: &Entry, now: &mut [Place], to: &mut [Option<DiskId>]) {
        if entry.places.len() > now.len() {
            return;
        }
        let members = self.members.borrow();
        let stays = |place: &Place| {
            let member = members.get(place.disk()).filter(|_| place.is_somewhere());
            member.is_some_and(|member| member.state != DiskState::Leaving)
        };
        for (at, place) in entry.places.iter().enumerate() {
            if now[at].is_somewhere() || !stays(place) {
                continue;
            }
            let again = to.iter().filter(|disk| **disk == to[at]).count() > 1;
            if to[at].is_none() || again {
                now[at] = *place;
                to[at] = Some(place.disk());
                self.rebuild.borrow_mut().short += 1;
            }
        }
    }

    /// A stripe that was written while there were too few domains.
    fn judge_other_shape(&self, entry: &Entry, stripe: u64, shape: Shape) -> Verdict {
        let whole = self.plan_stripe(stripe, Member::has_room).is_ok_and(|plan| {
            plan.shape == shape && plan.disks.iter().flatten().count() >= shape.shards()
        });
        if !whole {
            self.rebuild.borrow_mut().short += 1;
        }
        if whole || self.must_leave(entry) { Verdict::Anew } else { Verdict::Stay }
    }

    /// Whether a shard is on a disk that is to be emptied or was given up.
    pub fn must_leave(&self, entry: &Entry) -> bool {
        let members = self.members.borrow();
        entry.places.iter().filter(|place| place.is_somewhere()).any(|place| {
            members.get(place.disk()).is_none_or(|member| member.state == DiskState::Leaving)
        })
    }

    /// Where the shards are that may stay, at their positions: those on disks that stay, of a
    /// domain no more than the policy allows. Of replicas that are too many, the misplaced ones go.
    fn standing(&self, entry: &Entry, stripe: u64, width: usize) -> Vec<Place> {
        let members = self.members.borrow();
        let level = self.table.borrow().level();
        let most = self.policy.get().shards_per_domain();
        let mut named: Vec<DiskId> = Vec::new();
        let mut domains: Vec<u64> = Vec::new();
        let mut places: Vec<Place> = entry
            .places
            .iter()
            .map(|&place| {
                let member = place.is_somewhere().then(|| members.get(place.disk())).flatten();
                let Some(member) = member.filter(|it| it.state != DiskState::Leaving) else {
                    return Place::NOWHERE;
                };
                let domain = level.domain(&member.place());
                let crowded = domains.iter().filter(|&&other| other == domain).count() >= most;
                if crowded || named.contains(&member.id) {
                    return Place::NOWHERE;
                }
                named.push(member.id);
                domains.push(domain);
                place
            })
            .collect();
        if places.len() > width {
            let now: Vec<Option<DiskId>> = places.iter().map(|it| Some(it.disk())).collect();
            let wanted = self.table.borrow().destination(stripe, &now);
            let rank =
                |at: &usize| (!places[*at].is_somewhere(), wanted[*at] != Some(places[*at].disk()));
            let mut order: Vec<usize> = (0..places.len()).collect();
            order.sort_by_key(rank);
            order.truncate(width);
            order.sort_unstable();
            places = order.into_iter().map(|at| places[at]).collect();
        }
        places.resize(width, Place::NOWHERE);
        places
    }

    /// The disks of a stripe of which `kept` are given: for those that are missing the right one or
    /// one that stands in; while a rebalance runs, the right one for all where that is possible.
    fn best_disks(&self, stripe: u64, kept: &[Option<DiskId>]) -> Vec<Option<DiskId>> {
        let members = self.members.borrow();
        let table = self.table.borrow();
        let policy = self.policy.get();
        let rows = self.geometry.get().shape(policy.data_shards(), policy.parity_shards());
        let fits = |id| {
            let blocks = rows.shard_blocks as u64;
            let room =
                |it: &Member| it.takes_new() && it.has_room(blocks) && it.space.has_run(blocks);
            members.get(id).is_some_and(room)
        };
        let most = policy.shards_per_domain();
        if self.wanted.rebalance.get() && !self.wanted.paused.get() {
            let wanted = table.destination(stripe, kept);
            let right = kept.iter().zip(&wanted);
            let right: Vec<_> =
                right.map(|(kept, wanted)| kept.filter(|_| kept == wanted)).collect();
            let all = table.fill(stripe, &right, most, &fits);
            if all == wanted {
                return all;
            }
        }
        table.fill(stripe, kept, most, &fits)
    }

    /// Takes room for the shards that go; `None` where there is none.
    pub fn begin_exchange(&self, exchange: Exchange) -> Option<Travelling> {
        let disks: Vec<Option<DiskId>> =
            exchange.going.iter().map(|&(_, disk)| Some(disk)).collect();
        let places = self.take_space(&disks, exchange.shape.shard_blocks as u64)?;
        Some(Travelling { exchange, places })
    }

    /// Copies or rebuilds the shards that go. Whether all of them arrived.
    pub async fn carry(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        travelling: &Travelling,
        class: IoClass,
    ) -> bool {
        let going = &travelling.exchange.going;
        let shards: Vec<usize> = going.iter().map(|&(shard, _)| shard).collect();
        match self.gather(entry, &shards, class).await {
            None => false,
            Some(shards) => self.write_shards(entry, &travelling.places, shards, class).await,
        }
    }

    /// Nobody has heard of the places of shards that did not arrive, or are not wanted any more.
    pub fn give_up(&self, travelling: &Travelling) {
        self.let_go(&travelling.places, travelling.exchange.shape.shard_blocks as u64);
    }

    /// Puts the new places of shards that arrived into the map, if only the tree of `head` has the
    /// stripe. False where that is not so: nothing has changed then.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn end_exchange(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        entry: &Entry,
        travelling: &Travelling,
    ) -> Result<bool, BlockError> {
        let Travelling { exchange: Exchange { shape, kept, going, rebuilds }, places } = travelling;
        let mut new = Entry { shape: *shape, places: kept.clone(), ..entry.clone() };
        for (&(shard, _), &place) in going.iter().zip(places) {
            new.places[shard] = place;
        }
        if !self.exchange_entry(head, stripe, entry, &new).await? {
            return Ok(false);
        }
        self.note_moved(entry, going, *rebuilds);
        Ok(true)
    }

    async fn write_shards(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        places: &[Place],
        shards: Vec<Slice>,
        class: IoClass,
    ) -> bool {
        let mut writes = Vec::new();
        for (&place, shard) in places.iter().zip(shards) {
            self.count_moved(place.disk(), shard.len() as u64);
            for (row, count) in runs(entry) {
                let place = Place(place.0 + row as u64);
                let slice = shard.blocks_at(row, count);
                let core = Rc::clone(self);
                writes.push(async move { core.write(place, vec![slice], class).await });
            }
        }
        tasks::all(writes).await.iter().all(Result::is_ok)
    }

    /// The bytes of some shards: from where they are if they all can be had, or else out of as many
    /// others as it takes, from the disks that have moved the least so far. `None` where a byte is
    /// not what the map says.
    async fn gather(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        wanted: &[usize],
        class: IoClass,
    ) -> Option<Vec<Slice>> {
        if entry.shape.is_replicated() {
            let source = *self.least_moved(entry, &[]).first()?;
            let read = self.read_checked(entry, &[source], class).await?;
            return Some(vec![read.into_iter().next()?; wanted.len()]);
        }
        if wanted.iter().all(|&shard| self.should_have(entry.places[shard])) {
            return self.read_checked(entry, wanted, class).await;
        }
        let mut sources = self.least_moved(entry, wanted);
        sources.truncate(entry.shape.data);
        let read = self.read_checked(entry, &sources, class).await?;
        let codec = self.codec(entry.shape.data, entry.shape.parity);
        let present: ShardSet = sources.iter().map(|&shard| ShardIndex(shard).0).collect();
        let lost: ShardSet = wanted.iter().map(|&shard| ShardIndex(shard).0).collect();
        let plan = codec.decode_plan(&present, &lost).ok()?;
        let of = |index: usize| sources.iter().position(|&shard| shard == index);
        let used: Vec<&[u8]> =
            plan.sources().iter().filter_map(|it| Some(read[of(it.0)?].as_bytes())).collect();
        let shard_blocks = entry.shape.shard_blocks;
        let mut whole = Buffer::zeroed(wanted.len() * shard_blocks);
        {
            // Those that are rebuilt come in the order of their numbers.
            let mut parts: Vec<&mut [u8]> =
                whole.as_bytes_mut().chunks_mut(shard_blocks * BLOCK_BYTES).collect();
            plan.reconstruct(&used, &mut parts).ok()?;
        }
        let whole = whole.share();
        let shards: Vec<Slice> =
            (0..wanted.len()).map(|at| whole.blocks_at(at * shard_blocks, shard_blocks)).collect();
        let right = |(&shard, slice): (&usize, &Slice)| is_right(entry, shard, 0, slice.as_bytes());
        wanted.iter().zip(&shards).all(right).then_some(shards)
    }

    async fn read_checked(
        self: &Rc<Self>,
        entry: &Rc<Entry>,
        shards: &[usize],
        class: IoClass,
    ) -> Option<Vec<Slice>> {
        let rows = entry.shape.shard_blocks;
        // Counted before they are read: many stripes choose their sources at once.
        for &shard in shards {
            self.count_moved(entry.places[shard].disk(), (rows * BLOCK_BYTES) as u64);
        }
        let reads = shards.iter().map(|&shard| {
            let (core, entry) = (Rc::clone(self), Rc::clone(entry));
            async move { core.read_shard(&entry, shard, 0, rows, class).await }
        });
        let read = tasks::all(reads.collect()).await;
        let mut slices = Vec::new();
        for (&shard, buffer) in shards.iter().zip(read) {
            let buffer = buffer.filter(|it| is_right(entry, shard, 0, it.as_bytes()))?;
            slices.push(buffer.share());
        }
        Some(slices)
    }

    /// The shards that can be read, but for those of `not`, the least busy disk's first.
    fn least_moved(&self, entry: &Entry, not: &[usize]) -> Vec<usize> {
        let members = self.members.borrow();
        let there = |shard: &usize| {
            let place = entry.places[*shard];
            !not.contains(shard) && place.is_somewhere() && members.is_usable(place.disk())
        };
        let mut shards: Vec<usize> = (0..entry.places.len()).filter(there).collect();
        let moved = |shard: &usize| {
            members.get(entry.places[*shard].disk()).map_or(u64::MAX, |member| member.moved_bytes)
        };
        shards.sort_by_key(moved);
        shards
    }

    fn count_moved(&self, disk: DiskId, bytes: u64) {
        if let Some(member) = self.members.borrow_mut().get_mut(disk) {
            member.moved_bytes += bytes;
        }
    }

    /// Counts what an exchange has moved or rebuilt.
    fn note_moved(&self, entry: &Entry, going: &[(usize, DiskId)], rebuilds: bool) {
        let bytes = (entry.shape.shard_blocks * BLOCK_BYTES) as u64;
        let members = self.members.borrow();
        let mut moving = self.moving.get();
        for &(shard, to) in going {
            let from = entry.places.get(shard).filter(|place| place.is_somewhere());
            let from = from.and_then(|place| members.get(place.disk()));
            match (from.filter(|member| member.may_have()), members.get(to)) {
                (Some(from), Some(to)) if !rebuilds || from.is_usable() => {
                    let distance = Distance::between(&from.place().location, &to.place().location);
                    moving.moved_bytes[distance as usize] += bytes;
                }
                _ => moving.rebuilt_bytes += bytes,
            }
        }
        self.moving.set(moving);
    }

    /// Counts what was written anew as a whole.
    pub fn note_rewritten(&self, new: &Entry) {
        let bytes = (new.shards_there() * new.shape.shard_blocks * BLOCK_BYTES) as u64;
        let mut moving = self.moving.get();
        moving.rewritten_bytes += bytes;
        self.moving.set(moving);
        for place in new.places.iter().filter(|place| place.is_somewhere()) {
            self.count_moved(place.disk(), (new.shape.shard_blocks * BLOCK_BYTES) as u64);
        }
    }
}

/// The rows of a shard that hold something, as runs: all of coded ones.
fn runs(entry: &Entry) -> Vec<(usize, usize)> {
    let rows = entry.shape.shard_blocks;
    if !entry.shape.is_replicated() {
        return vec![(0, rows)];
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for row in (0..rows).filter(|&row| entry.has(row)) {
        match runs.last_mut().filter(|(first, count)| first + count == row) {
            Some((_, count)) => *count += 1,
            None => runs.push((row, 1)),
        }
    }
    runs
}
