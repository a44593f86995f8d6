//! The listening sockets and the thread that accepts on all of them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::greet::{Service, greet};

/// Clients in the handshake, or with TLS, at the same time.
const GREETED_MAX: usize = 256;

/// What is done with a client.
#[derive(Clone)]
pub enum Duty {
    /// Serve it a volume.
    Volumes(Service),
    /// Something else, as the control socket does; in a thread of its own.
    Other(Arc<dyn Fn(OwnedFd) + Send + Sync>),
}

struct Listener {
    socket: Arc<OwnedFd>,
    duty: Duty,
}

struct Shared {
    listeners: Mutex<BTreeMap<String, Listener>>,
    changed: OwnedFd,
    greeted: AtomicUsize,
    handshakes: AtomicUsize,
    relays: AtomicUsize,
    refused: AtomicUsize,
}

/// The listeners of the daemon by their names; cheap to clone.
#[derive(Clone)]
pub struct Listeners {
    shared: Arc<Shared>,
}

impl Listeners {
    /// Starts the accepting thread.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            listeners: Mutex::default(),
            changed: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            greeted: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            relays: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let listeners = Self { shared };
        let accepting = listeners.clone();
        std::thread::Builder::new().name("accept".to_owned()).spawn(move || accepting.accept())?;
        Ok(listeners)
    }

    /// Accepts on `socket` from now on. One of the same name is closed.
    pub fn add(&self, name: &str, socket: Arc<OwnedFd>, duty: Duty) {
        let listener = Listener { socket, duty };
        self.lock().insert(name.to_owned(), listener);
        self.note_change();
    }

    /// Closes a listener.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
        self.note_change();
    }

    /// The names of those there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Takes all listeners away, open as they are: what comes now waits in their queues.
    #[must_use]
    pub fn take_all(&self) -> Vec<(String, Arc<OwnedFd>)> {
        let all = std::mem::take(&mut *self.lock());
        self.note_change();
        all.into_iter().map(|(name, listener)| (name, listener.socket)).collect()
    }

    /// Waits until no client is in the handshake, at most `timeout`.
    pub fn wait_for_handshakes(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while self.shared.handshakes.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Clients with TLS in transmission.
    #[must_use]
    pub fn relays(&self) -> usize {
        self.shared.relays.load(Ordering::Acquire)
    }

    /// Clients in the handshake, clients with TLS, and callers of the control socket.
    #[must_use]
    pub fn greeted(&self) -> usize {
        self.shared.greeted.load(Ordering::Relaxed)
    }

    /// Clients that found too many others in the handshake.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Listener>> {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_change(&self) {
        // Only a counter at its end would refuse, and that one has woken the thread.
        let _ = rustix::io::write(&self.shared.changed, &1u64.to_ne_bytes());
    }

    fn accept(&self) {
        loop {
            let watched: Vec<(Arc<OwnedFd>, Duty)> = self
                .lock()
                .values()
                .map(|listener| (Arc::clone(&listener.socket), listener.duty.clone()))
                .collect();
            let mut fds = vec![PollFd::new(&self.shared.changed, PollFlags::IN)];
            fds.extend(watched.iter().map(|(socket, _)| PollFd::new(&**socket, PollFlags::IN)));
            if poll(&mut fds, None).is_err() {
                continue;
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            if ready[0] {
                let _ = rustix::io::read(&self.shared.changed, &mut [0u8; 8]);
                continue;
            }
            for ((socket, duty), _) in watched.iter().zip(&ready[1..]).filter(|(_, ready)| **ready)
            {
                match accept_with(&**socket, SocketFlags::CLOEXEC) {
                    Ok(client) => self.receive(client, duty.clone()),
                    // Out of descriptors or memory: the client waits in the queue a little.
                    Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    Err(_) => {}
                }
            }
        }
    }

    fn receive(&self, client: OwnedFd, duty: Duty) {
        if self.shared.greeted.fetch_add(1, Ordering::Relaxed) >= GREETED_MAX {
            self.shared.greeted.fetch_sub(1, Ordering::Relaxed);
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let shared = Arc::clone(&self.shared);
        let greeted = move || {
            match duty {
                // A client that breaks off or is late is its own matter.
                Duty::Volumes(service) => {
                    drop(greet(client, &service, &shared.handshakes, &shared.relays));
                }
                Duty::Other(serve) => serve(client),
            }
            shared.greeted.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("greet".to_owned()).spawn(greeted).is_err() {
            self.shared.greeted.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
