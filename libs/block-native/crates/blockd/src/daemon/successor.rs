//! The other side of a planned upgrade: what a new process does with what it is handed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::handover::{Item, READY, SERVING, receive_item};
use crate::reactor::mailbox::{Travelling, share};
use crate::vhost::session::Passport;

/// What a new daemon begins with instead of nothing.
pub struct Inheritance {
    /// The lock of the folder of sockets.
    pub lock: OwnedFd,
    /// Listening sockets by their names.
    pub listening: Vec<(String, Arc<OwnedFd>)>,
    /// Clients, with what they have sent.
    pub clients: Vec<Travelling>,
    /// Front ends of machines.
    pub devices: Vec<Passport>,
    from: UnixStream,
}

/// Says that this process could start, and waits for what the old one hands over: its pools are
/// halted then.
///
/// # Errors
/// The old daemon is gone or has changed its mind.
pub fn inherit(socket: OwnedFd) -> io::Result<Inheritance> {
    let mut from = UnixStream::from(socket);
    from.write_all(&[READY])?;
    let mut lock = None;
    let (mut listening, mut clients) = (Vec::new(), Vec::new());
    let mut devices: Vec<Passport> = Vec::new();
    loop {
        let (item, pending, descriptor) = receive_item(&mut from)?;
        match item {
            Item::Lock => lock = Some(descriptor),
            Item::Listener(name) => listening.push((name, Arc::new(descriptor))),
            Item::Client(session) => {
                let socket = share(descriptor);
                clients.push(Travelling { socket, session: *session, pending });
            }
            Item::Device(volume, state) => {
                let (socket, parts) = (share(descriptor), BTreeMap::new());
                devices.push(Passport { volume, socket, state: *state, parts });
            }
            Item::Part(part) => {
                if let Some(device) = devices.last_mut() {
                    device.parts.insert(part, share(descriptor));
                }
            }
            Item::End => break,
        }
    }
    let lock = lock.ok_or_else(|| io::Error::other("the old daemon handed no lock over"))?;
    Ok(Inheritance { lock, listening, clients, devices, from })
}

impl Inheritance {
    /// Says that this process serves: the old one goes.
    ///
    /// # Errors
    /// It has gone already.
    pub fn acknowledge(&mut self) -> io::Result<()> {
        self.from.write_all(&[SERVING])
    }
}
