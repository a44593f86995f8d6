//! Room promised to what is in the log, so that it can go home.

use std::collections::HashSet;
use std::rc::Rc;

use super::core::Core;
use super::entry::{Place, Shape};
use super::members::Member;
use super::placing::Plan;
use crate::control::DiskId;
use crate::error::BlockError;
use crate::keys::KeyMap;

/// Blocks of each of a few disks.
type Room = Rc<[(DiskId, u64)]>;

/// A head and a stripe.
type Key = (u64, u64);

/// Reservations by head and stripe: those of the open layers, and those of the cycle that runs.
#[derive(Default)]
pub struct Reservations {
    open: KeyMap<Key, Room>,
    /// Of the cycle that runs, and of those before it that could not end.
    sealed: Vec<KeyMap<Key, Room>>,
    /// How many records of a stripe are on their way. They may come after the cycle that begins,
    /// so what is promised to them stays open.
    on_their_way: KeyMap<Key, u32>,
    /// One of each, since many stripes have room on the same disks.
    rooms: HashSet<Room>,
}

impl Reservations {
    fn room_of(&mut self, taken: Vec<(DiskId, u64)>) -> Room {
        if let Some(room) = self.rooms.get(taken.as_slice()) {
            return Rc::clone(room);
        }
        let room: Room = taken.into();
        self.rooms.insert(Rc::clone(&room));
        room
    }
}

/// A record on its way that has room; to be held until it is applied.
pub struct Promised {
    core: Rc<Core>,
    key: Key,
}

impl Drop for Promised {
    fn drop(&mut self) {
        let mut reservations = self.core.reservations.borrow_mut();
        if let Some(count) = reservations.on_their_way.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                reservations.on_their_way.remove(&self.key);
            }
        }
    }
}

impl Core {
    /// Blocks of a shard as the policy wants stripes: what disks are divided in.
    pub fn slot_blocks(&self) -> u64 {
        let policy = self.policy.get();
        let shape = self.geometry.get().shape(policy.data_shards(), policy.parity_shards());
        shape.shard_blocks as u64
    }

    /// Promises room for `stripe` of `head` until it went home, which is not before the record
    /// that is held with it.
    ///
    /// # Errors
    /// [`BlockError::NoSpace`] and [`BlockError::TooFewDisks`].
    pub fn reserve(self: &Rc<Self>, head: u64, stripe: u64) -> Result<Promised, BlockError> {
        let key = (head, stripe);
        if !self.reservations.borrow().open.contains_key(&key) {
            self.promise_room(key)?;
        }
        *self.reservations.borrow_mut().on_their_way.entry(key).or_default() += 1;
        Ok(Promised { core: Rc::clone(self), key })
    }

    fn promise_room(&self, key: Key) -> Result<(), BlockError> {
        let stripe = key.1;
        let mut reservations = self.reservations.borrow_mut();
        let plan = self.plan_stripe(stripe, Member::has_room)?;
        let blocks = plan.shape.shard_blocks as u64;
        let mut members = self.members.borrow_mut();
        let taken: Vec<_> = plan.disks.into_iter().flatten().map(|disk| (disk, blocks)).collect();
        for &(disk, blocks) in &taken {
            if let Some(member) = members.get_mut(disk) {
                member.space.reserve(blocks);
            }
        }
        let room = reservations.room_of(taken);
        reservations.open.insert(key, room);
        Ok(())
    }

    /// The reservations so far belong to the cycle that begins.
    pub fn seal_reservations(&self) {
        let mut reservations = self.reservations.borrow_mut();
        let mut sealed = std::mem::take(&mut reservations.open);
        let later: Vec<_> = {
            let keys = reservations.on_their_way.keys();
            keys.filter_map(|key| sealed.remove_entry(key)).collect()
        };
        reservations.open.extend(later);
        reservations.sealed.push(sealed);
    }

    /// Takes the room that was promised to a stripe, where it is still what a stripe needs. From
    /// then on it is not promised any more.
    pub fn take_promised(&self, head: u64, stripe: u64) -> Option<(Shape, Vec<Place>)> {
        let room = {
            let mut reservations = self.reservations.borrow_mut();
            reservations.sealed.iter_mut().find_map(|sealed| sealed.remove(&(head, stripe)))?
        };
        {
            let mut members = self.members.borrow_mut();
            for &(disk, blocks) in room.iter() {
                if let Some(member) = members.get_mut(disk) {
                    member.space.release(blocks);
                }
            }
        }
        let Plan { shape, disks: wanted } = self.plan_stripe(stripe, |_, _| true).ok()?;
        let blocks = shape.shard_blocks as u64;
        let members = self.members.borrow();
        let fits = |&(disk, promised): &(DiskId, u64)| {
            promised == blocks && members.get(disk).is_some_and(Member::takes_new)
        };
        if room.len() != wanted.iter().flatten().count() || !room.iter().all(fits) {
            return None;
        }
        drop(members);
        let mut disks: Vec<_> = room.iter().map(|&(disk, _)| Some(disk)).collect();
        disks.resize(shape.shards(), None);
        self.take_space(&disks, blocks).map(|places| (shape, places))
    }

    /// What was reserved when the cycle began is home.
    pub fn release_reservations(&self) {
        let mut reservations = self.reservations.borrow_mut();
        let sealed = std::mem::take(&mut reservations.sealed);
        let mut members = self.members.borrow_mut();
        let rooms = sealed.iter().flat_map(KeyMap::values);
        for (disk, blocks) in rooms.flat_map(|room| room.iter().copied()) {
            if let Some(member) = members.get_mut(disk) {
                member.space.release(blocks);
            }
        }
        drop(sealed);
        reservations.rooms.retain(|room| Rc::strong_count(room) > 1);
    }
}
