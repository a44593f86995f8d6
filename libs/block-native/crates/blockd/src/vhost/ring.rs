//! A queue of a device: virtio 1.2, section 2.7, the split layout.
//!
//! ```text
//! descriptors  16 bytes each
//! available    flags u16, index u16, head u16 ..., wake the guest from u16 on
//! used         flags u16, index u16, (head u32, written u32) ..., wake the device from u16 on
//! ```
//! The guest may write all of it at any time, so nothing read from it is believed twice.

use std::collections::VecDeque;
use std::num::Wrapping;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rustix::io::Errno;

use super::chain::{BadChain, DESCRIPTOR_BYTES, Table};
use super::inflight::{Inflight, Notes};
use super::memory::{Memory, Outside};
use super::protocol::QUEUE_SIZE_MAX;
use crate::port::operation::Handle;

/// Bytes before the first place of the available and of the used ring.
const HEAD_BYTES: u64 = 4;
const AVAILABLE_BYTES: u64 = 2;
const USED_BYTES: u64 = 8;
/// The guest's flag: do not wake me.
const NO_INTERRUPT: u16 = 1;

/// What a queue is served with.
#[derive(Clone)]
pub struct RingSetup {
    /// The guest's memory.
    pub memory: Arc<Memory>,
    /// How many places there are.
    pub size: u16,
    /// The guest's address of the descriptors.
    pub descriptors: u64,
    /// The guest's address of the available ring.
    pub available: u64,
    /// The guest's address of the used ring.
    pub used: u64,
    /// The place of the available ring to go on from; `None` goes on behind what was answered. What
    /// is noted in flight says better.
    pub base: Option<u16>,
    /// Whether each side says from where on it wants to be woken.
    pub event_index: bool,
    /// Whether writes are durable when they are answered.
    pub durable: bool,
    /// What the guest wakes the device with.
    pub kick: Handle,
    /// What the device wakes the guest with.
    pub call: Option<Handle>,
    /// What tells of a broken queue.
    pub error: Option<Handle>,
    /// Where is noted what is in flight.
    pub inflight: Option<Arc<Inflight>>,
}

/// A queue that is served.
pub struct Ring {
    setup: RingSetup,
    notes: Option<Notes>,
    again: VecDeque<u16>,
    next_available: Wrapping<u16>,
    next_used: Wrapping<u16>,
    published: Wrapping<u16>,
}

impl Ring {
    /// Begins queue `index` where it was left.
    ///
    /// # Errors
    /// It is not in the guest's memory, or of a size that no queue has.
    pub fn start(setup: RingSetup, index: u16) -> Result<Self, Outside> {
        let lengths = ring_lengths(setup.size);
        let there = |address: u64, bytes: u64, alignment: u64| {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            address.is_multiple_of(alignment) && setup.memory.has(address, bytes)
        };
        let whole = setup.size.is_power_of_two()
            && setup.size <= QUEUE_SIZE_MAX
            && there(setup.descriptors, lengths[0], 16)
            && there(setup.available, lengths[2], 2)
            && there(setup.used, lengths[1], 4);
        if !whole {
            return Err(Outside);
        }
        let used: u16 = setup.memory.load(setup.used + 2, Ordering::Acquire)?;
        let kept = setup.inflight.clone();
        let kept = kept.map(|memory| Notes::open(memory, index, setup.size, used)).transpose()?;
        let (notes, again, base) = match kept {
            // Whatever was taken is answered or noted, so this is where taking had come to.
            Some((notes, again)) => {
                let count = u16::try_from(again.len()).map_err(|_| Outside)?;
                (Some(notes), VecDeque::from(again), used.wrapping_add(count))
            }
            None => (None, VecDeque::new(), setup.base.unwrap_or(used)),
        };
        let used = Wrapping(used);
        let next_available = Wrapping(base);
        Ok(Self { setup, notes, again, next_available, next_used: used, published: used })
    }

    /// What it is served with.
    #[must_use]
    pub fn setup(&self) -> &RingSetup {
        &self.setup
    }

    /// Wakes the guest by another counter from now on. What the old one was told may be lost, so
    /// the new one is told at once.
    pub fn set_call(&mut self, call: Option<Handle>) {
        self.setup.call = call;
        self.wake_guest();
    }

    /// The place from which the available ring is read next.
    #[must_use]
    pub fn next_available(&self) -> u16 {
        self.next_available.0
    }

    /// The descriptors.
    #[must_use]
    pub fn table(&self) -> Table {
        Table { address: self.setup.descriptors, count: self.setup.size.into() }
    }

