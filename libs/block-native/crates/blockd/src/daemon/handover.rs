//! What an old daemon sends to its successor over a socket pair: descriptors with what is known of
//! them.
//!
//! ```text
//! successor > "R"                      it has read the configuration and could start
//! old       > item ... item, end       each: two lengths, JSON, pending bytes, one descriptor
//! successor > "S"                      it serves
//! ```

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::nbd::handshake::Session;
use crate::vhost::session::{Part, State};

/// The successor has read the configuration and could start.
pub const READY: u8 = b'R';
/// The successor serves.
pub const SERVING: u8 = b'S';

/// The longest pending bytes: a request of the greatest length and what an input holds.
const PENDING_BYTES_MAX: u32 = 64 << 20;
const JSON_BYTES_MAX: u32 = 1 << 20;

/// What a descriptor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// The lock of the folder of sockets.
    Lock,
    /// A listening socket by its name.
    Listener(String),
    /// A client.
    Client(Box<Session>),
    /// The front end of a machine, for a volume.
    Device(String, Box<State>),
    /// Something of the front end before it.
    Part(Part),
    /// Nothing more follows; its descriptor means nothing.
    End,
}

/// Sends an item.
///
/// # Errors
/// The successor is gone.
pub fn send_item(
    to: &mut UnixStream,
    item: &Item,
    pending: &[u8],
    descriptor: BorrowedFd<'_>,
) -> io::Result<()> {
    let json = serde_json::to_vec(item)?;
    let mut lengths = length(json.len())?.to_be_bytes().to_vec();
    lengths.extend(length(pending.len())?.to_be_bytes());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("a descriptor does not fit its message"));
    }
    // Eight bytes are never taken in part.
    sendmsg(to.as_fd(), &[IoSlice::new(&lengths)], &mut ancillary, SendFlags::NOSIGNAL)?;
    to.write_all(&json)?;
    to.write_all(pending)
}

/// Receives an item with its pending bytes and its descriptor.
///
/// # Errors
/// The old daemon is gone, or what it sent is no item.
pub fn receive_item(from: &mut UnixStream) -> io::Result<(Item, Vec<u8>, OwnedFd)> {
    let mut lengths = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let slices = &mut [IoSliceMut::new(&mut lengths)];
    let received = recvmsg(from.as_fd(), slices, &mut ancillary, flags)?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let (Some(descriptor), 8) = (descriptor, received.bytes) else {
        return Err(io::Error::other("the old daemon broke off"));
    };
    let half = |at: usize| lengths[at..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word));
    let (json, pending) = (half(0), half(4));
    if json > JSON_BYTES_MAX || pending > PENDING_BYTES_MAX {
        return Err(io::Error::other("the old daemon sent something that is no item"));
    }
    let mut text = vec![0; json as usize];
    from.read_exact(&mut text)?;
    let mut bytes = vec![0; pending as usize];
    from.read_exact(&mut bytes)?;
    Ok((serde_json::from_slice(&text)?, bytes, descriptor))
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nbd::exports::{Context, Export};

    fn session() -> Session {
        let export = Export {
            volume: "v".to_owned(),
            size_bytes: 1 << 30,
            read_only: false,
            block_bytes: 4096,
            preferred_bytes: 65536,
            snapshots: vec!["monday".to_owned()],
        };
        let contexts =
            vec![Context::Allocation, Context::Difference { snapshot: "monday".to_owned() }];
        Session { export, structured: true, contexts }
    }

    #[test]
    fn a_client_arrives_with_its_socket_and_what_it_has_sent() {
        let (mut old, mut new) = UnixStream::pair().unwrap();
        let (client, mut far) = UnixStream::pair().unwrap();
        let item = Item::Client(Box::new(session()));
        send_item(&mut old, &item, b"half a request", client.as_fd()).unwrap();
        send_item(&mut old, &Item::End, b"", client.as_fd()).unwrap();
        drop(client);
        let (found, pending, socket) = receive_item(&mut new).unwrap();
        assert_eq!((found, pending.as_slice()), (item, &b"half a request"[..]));
        UnixStream::from(socket).write_all(b"hello").unwrap();
        let mut text = [0; 5];
        far.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
        assert_eq!(receive_item(&mut new).unwrap().0, Item::End);
    }

    #[test]
    fn an_old_daemon_that_breaks_off_is_an_error() {
        let (old, mut new) = UnixStream::pair().unwrap();
        drop(old);
        assert!(receive_item(&mut new).is_err());
    }
}
