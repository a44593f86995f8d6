//! What is in flight, noted in memory that outlives the daemon: the front end keeps it, and gives
//! it to whoever serves the device next.
//!
//! ```text
//! of a queue, at multiples of 64 bytes:
//! 0         8        10      12          14         16
//! features  version  places  batch head  used index  place 0, place 1 ...
//! of a place:
//! 0          6                  8        16
//! in flight  next of its batch  counter
//! ```
//! A place is noted before its request is begun, and cleared after its answer is in the used ring.
//! A process that is killed between the two leaves a request that is noted and answered: the two
//! used indices differ then, and the batch list says which those were (QEMU,
//! `docs/interop/vhost-user.rst`, Inflight I/O tracking).

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use serde::{Deserialize, Serialize};
use vm_memory::{AtomicAccess, Bytes, MmapRegion, VolatileMemory};

use super::memory::{Outside, map_file};
use super::protocol::{QUEUE_SIZE_MAX, QUEUES_MAX};
use super::refusal::Refusal;
use crate::port::operation::Handle;

const HEAD_BYTES: u64 = 16;
const PLACE_BYTES: u64 = 16;
const ALIGNMENT: u64 = 64;
const VERSION: u16 = 1;

const VERSION_AT: u64 = 8;
const PLACES_AT: u64 = 10;
const BATCH_AT: u64 = 12;
const USED_AT: u64 = 14;
const NEXT_AT: u64 = 6;
const COUNTER_AT: u64 = 8;

/// The memory's measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// How many bytes.
    pub bytes: u64,
    /// Where in its file it begins.
    pub offset: u64,
    /// How many queues.
    pub queues: u16,
    /// How many places each has.
    pub places: u16,
}

impl Shape {
    /// The measures for so many queues and places.
    ///
    /// # Errors
    /// More than this daemon serves, or none.
    pub fn of(queues: u16, places: u16) -> Result<Self, Refusal> {
        let sane = (1..=QUEUES_MAX).contains(&queues) && (1..=QUEUE_SIZE_MAX).contains(&places);
        if !sane {
            return Err(Refusal::Malformed { what: "a number of queues or places" });
        }
        let bytes = queue_bytes(places) * u64::from(queues);
        Ok(Self { bytes, offset: 0, queues, places })
    }
}

fn queue_bytes(places: u16) -> u64 {
    (HEAD_BYTES + PLACE_BYTES * u64::from(places)).next_multiple_of(ALIGNMENT)
}

/// Makes such memory, with nothing in flight.
///
/// # Errors
/// What the system says.
pub fn create(shape: &Shape) -> std::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("purlin-inflight", flags)?;
    ftruncate(&file, shape.bytes)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// The memory of all queues of a device.
pub struct Inflight {
    map: MmapRegion,
    shape: Shape,
}

impl Inflight {
    /// Maps it.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn map(file: &Handle, shape: Shape) -> Result<Self, Refusal> {
        let needed = Shape::of(shape.queues, shape.places)?;
        if shape.bytes < needed.bytes {
            return Err(Refusal::Malformed { what: "too little memory for what is in flight" });
        }
        Ok(Self { map: map_file(file, shape.offset, shape.bytes)?, shape })
    }

    /// How many queues it has.
    #[must_use]
    pub fn queues(&self) -> u16 {
        self.shape.queues
    }

    /// How many places each of its queues has.
    #[must_use]
    pub fn places(&self) -> u16 {
        self.shape.places
    }

    fn load<T: AtomicAccess>(&self, at: u64) -> Result<T, Outside> {
        let at = usize::try_from(at).map_err(|_| Outside)?;
        self.map.as_volatile_slice().load(at, Ordering::Acquire).map_err(|_| Outside)
    }

    fn store<T: AtomicAccess>(&self, at: u64, value: T) -> Result<(), Outside> {
        let at = usize::try_from(at).map_err(|_| Outside)?;
        self.map.as_volatile_slice().store(value, at, Ordering::Release).map_err(|_| Outside)
    }
}

/// What is noted of one queue.
pub struct Notes {
    memory: std::sync::Arc<Inflight>,
    start: u64,
    places: u16,
    counter: u64,
}

impl Notes {
    /// The notes of queue `queue`, which has `places` places and whose used ring is at `used`, and
    /// the requests that are to be done again, in the order in which they were begun.
    ///
    /// # Errors
    /// There is no room for such a queue.
    pub fn open(
        memory: std::sync::Arc<Inflight>,
        queue: u16,
        places: u16,
        used: u16,
    ) -> Result<(Self, Vec<u16>), Outside> {
        if queue >= memory.queues() || places > memory.places() {
            return Err(Outside);
        }
        let start = queue_bytes(memory.places()) * u64::from(queue);
        let mut notes = Self { memory, start, places, counter: 0 };
        let again = notes.recover(used)?;
        Ok((notes, again))
    }

    fn place(&self, index: u16) -> Result<u64, Outside> {
        if index >= self.places {
            return Err(Outside);
        }
        Ok(self.start + HEAD_BYTES + PLACE_BYTES * u64::from(index))
    }