    /// The first descriptor of the next request, if there is one: those that another process began
    /// and did not answer first.
    ///
    /// # Errors
    /// [`BadChain`]: the guest has written what no driver writes.
    pub fn next_head(&mut self) -> Result<Option<u16>, BadChain> {
        if let Some(head) = self.again.pop_front() {
            return Ok(Some(head));
        }
        if !self.has_available()? {
            if !self.setup.event_index {
                return Ok(None);
            }
            // The guest wakes the device for whatever comes after this place. What came before it
            // could know is seen by the second look (section 2.7.10).
            self.store(self.wake_device_at(), self.next_available.0, Ordering::Release)?;
            fence(Ordering::SeqCst);
            if !self.has_available()? {
                return Ok(None);
            }
        }
        let place = u64::from(self.next_available.0 % self.setup.size);
        let at = self.setup.available + HEAD_BYTES + AVAILABLE_BYTES * place;
        let head = self.load(at, Ordering::Relaxed)?;
        if head >= self.setup.size {
            return Err(BadChain::Index);
        }
        self.next_available += 1;
        if let Some(notes) = &mut self.notes {
            notes.begin(head).map_err(|_| BadChain::Outside)?;
        }
        Ok(Some(head))
    }

    fn has_available(&self) -> Result<bool, BadChain> {
        let index = self.load(self.setup.available + 2, Ordering::Acquire)?;
        let count = (Wrapping(index) - self.next_available).0;
        if count > self.setup.size {
            return Err(BadChain::Overrun);
        }
        Ok(count > 0)
    }

    /// Puts an answer into the used ring; the guest sees it with [`Self::publish`].
    ///
    /// # Errors
    /// [`BadChain::Outside`], which [`Self::start`] has made impossible.
    pub fn put_used(&mut self, head: u16, written: u32) -> Result<(), BadChain> {
        let place = u64::from(self.next_used.0 % self.setup.size);
        let at = self.setup.used + HEAD_BYTES + USED_BYTES * place;
        let memory = &self.setup.memory;
        let stored = memory
            .store(at, u32::from(head), Ordering::Relaxed)
            .and_then(|()| memory.store(at + 4, written, Ordering::Relaxed));
        stored.map_err(|_| BadChain::Outside)?;
        self.next_used += 1;
        match &mut self.notes {
            Some(notes) => notes.answer(head).map_err(|_| BadChain::Outside),
            None => Ok(()),
        }
    }

    /// Lets the guest see the answers, and wakes it where it wants that.
    ///
    /// # Errors
    /// As [`Self::put_used`].
    pub fn publish(&mut self) -> Result<(), BadChain> {
        let (old, new) = (self.published, self.next_used);
        if old == new {
            return Ok(());
        }
        self.store(self.setup.used + 2, new.0, Ordering::Release)?;
        self.published = new;
        if let Some(notes) = &mut self.notes {
            notes.publish((new - old).0, new.0).map_err(|_| BadChain::Outside)?;
        }
        // The answers are there before the guest's wish is read (section 2.7.7).
        fence(Ordering::SeqCst);
        if self.guest_wants_to_be_woken(old, new)? {
            self.wake_guest();
        }
        Ok(())
    }

    fn guest_wants_to_be_woken(
        &self,
        old: Wrapping<u16>,
        new: Wrapping<u16>,
    ) -> Result<bool, BadChain> {
        if self.setup.event_index {
            let places = u64::from(self.setup.size);
            let at = self.setup.available + HEAD_BYTES + AVAILABLE_BYTES * places;
            let event = Wrapping(self.load(at, Ordering::Relaxed)?);
            return Ok(new - event - Wrapping(1) < new - old);
        }
        Ok(self.load(self.setup.available, Ordering::Relaxed)? & NO_INTERRUPT == 0)
    }

    fn wake_guest(&self) {
        if let Some(call) = &self.setup.call {
            tell(call);
        }
    }

    /// Forgets what is noted in flight: the queue has answered all that can be answered, and what
    /// begins with its places next is another guest's, or the same after a fresh start.
    pub fn forget_notes(&mut self) {
        if let Some(notes) = &mut self.notes {
            // Notes that cannot be reached cannot be read by anyone either.
            let _ = notes.forget_all();
        }
    }

    /// Tells the front end that the queue is broken.
    pub fn tell_broken(&self) {
        if let Some(error) = &self.setup.error {
            tell(error);
        }
    }

    fn wake_device_at(&self) -> u64 {
        self.setup.used + HEAD_BYTES + USED_BYTES * u64::from(self.setup.size)
    }

    fn load(&self, address: u64, order: Ordering) -> Result<u16, BadChain> {
        self.setup.memory.load(address, order).map_err(|_| BadChain::Outside)
    }

    fn store(&self, address: u64, value: u16, order: Ordering) -> Result<(), BadChain> {
        self.setup.memory.store(address, value, order).map_err(|_| BadChain::Outside)
    }
}

/// The bytes of the descriptors, the used ring and the available ring of so many places.
#[must_use]
pub fn ring_lengths(size: u16) -> [u64; 3] {
    let places = u64::from(size);
    let used = HEAD_BYTES + USED_BYTES * places + 2;
    let available = HEAD_BYTES + AVAILABLE_BYTES * (places + 1);
    [places * DESCRIPTOR_BYTES as u64, used, available]
}

/// Adds one to a counter. One at its end has woken whoever waits.
fn tell(counter: &Handle) {
    let _ = rustix::io::write(&**counter, &1u64.to_ne_bytes());
}

/// Takes what a counter counts; whether it was more than nothing.
#[must_use]
pub fn take(counter: &Handle) -> bool {
    !matches!(rustix::io::read(&**counter, &mut [0u8; 8]), Err(Errno::AGAIN))
}
