//! What makes a disk look used: signatures, tables, and what lies at the ends of partitions.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::exec::run;
use crate::failure::{Failure, Tried};
use crate::identity::partitions_of;

const SHORT: Duration = Duration::from_mins(1);
const READ_ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);
/// Everything that Linux keeps of a disk or partition at its ends lies within one MiB of them.
const END_BYTES: u64 = 1 << 20;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Stops arrays and groups that use disks: nothing is in use afterwards. Those that were never
/// started are no error.
pub fn stop_layers() {
    // LVM's own library needs the device mapper's node to say anything.
    let _ = run("modprobe", &["-qa", "dm-mod"], SHORT);
    let _ = run("lvm", &["vgchange", "--quiet", "-an"], SHORT);
    let _ = run("mdadm", &["--stop", "--scan"], SHORT);
}

/// Takes signatures and tables away from a disk and its partitions, with the first and the last MiB
/// of each, and lets the kernel forget the partitions. May run again.
///
/// # Errors
/// When the disk is in use or cannot be written.
pub fn clean(disk: &Path) -> Result<(), Failure> {
    for path in partitions_of(disk).iter().map(AsRef::as_ref).chain([disk]) {
        let name = path.to_string_lossy();
        run("wipefs", &["--all", "--force", "--quiet", &name], SHORT)?;
        zero_ends(path)?;
    }
    read_table_again(disk)
}

/// Lets the kernel and udev see the partitions as they are now.
///
/// # Errors
/// When a partition is in use.
pub fn read_table_again(disk: &Path) -> Result<(), Failure> {
    let name = disk.to_string_lossy();
    // udev may just be reading a partition, which the kernel takes for use.
    for _ in 1..READ_ATTEMPTS {
        settle();
        if run("blockdev", &["--rereadpt", &name], SHORT).is_ok() {
            settle();
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    run("blockdev", &["--rereadpt", &name], SHORT)?;
    settle();
    Ok(())
}

/// Waits until udev has handled what happened.
pub fn settle() {
    let _ = run("udevadm", &["settle", "--timeout=30"], SHORT);
}

/// The size of a block device.
///
/// # Errors
/// When it cannot be opened.
pub fn size_bytes(path: &Path) -> Result<u64, Failure> {
    let mut file = OpenOptions::new().read(true).open(path).tried(|| shown(path))?;
    file.seek(SeekFrom::End(0)).tried(|| shown(path))
}

fn zero_ends(path: &Path) -> Result<(), Failure> {
    let size = size_bytes(path)?;
    let mut file = OpenOptions::new().write(true).open(path).tried(|| shown(path))?;
    for (start, end) in [(0, size.min(END_BYTES)), (size.saturating_sub(END_BYTES), size)] {
        file.seek(SeekFrom::Start(start)).tried(|| shown(path))?;
        let mut left = end - start;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            file.write_all(&ZEROS[..count]).tried(|| shown(path))?;
            left -= count as u64;
        }
    }
    file.sync_all().tried(|| shown(path))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{END_BYTES, zero_ends};

    #[test]
    fn both_ends_are_zero_and_what_lies_between_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let end = usize::try_from(END_BYTES).unwrap();
        for size in [3 * end + 512, end, 512] {
            fs::write(&path, vec![7; size]).unwrap();
            zero_ends(&path).unwrap();
            let bytes = fs::read(&path).unwrap();
            let expected = |at: usize| if at < end || at + end >= size { 0 } else { 7 };
            assert_eq!(bytes.len(), size);
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == expected(at)));
        }
    }
}
