//! Messages on a session's socket, with the descriptors that come and go beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, read, write};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::protocol::{DESCRIPTORS_MAX, HEAD_BYTES, Head, PAYLOAD_BYTES_MAX, REPLY, VERSION};
use super::refusal::Refusal;

/// The bits of a message's flags that hold its version.
const VERSION_MASK: u32 = 3;

/// What a front end says.
#[derive(Debug)]
pub struct Message {
    /// Its head.
    pub head: Head,
    /// Its payload.
    pub payload: Vec<u8>,
    /// What came with it.
    pub descriptors: Vec<OwnedFd>,
}

/// Receives a message; `None` when the front end has gone. Each wait is as long as the socket's own
/// deadline.
///
/// # Errors
/// [`Refusal`]
pub fn receive(socket: BorrowedFd<'_>) -> Result<Option<Message>, Refusal> {
    let mut raw = [0; HEAD_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut raw)], &mut ancillary, flags)?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    match received.bytes {
        0 => return Ok(None),
        HEAD_BYTES => {}
        _ => return Err(Refusal::Malformed { what: "half a message" }),
    }
    let head = Head::parse(&raw);
    if head.flags & VERSION_MASK != VERSION || head.flags & REPLY != 0 {
        return Err(Refusal::Malformed { what: "a message of another version" });
    }
    let bytes = head.payload_bytes as usize;
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(Refusal::Malformed { what: "a message that is too long" });
    }
    let mut payload = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        match read(socket, &mut payload[filled..]) {
            Ok(0) => return Err(Refusal::Malformed { what: "half a message" }),
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(Message { head, payload, descriptors }))
}

/// Sends a message, with a descriptor where there is one.
///
/// # Errors
/// The front end has gone or reads nothing.
pub fn reply(
    socket: BorrowedFd<'_>,
    request: u32,
    payload: &[u8],
    descriptor: Option<&OwnedFd>,
) -> io::Result<()> {
    let payload_bytes = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let head = Head { request, flags: VERSION | REPLY, payload_bytes };
    let mut bytes = head.to_bytes().to_vec();
    bytes.extend(payload);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.iter().map(|it| it.as_fd()).collect();
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("a descriptor does not fit its message"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    let mut rest = &bytes[sent..];
    while !rest.is_empty() {
        rest = &rest[write(socket, rest)?..];
    }
    Ok(())
}
