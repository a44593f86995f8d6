//! A machine's side of vhost-user: memory, queues and a driver that does what it is told, right or
//! wrong. It outlives the daemon, as QEMU does.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use purlin_blockd::vhost::memory::{Memory, Region};
use purlin_blockd::vhost::protocol::{HEAD_BYTES, Head, Payload, feature, protocol_feature};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::support::PATIENCE;

pub const QUEUE_SIZE: u16 = 128;
/// Requests of a queue at a time: each takes three descriptors of its own.
pub const SLOTS: u16 = 40;
/// What a request may carry.
pub const SLOT_BYTES: u64 = 64 << 10;

const MEMORY_BYTES: u64 = 32 << 20;
const FRONT_END: u64 = 0x7000_0000_0000;
const QUEUE_BYTES: u64 = 0x1_0000;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const HEADS: u64 = 0x3000;
const TABLES: u64 = 0x8000;
const CARRIED: u64 = 1 << 20;

pub const READ: u32 = 0;
pub const WRITE: u32 = 1;
pub const FLUSH: u32 = 4;
pub const IDENTIFY: u32 = 8;
pub const DISCARD: u32 = 11;
pub const WRITE_ZEROES: u32 = 13;

/// A queue as the driver has it.
pub struct Queue {
    pub kick: OwnedFd,
    pub call: OwnedFd,
    pub error: OwnedFd,
    next_available: u16,
    next_used: u16,
}

pub struct FrontEnd {
    pub memory: Arc<Memory>,
    pub file: OwnedFd,
    pub queues: Vec<Queue>,
    pub socket: UnixStream,
    pub notices: UnixStream,
    pub features: u64,
    path: PathBuf,
    inflight: Option<(Vec<u8>, OwnedFd)>,
}

/// Memory that may be shared with a daemon.
pub fn sealed_memory(bytes: u64) -> OwnedFd {
    let file = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, bytes).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
    file
}

fn counter() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap()
}

