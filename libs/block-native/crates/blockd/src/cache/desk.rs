//! How other threads call the caches of a reactor.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::calls::{CacheAnswer, CacheCall, CallError};
use crate::reactor::mailbox::{Mail, Mailbox};

/// A call with the way back.
pub type Placed = (CacheCall, Sender<Result<CacheAnswer, CallError>>);

/// Calls that wait for the reactor; cheap to clone.
#[derive(Clone)]
pub struct Desk {
    calls: Arc<Mutex<VecDeque<Placed>>>,
    mailbox: Mailbox,
}

impl Desk {
    /// A desk of the reactor with this mailbox.
    #[must_use]
    pub fn new(mailbox: Mailbox) -> Self {
        Self { calls: Arc::default(), mailbox }
    }

    /// Places a call and waits for its answer.
    ///
    /// # Errors
    /// The cache's, or that nobody answered in time.
    pub fn ask(&self, call: CacheCall, timeout: Duration) -> Result<CacheAnswer, CallError> {
        let (sender, receiver) = channel();
        self.lock().push_back((call, sender));
        self.mailbox.send(Mail::Nudge);
        receiver.recv_timeout(timeout).unwrap_or(Err(CallError::Late(timeout)))
    }

    /// Takes what was placed.
    #[must_use]
    pub fn take(&self) -> VecDeque<Placed> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Placed>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
