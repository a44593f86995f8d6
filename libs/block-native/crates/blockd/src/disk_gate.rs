//! The one place where requests enter a disk: few at a time when classes compete, by weight.
//!
//! ```text
//! answers --nothing ends for so long, though something is under way--> silent
//! silent  --something ends--> answers        silent --set aside--> aside
//! aside   --all that was under way has ended--> answers
//! ```
//! A silent disk is waited for: its pool may have nobody else to ask. Its owner sets it aside where
//! the pool can do without it. Then everything is answered as gone, and the disk is used again only
//! when nothing of before can change it any more.

mod joined;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::Buffer;
use purlin_block_core::disk::{DiskDone, DiskError, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use purlin_block_core::keys::KeyMap;

use crate::port::Port;
use crate::port::operation::{Completion, Handle, Operation};
use crate::port::token::Token;
use crate::qos::weighted_queue::{WeightedQueue, Weights};

/// Operations in a disk at a time while one class has it alone.
const WINDOW_ALONE: usize = 128;
/// While several classes want it: what is in the disk is out of the queue's hands, so that a share
/// can only be kept with few.
const WINDOW_SHARED: usize = 8;
/// How long a class counts as wanting the disk after its last request.
const INTEREST_NANOS: u64 = 20_000_000;
/// After this an operation is answered as timed out. Its memory stays the kernel's until it ends.
const OPERATION_TIMEOUT_NANOS: u64 = 60_000_000_000;
/// A disk of which nothing has ended for so long counts as silent, unless told otherwise. One with
/// bad sectors may try for some seconds (`scsi_error` of Linux gives up after 30 s).
pub const PATIENCE: Duration = Duration::from_secs(15);

const CLASSES: usize = IoClass::ALL.len();

/// A disk with the queue before it.
pub struct DiskGate {
    handle: DiskHandle,
    file: Handle,
    queue: WeightedQueue<DiskIo>,
    in_flight: KeyMap<IoId, InFlight>,
    /// What goes to the disk at the end of the turn.
    fresh: Vec<DiskIo>,
    /// Writes that go to the disk as one, by the first of them: the others.
    joined: KeyMap<IoId, Vec<IoId>>,
    /// When each class last asked, in the order of [`IoClass::ALL`].
    asked_at: [Option<Nanoseconds>; CLASSES],
    moved_bytes: [u64; CLASSES],
    timeouts: u64,
    patience_nanos: u64,
    state: Answering,
    /// When something ended last.
    ended_at: Nanoseconds,
    /// Operations that were answered before they ended.
    late: HashSet<IoId>,
}

/// Whether a disk answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// It does, or has nothing to do.
    Yes,
    /// It does not, and is waited for.
    Silent,
    /// It did not, and nothing goes to it.
    Aside,
}

/// What has become of an operation that a port has ended.
pub enum Ended {
    /// The engine is to be told.
    Done(DiskDone),
    /// As `Done`, of writes that went to the disk as one.
    AllDone(Vec<DiskDone>),
    /// It goes on, or has been answered before.
    Nothing,
    /// As `Nothing`; and a disk that was set aside can be used again.
    Answers,
}

struct InFlight {
    class: IoClass,
    bytes: u64,
    since: Nanoseconds,
}

impl DiskGate {
    /// The gate of an open disk; `seed` decides the queue's picks.
    #[must_use]
    pub fn new(handle: DiskHandle, file: Handle, weights: Weights, seed: u64) -> Self {
        Self {
            handle,
            file,
            queue: WeightedQueue::new(weights, seed),
            in_flight: KeyMap::default(),
            fresh: Vec::new(),
            joined: KeyMap::default(),
            asked_at: [None; CLASSES],
            moved_bytes: [0; CLASSES],
            timeouts: 0,
            patience_nanos: nanoseconds(PATIENCE),
            state: Answering::Yes,
            ended_at: Nanoseconds(0),
            late: HashSet::new(),
        }
    }

