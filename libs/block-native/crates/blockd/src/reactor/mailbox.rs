//! How other threads speak to a reactor.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use purlin_block_core::BlockError;
use purlin_block_core::control::{ControlAnswer, ControlOp};
use purlin_block_core::disk::DiskHandle;
use purlin_block_core::request::{Answer, RequestOp, VolumeId};
use rustix::event::{EventfdFlags, eventfd};

use crate::disk_gate::DiskGate;
use crate::nbd::handshake::Session;
use crate::port::operation::Handle;
use crate::port::token::ConnectionKey;
use crate::qos::limiter::VolumeLimits;
use crate::vhost::device::DeviceMail;

/// A connection on its way into a reactor or out of it.
pub struct Travelling {
    /// The client's socket.
    pub socket: Handle,
    /// What was agreed on.
    pub session: Session,
    /// What the client has sent and nobody has read.
    pub pending: Vec<u8>,
}

/// What a reactor is asked for.
pub enum Mail {
    /// Serve a client whose handshake is over.
    Adopt(Travelling),
    /// Pass a call to the engine.
    Control(ControlOp, Sender<Result<ControlAnswer, BlockError>>),
    /// Pass a request of the daemon's own to the engine.
    Request(VolumeId, RequestOp, Sender<Result<Answer, BlockError>>),
    /// Limit a volume, by its name.
    SetLimits(String, VolumeLimits),
    /// Tell how the reactor is.
    Report(Sender<Report>),
    /// End a volume's connections, by its name.
    Disconnect(String),
    /// Read no more requests, answer those that were read, and give the connections away; `None`
    /// when the disks did not answer in time, and then the clients are served on.
    GiveAway(Sender<Option<Vec<Travelling>>>),
    /// Something of a guest's device.
    Device(ConnectionKey, DeviceMail),
    /// Look again: there is something where the engine looks by itself.
    Nudge,
    /// Use a further disk.
    Attach(DiskHandle, Box<DiskGate>),
    /// Let go of a disk, once nothing is under way in it.
    Detach(DiskHandle),
    /// End; what is under way is left as it is.
    Stop,
}

/// How a reactor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its port.
    pub port: &'static str,
    /// Clients by volume.
    pub connections: Vec<(String, usize)>,
    /// Requests of clients answered since it began.
    pub answered: u64,
    /// Requests of clients the engine has failed since it began.
    pub failed: u64,
    /// Bytes moved by class and disk, as [`crate::disk_gate::DiskGate::moved_bytes`] counts them.
    pub moved_bytes: Vec<(u32, [u64; 6])>,
    /// Disks that do not answer.
    pub silent_disks: Vec<u32>,
}

/// The way into a reactor; cheap to clone.
#[derive(Clone)]
pub struct Mailbox {
    mails: Arc<Mutex<VecDeque<Mail>>>,
    counter: Handle,
}

impl Mailbox {
    /// An empty mailbox.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new() -> io::Result<Self> {
        let counter = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        Ok(Self { mails: Arc::default(), counter })
    }

    /// Puts a mail in and wakes the reactor.
    pub fn send(&self, mail: Mail) {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).push_back(mail);
        // Only a counter at its end would refuse, and that one has woken the reactor.
        let _ = rustix::io::write(&*self.counter, &1u64.to_ne_bytes());
    }

    /// Sends what `mail` makes of a way to answer, and waits for the answer at most `timeout`.
    pub fn ask<T>(&self, timeout: Duration, mail: impl FnOnce(Sender<T>) -> Mail) -> Option<T> {
        let (sender, receiver): (Sender<T>, Receiver<T>) = channel();
        self.send(mail(sender));
        receiver.recv_timeout(timeout).ok()
    }

    /// Passes a call to the engine and waits for its answer.
    ///
    /// # Errors
    /// The engine's; `Closed` when there was none in time.
    pub fn call(&self, op: ControlOp, timeout: Duration) -> Result<ControlAnswer, BlockError> {
        let reason = || format!("it did not answer within {} s", timeout.as_secs());
        self.ask(timeout, |sender| Mail::Control(op, sender))
            .unwrap_or_else(|| Err(BlockError::Closed { reason: reason() }))
    }

    /// Drops what a reactor that has ended did not take; who waits for an answer is told so.
    pub fn forget_all(&self) {
        drop(self.take());
    }

    pub(super) fn counter(&self) -> Handle {
        Arc::clone(&self.counter)
    }

    pub(super) fn take(&self) -> VecDeque<Mail> {
        std::mem::take(&mut self.mails.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A socket as reactors hold it.
#[must_use]
pub fn share(socket: OwnedFd) -> Handle {
    Arc::new(socket)
}
