//! The kernel's NBD client: devices that it speaks for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::genl::{Attributes, Family};

const CONNECT: u8 = 1;
const DISCONNECT: u8 = 2;
const RECONFIGURE: u8 = 3;

const INDEX: u16 = 1;
const SIZE_BYTES: u16 = 2;
const BLOCK_SIZE_BYTES: u16 = 3;
const TIMEOUT_SECONDS: u16 = 4;
const SERVER_FLAGS: u16 = 5;
const SOCKETS: u16 = 7;
const DEAD_TIMEOUT_SECONDS: u16 = 8;
const BACKEND: u16 = 10;
const SOCKET_ITEM: u16 = 1;
const SOCKET_DESCRIPTOR: u16 = 1;

/// The engine's blocks.
const BLOCK_BYTES: u64 = 4096;

/// After that a request that was sent is sent again over a new connection: those that were under
/// way when a daemon died wait so long.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests wait for a connection before they fail, as those of a dead disk do.
const DEAD_TIMEOUT: Duration = Duration::from_mins(10);

/// What the kernel speaks over from now on.
pub struct Connected<'a> {
    /// After the handshake, and without timeouts of its own.
    pub socket: BorrowedFd<'a>,
    /// The export's size.
    pub size_bytes: u64,
    /// The export's transmission flags.
    pub flags: u16,
    /// Whose device it is; who names another may not change it.
    pub owner: &'a str,
}

/// The kernel's devices; who changes them needs `CAP_SYS_ADMIN`.
pub struct NbdDevices {
    family: Family,
}

impl NbdDevices {
    /// # Errors
    /// The module `nbd` is not loaded.
    pub fn open() -> io::Result<Self> {
        let family = Family::open("nbd").map_err(|error| {
            io::Error::other(format!("the kernel's module nbd does not answer: {error}; load it"))
        })?;
        Ok(Self { family })
    }

    /// Makes a device that nobody uses, or a new one, speak over a connection; its number.
    ///
    /// # Errors
    /// The kernel's.
    pub fn connect(&mut self, connected: &Connected<'_>) -> io::Result<u32> {
        let wanted = describe(connected)
            .with(BLOCK_SIZE_BYTES, &BLOCK_BYTES.to_ne_bytes())
            .with(SERVER_FLAGS, &u64::from(connected.flags).to_ne_bytes());
        let answer = self.family.ask(CONNECT, &wanted)?;
        let number = answer.get(INDEX).and_then(|bytes| bytes.first_chunk());
        let number = number.ok_or_else(|| io::Error::other("the kernel names no device"))?;
        Ok(u32::from_ne_bytes(*number))
    }

    /// Gives a device another connection in the place of one that has gone. Where none has gone,
    /// nothing happens.
    ///
    /// # Errors
    /// The kernel's; `InvalidInput` where the device is not connected, or not the owner's.
    pub fn reconnect(&mut self, number: u32, connected: &Connected<'_>) -> io::Result<()> {
        let wanted = describe(connected).with(INDEX, &number.to_ne_bytes());
        self.family.ask(RECONFIGURE, &wanted).map(drop)
    }

    /// Tells a device that its export has another size.
    ///
    /// # Errors
    /// The kernel's, as of [`Self::reconnect`].
    pub fn resize(&mut self, number: u32, size_bytes: u64, owner: &str) -> io::Result<()> {
        let wanted = Attributes::default()
            .with(INDEX, &number.to_ne_bytes())
            .with(SIZE_BYTES, &size_bytes.to_ne_bytes())
            .with_text(BACKEND, owner);
        self.family.ask(RECONFIGURE, &wanted).map(drop)
    }

    /// Ends a device: what is under way fails.
    ///
    /// # Errors
    /// The kernel's.
    pub fn disconnect(&mut self, number: u32) -> io::Result<()> {
        let wanted = Attributes::default().with(INDEX, &number.to_ne_bytes());
        self.family.ask(DISCONNECT, &wanted).map(drop)
    }
}

fn describe(connected: &Connected<'_>) -> Attributes {
    let descriptor = connected.socket.as_raw_fd().to_ne_bytes();
    let item = Attributes::default().with(SOCKET_DESCRIPTOR, &descriptor);
    let sockets = Attributes::default().with_nested(SOCKET_ITEM, &item);
    Attributes::default()
        .with(SIZE_BYTES, &connected.size_bytes.to_ne_bytes())
        .with(TIMEOUT_SECONDS, &REQUEST_TIMEOUT.as_secs().to_ne_bytes())
        .with(DEAD_TIMEOUT_SECONDS, &DEAD_TIMEOUT.as_secs().to_ne_bytes())
        .with_text(BACKEND, connected.owner)
        .with_nested(SOCKETS, &sockets)
}