    /// The same, with another patience than [`PATIENCE`].
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience_nanos: nanoseconds(patience), ..self }
    }

    /// Whether the disk answers.
    #[must_use]
    pub fn answering(&self) -> Answering {
        self.state
    }

    /// Other weights, from the next pick on.
    pub fn set_weights(&mut self, weights: Weights) {
        self.queue.set_weights(weights);
    }

    /// Bytes moved by class since the disk was opened, in the order of [`IoClass::ALL`].
    #[must_use]
    pub fn moved_bytes(&self) -> [u64; CLASSES] {
        self.moved_bytes
    }

    /// Operations that took too long since the disk was opened.
    #[must_use]
    pub fn timeouts(&self) -> u64 {
        self.timeouts
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Drops what has not begun.
    pub fn forget_waiting(&mut self) {
        while self.queue.pop().is_some() {}
    }

    /// Takes an operation; it goes to the disk with the next [`DiskGate::push_out`] or when its
    /// turn comes.
    pub fn submit(&mut self, io: DiskIo, now: Nanoseconds) {
        self.asked_at[io.class as usize] = Some(now);
        if self.state != Answering::Aside
            && self.queue.is_empty()
            && self.in_flight.len() < self.window(now)
        {
            return self.start(io, now);
        }
        self.queue.push(io.class, io.bytes() as u64, io);
        self.start_waiting(now);
    }

    /// Hands what has begun to the port, neighbouring writes as one.
    pub fn push_out(&mut self, port: &mut dyn Port) {
        if self.fresh.is_empty() {
            return;
        }
        joined::join(&mut self.fresh, |first, others| {
            let token = Token::Disk(self.handle, first.id);
            if !others.is_empty() {
                self.joined.insert(first.id, others);
            }
            port.submit(token, operation_of(first.op, Arc::clone(&self.file)));
        });
    }

    /// Takes the end of an operation and has the next go with [`DiskGate::push_out`].
    pub fn complete(
        &mut self,
        id: IoId,
        completion: Completion,
        now: Nanoseconds,
        port: &mut dyn Port,
    ) -> Ended {
        self.ended_at = now;
        if self.state == Answering::Silent {
            self.state = Answering::Yes;
        }
        let was_late = self.late.contains(&id);
        let result = match go_on(completion) {
            Progress::Ended(result) => result,
            // Nobody waits for the rest of what was answered already.
            Progress::Partial(_) if was_late => Err(DiskError::Timeout),
            Progress::Partial(operation) => {
                port.submit(Token::Disk(self.handle, id), operation);
                return Ended::Nothing;
            }
        };
        let others = self.joined.remove(&id).unwrap_or_default();
        let mut all = Vec::with_capacity(others.len());
        for other in others {
            let result = result.as_ref().map(|_| None).map_err(|error| *error);
            all.extend(self.end(other, result));
        }
        let first = self.end(id, result);
        if was_late && self.state == Answering::Aside && self.late.is_empty() {
            self.state = Answering::Yes;
            return Ended::Answers;
        }
        self.start_waiting(now);
        match first {
            Some(done) if all.is_empty() => Ended::Done(done),
            None if all.is_empty() => Ended::Nothing,
            first => {
                all.extend(first);
                Ended::AllDone(all)
            }
        }
    }

    /// Counts an operation as ended; nobody is told of one that was answered before.
    fn end(&mut self, id: IoId, result: IoResult) -> Option<DiskDone> {
        if self.late.remove(&id) {
            return None;
        }
        let InFlight { class, bytes, .. } = self.in_flight.remove(&id)?;
        if result.is_ok() {
            self.moved_bytes[class as usize] += bytes;
        }
        Some(DiskDone { id, result })
    }

    /// Answers what has been under way for too long, and all that came to a disk that is set aside.
    /// To be called once a second or so.
    pub fn expire(&mut self, now: Nanoseconds) -> Vec<DiskDone> {
        if self.state == Answering::Aside {
            return self.answer_waiting();
        }
        let oldest = self.in_flight.values().map(|flight| flight.since).min();
        let since = oldest.map(|oldest| oldest.max(self.ended_at));
        if since.is_some_and(|since| now.0.saturating_sub(since.0) > self.patience_nanos) {
            self.state = Answering::Silent;
        }
        let late =
            |flight: &InFlight| now.0.saturating_sub(flight.since.0) > OPERATION_TIMEOUT_NANOS;
        let ids: Vec<IoId> =
            self.in_flight.iter().filter(|(_, flight)| late(flight)).map(|(id, _)| *id).collect();
        self.timeouts += ids.len() as u64;
        ids.into_iter()
            .map(|id| {
                self.in_flight.remove(&id);
                self.late.insert(id);
                DiskDone { id, result: Err(DiskError::Timeout) }
            })
            .collect()
    }

    /// Lets nothing go to a silent disk any more. Gives the answers to all that it has and that
    /// waits for it.
    pub fn set_aside(&mut self) -> Vec<DiskDone> {
        if self.state != Answering::Silent {
            return Vec::new();
        }
        self.state = Answering::Aside;
        let mut done: Vec<DiskDone> = Vec::new();
        for (id, _) in self.in_flight.drain() {
            self.late.insert(id);
            done.push(DiskDone { id, result: Err(DiskError::Gone) });
        }
        done.extend(self.answer_waiting());
        done
    }

    fn answer_waiting(&mut self) -> Vec<DiskDone> {
        let waiting = std::iter::from_fn(|| self.queue.pop());
        waiting.map(|io| DiskDone { id: io.id, result: Err(DiskError::Gone) }).collect()
    }

    fn window(&self, now: Nanoseconds) -> usize {
        let recent = |at: &Nanoseconds| now.0.saturating_sub(at.0) < INTEREST_NANOS;
        let classes = self.asked_at.iter().flatten().filter(|at| recent(at)).count();
        if classes > 1 { WINDOW_SHARED } else { WINDOW_ALONE }
    }

    fn start_waiting(&mut self, now: Nanoseconds) {
        while self.state != Answering::Aside
            && self.in_flight.len() < self.window(now)
            && let Some(io) = self.queue.pop()
        {
            // Who waited is still interested.
            self.asked_at[io.class as usize] = Some(now);
            self.start(io, now);
        }
    }

    fn start(&mut self, io: DiskIo, now: Nanoseconds) {
        let bytes = io.bytes() as u64;
        self.in_flight.insert(io.id, InFlight { class: io.class, bytes, since: now });
        self.fresh.push(io);
    }
}

