//! The port where `io_uring` may not be used: sockets by epoll(7) in the reactor's own thread,
//! disks by a few threads of blocking calls each, so that one that hangs keeps no other waiting.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::io::{Errno, ReadWriteFlags, pread, pwritev2, read, write};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use super::Port;
use super::operation::{Completion, Handle, Operation, rest_of};
use super::token::Token;

/// Threads that wait for a disk.
const WORKERS: usize = 8;
/// Slices of one call, of which Linux takes 1024 at most.
const SLICES_MAX: usize = 512;
/// The key of the workers' counter in the epoll set; descriptors are never that large.
const WORKERS_KEY: u64 = u64::MAX;

struct Job {
    token: Token,
    operation: Operation,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// What waits for one disk.
#[derive(Default)]
struct Line {
    queue: Mutex<Queue>,
    ready: Condvar,
}

/// What workers have done, and how the port is told.
struct Results {
    done: Mutex<Vec<Completion>>,
    counter: Handle,
}

/// A port of one thread with its workers.
pub struct ThreadPort {
    results: Arc<Results>,
    /// By the disk's descriptor. One that is used again after its disk was let go of has workers,
    /// and nothing waits in its line any more.
    lines: HashMap<i32, Arc<Line>>,
    counter: Handle,
    epoll: Handle,
    /// Operations whose socket was not ready, by descriptor: one to read and one to write.
    waiting: HashMap<i32, Waiting>,
    done: Vec<Completion>,
}

#[derive(Default)]
struct Waiting {
    reader: Option<Job>,
    writer: Option<Job>,
}

impl ThreadPort {
    /// A port with its workers started.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new() -> io::Result<Self> {
        let counter = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let set = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let key = epoll::EventData::new_u64(WORKERS_KEY);
        epoll::add(&set, &counter, key, epoll::EventFlags::IN)?;
        let results = Arc::new(Results { done: Mutex::default(), counter: Arc::clone(&counter) });
        let (lines, waiting) = (HashMap::new(), HashMap::new());
        Ok(Self { results, lines, counter, epoll: set, waiting, done: Vec::new() })
    }

    /// The line before a disk, with its workers from its first operation on.
    fn line(&mut self, disk: i32) -> Arc<Line> {
        let results = &self.results;
        let line = self.lines.entry(disk).or_insert_with(|| {
            let line = Arc::new(Line::default());
            for index in 0..WORKERS {
                let (line, results) = (Arc::clone(&line), Arc::clone(results));
                let name = format!("disk-{disk}-{index}");
                let begun =
                    std::thread::Builder::new().name(name).spawn(move || work(&line, &results));
                if let Err(error) = begun {
                    eprintln!("purlin-blockd: a disk has {index} threads and no more: {error}");
                    break;
                }
            }
            line
        });
        Arc::clone(line)
    }

    fn try_socket(&mut self, mut job: Job) {
        let result = match &mut job.operation {
            Operation::Receive { socket, target, range } => {
                let room = &mut target.as_bytes_mut()[range.clone()];
                recv(&**socket, room, RecvFlags::DONTWAIT).map(|(_, bytes)| bytes)
            }
            Operation::Send { socket, message } => {
                let slices: Vec<IoSlice<'_>> =
                    message.rest().take(SLICES_MAX).map(IoSlice::new).collect();
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                sendmsg(&**socket, &slices, &mut SendAncillaryBuffer::default(), flags)
            }
            Operation::Ready { counter } => await_counter(counter).map(|()| 0),
            Operation::Wake { counter, word } => take_counter(counter, word),
            _ => Err(Errno::INVAL),
        };
        match result {
            Err(Errno::AGAIN | Errno::INTR) => self.park(job),
            result => self.done.push(completed(job, result)),
        }
    }

    fn park(&mut self, job: Job) {
        let (handle, writes) = match &job.operation {
            Operation::Send { socket, .. } => (Arc::clone(socket), true),
            Operation::Receive { socket, .. } => (Arc::clone(socket), false),
            Operation::Ready { counter } | Operation::Wake { counter, .. } => {
                (Arc::clone(counter), false)
            }
            _ => return,
        };
        let waiting = self.waiting.entry(handle.as_raw_fd()).or_default();
        if writes {
            waiting.writer = Some(job);
        } else {
            waiting.reader = Some(job);
        }
        self.watch(&handle);
    }

    fn watch(&self, handle: &Handle) {
        let key = handle.as_raw_fd();
        let waiting = self.waiting.get(&key);
        let mut events = epoll::EventFlags::ONESHOT;
        if waiting.is_some_and(|waiting| waiting.reader.is_some()) {
            events |= epoll::EventFlags::IN;
        }
        if waiting.is_some_and(|waiting| waiting.writer.is_some()) {
            events |= epoll::EventFlags::OUT;
        }
        let word = epoll::EventData::new_u64(key.unsigned_abs().into());
        if epoll::modify(&self.epoll, handle, word, events).is_err() {
            // The descriptor is new to the set; where even that fails its operation waits for the
            // next one on the same socket, and the connection's deadline ends it.
            let _ = epoll::add(&self.epoll, handle, word, events);
        }
    }

