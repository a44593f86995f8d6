//! A disk that is an export of an NBD server: a thread that receives, and one that sends what the
//! socket does not take at once.
//!
//! The server's answers are simple replies. A connection that breaks, or that answers nothing for a
//! minute, answers everything as gone: what it had taken and not flushed may be lost, so that
//! connecting anew in silence could turn a lost write into a flushed one.
//! Source: the NBD project's `doc/proto.md`.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::{Disk, DiskDone, DiskError, DiskFacts, DiskIo, DiskOp, IoId, Media};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::nbd_address::{NbdAddress, Server};
use crate::nbd::client::negotiate;
use crate::nbd::protocol::{REQUEST_MAGIC, SIMPLE_REPLY_MAGIC, command, command_flag, export_flag};
use crate::reactor::mailbox::{Mail, Mailbox};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How often the receiver looks whether something takes too long.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// The protocol's numbers for what a server does not do.
const NBD_EINVAL: u32 = 22;
const NBD_ENOTSUP: u32 = 95;

/// A discard is an advice: a longer one than a request has room for is not passed on. Caches give
/// parts that are shorter.
const DISCARD_BYTES_MAX: usize = 1 << 31;

/// Parts of a message that are sent with one call, of which Linux takes 1024 at most.
const PARTS_MAX: usize = 1000;

struct InFlight {
    id: IoId,
    buffer: Option<Buffer>,
    /// A server that does not follow it has done all that was asked.
    is_advice: bool,
    since: Instant,
}

#[derive(Default)]
struct State {
    in_flight: HashMap<u64, InFlight>,
    done: VecDeque<DiskDone>,
    broken: bool,
}

#[derive(Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    mailbox: Mailbox,
}

/// A connected export.
pub struct NbdDisk {
    facts: DiskFacts,
    flags: u16,
    shared: Shared,
    socket: OwnedFd,
    sender: Sender<Vec<u8>>,
    /// Messages that the sending thread has not sent yet.
    backlog: Arc<AtomicUsize>,
    next_cookie: u64,
}

trait Connection: AsFd + Read + Write + Send + Sized + 'static {
    fn again(&self) -> io::Result<Self>;
    fn limit(&self, timeout: Option<Duration>) -> io::Result<()>;
    fn end(&self);
}

