//! A volume as a guest's device, in the reactor of its pool: queues that are served, requests that
//! are under way.
//!
//! Everything a guest can make the daemon hold is bounded, as it is for a client of NBD: requests
//! under way, and their bytes. At the bound its queues are not read. A queue whose guest writes
//! what no driver writes is broken: it is served no more until the front end begins it anew, and
//! nothing else notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use purlin_block_core::request::VolumeId;
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::chain::BadChain;
use super::lone::Lone;
use super::protocol::{CONFIG_CHANGED, Head, VERSION};
use super::ring::{Ring, RingSetup, take};
use super::under_way::Requests;
use crate::port::Port;
use crate::port::operation::{Handle, Operation};
use crate::port::token::{ConnectionKey, Token};

/// Requests that are begun before others have their turn.
const TURN_HEADS: usize = 256;

/// Queues that broke since the daemon began; told of at powers of two: a guest fills no log.
static BROKEN: AtomicU64 = AtomicU64::new(0);

/// What a session asks of its device.
pub enum DeviceMail {
    /// Be there for a volume.
    Open {
        /// By its name.
        volume: String,
        /// The session's connection, which is shut down where the device must end.
        socket: Handle,
        /// The size the front end was told last.
        told_bytes: u64,
    },
    /// Serve a queue.
    Start(u16, Box<RingSetup>),
    /// Begin nothing more of a queue, answer what was begun, and say where it is.
    Stop(u16, Sender<u16>),
    /// Wake the guest by this counter from now on.
    Call(u16, Option<Handle>),
    /// Tell this channel when the volume's size changes.
    Notices(Option<Handle>),
    /// The front end is gone.
    Close,
}

/// A queue and what is known of it.
pub(super) struct Served {
    pub(super) ring: Ring,
    generation: u32,
    /// The guest has woken it since it was found empty.
    ready: bool,
    /// The port waits for the guest.
    armed: bool,
    broken: bool,
    pub(super) in_flight: usize,
    stopping: Option<Sender<u16>>,
}

/// A device.
pub struct Device {
    key: ConnectionKey,
    /// The volume.
    pub volume: VolumeId,
    /// The volume's name.
    pub name: String,
    socket: Handle,
    pub(super) rings: BTreeMap<u16, Served>,
    pub(super) requests: Requests,
    pub(super) lone: Option<Lone>,
    pub(super) closed: bool,
    generation: u32,
    /// The queue whose turn is next.
    cursor: u16,
    pub(super) heads_left: usize,
    notices: Option<Handle>,
    told_bytes: u64,
    /// Queues that begin once a former device of the volume has nothing under way.
    waiting: BTreeMap<u16, RingSetup>,
}

impl Device {
    /// A device without queues.
    #[must_use]
    pub fn new(
        key: ConnectionKey,
        volume: VolumeId,
        name: String,
        socket: Handle,
        told_bytes: u64,
    ) -> Self {
        Self {
            key,
            volume,
            name,
            socket,
            rings: BTreeMap::new(),
            requests: Requests::default(),
            lone: None,
            closed: false,
            generation: 0,
            cursor: 0,
            heads_left: TURN_HEADS,
            notices: None,
            told_bytes,
            waiting: BTreeMap::new(),
        }
    }

    /// Serves a queue; with `wait`, only from [`Self::start_waiting`] on.
    pub fn start(&mut self, index: u16, setup: RingSetup, wait: bool) {
        if wait {
            self.waiting.insert(index, setup);
            return;
        }
        match Ring::start(setup, index) {
            Ok(ring) => {
                self.generation += 1;
                let served = Served {
                    ring,
                    generation: self.generation,
                    ready: true,
                    armed: false,
                    broken: false,
                    in_flight: 0,
                    stopping: None,
                };
                self.rings.insert(index, served);
            }
            Err(_) => self.hang_up(),
        }
    }

    /// Begins the queues that had to wait.
    pub fn start_waiting(&mut self) {
        for (index, setup) in std::mem::take(&mut self.waiting) {
            self.start(index, setup, false);
        }
    }

    /// Lets a queue end; `sender` is told the place it has come to, in [`Self::settle`].
    pub fn stop(&mut self, index: u16, sender: Sender<u16>) {
        if let Some(setup) = self.waiting.remove(&index) {
            // A session that has gone meanwhile needs no answer.
            let _ = sender.send(setup.base.unwrap_or(0));
        } else if let Some(served) = self.rings.get_mut(&index) {
            served.stopping = Some(sender);
        }
    }

    /// Wakes the guest by another counter.
    pub fn set_call(&mut self, index: u16, call: Option<Handle>) {
        if let Some(served) = self.rings.get_mut(&index) {
            served.ring.set_call(call);
        } else if let Some(setup) = self.waiting.get_mut(&index) {
            setup.call = call;
        }
    }

