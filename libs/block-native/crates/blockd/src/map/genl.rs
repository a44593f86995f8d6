//! Generic netlink: a socket, messages of attributes, and what answers.
//!
//! Source: `include/uapi/linux/{netlink,genetlink}.h`; numbers are in the machine's byte order.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};

const HEAD_BYTES: usize = 16;
const GENERIC_HEAD_BYTES: usize = 4;
const ATTRIBUTE_HEAD_BYTES: usize = 4;
/// The kernel's answers are far below.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// The kernel answers out of the call; to connect a device waits for the module's locks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

const ERROR: u16 = 2;
const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

/// The family that tells the numbers of the others.
const CONTROL_FAMILY: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// Attributes one after the other, each padded to four bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Attributes {
    bytes: Vec<u8>,
}

impl Attributes {
    #[must_use]
    pub fn with(mut self, kind: u16, payload: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEAD_BYTES + payload.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    #[must_use]
    pub fn with_text(self, kind: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    #[must_use]
    pub fn with_nested(self, kind: u16, inner: &Self) -> Self {
        self.with(kind | NESTED, &inner.bytes)
    }

    /// The first attribute of a kind.
    #[must_use]
    pub fn get(&self, kind: u16) -> Option<&[u8]> {
        let mut rest = &self.bytes[..];
        while rest.len() >= ATTRIBUTE_HEAD_BYTES {
            let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
            let found = u16::from_ne_bytes([rest[2], rest[3]]) & TYPE_MASK;
            let payload = rest.get(ATTRIBUTE_HEAD_BYTES..length)?;
            if found == kind {
                return Some(payload);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
        None
    }
}

/// A family of generic netlink.
pub struct Family {
    socket: OwnedFd,
    number: u16,
    sequence: u32,
}

impl Family {
    /// Finds a family by its name.
    ///
    /// # Errors
    /// There is none: its module is not loaded.
    pub fn open(name: &str) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(GENERIC))?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        let mut family = Self { socket, number: CONTROL_FAMILY, sequence: 0 };
        let wanted = Attributes::default().with_text(FAMILY_NAME, name);
        let answer = family.ask(GET_FAMILY, &wanted)?;
        let number = answer.get(FAMILY_ID).and_then(|bytes| bytes.first_chunk());
        let number = number.ok_or_else(|| io::Error::other(format!("{name} has no number")))?;
        family.number = u16::from_ne_bytes(*number);
        Ok(family)
    }

    /// Asks for something; the attributes of what answers, empty where only that it is done.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ask(&mut self, command: u8, attributes: &Attributes) -> io::Result<Attributes> {
        self.sequence += 1;
        let message = self.message(command, attributes);
        sendto(&self.socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut room = vec![0; ANSWER_BYTES_MAX];
        let mut answer = Attributes::default();
        loop {
            let (count, _) = recv(&self.socket, &mut room[..], RecvFlags::empty())?;
            if let Some(done) = read_answers(&room[..count], self.sequence, &mut answer)? {
                return if done == 0 {
                    Ok(answer)
                } else {
                    Err(io::Error::from_raw_os_error(done))
                };
            }
        }
    }

    fn message(&self, command: u8, attributes: &Attributes) -> Vec<u8> {
        let length = HEAD_BYTES + GENERIC_HEAD_BYTES + attributes.bytes.len();
        let mut message = Vec::with_capacity(length);
        message.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
        message.extend(self.number.to_ne_bytes());
        message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend([command, 1, 0, 0]);
        message.extend(&attributes.bytes);
        message
    }
}

/// Reads messages; the error number of the one that ends the answer, 0 for none.
fn read_answers(
    mut bytes: &[u8],
    sequence: u32,
    answer: &mut Attributes,
) -> io::Result<Option<i32>> {
    let cut = || io::Error::other("the kernel's answer is cut off");
    while !bytes.is_empty() {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk().ok_or_else(cut)?;
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = u16::from_ne_bytes([head[4], head[5]]);
        let about = u32::from_ne_bytes([head[8], head[9], head[10], head[11]]);
        let body = bytes.get(HEAD_BYTES..length).ok_or_else(cut)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        if about != sequence {
            continue;
        }
        if kind == ERROR {
            let number: &[u8; 4] = body.first_chunk().ok_or_else(cut)?;
            return Ok(Some(-i32::from_ne_bytes(*number)));
        }
        answer.bytes = body.get(GENERIC_HEAD_BYTES..).ok_or_else(cut)?.to_vec();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_found_again() {
        let inner = Attributes::default().with(1, &7_u32.to_ne_bytes());
        let all = Attributes::default().with_text(10, "vol-a").with_nested(7, &inner);
        assert_eq!(all.bytes.len(), 12 + 12);
        assert_eq!(all.get(10), Some(&b"vol-a\0"[..]));
        assert_eq!(all.get(7), Some(&inner.bytes[..]));
        assert_eq!(all.get(3), None);
        let cut = Attributes { bytes: all.bytes[..9].to_vec() };
        assert_eq!(cut.get(10), None);
    }

    #[test]
    fn an_answer_ends_with_its_error_number_and_one_that_is_cut_is_none() {
        let mut bytes = Vec::new();
        let mut message = |kind: u16, about: u32, body: &[u8]| {
            let length = u32::try_from(HEAD_BYTES + body.len()).unwrap_or_default();
            bytes.extend(length.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0, 0]);
            bytes.extend(about.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(body);
        };
        message(ERROR, 1, &(-5_i32).to_ne_bytes());
        message(30, 2, &[1, 1, 0, 0, 8, 0, 1, 0, 3, 0, 0, 0]);
        message(ERROR, 2, &0_i32.to_ne_bytes());
        let mut answer = Attributes::default();
        assert_eq!(read_answers(&bytes, 2, &mut answer).ok(), Some(Some(0)));
        assert_eq!(answer.get(1), Some(&3_u32.to_ne_bytes()[..]));
        assert_eq!(read_answers(&bytes[..48], 2, &mut answer).ok(), Some(None));
        assert!(read_answers(&bytes[..30], 2, &mut answer).is_err());
        assert_eq!(read_answers(&bytes, 1, &mut answer).ok(), Some(Some(5)));
    }
}
