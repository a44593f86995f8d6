//! What a reactor asks of the kernel, with the memory it is done in.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use purlin_block_core::buffer::{Buffer, Slice};

use super::message::Message;
use super::token::Token;

/// A socket or a file; it stays open as long as an operation on it is under way.
pub type Handle = Arc<OwnedFd>;

/// An operation owns its memory until it comes back completed.
pub enum Operation {
    /// Fills `range` of `target` with what the peer has sent, at least a byte.
    Receive {
        /// A blocking stream socket.
        socket: Handle,
        /// Where to.
        target: Target,
        /// The bytes of the target that may be filled.
        range: Range<usize>,
    },
    /// Sends what is left of a message, or a part of it.
    Send {
        /// A blocking stream socket.
        socket: Handle,
        /// What is sent.
        message: Message,
    },
    /// Reads from a disk.
    Read {
        /// The disk.
        file: Handle,
        /// Where on the disk the buffer's first byte lies.
        offset: u64,
        /// Where to.
        buffer: Buffer,
        /// How many bytes of it have been read.
        filled: usize,
    },
    /// Writes to a disk.
    Write {
        /// The disk.
        file: Handle,
        /// Where on the disk the first byte goes.
        offset: u64,
        /// What, one after the other.
        slices: Vec<Slice>,
        /// How many bytes of it have been written.
        written: usize,
        /// Whether it must be durable when it completes.
        durable: bool,
    },
    /// Makes every completed write of a disk durable.
    Synchronize {
        /// The disk.
        file: Handle,
    },
    /// Gives a range of a disk back.
    Punch {
        /// The disk.
        file: Handle,
        /// Where on the disk, in bytes.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
    /// Waits until the counter (eventfd(2)) is not zero and leaves it as it is: one that somebody
    /// else has made non-blocking cannot be waited for by a read.
    Ready {
        /// The counter.
        counter: Handle,
    },
    /// Waits until the counter (eventfd(2)) is not zero and takes it.
    Wake {
        /// The counter.
        counter: Handle,
        /// Where its eight bytes go.
        word: Box<[u8; 8]>,
    },
}

impl Operation {
    /// Whether it ends when a disk has done something.
    #[must_use]
    pub fn is_of_disk(&self) -> bool {
        match self {
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Synchronize { .. }
            | Self::Punch { .. } => true,
            Self::Receive { .. } | Self::Send { .. } | Self::Ready { .. } | Self::Wake { .. } => {
                false
            }
        }
    }
}

/// Memory a socket is read into.
pub enum Target {
    /// Plain bytes.
    Bytes(Box<[u8]>),
    /// Blocks that go to a disk as they are.
    Blocks(Buffer),
}

impl Target {
    /// All of it.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Blocks(buffer) => buffer.as_bytes_mut(),
        }
    }
}

/// An operation that has ended. `result` is the number of bytes, or Linux's error number.
pub struct Completion {
    /// What the caller knows it by.
    pub token: Token,
    /// The operation with its memory.
    pub operation: Operation,
    /// How it ended.
    pub result: Result<usize, i32>,
}

/// The slices from byte `skip` on.
pub(super) fn rest_of(slices: &[Slice], mut skip: usize) -> impl Iterator<Item = &[u8]> {
    slices.iter().filter_map(move |slice| {
        let bytes = slice.as_bytes();
        let skipped = skip.min(bytes.len());
        skip -= skipped;
        (skipped < bytes.len()).then(|| &bytes[skipped..])
    })
}