    /// Tells another channel of the volume's size.
    pub fn set_notices(&mut self, notices: Option<Handle>) {
        self.notices = notices;
    }

    /// Tells the front end that the volume has another size, if it has.
    pub fn tell_size(&mut self, size_bytes: u64) {
        if self.told_bytes == size_bytes {
            return;
        }
        self.told_bytes = size_bytes;
        let head = Head { request: CONFIG_CHANGED, flags: VERSION, payload_bytes: 0 };
        if let Some(notices) = &self.notices {
            // One that reads nothing is not waited for; it reads the size when it comes again.
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = send(&**notices, &head.to_bytes(), flags);
        }
    }

    /// Ends the session: its front end finds the connection closed.
    pub fn hang_up(&self) {
        let _ = shutdown(&*self.socket, Shutdown::Both);
    }

    /// The front end is gone: what is under way is let end, and the guest's memory is not touched
    /// any more.
    pub fn close(&mut self, port: &mut dyn Port) {
        self.closed = true;
        self.waiting.clear();
        self.rest(port);
    }

    /// Takes back what waits for the guest.
    pub fn rest(&mut self, port: &mut dyn Port) {
        for (index, served) in self.rings.iter().filter(|(_, served)| served.armed) {
            port.cancel(Token::Kick(self.key, *index, served.generation));
        }
    }

    /// The guest has woken a queue, or the wait for that has ended.
    pub fn kicked(&mut self, index: u16, generation: u32) {
        let served = self.rings.get_mut(&index).filter(|it| it.generation == generation);
        if let Some(served) = served {
            served.armed = false;
            served.ready |= take(&served.ring.setup().kick);
        }
    }

    /// The first descriptor of a request of any queue, each in its turn.
    pub(super) fn next_head(&mut self) -> Option<(u16, u16)> {
        loop {
            let after = self.rings.range(self.cursor..).chain(self.rings.range(..self.cursor));
            let ready = |served: &Served| served.ready && served.is_open();
            let index = *after.into_iter().find(|(_, served)| ready(served))?.0;
            let served = self.rings.get_mut(&index)?;
            match served.ring.next_head() {
                Ok(Some(head)) => {
                    self.cursor = index + 1;
                    return Some((index, head));
                }
                Ok(None) => served.ready = false,
                Err(bad) => self.break_queue(index, bad),
            }
        }
    }

    /// Serves a queue no more.
    pub(super) fn break_queue(&mut self, index: u16, bad: BadChain) {
        let Some(served) = self.rings.get_mut(&index) else { return };
        if std::mem::replace(&mut served.broken, true) {
            return;
        }
        served.ring.tell_broken();
        let count = BROKEN.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            eprintln!(
                "purlin-blockd: broken queues of guests: {count}; now queue {index} of volume {}: \
                 {bad}",
                self.name
            );
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.closed && self.lone.is_none() && self.requests.has_room()
    }

    /// Whether there is more to be begun, and may be.
    #[must_use]
    pub fn is_ready_again(&self) -> bool {
        self.has_room() && self.rings.values().any(|served| served.ready && served.is_open())
    }

    /// Whether nothing of it is with the engine or the port.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.rings.values().all(|served| !served.armed)
    }

    /// Whether its front end is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether it can be forgotten.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed && self.requests.is_empty()
    }

    /// Ends a turn: the guest sees its answers, queues that were to stop have stopped, and where
    /// `listen`, the port waits for the guest.
    pub fn settle(&mut self, port: &mut dyn Port, listen: bool) {
        self.heads_left = TURN_HEADS;
        if self.closed {
            return;
        }
        let mut bad = Vec::new();
        for (index, served) in &mut self.rings {
            if let Err(error) = served.ring.publish() {
                bad.push((*index, error));
            }
            if listen && !served.armed && served.is_open() {
                served.armed = true;
                let counter = Arc::clone(&served.ring.setup().kick);
                let token = Token::Kick(self.key, *index, served.generation);
                port.submit(token, Operation::Ready { counter });
            }
        }
        for (index, error) in bad {
            self.break_queue(index, error);
        }
        let key = self.key;
        self.rings.retain(|index, served| !served.end(key, *index, port));
    }
}

impl Served {
    fn is_open(&self) -> bool {
        !self.broken && self.stopping.is_none()
    }

    /// Ends a queue that is to stop and has nothing under way; whether it did.
    fn end(&mut self, key: ConnectionKey, index: u16, port: &mut dyn Port) -> bool {
        if self.in_flight > 0 {
            return false;
        }
        let Some(sender) = self.stopping.take() else { return false };
        if self.armed {
            port.cancel(Token::Kick(key, index, self.generation));
        }
        self.ring.forget_notes();
        // A session that has gone meanwhile needs no answer.
        let _ = sender.send(self.ring.next_available());
        true
    }
}
