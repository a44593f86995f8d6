//! TLS clients reach their reactor through a socket pair: this end encrypts and decrypts.
//!
//! So the reactor knows one kind of client, and a planned upgrade can hand its end of the pair over
//! while the old process stays behind for the encryption alone.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio, read};
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, send, shutdown};
use rustls::ServerConnection;

/// Bytes on their way to the reactor.
const CHUNK_BYTES: usize = 64 << 10;

/// A socket pair, ends for relay and reactor.
///
/// # Errors
/// What the kernel says.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Passes bytes both ways until either side ends. Holds at most 64 KiB and TLS records' worth of
/// each direction: a side that does not take what it is sent is not read from for the other.
///
/// # Errors
/// The client's connection broke.
pub fn relay(mut tls: ServerConnection, client: &OwnedFd, reactor: &OwnedFd) -> io::Result<()> {
    ioctl_fionbio(client, true)?;
    ioctl_fionbio(reactor, true)?;
    let mut inward: Vec<u8> = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let (mut client_ended, mut reactor_ended) = (false, false);
    loop {
        if inward.is_empty() {
            let bytes = take_plain(&mut tls, &mut chunk)?;
            inward.extend(&chunk[..bytes]);
        }
        if client_ended && inward.is_empty() {
            let _ = shutdown(reactor, Shutdown::Write);
        }
        if reactor_ended && !tls.wants_write() {
            return Ok(());
        }
        let mut fds = [
            PollFd::new(client, client_events(&tls, client_ended, &inward)),
            PollFd::new(reactor, reactor_events(&tls, reactor_ended, &inward)),
        ];
        poll(&mut fds, None)?;
        let [from_client, from_reactor] = fds.map(|fd| fd.revents());
        let broken = PollFlags::HUP | PollFlags::ERR;
        if from_client.intersects(PollFlags::IN | broken) && !client_ended {
            client_ended = !take_records(&mut tls, client)?;
        }
        if from_client.intersects(PollFlags::OUT | broken) && tls.wants_write() {
            give_records(&mut tls, client)?;
        }
        if from_reactor.contains(PollFlags::OUT) && !inward.is_empty() {
            give_plain(reactor, &mut inward)?;
        }
        if from_reactor.intersects(PollFlags::IN | broken) && !tls.wants_write() && !reactor_ended {
            match read(reactor, &mut chunk) {
                Ok(0) => {
                    reactor_ended = true;
                    tls.send_close_notify();
                }
                Ok(bytes) => tls.writer().write_all(&chunk[..bytes])?,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn client_events(tls: &ServerConnection, ended: bool, inward: &[u8]) -> PollFlags {
    let mut events = PollFlags::empty();
    events.set(PollFlags::IN, inward.is_empty() && !ended);
    events.set(PollFlags::OUT, tls.wants_write());
    events
}

fn reactor_events(tls: &ServerConnection, ended: bool, inward: &[u8]) -> PollFlags {
    let mut events = PollFlags::empty();
    events.set(PollFlags::IN, !tls.wants_write() && !ended);
    events.set(PollFlags::OUT, !inward.is_empty());
    events
}

/// Decrypted bytes that are there, none when there are none.
fn take_plain(tls: &mut ServerConnection, chunk: &mut [u8]) -> io::Result<usize> {
    match tls.reader().read(chunk) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        Err(error) => Err(error),
    }
}

/// Reads records; whether more may come.
fn take_records(tls: &mut ServerConnection, client: &OwnedFd) -> io::Result<bool> {
    let more = match tls.read_tls(&mut Socket(client)) {
        Ok(bytes) => bytes > 0,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
        Err(error) => return Err(error),
    };
    let state = tls.process_new_packets().map_err(io::Error::other)?;
    Ok(more && !state.peer_has_closed())
}

fn give_records(tls: &mut ServerConnection, client: &OwnedFd) -> io::Result<()> {
    match tls.write_tls(&mut Socket(client)) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

fn give_plain(reactor: &OwnedFd, inward: &mut Vec<u8>) -> io::Result<()> {
    match send(reactor, inward, SendFlags::NOSIGNAL) {
        Ok(bytes) => {
            inward.drain(..bytes);
            Ok(())
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The client's socket as rustls reads and writes it.
struct Socket<'a>(&'a OwnedFd);

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Ok(read(self.0, room)?)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
