//! The port on `io_uring`: what was submitted goes to the kernel in the call that waits.
//!
//! The one module of the daemon with `unsafe` code. It rests on one rule: an operation, with its
//! buffer and its handle, lies in the slab from before its entry is pushed until its completion was
//! taken, and what the kernel points to is on the heap, so that the slab may move.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{Fd, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::Port;
use super::operation::{Completion, Handle, Operation, rest_of};
use super::token::Token;

/// Entries of the submission queue; more are sent to the kernel in between.
const ENTRIES: u32 = 256;
/// Slices of one call, of which Linux takes 1024 at most.
const SLICES_MAX: usize = 512;

/// While a disk has several operations it is worth waiting for some of them to end rather than for
/// the first: sleeping and waking is what costs most of an operation's time. So many are waited for
/// at most, for so long, which is less than an operation takes.
const GATHERED_MAX: usize = 8;
const GATHER_MICROS: u32 = 20;

/// The completions of cancellations themselves; no slab has that many places.
const CANCEL: u64 = u64::MAX;

/// An operation in the kernel's hands.
struct InFlight {
    token: Token,
    operation: Operation,
    wire: Option<Box<Wire>>,
}

/// What `sendmsg` and `writev` read: it is boxed, for it must not move. The header points to the
/// slices' memory, which stays where it is.
struct Wire {
    header: libc::msghdr,
    slices: Vec<libc::iovec>,
}

/// A ring of one thread.
pub struct UringPort {
    ring: IoUring,
    slab: Vec<Option<InFlight>>,
    free: Vec<usize>,
    in_flight: usize,
    /// Those of disks.
    disk_operations: usize,
    /// The kernel can wait for several completions and then take what there is (Linux 6.12).
    gathers: bool,
}

impl UringPort {
    /// A ring for the calling thread, which must be the only one to use it.
    ///
    /// # Errors
    /// What the kernel says where `io_uring` is switched off or too old.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(ENTRIES * 8)
            .build(ENTRIES)
            .or_else(|_| IoUring::builder().setup_cqsize(ENTRIES * 8).build(ENTRIES))?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        let gathers = ring.params().is_feature_min_timeout();
        let (slab, free) = (Vec::new(), Vec::new());
        Ok(Self { ring, slab, free, in_flight: 0, disk_operations: 0, gathers })
    }

    /// How many completions are worth waiting for.
    fn gathered(&self) -> usize {
        if self.gathers { (self.disk_operations / 2).clamp(1, GATHERED_MAX) } else { 1 }
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the entry points into an operation that `submit` has put into the slab, and stays
        // there until `take` sees its completion.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            if self.ring.submit().is_err() {
                // The completion queue is full; `wait` makes room and this is tried again there.
                std::thread::yield_now();
            }
        }
    }

    fn take(&mut self, entry: &cqueue::Entry) -> Option<Completion> {
        let slot = usize::try_from(entry.user_data()).ok()?;
        let InFlight { token, operation, .. } = self.slab.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.in_flight -= 1;
        self.disk_operations -= usize::from(operation.is_of_disk());
        let result = usize::try_from(entry.result()).map_err(|_| -entry.result());
        Some(Completion { token, operation, result })
    }
}