    fn resume(&mut self, key: u64) {
        let Some(waiting) = i32::try_from(key).ok().and_then(|fd| self.waiting.remove(&fd)) else {
            return;
        };
        for job in [waiting.reader, waiting.writer].into_iter().flatten() {
            self.try_socket(job);
        }
    }

    fn collect(&mut self, completions: &mut Vec<Completion>) {
        completions.append(&mut self.done);
        completions.append(&mut lock(&self.results.done));
    }
}

impl Port for ThreadPort {
    fn submit(&mut self, token: Token, operation: Operation) {
        let job = Job { token, operation };
        let disk = match &job.operation {
            Operation::Receive { .. }
            | Operation::Send { .. }
            | Operation::Ready { .. }
            | Operation::Wake { .. } => {
                return self.try_socket(job);
            }
            Operation::Read { file, .. }
            | Operation::Write { file, .. }
            | Operation::Synchronize { file }
            | Operation::Punch { file, .. } => file.as_raw_fd(),
        };
        let line = self.line(disk);
        lock(&line.queue).jobs.push_back(job);
        line.ready.notify_one();
    }

    /// The workers begin at once.
    fn push_out(&mut self) {}

    fn cancel(&mut self, token: Token) {
        let is_it = |job: &mut Job| job.token == token;
        for waiting in self.waiting.values_mut() {
            let found = waiting.reader.take_if(is_it).or_else(|| waiting.writer.take_if(is_it));
            self.done.extend(found.map(|job| completed(job, Err(Errno::CANCELED))));
        }
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        self.collect(completions);
        let timeout = if completions.is_empty() { timeout } else { Some(Duration::ZERO) };
        let limit = timeout.map(|limit| Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let mut events = Vec::with_capacity(64);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), limit.as_ref())
        {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events {
            let key = event.data.u64();
            if key == WORKERS_KEY {
                let _ = read(&*self.counter, &mut [0u8; 8]);
            } else {
                self.resume(key);
            }
        }
        self.collect(completions);
        Ok(())
    }

    fn name(&self) -> &'static str {
        "threads"
    }
}

impl Drop for ThreadPort {
    fn drop(&mut self) {
        for line in self.lines.values() {
            lock(&line.queue).closed = true;
            line.ready.notify_all();
        }
    }
}

/// Reads a counter if it is not zero. The counter blocks, as `io_uring` wants it.
fn take_counter(counter: &Handle, word: &mut [u8; 8]) -> Result<usize, Errno> {
    await_counter(counter)?;
    read(&**counter, &mut word[..])
}

/// `AGAIN` where a counter is zero.
fn await_counter(counter: &Handle) -> Result<(), Errno> {
    let mut ready = [PollFd::new(&**counter, PollFlags::IN)];
    match poll(&mut ready, Some(&Timespec::default()))? {
        0 => Err(Errno::AGAIN),
        _ => Ok(()),
    }
}

fn work(line: &Line, results: &Results) {
    while let Some(mut job) = next(line) {
        let result = perform(&mut job.operation);
        lock(&results.done).push(completed(job, result));
        // A counter that is full has woken the reactor already.
        let _ = write(&*results.counter, &1u64.to_ne_bytes());
    }
}

fn next(line: &Line) -> Option<Job> {
    let mut queue = lock(&line.queue);
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            return Some(job);
        }
        if queue.closed {
            return None;
        }
        queue = line.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn perform(operation: &mut Operation) -> Result<usize, Errno> {
    match operation {
        Operation::Read { file, offset, buffer, filled } => {
            pread(&**file, &mut buffer.as_bytes_mut()[*filled..], *offset + *filled as u64)
        }
        Operation::Write { file, offset, slices, written, durable } => {
            let flags = if *durable { ReadWriteFlags::DSYNC } else { ReadWriteFlags::empty() };
            let parts: Vec<IoSlice<'_>> =
                rest_of(slices, *written).take(SLICES_MAX).map(IoSlice::new).collect();
            pwritev2(&**file, &parts, *offset + *written as u64, flags)
        }
        Operation::Synchronize { file } => fdatasync(&**file).map(|()| 0),
        Operation::Punch { file, offset, length } => {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&**file, flags, *offset, *length).map(|()| 0)
        }
        _ => Err(Errno::INVAL),
    }
}

fn completed(job: Job, result: Result<usize, Errno>) -> Completion {
    let Job { token, operation } = job;
    Completion { token, operation, result: result.map_err(Errno::raw_os_error) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
