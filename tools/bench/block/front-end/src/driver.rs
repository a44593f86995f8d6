//! A driver with one split queue: virtio 1.2, sections 2.7 and 5.2.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::memory::Memory;
use crate::session::{Queue, Session};

/// A request takes three descriptors of its own.
const QUEUE_SIZE: u16 = 256;
/// Requests at a time.
pub const DEPTH_MAX: u16 = QUEUE_SIZE / 3;
const TABLE: u64 = 0;
const AVAILABLE: u64 = 0x2000;
const USED: u64 = 0x3000;
const HEADS: u64 = 0x4000;
const CARRIED: u64 = 0x1_0000;

const MORE: u16 = 1;
const DEVICE_WRITES: u16 = 2;
const SECTOR_BYTES: u64 = 512;

/// The queue of a disk.
pub struct Driver {
    pub memory: Memory,
    block_bytes: u32,
    kick: OwnedFd,
    call: OwnedFd,
    session: Session,
    /// Requests that were put into the queue, and those that the server was told of.
    put: u16,
    told: u16,
    taken: u16,
}

impl Driver {
    /// Connects to a disk for requests of so many bytes.
    pub fn connect(socket: &Path, block_bytes: u32) -> io::Result<Self> {
        let carried = u64::from(DEPTH_MAX) * u64::from(block_bytes);
        let bytes = (CARRIED + carried).next_multiple_of(2 << 20);
        let memory = Memory::new(usize::try_from(bytes).map_err(io::Error::other)?)?;
        let counter = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (kick, call) = (counter()?, counter()?);
        let queue = Queue {
            size: QUEUE_SIZE,
            table: TABLE,
            available: AVAILABLE,
            used: USED,
            kick: &kick,
            call: &call,
        };
        let session = Session::begin(socket, &memory, &queue)?;
        Ok(Self { memory, block_bytes, kick, call, session, put: 0, told: 0, taken: 0 })
    }

    /// Where a request's bytes lie.
    pub fn carried(&self, slot: u16) -> u64 {
        CARRIED + u64::from(slot) * u64::from(self.block_bytes)
    }

    /// Puts a request into the queue; the server learns of it by `submit`.
    pub fn put(&mut self, slot: u16, writes: bool, offset: u64) {
        let head = HEADS + u64::from(slot) * 32;
        self.memory.write(head, &u64::from(writes).to_le_bytes());
        self.memory.write(head + 8, &(offset / SECTOR_BYTES).to_le_bytes());
        self.memory.write(head + 16, &[u8::MAX]);
        let first = slot * 3;
        let carried = if writes { MORE } else { MORE | DEVICE_WRITES };
        self.descriptor(first, head, 16, MORE);
        self.descriptor(first + 1, self.carried(slot), self.block_bytes, carried);
        self.descriptor(first + 2, head + 16, 1, DEVICE_WRITES);
        self.memory.store(AVAILABLE + 4 + 2 * u64::from(self.put % QUEUE_SIZE), first);
        self.put = self.put.wrapping_add(1);
    }

    fn descriptor(&self, number: u16, address: u64, bytes: u32, flags: u16) {
        let at = TABLE + u64::from(number) * 16;
        self.memory.write(at, &address.to_le_bytes());
        self.memory.write(at + 8, &bytes.to_le_bytes());
        self.memory.write(at + 12, &flags.to_le_bytes());
        self.memory.write(at + 14, &(number + 1).to_le_bytes());
    }

    /// Makes what was put available, and wakes the server where it wants that.
    pub fn submit(&mut self) -> io::Result<()> {
        let (before, now) = (self.told, self.put);
        if before == now {
            return Ok(());
        }
        self.memory.store(AVAILABLE + 2, now);
        self.told = now;
        let wanted = if self.session.event_index {
            let event = self.memory.load(USED + 4 + 8 * u64::from(QUEUE_SIZE));
            now.wrapping_sub(event).wrapping_sub(1) < now.wrapping_sub(before)
        } else {
            self.memory.load(USED) & 1 == 0
        };
        if wanted {
            rustix::io::write(&self.kick, &1u64.to_ne_bytes())?;
        }
        Ok(())
    }

    /// The next request that was answered, where there is one: its slot and whether it went well.
    pub fn take(&mut self) -> Option<(u16, bool)> {
        if self.memory.load(USED + 2) == self.taken {
            return None;
        }
        let place = USED + 4 + 8 * u64::from(self.taken % QUEUE_SIZE);
        let head = u32::from_le_bytes(self.memory.read(place));
        self.taken = self.taken.wrapping_add(1);
        let slot = u16::try_from(head / 3).ok()?;
        let [status] = self.memory.read(HEADS + u64::from(slot) * 32 + 16);
        Some((slot, status == 0))
    }

    /// Sleeps until the server has answered something.
    pub fn wait(&mut self) -> io::Result<()> {
        self.memory.store(AVAILABLE + 4 + 2 * u64::from(QUEUE_SIZE), self.taken);
        while self.memory.load(USED + 2) == self.taken {
            // Shared with the server, which may have made it one that is not waited for.
            poll(&mut [PollFd::new(&self.call, PollFlags::IN)], None)?;
            rustix::io::read(&self.call, &mut [0; 8])?;
        }
        Ok(())
    }
}