fn operation_of(op: DiskOp, file: Handle) -> Operation {
    match op {
        DiskOp::Read { at, buffer } => Operation::Read { file, offset: at, buffer, filled: 0 },
        DiskOp::Write { at, slices, fua } => {
            Operation::Write { file, offset: at, slices, written: 0, durable: fua }
        }
        DiskOp::Flush => Operation::Synchronize { file },
        DiskOp::Discard { at, length } => Operation::Punch { file, offset: at, length },
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

type IoResult = Result<Option<Buffer>, DiskError>;

enum Progress {
    Ended(IoResult),
    Partial(Operation),
}

/// What a completion means; a read or write of a part goes on with the rest.
fn go_on(completion: Completion) -> Progress {
    let Completion { operation, result, .. } = completion;
    let bytes = match (&operation, result) {
        // A device that cannot take space back has been told so, which is all that was asked.
        (Operation::Punch { .. }, Err(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL)) => {
            return Progress::Ended(Ok(None));
        }
        (_, Err(libc::EINTR | libc::EAGAIN)) => return Progress::Partial(operation),
        (_, Err(number)) => return Progress::Ended(Err(error_of(number))),
        (_, Ok(bytes)) => bytes,
    };
    match operation {
        Operation::Read { file, offset, buffer, filled } => match filled + bytes {
            all if all >= buffer.len() => Progress::Ended(Ok(Some(buffer))),
            // Nothing is beyond the end of a file that someone has cut.
            _ if bytes == 0 => Progress::Ended(Err(DiskError::Io)),
            filled => Progress::Partial(Operation::Read { file, offset, buffer, filled }),
        },
        Operation::Write { file, offset, slices, written, durable } => {
            let written = written + bytes;
            if written >= slices.iter().map(purlin_block_core::buffer::Slice::len).sum() {
                return Progress::Ended(Ok(None));
            }
            if bytes == 0 {
                return Progress::Ended(Err(DiskError::NoSpace));
            }
            Progress::Partial(Operation::Write { file, offset, slices, written, durable })
        }
        _ => Progress::Ended(Ok(None)),
    }
}

fn error_of(number: i32) -> DiskError {
    match number {
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => DiskError::NoSpace,
        libc::ENODEV | libc::ENXIO | libc::EBADF | libc::ESHUTDOWN => DiskError::Gone,
        libc::ETIMEDOUT => DiskError::Timeout,
        _ => DiskError::Io,
    }
}