pub fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub fn halves(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Sends a message; what fails is the test's to notice.
pub fn send(
    socket: &UnixStream,
    request: u32,
    flags: u32,
    payload: &[u8],
    descriptors: &[BorrowedFd<'_>],
) {
    let payload_bytes = u32::try_from(payload.len()).unwrap();
    let mut bytes = Head { request, flags: 1 | flags, payload_bytes }.to_bytes().to_vec();
    bytes.extend(payload);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let slices = [IoSlice::new(&bytes)];
    let _ = sendmsg(socket.as_fd(), &slices, &mut ancillary, SendFlags::NOSIGNAL);
}

/// A reply; `None` when the daemon has hung up.
pub fn receive(socket: &UnixStream) -> Option<(Head, Vec<u8>, Option<OwnedFd>)> {
    let mut head = [0; HEAD_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [std::io::IoSliceMut::new(&mut head)];
    let received = recvmsg(socket.as_fd(), slices, &mut ancillary, RecvFlags::WAITALL).ok()?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    if received.bytes < HEAD_BYTES {
        return None;
    }
    let head = Head::parse(&head);
    let mut payload = vec![0; head.payload_bytes as usize];
    (&mut &*socket).read_exact(&mut payload).ok()?;
    Some((head, payload, descriptor))
}

impl FrontEnd {
    /// A machine with so many queues on a volume's socket.
    pub fn connect(path: &Path, queues: u16) -> Self {
        let file = sealed_memory(MEMORY_BYTES);
        let region = Region { guest: 0, length: MEMORY_BYTES, front_end: FRONT_END, offset: 0 };
        let handle = Arc::new(file.try_clone().unwrap());
        let memory = Arc::new(Memory::map(&[region], &[handle]).unwrap());
        let queue = |_| Queue {
            kick: counter(),
            call: counter(),
            error: counter(),
            next_available: 0,
            next_used: 0,
        };
        let mut machine = Self {
            memory,
            file,
            queues: (0..queues).map(queue).collect(),
            socket: UnixStream::connect(path).unwrap(),
            notices: UnixStream::pair().unwrap().0,
            features: feature::OFFERED,
            path: path.to_owned(),
            inflight: None,
        };
        machine.agree();
        machine
    }

    /// Comes again, with the memory and what is noted in it.
    pub fn reconnect(&mut self) {
        self.socket = UnixStream::connect(&self.path).unwrap();
        self.agree();
    }

    /// Asks for a number.
    pub fn ask(&self, request: u32) -> u64 {
        send(&self.socket, request, 0, &[], &[]);
        let (_, payload, _) = receive(&self.socket).unwrap();
        Payload(&payload).eight(0).unwrap()
    }

    /// Sends a message that is answered with a word of success.
    pub fn tell(&self, request: u32, payload: &[u8], descriptors: &[BorrowedFd<'_>]) {
        send(&self.socket, request, 1 << 3, payload, descriptors);
        let (head, payload, _) = receive(&self.socket).unwrap();
        assert_eq!((head.request, Payload(&payload).eight(0)), (request, Some(0)));
    }

    fn agree(&mut self) {
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(self.ask(1), feature::OFFERED);
        assert_eq!(self.ask(15), protocol_feature::OFFERED);
        send(&self.socket, 16, 0, &words(&[protocol_feature::OFFERED]), &[]);
        assert!(self.ask(17) >= self.queues.len() as u64);
        self.tell(3, &[], &[]);
        self.tell(2, &words(&[self.features]), &[]);
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        self.notices = ours;
        self.tell(21, &[], &[theirs.as_fd()]);
        self.set_memory();
        self.set_inflight();
        for index in 0..self.queues.len() {
            self.begin_queue(index);
        }
    }

    pub fn set_memory(&self) {
        let mut table = halves(&[1, 0]);
        table.extend(words(&[0, MEMORY_BYTES, FRONT_END, 0]));
        self.tell(5, &table, &[self.file.as_fd()]);
    }

    fn set_inflight(&mut self) {
        if self.inflight.is_none() {
            let mut wish = words(&[0, 0]);
            let queues = u16::try_from(self.queues.len()).unwrap();
            wish.extend([queues, QUEUE_SIZE, 0, 0].iter().flat_map(|it| it.to_le_bytes()));
            send(&self.socket, 31, 0, &wish, &[]);
            let (_, payload, file) = receive(&self.socket).unwrap();
            self.inflight = Some((payload, file.unwrap()));
        }
        let (shape, file) = self.inflight.as_ref().unwrap();
        self.tell(32, shape, &[file.as_fd()]);
    }

    pub fn begin_queue(&self, index: usize) {
        let queue = &self.queues[index];
        let number = u32::try_from(index).unwrap();
        let used: u16 = self.memory.load(at(index) + USED + 2, Ordering::Acquire).unwrap();
        self.tell(8, &halves(&[number, QUEUE_SIZE.into()]), &[]);
        self.tell(10, &halves(&[number, used.into()]), &[]);
        let mut places = halves(&[number, 0]);
        let base = FRONT_END + at(index);
        places.extend(words(&[base, base + USED, base + AVAILABLE, 0]));
        self.tell(9, &places, &[]);
        self.tell(13, &words(&[number.into()]), &[queue.call.as_fd()]);
        self.tell(14, &words(&[number.into()]), &[queue.error.as_fd()]);
        self.tell(12, &words(&[number.into()]), &[queue.kick.as_fd()]);
        self.tell(18, &halves(&[number, 1]), &[]);
    }

    /// Stops a queue; gives the place it has come to.
    pub fn end_queue(&self, index: usize) -> u32 {
        send(&self.socket, 11, 0, &halves(&[u32::try_from(index).unwrap(), 0]), &[]);
        let (_, payload, _) = receive(&self.socket).unwrap();
        Payload(&payload).four(4).unwrap()
    }

    /// Where a request's bytes lie in the machine's memory.
    pub fn carried(index: usize, slot: u16) -> u64 {
        CARRIED + (index as u64 * u64::from(SLOTS) + u64::from(slot)) * SLOT_BYTES
    }

    /// Puts a request into a queue, without a word to the daemon: what it carries is in its place
    /// already. In odd queues the descriptors are in a table beside.
    pub fn put(&mut self, index: usize, slot: u16, kind: u32, sector: u64, bytes: u32) {
        assert!(slot < SLOTS);
        let head = at(index) + HEADS + u64::from(slot) * 32;
        let mut request = halves(&[kind, 0]);
        request.extend(words(&[sector]));
        self.memory.write(head, &request).unwrap();
        self.memory.write(head + 16, &[0xff]).unwrap();
        let brings = matches!(kind, READ | IDENTIFY);
        let mut chain = vec![(head, 16, false)];
        if bytes > 0 {
            chain.push((Self::carried(index, slot), bytes, brings));
        }
        chain.push((head + 16, 1, true));
        let beside = index % 2 == 1;
        let (table, first) = if beside {
            (at(index) + TABLES + u64::from(slot) * 64, 0)
        } else {
            (at(index), slot * 3)
        };
        let last = chain.len() - 1;
        for (number, (address, bytes, writable)) in (0u16..).zip(&chain) {
            let more = usize::from(number) < last;
            let flags = u16::from(more) | u16::from(*writable) << 1;
            self.descriptor(table, first + number, *address, *bytes, flags, first + number + 1);
        }
        if beside {
            let bytes = u32::try_from(chain.len() * 16).unwrap();
            self.descriptor(at(index), slot * 3, table, bytes, 4, 0);
        }
        self.offer(index, slot * 3);
    }

    pub fn descriptor(&self, table: u64, at: u16, address: u64, bytes: u32, flags: u16, next: u16) {
        let mut raw = words(&[address]);
        raw.extend(bytes.to_le_bytes());
        raw.extend(flags.to_le_bytes());
        raw.extend(next.to_le_bytes());
        self.memory.write(table + u64::from(at) * 16, &raw).unwrap();
    }

    /// Makes a chain available.
    pub fn offer(&mut self, index: usize, head: u16) {
        let queue = &mut self.queues[index];
        let place = u64::from(queue.next_available % QUEUE_SIZE);
        self.memory.write(at(index) + AVAILABLE + 4 + 2 * place, &head.to_le_bytes()).unwrap();
        queue.next_available = queue.next_available.wrapping_add(1);
        let next = queue.next_available;
        self.memory.store(at(index) + AVAILABLE + 2, next, Ordering::Release).unwrap();
    }

    /// The machine's word for the first of a queue's places.
    pub fn table(index: usize) -> u64 {
        at(index)
    }

    pub fn available(index: usize) -> u64 {
        at(index) + AVAILABLE
    }

    /// Wakes the device.
    pub fn kick(&self, index: usize) {
        rustix::io::write(&self.queues[index].kick, &1u64.to_ne_bytes()).unwrap();
    }

    /// The next answer of a queue, waited for at most `limit`: slot and status.
    pub fn answer_within(&mut self, index: usize, limit: &Timespec) -> Option<(u16, u8)> {
        let wanted = at(index) + AVAILABLE + 4 + 2 * u64::from(QUEUE_SIZE);
        let seen = self.queues[index].next_used;
        self.memory.store(wanted, seen, Ordering::SeqCst).unwrap();
        while self.memory.load::<u16>(at(index) + USED + 2, Ordering::SeqCst).unwrap() == seen {
            let call = &self.queues[index].call;
            if poll(&mut [PollFd::new(call, PollFlags::IN)], Some(limit)).unwrap() == 0 {
                return None;
            }
            let _ = rustix::io::read(call, &mut [0u8; 8]);
        }
        let place = at(index) + USED + 4 + 8 * u64::from(seen % QUEUE_SIZE);
        let head: u32 = self.memory.load(place, Ordering::Acquire).unwrap();
        self.queues[index].next_used = seen.wrapping_add(1);
        let slot = u16::try_from(head).unwrap() / 3;
        let mut status = [0];
        self.memory.read(at(index) + HEADS + u64::from(slot) * 32 + 16, &mut status).unwrap();
        Some((slot, status[0]))
    }

    /// As [`Self::answer_within`], for as long as a busy machine may take.
    pub fn answer(&mut self, index: usize) -> (u16, u8) {
        let limit = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        self.answer_within(index, &limit).expect("the device answers")
    }

    /// One request from beginning to end; gives its status.
    pub fn run(&mut self, index: usize, kind: u32, sector: u64, bytes: u32) -> u8 {
        self.put(index, 0, kind, sector, bytes);
        self.kick(index);
        self.answer(index).1
    }

    pub fn write(&mut self, index: usize, sector: u64, bytes: &[u8]) -> u8 {
        self.memory.write(Self::carried(index, 0), bytes).unwrap();
        self.run(index, WRITE, sector, u32::try_from(bytes.len()).unwrap())
    }

    pub fn read(&mut self, index: usize, sector: u64, bytes: u32) -> Vec<u8> {
        assert_eq!(self.run(index, READ, sector, bytes), 0);
        let mut read = vec![0; bytes as usize];
        self.memory.read(Self::carried(index, 0), &mut read).unwrap();
        read
    }

    /// A discard or a write of zeroes: its ranges are what it carries.
    pub fn ranges(&mut self, index: usize, kind: u32, ranges: &[(u64, u32)], flags: u32) -> u8 {
        let mut carried = Vec::new();
        for (sector, sectors) in ranges {
            carried.extend(words(&[*sector]));
            carried.extend(halves(&[*sectors, flags]));
        }
        self.memory.write(Self::carried(index, 0), &carried).unwrap();
        self.run(index, kind, 0, u32::try_from(carried.len()).unwrap())
    }
}

fn at(index: usize) -> u64 {
    index as u64 * QUEUE_BYTES
}
