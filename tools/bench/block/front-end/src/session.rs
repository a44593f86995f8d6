//! The words of vhost-user as a front end says them; QEMU's `docs/interop/vhost-user.rst`.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::memory::Memory;

const HEAD_BYTES: usize = 12;
const NEED_REPLY: u32 = 1 << 3;
const PAYLOAD_BYTES_MAX: usize = 1024;

const EVENT_INDEX: u64 = 1 << 29;
const PROTOCOL: u64 = 1 << 30;
/// FLUSH, so that a write is answered before it is durable, as fio's are; event index; version 1.
const FEATURES: u64 = 1 << 9 | EVENT_INDEX | PROTOCOL | 1 << 32;
const REPLY_ACK: u64 = 1 << 3;
const INFLIGHT: u64 = 1 << 12;
/// What QEMU asks for too: several queues, answers, configuration, notes of what is in flight.
const PROTOCOL_FEATURES: u64 = 1 | REPLY_ACK | 1 << 9 | INFLIGHT;

/// Where the parts of the one queue lie, and what wakes its sides.
pub struct Queue<'a> {
    pub size: u16,
    pub table: u64,
    pub available: u64,
    pub used: u64,
    pub kick: &'a OwnedFd,
    pub call: &'a OwnedFd,
}

/// A server that has been told of the queue. The session lasts until it is dropped.
pub struct Session {
    socket: UnixStream,
    answers: bool,
    /// Whether each side says from where on it wants to be woken.
    pub event_index: bool,
}

impl Session {
    /// Connects, agrees on features and begins the queue.
    pub fn begin(path: &Path, memory: &Memory, queue: &Queue<'_>) -> io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        let mut session = Self { socket, answers: false, event_index: false };
        let features = session.ask(1)? & FEATURES;
        let protocol = session.ask(15)? & PROTOCOL_FEATURES;
        session.tell(16, &words(&[protocol]), &[])?;
        session.answers = protocol & REPLY_ACK != 0;
        session.event_index = features & EVENT_INDEX != 0;
        session.tell(3, &[], &[])?;
        session.tell(2, &words(&[features]), &[])?;
        if protocol & INFLIGHT != 0 {
            session.note_in_flight(queue.size)?;
        }
        let mut table = halves(&[1, 0]);
        table.extend(words(&[0, memory.bytes, memory.here(0), 0]));
        session.tell(5, &table, &[memory.file.as_fd()])?;
        session.tell(8, &halves(&[0, queue.size.into()]), &[])?;
        session.tell(10, &halves(&[0, 0]), &[])?;
        let places = [queue.table, queue.used, queue.available].map(|at| memory.here(at));
        session.tell(9, &[halves(&[0, 0]), words(&places), words(&[0])].concat(), &[])?;
        session.tell(13, &words(&[0]), &[queue.call.as_fd()])?;
        session.tell(12, &words(&[0]), &[queue.kick.as_fd()])?;
        session.tell(18, &halves(&[0, 1]), &[])?;
        Ok(session)
    }

    /// The server makes memory for its notes of what is in flight, and gets it back.
    fn note_in_flight(&self, size: u16) -> io::Result<()> {
        let mut wish = words(&[0, 0]);
        wish.extend([1, size, 0, 0].iter().flat_map(|half: &u16| half.to_le_bytes()));
        self.send(31, 0, &wish, &[])?;
        let (shape, file) = self.receive()?;
        let file = file.ok_or(io::ErrorKind::InvalidData)?;
        self.tell(32, &shape, &[file.as_fd()])
    }

    fn ask(&self, request: u32) -> io::Result<u64> {
        self.send(request, 0, &[], &[])?;
        let (payload, _) = self.receive()?;
        let number = payload.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
        Ok(u64::from_le_bytes(*number))
    }

    /// Says something, and waits for the word of success where the server gives one.
    fn tell(&self, request: u32, payload: &[u8], with: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send(request, if self.answers { NEED_REPLY } else { 0 }, payload, with)?;
        if !self.answers {
            return Ok(());
        }
        let (answer, _) = self.receive()?;
        if answer.iter().any(|byte| *byte != 0) {
            return Err(io::Error::other(format!("message {request} was refused")));
        }
        Ok(())
    }

    fn send(
        &self,
        request: u32,
        flags: u32,
        payload: &[u8],
        with: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let message = [halves(&[request, 1 | flags, length]), payload.to_vec()].concat();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !with.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(with)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let slices = [IoSlice::new(&message)];
        sendmsg(self.socket.as_fd(), &slices, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    fn receive(&self) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
        let mut head = [0; HEAD_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut head)];
        let got = recvmsg(self.socket.as_fd(), slices, &mut ancillary, RecvFlags::WAITALL)?;
        let file = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let [.., a, b, c, d] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if got.bytes < HEAD_BYTES || length > PAYLOAD_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut payload = vec![0; length];
        (&self.socket).read_exact(&mut payload)?;
        Ok((payload, file))
    }
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn halves(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