impl Port for UringPort {
    fn submit(&mut self, token: Token, operation: Operation) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slab.push(None);
            self.slab.len() - 1
        });
        self.disk_operations += usize::from(operation.is_of_disk());
        let placed = self.slab[slot].insert(InFlight { token, operation, wire: None });
        let entry = entry_of(placed).user_data(slot as u64);
        self.in_flight += 1;
        self.push(&entry);
    }

    fn push_out(&mut self) {
        // What the kernel does not take now goes with the next wait.
        let _ = self.ring.submit();
    }

    fn cancel(&mut self, token: Token) {
        let is_it = |slot: &Option<InFlight>| slot.as_ref().is_some_and(|it| it.token == token);
        if let Some(slot) = self.slab.iter().position(is_it) {
            let entry = opcode::AsyncCancel::new(slot as u64).build().user_data(CANCEL);
            self.push(&entry);
        }
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        let gathered = self.gathered();
        let limit = Timespec::from(timeout.unwrap_or_default());
        let mut arguments = SubmitArgs::new();
        if gathered > 1 {
            arguments = arguments.min_wait_usec(GATHER_MICROS);
        }
        let submitted = match timeout {
            None if gathered == 1 => self.ring.submitter().submit_and_wait(1),
            None => self.ring.submitter().submit_with_args(gathered, &arguments),
            Some(Duration::ZERO) => {
                self.ring.submitter().submit_with_args(0, &SubmitArgs::new().timespec(&limit))
            }
            Some(_) => {
                self.ring.submitter().submit_with_args(gathered, &arguments.timespec(&limit))
            }
        };
        match submitted {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) => {}
            Err(error) => return Err(error),
        }
        loop {
            let Some(entry) = self.ring.completion().next() else { return Ok(()) };
            completions.extend(self.take(&entry));
        }
    }

    fn name(&self) -> &'static str {
        "io_uring"
    }
}

impl Drop for UringPort {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            // The kernel may still write there: the memory is given up and never used again.
            std::mem::forget(std::mem::take(&mut self.slab));
        }
    }
}

fn entry_of(in_flight: &mut InFlight) -> squeue::Entry {
    let fd = |handle: &Handle| Fd(handle.as_raw_fd());
    match &mut in_flight.operation {
        Operation::Receive { socket, target, range } => {
            let room = &mut target.as_bytes_mut()[range.clone()];
            opcode::Recv::new(fd(socket), room.as_mut_ptr(), length(room.len())).build()
        }
        Operation::Send { socket, message } => {
            let wire = in_flight.wire.insert(Box::new(Wire::new(message.rest())));
            opcode::SendMsg::new(fd(socket), &raw const wire.header)
                .flags((libc::MSG_NOSIGNAL | libc::MSG_WAITALL).cast_unsigned())
                .build()
        }
        Operation::Read { file, offset, buffer, filled } => {
            let room = &mut buffer.as_bytes_mut()[*filled..];
            opcode::Read::new(fd(file), room.as_mut_ptr(), length(room.len()))
                .offset(*offset + *filled as u64)
                .build()
        }
        Operation::Write { file, offset, slices, written, durable } => {
            let wire = in_flight.wire.insert(Box::new(Wire::new(rest_of(slices, *written))));
            let flags = if *durable { libc::RWF_DSYNC } else { 0 };
            opcode::Writev::new(fd(file), wire.slices.as_ptr(), length(wire.slices.len()))
                .offset(*offset + *written as u64)
                .rw_flags(flags)
                .build()
        }
        Operation::Synchronize { file } => {
            opcode::Fsync::new(fd(file)).flags(FsyncFlags::DATASYNC).build()
        }
        Operation::Punch { file, offset, length } => opcode::Fallocate::new(fd(file), *length)
            .offset(*offset)
            .mode(libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE)
            .build(),
        Operation::Ready { counter } => {
            opcode::PollAdd::new(fd(counter), libc::POLLIN.cast_unsigned().into()).build()
        }
        Operation::Wake { counter, word } => {
            opcode::Read::new(fd(counter), word.as_mut_ptr(), 8).build()
        }
    }
}

impl Wire {
    fn new<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Self {
        let slices: Vec<libc::iovec> = parts
            .take(SLICES_MAX)
            .map(|slice| libc::iovec {
                iov_base: slice.as_ptr().cast_mut().cast(),
                iov_len: slice.len(),
            })
            .collect();
        // SAFETY: a message header of zeroes is one without address, slices and ancillary parts.
        let header: libc::msghdr = unsafe { std::mem::zeroed() };
        let mut wire = Self { header, slices };
        wire.header.msg_iov = wire.slices.as_mut_ptr();
        wire.header.msg_iovlen = wire.slices.len();
        wire
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
