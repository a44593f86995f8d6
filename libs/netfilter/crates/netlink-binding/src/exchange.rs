//! One request and its answer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Task, Uint8Array};
use napi::{Env, Result};

use crate::socket::{Failure, RECEIVE_BYTES, RawSocket, wait};
use crate::{NetlinkAnswer, lock};

/// `NLMSG_ERROR` and `NLMSG_DONE`: what ends an answer.
const ENDS: [u16; 2] = [2, 3];
const HEADER_BYTES: usize = 16;
/// An answer of more than this is not taken: 100,000 rules have about 60 MB.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// When an answer is whole.
#[derive(Clone, Copy)]
pub enum Until {
    /// With the end of the message of this sequence number.
    Ended(u32),
    /// With what is queued once anything is.
    Drained,
    /// With the end of every message: each is sent once the one before it is answered, since a
    /// socket has one dump at a time.
    Each,
}

/// A request on its way.
pub struct Exchange {
    socket: Option<Arc<Mutex<RawSocket>>>,
    messages: Vec<u8>,
    first_sequence: u32,
    until: Until,
    deadline: Instant,
}

impl Exchange {
    /// The deadline counts from here, so that waiting for a thread is part of it.
    pub fn new(
        socket: Option<Arc<Mutex<RawSocket>>>,
        messages: Vec<u8>,
        first_sequence: u32,
        until: Until,
        deadline_ms: u32,
    ) -> Self {
        let deadline = Instant::now() + Duration::from_millis(u64::from(deadline_ms));
        Self { socket, messages, first_sequence, until, deadline }
    }

    fn run(&self, taken: &mut Vec<u8>) -> std::result::Result<(), Failure> {
        let Some(shared) = &self.socket else { return Err((libc::EBADF, "send")) };
        let mut socket = lock(shared);
        let mut buffer = vec![0; RECEIVE_BYTES];
        if !matches!(self.until, Until::Each) {
            return self.ask(&mut socket, &self.messages, self.until, &mut buffer, taken);
        }
        let mut rest = self.messages.as_slice();
        while let Some((length, _, sequence)) = header(rest) {
            let (message, others) = rest.split_at(length.next_multiple_of(4).min(rest.len()));
            self.ask(&mut socket, message, Until::Ended(sequence), &mut buffer, taken)?;
            rest = others;
        }
        Ok(())
    }

    fn ask(
        &self,
        socket: &mut RawSocket,
        messages: &[u8],
        until: Until,
        buffer: &mut [u8],
        taken: &mut Vec<u8>,
    ) -> std::result::Result<(), Failure> {
        socket.send(messages)?;
        loop {
            match socket.receive(buffer).map_err(|errno| (errno, "receive"))? {
                Some(length) => {
                    let ended = self.take(&buffer[..length], until, taken);
                    if taken.len() > ANSWER_BYTES_MAX {
                        return Err((libc::ENOBUFS, "buffer"));
                    }
                    if ended {
                        return Ok(());
                    }
                }
                None if matches!(until, Until::Drained) && !taken.is_empty() => {
                    return Ok(());
                }
                None => {
                    let left = self.deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err((libc::ETIMEDOUT, "receive"));
                    }
                    // One more, so that a rest of less than a millisecond is slept and not spun.
                    let left_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX - 1) + 1;
                    wait([socket.raw_fd()], left_ms);
                }
            }
        }
    }

    /// Keeps the messages of this request; those of one that was given up are left out. True when
    /// the end was among them.
    fn take(&self, datagram: &[u8], until: Until, taken: &mut Vec<u8>) -> bool {
        let mut rest = datagram;
        while let Some((length, kind, sequence)) = header(rest) {
            let padded = length.next_multiple_of(4).min(rest.len());
            // Sequence numbers wrap, so "not before" is a distance of less than half the circle.
            if sequence.wrapping_sub(self.first_sequence) < u32::MAX / 2 {
                taken.extend_from_slice(&rest[..padded]);
                if ENDS.contains(&kind) && matches!(until, Until::Ended(last) if last == sequence) {
                    return true;
                }
            }
            rest = &rest[padded..];
        }
        false
    }
}

/// Length, type and sequence number of the first message.
fn header(bytes: &[u8]) -> Option<(usize, u16, u32)> {
    let (head, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [l0, l1, l2, l3, t0, t1, _, _, s0, s1, s2, s3, ..] = *head;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    let whole = (HEADER_BYTES..=bytes.len()).contains(&length);
    whole.then(|| (length, u16::from_ne_bytes([t0, t1]), u32::from_ne_bytes([s0, s1, s2, s3])))
}

impl Task for Exchange {
    type Output = NetlinkAnswer;
    type JsValue = NetlinkAnswer;

    fn compute(&mut self) -> Result<NetlinkAnswer> {
        let mut taken = Vec::new();
        let (errno, failed) = self.run(&mut taken).err().unwrap_or((0, ""));
        Ok(NetlinkAnswer { messages: Uint8Array::new(taken), errno, failed: failed.to_owned() })
    }

    fn resolve(&mut self, _env: Env, output: NetlinkAnswer) -> Result<NetlinkAnswer> {
        Ok(output)
    }
}
