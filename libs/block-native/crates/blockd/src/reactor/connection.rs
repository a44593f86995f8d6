//! One client in the transmission phase: bytes in, requests out; replies in, bytes out.
//!
//! ```text
//! Open --DISCONNECT or end of input--> Finishing --all answered and sent--> Closed
//!   \------ bad request, broken socket ---------------------------------> Broken --> Closed
//! ```
//! Everything a client can make the daemon hold is bounded: requests under way, their bytes, and
//! the bytes it has not taken yet. At the bound nothing more is received.

use std::io::IoSlice;
use std::sync::Arc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer};
use purlin_block_core::request::VolumeId;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};

use crate::nbd::handshake::Session;
use crate::nbd::request::{BadClient, HEAD_BYTES, RequestHead};
use crate::port::Port;
use crate::port::message::Message;
use crate::port::operation::{Completion, Handle, Operation, Target};
use crate::port::token::{ConnectionKey, Token};

/// What is received at once where no payload is awaited.
const INPUT_BYTES: usize = 256 << 10;
/// Requests of one connection under way.
const REQUESTS_MAX: usize = 256;
/// Bytes of requests under way and of replies not sent; two of the longest requests.
const HELD_BYTES_MAX: usize = 64 << 20;
/// Slices of one call, of which Linux takes 1024 at most.
const SLICES_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Finishing,
    Broken,
}

/// A request with the bytes that came with it.
pub struct Incoming {
    /// Its head.
    pub head: RequestHead,
    /// The payload of a write, which begins at the buffer's first byte.
    pub payload: Option<Buffer>,
}

/// A payload that is not all there.
struct Payload {
    head: RequestHead,
    buffer: Buffer,
    filled: usize,
}

/// A client's connection.
pub struct Connection {
    key: ConnectionKey,
    socket: Handle,
    /// What was agreed on.
    pub session: Session,
    /// The volume in its pool.
    pub volume: VolumeId,
    state: State,
    /// The input while the kernel does not have it; its bytes from `start` to `end` are unread.
    input: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    payload: Option<Payload>,
    receiving: bool,
    sending: bool,
    outbox: Message,
    requests: usize,
    request_bytes: usize,
    sending_bytes: usize,
    /// Reading stopped for want of room; there may be whole requests in the input.
    held_up: bool,
}

impl Connection {
    /// A connection whose handshake is over. `pending` are bytes its client has sent already.
    #[must_use]
    pub fn new(
        key: ConnectionKey,
        socket: Handle,
        session: Session,
        volume: VolumeId,
        pending: &[u8],
    ) -> Self {
        let mut input = vec![0; INPUT_BYTES.max(pending.len())].into_boxed_slice();
        input[..pending.len()].copy_from_slice(pending);
        Self {
            key,
            socket,
            session,
            volume,
            state: State::Open,
            input: Some(input),
            start: 0,
            end: pending.len(),
            payload: None,
            receiving: false,
            sending: false,
            outbox: Message::default(),
            requests: 0,
            request_bytes: 0,
            sending_bytes: 0,
            held_up: false,
        }
    }