impl Connection for UnixStream {
    fn again(&self) -> io::Result<Self> {
        self.try_clone()
    }
    fn limit(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(Some(ANSWER_TIMEOUT))
    }
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Connection for TcpStream {
    fn again(&self) -> io::Result<Self> {
        self.try_clone()
    }
    fn limit(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_nodelay(true)?;
        self.set_read_timeout(timeout)?;
        self.set_write_timeout(Some(ANSWER_TIMEOUT))
    }
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl NbdDisk {
    /// Connects and agrees with the server; the reactor of `mailbox` is woken by answers.
    ///
    /// # Errors
    /// It cannot be reached, or its export cannot be used.
    pub fn connect(address: &NbdAddress, mailbox: Mailbox) -> io::Result<Self> {
        match &address.server {
            Server::Unix(path) => Self::over(UnixStream::connect(path)?, address, mailbox),
            Server::Tcp(host, port) => {
                let place = (host.as_str(), *port).to_socket_addrs()?.next();
                let place = place.ok_or_else(|| io::Error::other("its host has no address"))?;
                let stream = TcpStream::connect_timeout(&place, CONNECT_TIMEOUT)?;
                Self::over(stream, address, mailbox)
            }
        }
    }

    fn over<C: Connection>(
        mut connection: C,
        address: &NbdAddress,
        mailbox: Mailbox,
    ) -> io::Result<Self> {
        connection.limit(Some(CONNECT_TIMEOUT))?;
        let (size_bytes, flags) = negotiate(&mut connection, &address.export)?;
        if flags & export_flag::READ_ONLY != 0 {
            return Err(io::Error::other("its export is read-only"));
        }
        connection.limit(Some(LOOK_PERIOD))?;
        let shared = Shared { state: Arc::default(), mailbox };
        let (sender, requests) = channel();
        let socket = connection.as_fd().try_clone_to_owned()?;
        let backlog = Arc::new(AtomicUsize::new(0));
        let (out, sending, left) = (connection.again()?, shared.clone(), Arc::clone(&backlog));
        let (coming, receiving) = (connection, shared.clone());
        std::thread::Builder::new()
            .name("nbd-send".to_owned())
            .spawn(move || send(out, &requests, &left, &sending))?;
        std::thread::Builder::new()
            .name("nbd-receive".to_owned())
            .spawn(move || receive(coming, &receiving))?;
        let block = BLOCK_BYTES as u64;
        let facts = DiskFacts {
            size_bytes: size_bytes / block * block,
            sector_bytes: 4096,
            media: Media::Hdd,
        };
        Ok(Self { facts, flags, shared, socket, sender, backlog, next_cookie: 0 })
    }
}

impl Disk for NbdDisk {
    fn facts(&self) -> DiskFacts {
        self.facts
    }

    fn submit(&mut self, io: DiskIo) {
        let (kind, flags, at, length, buffer, slices) = match io.op {
            DiskOp::Read { at, buffer } => {
                (command::READ, 0, at, buffer.len(), Some(buffer), Vec::new())
            }
            DiskOp::Write { at, slices, fua } => {
                if fua && self.flags & export_flag::FUA == 0 {
                    return self.shared.answer(io.id, Err(DiskError::Io));
                }
                let length = slices.iter().map(Slice::len).sum();
                (command::WRITE, if fua { command_flag::FUA } else { 0 }, at, length, None, slices)
            }
            // A server without the command keeps nothing that a flush would make durable.
            DiskOp::Flush if self.flags & export_flag::FLUSH == 0 => {
                return self.shared.answer(io.id, Ok(None));
            }
            DiskOp::Flush => (command::FLUSH, 0, 0, 0, None, Vec::new()),
            DiskOp::Discard { at, length } => match usize::try_from(length) {
                Ok(length)
                    if self.flags & export_flag::TRIM != 0 && length <= DISCARD_BYTES_MAX =>
                {
                    (command::TRIM, 0, at, length, None, Vec::new())
                }
                _ => return self.shared.answer(io.id, Ok(None)),
            },
        };
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        let mut message = Vec::with_capacity(28);
        message.extend(REQUEST_MAGIC.to_be_bytes());
        message.extend(flags.to_be_bytes());
        message.extend(kind.to_be_bytes());
        message.extend(cookie.to_be_bytes());
        message.extend(at.to_be_bytes());
        message.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        {
            let mut state = self.shared.lock();
            if !state.broken {
                let is_advice = kind == command::TRIM;
                let flight = InFlight { id: io.id, buffer, is_advice, since: Instant::now() };
                state.in_flight.insert(cookie, flight);
                drop(state);
                return self.send(&message, &slices);
            }
        }
        self.shared.answer(io.id, Err(DiskError::Gone));
    }

    fn poll(&mut self) -> Option<DiskDone> {
        self.shared.lock().done.pop_front()
    }
}

impl NbdDisk {
    /// Sends a message as far as the socket takes it; the thread sends the rest, and what comes
    /// before that is sent.
    fn send(&self, head: &[u8], slices: &[Slice]) {
        let parts = || std::iter::once(head).chain(slices.iter().map(Slice::as_bytes));
        let mut sent = 0;
        if self.backlog.load(Ordering::Acquire) == 0 {
            let each: Vec<IoSlice<'_>> = parts().take(PARTS_MAX).map(IoSlice::new).collect();
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&self.socket, &each, &mut SendAncillaryBuffer::default(), flags) {
                Ok(bytes) => sent = bytes,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return self.shared.break_off(),
            }
        }
        let mut rest = Vec::new();
        for part in parts() {
            rest.extend(part.get(sent..).unwrap_or_default());
            sent = sent.saturating_sub(part.len());
        }
        if rest.is_empty() {
            return;
        }
        self.backlog.fetch_add(1, Ordering::AcqRel);
        if self.sender.send(rest).is_err() {
            self.shared.break_off();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, id: IoId, result: Result<Option<Buffer>, DiskError>) {
        self.lock().done.push_back(DiskDone { id, result });
        self.mailbox.send(Mail::Nudge);
    }

    fn break_off(&self) {
        let mut state = self.lock();
        state.broken = true;
        let ended: Vec<InFlight> = state.in_flight.drain().map(|(_, flight)| flight).collect();
        let gone = |flight: InFlight| DiskDone { id: flight.id, result: Err(DiskError::Gone) };
        state.done.extend(ended.into_iter().map(gone));
        drop(state);
        self.mailbox.send(Mail::Nudge);
    }
}

fn send<C: Connection>(
    mut out: C,
    requests: &Receiver<Vec<u8>>,
    left: &AtomicUsize,
    shared: &Shared,
) {
    while let Ok(message) = requests.recv() {
        if out.write_all(&message).is_err() {
            break;
        }
        left.fetch_sub(1, Ordering::AcqRel);
    }
    // The disk was dropped, or the server is gone.
    out.end();
    shared.break_off();
}

fn receive<C: Connection>(mut coming: C, shared: &Shared) {
    let ended = take_replies(&mut coming, shared);
    if let Err(error) = ended
        && !shared.lock().in_flight.is_empty()
    {
        eprintln!("purlin-blockd: the NBD server of a cached device is gone: {error}");
    }
    coming.end();
    shared.break_off();
}

fn take_replies<C: Connection>(coming: &mut C, shared: &Shared) -> io::Result<()> {
    let mut head = [0; 16];
    loop {
        read_patiently(coming, &mut head, shared)?;
        if head[..4] != SIMPLE_REPLY_MAGIC.to_be_bytes() {
            return Err(io::Error::other("its answer is none of the protocol"));
        }
        let error = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let cookie = u64::from_be_bytes([
            head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
        ]);
        // The buffer is taken out while it is filled; should that fail, the operation still ends.
        let found = shared.lock().in_flight.get_mut(&cookie).map(|flight| flight.buffer.take());
        let Some(mut buffer) = found else {
            return Err(io::Error::other("it answered what was not asked"));
        };
        if let Some(buffer) = buffer.as_mut().filter(|_| error == 0) {
            read_patiently(coming, buffer.as_bytes_mut(), shared)?;
        }
        let Some(flight) = shared.lock().in_flight.remove(&cookie) else { return Ok(()) };
        let result = match error {
            0 => Ok(buffer),
            NBD_EINVAL | NBD_ENOTSUP if flight.is_advice => Ok(None),
            28 => Err(DiskError::NoSpace),
            108 => Err(DiskError::Gone),
            _ => Err(DiskError::Io),
        };
        shared.answer(flight.id, result);
    }
}

/// Reads it whole; a server that owes an answer for too long is gone.
fn read_patiently<C: Connection>(
    coming: &mut C,
    mut room: &mut [u8],
    shared: &Shared,
) -> io::Result<()> {
    while !room.is_empty() {
        match coming.read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = &mut room[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                let state = shared.lock();
                let late = |flight: &InFlight| flight.since.elapsed() > ANSWER_TIMEOUT;
                if state.broken || state.in_flight.values().any(late) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
