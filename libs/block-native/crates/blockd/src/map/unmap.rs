//! Taking a device away.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};

use super::kernel::NbdDevices;

const GONE_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Takes a device away, such as `/dev/nbd0`, and waits until it is free.
///
/// # Errors
/// A file system, swap or another device has it, it is no NBD device, or the kernel's.
pub fn unmap(device: &Path) -> io::Result<()> {
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let number = name.strip_prefix("nbd").and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| io::Error::other(format!("{name} is no NBD device")))?;
    // The kernel itself would let a device under a mounted file system go. Whoever mounts it, or
    // stacks another device on it, has it alone, as this does until it is gone.
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
    let held = open(device, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::BUSY => {
            io::Error::other(format!("{name} is mounted, swap, or below another device"))
        }
        error => error.into(),
    })?;
    NbdDevices::open()?.disconnect(number)?;
    drop(held);
    let connected = PathBuf::from(format!("/sys/block/{name}/pid"));
    let end = Instant::now() + GONE_TIMEOUT;
    while connected.exists() {
        if Instant::now() > end {
            return Err(io::Error::other(format!("somebody has {name} open")));
        }
        std::thread::sleep(LOOK_PERIOD);
    }
    Ok(())
}
