//! A network device whose frames come from here. The kernel takes it away when its descriptor is
//! closed, so nothing of it outlives this process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use crate::socket::Failure;

const TUN_DEVICE: &str = "/dev/net/tun";
/// Ethernet frames, without four bytes of the device's own before each.
const FLAGS: libc::c_int = libc::IFF_TAP | libc::IFF_NO_PI;

/// An open device.
pub struct Tap {
    file: File,
    name: String,
}

impl Tap {
    /// Makes a device of this name; `%d` in it is a number that is free.
    pub fn open(pattern: &str) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(TUN_DEVICE)
            .map_err(|error| (errno_of(&error), "open /dev/net/tun"))?;
        // SAFETY: a structure of integers and letters, for which zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let last = request.ifr_name.len() - 1;
        for (to, from) in request.ifr_name[..last].iter_mut().zip(pattern.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(FLAGS).unwrap_or_default();
        // SAFETY: the pointer is that of `request`, which the kernel reads and writes as a whole.
        let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        if made < 0 {
            return Err((errno_of(&io::Error::last_os_error()), "TUNSETIFF"));
        }
        let letters = request.ifr_name.iter().take_while(|letter| **letter != 0);
        let name = letters.map(|letter| char::from(letter.to_ne_bytes()[0])).collect();
        Ok(Self { file, name })
    }

    /// What the kernel has called it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets a frame come in from the device. It has gone its whole way through the kernel when
    /// this returns; where it cannot go at once, it is refused.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), Failure> {
        self.file.write(frame).map(drop).map_err(|error| (errno_of(&error), "write"))
    }
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