    fn recover(&mut self, used: u16) -> Result<Vec<u16>, Outside> {
        if self.memory.load::<u16>(self.start + VERSION_AT)? != VERSION {
            self.memory.store(self.start + VERSION_AT, VERSION)?;
            self.memory.store(self.start + PLACES_AT, self.places)?;
            self.memory.store(self.start + USED_AT, used)?;
        }
        let noted: u16 = self.memory.load(self.start + USED_AT)?;
        let answered = used.wrapping_sub(noted).min(self.places);
        self.clear(answered)?;
        self.memory.store(self.start + USED_AT, used)?;
        let mut again: Vec<(u64, u16)> = Vec::new();
        for index in 0..self.places {
            let place = self.place(index)?;
            if self.memory.load::<u8>(place)? != 0 {
                again.push((self.memory.load(place + COUNTER_AT)?, index));
            }
        }
        again.sort_unstable();
        self.counter = again.last().map_or(0, |(counter, _)| counter.wrapping_add(1));
        Ok(again.into_iter().map(|(_, index)| index).collect())
    }

    /// Notes that a request is begun.
    ///
    /// # Errors
    /// There is no such place.
    pub fn begin(&mut self, index: u16) -> Result<(), Outside> {
        let place = self.place(index)?;
        self.memory.store(place + COUNTER_AT, self.counter)?;
        self.counter = self.counter.wrapping_add(1);
        self.memory.store(place, 1u8)
    }

    /// Notes that a request is answered by the next change of the used index.
    ///
    /// # Errors
    /// There is no such place.
    pub fn answer(&mut self, index: u16) -> Result<(), Outside> {
        let place = self.place(index)?;
        let before: u16 = self.memory.load(self.start + BATCH_AT)?;
        self.memory.store(place + NEXT_AT, before)?;
        self.memory.store(self.start + BATCH_AT, index)
    }

    /// Notes that the used index has changed: the last `answered` requests are over.
    ///
    /// # Errors
    /// Somebody has written there what nobody could.
    pub fn publish(&mut self, answered: u16, used: u16) -> Result<(), Outside> {
        self.clear(answered)?;
        self.memory.store(self.start + USED_AT, used)
    }

    /// Forgets all that is noted.
    ///
    /// # Errors
    /// There is no such place.
    pub fn forget_all(&mut self) -> Result<(), Outside> {
        (0..self.places).try_for_each(|index| self.memory.store(self.place(index)?, 0u8))
    }

    fn clear(&self, answered: u16) -> Result<(), Outside> {
        let mut index: u16 = self.memory.load(self.start + BATCH_AT)?;
        for _ in 0..answered {
            let place = self.place(index)?;
            self.memory.store(place, 0u8)?;
            index = self.memory.load(place + NEXT_AT)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn memory(places: u16) -> Arc<Inflight> {
        let shape = Shape::of(2, places).expect("such a device is served");
        let file = create(&shape).expect("the system has memory files");
        Arc::new(Inflight::map(&Arc::new(file), shape).expect("it can be mapped"))
    }

    fn again(memory: &Arc<Inflight>, used: u16) -> Vec<u16> {
        Notes::open(Arc::clone(memory), 1, 8, used).expect("it has a queue 1").1
    }

    /// A process may be killed between any two stores. Each case is the used index that the guest
    /// sees then, and what is to be done again.
    #[test]
    fn whenever_a_process_is_killed_what_was_begun_and_not_answered_is_known_in_order() {
        let memory = memory(8);
        let (mut notes, none) = Notes::open(Arc::clone(&memory), 1, 8, 0).expect("queue 1");
        assert!(none.is_empty());
        for head in [5, 2, 7] {
            notes.begin(head).expect("it has such a place");
        }
        assert_eq!(again(&memory, 0), [5, 2, 7]);
        notes.answer(2).expect("it has such a place");
        notes.answer(5).expect("it has such a place");
        // Nothing of it is in the used index: the guest has seen no answer.
        assert_eq!(again(&memory, 0), [5, 2, 7]);
        // The index says both, and the notes do not say it yet.
        assert_eq!(again(&memory, 2), [7]);
        assert_eq!(again(&memory, 2), [7]);
        let (mut notes, _) = Notes::open(Arc::clone(&memory), 1, 8, 2).expect("queue 1");
        notes.begin(2).expect("it has such a place");
        assert_eq!(again(&memory, 2), [7, 2]);
        notes.answer(7).expect("it has such a place");
        notes.publish(1, 3).expect("it has such places");
        assert_eq!(again(&memory, 3), [2]);
        notes.forget_all().expect("it has such places");
        assert!(again(&memory, 3).is_empty());
    }

    #[test]
    fn notes_that_somebody_has_spoilt_end_and_name_places_that_are_there() {
        let memory = memory(8);
        let mut word = 1u64;
        for _ in 0..2000 {
            for at in 0..memory.shape.bytes {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                memory.store(at, word.to_le_bytes()[7]).expect("it is there");
            }
            memory.store(queue_bytes(8) + VERSION_AT, VERSION).expect("it is there");
            let used = u16::try_from(word >> 48).expect("it fits");
            if let Ok((_, again)) = Notes::open(Arc::clone(&memory), 1, 8, used) {
                assert!(again.len() <= 8 && again.iter().all(|index| *index < 8));
            }
        }
        assert!(Notes::open(Arc::clone(&memory), 2, 8, 0).is_err());
        assert!(Notes::open(memory, 1, 16, 0).is_err());
    }
}
