//! The sessions of the daemon: each in a thread of its own, and all of them together on their way
//! to another process.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::refusal::Refusal;
use super::session::{Passport, Session, State};
use crate::directory::Directory;
use crate::port::operation::Handle;
use crate::port::token::ConnectionKey;

/// For a front end to end a message it has begun, and to take an answer.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A session with its thread.
struct Member {
    session: Mutex<Session>,
    /// Its session is on its way to another process, and reads nothing more.
    frozen: AtomicBool,
    wake: OwnedFd,
}

/// All sessions.
pub struct Crew {
    directory: Arc<Directory>,
    members: Mutex<BTreeMap<u64, Arc<Member>>>,
    next: AtomicU64,
    refused: AtomicU64,
}

impl Crew {
    /// None yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            members: Mutex::default(),
            next: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Serves a front end that has come for a volume, until it goes.
    pub fn serve(&self, socket: OwnedFd, volume: &str) {
        let passport = Passport {
            volume: volume.to_owned(),
            socket: Arc::new(socket),
            state: State::default(),
            parts: BTreeMap::new(),
        };
        self.run(passport);
    }

    /// Goes on with sessions of another process, each in a thread.
    pub fn adopt(self: &Arc<Self>, passports: Vec<Passport>) {
        for passport in passports {
            let crew = Arc::clone(self);
            let run = move || crew.run(passport);
            if let Err(error) = std::thread::Builder::new().name("vhost".to_owned()).spawn(run) {
                eprintln!("purlin-blockd: a front end is hung up on: {error}");
            }
        }
    }

    /// Lets no session read on, and gives all of them as they are. One that is at work for longer
    /// than `timeout` is left out: its front end has to come again.
    #[must_use]
    pub fn freeze(&self, timeout: Duration) -> Vec<Passport> {
        let deadline = Instant::now() + timeout;
        let members: Vec<Arc<Member>> = self.members().values().cloned().collect();
        for member in &members {
            member.freeze(true);
        }
        let frozen = members.iter().filter_map(|member| member.lock_until(deadline));
        frozen.map(|session| session.passport()).collect()
    }

    /// Lets the sessions go on here after all.
    pub fn thaw(&self) {
        for (number, member) in self.members().iter() {
            let mut session = member.session.lock().unwrap_or_else(PoisonError::into_inner);
            let key = device_key(self.next.fetch_add(1, Ordering::Relaxed));
            if let Err(error) = session.take_up_again(key) {
                eprintln!("purlin-blockd: front end {number} is hung up on: {error}");
                let _ = rustix::net::shutdown(&*session.socket(), rustix::net::Shutdown::Both);
            }
            member.freeze(false);
        }
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, passport: Passport) {
        let volume = passport.volume.clone();
        if let Err(error) = self.run_to_its_end(passport) {
            // A front end comes again every second, so this is told at powers of two.
            let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_power_of_two() {
                eprintln!(
                    "purlin-blockd: front ends hung up on: {count}; now one of volume {volume}: \
                     {error}"
                );
            }
        }
    }

    fn run_to_its_end(&self, passport: Passport) -> Result<(), Refusal> {
        for side in [Timeout::Recv, Timeout::Send] {
            let timeout = Some(MESSAGE_TIMEOUT);
            set_socket_timeout(passport.socket.as_fd(), side, timeout)?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let socket = Arc::clone(&passport.socket);
        let session = Session::open(device_key(number), Arc::clone(&self.directory), passport)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let member =
            Arc::new(Member { session: Mutex::new(session), frozen: AtomicBool::new(false), wake });
        self.members().insert(number, Arc::clone(&member));
        let ended = member.converse(&socket);
        self.members().remove(&number);
        member.session.lock().unwrap_or_else(PoisonError::into_inner).close();
        ended
    }
}

/// A device's key among those of connections, which a reactor counts from 0.
fn device_key(number: u64) -> ConnectionKey {
    ConnectionKey(1 << 63 | number)
}

impl Member {
    fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Release);
        // A counter that is full has woken the thread already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn lock_until(&self, deadline: Instant) -> Option<MutexGuard<'_, Session>> {
        loop {
            match self.session.try_lock() {
                Ok(session) => return Some(session),
                Err(TryLockError::Poisoned(session)) => return Some(session.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return None,
            }
        }
    }

    fn converse(&self, socket: &Handle) -> Result<(), Refusal> {
        loop {
            let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
            if !self.frozen.load(Ordering::Acquire) {
                fds.push(PollFd::new(&**socket, PollFlags::IN));
            }
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            if !fds[0].revents().is_empty() {
                let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
                continue;
            }
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.frozen.load(Ordering::Acquire) && !session.serve_one()? {
                return Ok(());
            }
        }
    }
}