    /// Whether nothing of it is with the kernel or the engine any more, and nothing can come.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let quiet = self.is_answered() && !self.receiving;
        match self.state {
            State::Open => false,
            State::Finishing | State::Broken => quiet,
        }
    }

    /// Whether every request is answered and every answer sent.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.requests == 0 && !self.sending && (self.outbox.is_empty() || self.is_broken())
    }

    fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Ends it at once: the socket is shut down, so that what the kernel has of it comes back.
    pub fn break_off(&mut self) {
        self.state = State::Broken;
        let _ = shutdown(&*self.socket, Shutdown::Both);
    }

    /// Takes back the memory of a receive and what it brought.
    pub fn received(&mut self, completion: Completion) {
        self.receiving = false;
        if let Operation::Receive { target, .. } = completion.operation {
            match target {
                Target::Bytes(input) => self.input = Some(input),
                Target::Blocks(buffer) => {
                    if let Some(payload) = &mut self.payload {
                        payload.buffer = buffer;
                    }
                }
            }
        }
        match completion.result {
            Ok(0) => self.state = self.state.max_finishing(),
            Ok(bytes) => match &mut self.payload {
                Some(payload) => payload.filled += bytes,
                None => self.end += bytes,
            },
            Err(libc::EINTR | libc::EAGAIN | libc::ECANCELED) => {}
            Err(_) => self.state = State::Broken,
        }
    }

    /// The next whole request that has come and may go on now.
    pub fn next_request(&mut self) -> Option<Incoming> {
        self.held_up = !self.has_room();
        while self.state == State::Open && !self.held_up {
            if let Some(payload) = &mut self.payload {
                let left = payload.head.payload_bytes() as usize - payload.filled;
                let here = left.min(self.end - self.start);
                if let (Some(input), true) = (&self.input, here > 0) {
                    payload.buffer.as_bytes_mut()[payload.filled..payload.filled + here]
                        .copy_from_slice(&input[self.start..self.start + here]);
                    self.start += here;
                    payload.filled += here;
                }
                if payload.filled < payload.head.payload_bytes() as usize {
                    return None;
                }
                let Payload { head, buffer, .. } = self.payload.take()?;
                return Some(self.count(head, Some(buffer)));
            }
            let Ok(head) = self.next_head()? else {
                self.break_off();
                return None;
            };
            if head.kind == crate::nbd::protocol::command::DISCONNECT {
                self.state = State::Finishing;
                return None;
            }
            let bytes = head.payload_bytes() as usize;
            if bytes == 0 {
                return Some(self.count(head, None));
            }
            let buffer = Buffer::of_any_bytes(bytes.div_ceil(BLOCK_BYTES));
            self.payload = Some(Payload { head, buffer, filled: 0 });
        }
        None
    }

    fn next_head(&mut self) -> Option<Result<RequestHead, BadClient>> {
        let input = self.input.as_ref()?;
        let head = input[self.start..self.end].first_chunk::<HEAD_BYTES>()?;
        let head = RequestHead::parse(head);
        self.start += HEAD_BYTES;
        Some(head)
    }

    /// Whether requests it has received wait for room, and there is room now.
    #[must_use]
    pub fn is_ready_again(&self) -> bool {
        self.held_up && self.state == State::Open && self.has_room()
    }

    fn count(&mut self, head: RequestHead, payload: Option<Buffer>) -> Incoming {
        self.requests += 1;
        self.request_bytes += held_bytes(&head);
        Incoming { head, payload }
    }

    /// Counts a request as answered; its answer is in the outbox.
    pub fn answered(&mut self, head: &RequestHead) {
        self.requests -= 1;
        self.request_bytes -= held_bytes(head);
    }

    /// Where answers are put.
    pub fn outbox(&mut self) -> &mut Message {
        &mut self.outbox
    }

    fn has_room(&self) -> bool {
        let held = self.request_bytes + self.outbox.total_bytes() + self.sending_bytes;
        self.requests < REQUESTS_MAX && held < HELD_BYTES_MAX
    }

    /// Sends what is in the outbox as far as the client takes it, the rest by the port.
    pub fn flush(&mut self, port: &mut dyn Port) {
        if self.is_broken() {
            self.outbox.clear();
        }
        while !self.sending && !self.outbox.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.outbox.rest().take(SLICES_MAX).map(IoSlice::new).collect();
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&*self.socket, &slices, &mut SendAncillaryBuffer::default(), flags) {
                Ok(bytes) => {
                    if self.outbox.note_sent(bytes) {
                        self.outbox.clear();
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let message = std::mem::take(&mut self.outbox);
                    self.send_by(port, message);
                }
                Err(_) => return self.break_off_and_drop(),
            }
        }
    }

    fn break_off_and_drop(&mut self) {
        self.break_off();
        self.outbox.clear();
    }

    fn send_by(&mut self, port: &mut dyn Port, message: Message) {
        self.sending = true;
        self.sending_bytes = message.total_bytes();
        let socket = Arc::clone(&self.socket);
        port.submit(Token::Send(self.key), Operation::Send { socket, message });
    }

    /// Takes the end of a send; a part of a message goes on with the rest.
    pub fn sent(&mut self, completion: Completion, port: &mut dyn Port) {
        self.sending = false;
        self.sending_bytes = 0;
        let Operation::Send { mut message, .. } = completion.operation else { return };
        match completion.result {
            Ok(bytes) => {
                if !message.note_sent(bytes) {
                    self.send_by(port, message);
                }
            }
            Err(libc::EINTR | libc::EAGAIN) => self.send_by(port, message),
            Err(_) => self.break_off_and_drop(),
        }
    }

    /// Asks for more from the client, unless it is at its bounds or at its end.
    pub fn receive(&mut self, port: &mut dyn Port) {
        if self.receiving || self.state != State::Open || !self.has_room() {
            return;
        }
        let (target, range) = if let Some(payload) = &mut self.payload {
            let buffer = std::mem::replace(&mut payload.buffer, Buffer::zeroed(0));
            let range = payload.filled..payload.head.payload_bytes() as usize;
            (Target::Blocks(buffer), range)
        } else {
            let Some(mut input) = self.input.take() else { return };
            input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.end == input.len() {
                // Whole requests wait for room; they are read before more is received.
                self.input = Some(input);
                return;
            }
            let range = self.end..input.len();
            (Target::Bytes(input), range)
        };
        self.receiving = true;
        let socket = Arc::clone(&self.socket);
        port.submit(Token::Receive(self.key), Operation::Receive { socket, target, range });
    }

    /// Whether the kernel holds a receive of it.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        self.receiving
    }

    /// Gives the connection away once it is answered and not receiving: its socket, what was agreed
    /// on, and the bytes of requests that have not been read.
    #[must_use]
    pub fn into_parts(self) -> (Handle, Session, Vec<u8>) {
        let mut pending = Vec::new();
        if let Some(payload) = &self.payload {
            payload.head.write_to(&mut pending);
            pending.extend(&payload.buffer.as_bytes()[..payload.filled]);
        }
        if let Some(input) = &self.input {
            pending.extend(&input[self.start..self.end]);
        }
        (self.socket, self.session, pending)
    }
}

impl State {
    fn max_finishing(self) -> Self {
        if self == Self::Open { Self::Finishing } else { self }
    }
}

/// What a request under way may hold of memory.
fn held_bytes(head: &RequestHead) -> usize {
    use crate::nbd::protocol::command::{READ, WRITE};
    if matches!(head.kind, READ | WRITE) { head.length as usize } else { 0 }
}
