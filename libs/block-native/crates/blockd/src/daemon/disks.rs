//! Opening what pools lie on: files, which are made when they are not there, and block devices.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use purlin_block_core::disk::{DiskFacts, Media};
use rustix::fs::{
    FileType, FlockOperation, Mode, OFlags, SeekFrom, flock, fstat, ftruncate, ioctl_blksszget,
    major, minor, open, seek,
};
use rustix::io::Errno;

use crate::plan::DiskPlan;
use crate::port::operation::Handle;

/// For the kernel to let go of a disk whose process was killed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A disk that is open and locked: no other process that locks has it.
pub struct OpenDisk {
    /// The file or device.
    pub file: Handle,
    /// What it is.
    pub facts: DiskFacts,
    /// Whether its file was made just now.
    pub fresh: bool,
    /// Whether it goes around the page cache.
    pub direct: bool,
}

/// Why a disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskOpenError {
    /// There is nothing at the path, and nothing says how large to make it.
    #[error("disk {name}: there is no {path}; give sizeGiB to have a file made")]
    Missing {
        /// The disk's name.
        name: String,
        /// Its path.
        path: String,
    },
    /// Another process has it.
    #[error("disk {name}: {path} is in use by another process")]
    InUse {
        /// The disk's name.
        name: String,
        /// Its path.
        path: String,
    },
    /// It cannot be opened.
    #[error("disk {name}: cannot use {path}: {cause}")]
    Unusable {
        /// The disk's name.
        name: String,
        /// Its path.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// Opens a disk, making its file when there is none.
///
/// # Errors
/// [`DiskOpenError`].
pub fn open_disk(plan: &DiskPlan) -> Result<OpenDisk, DiskOpenError> {
    let (name, path) = (plan.name.clone(), plan.path.display().to_string());
    let unusable = |cause: io::Error| DiskOpenError::Unusable {
        name: plan.name.clone(),
        path: plan.path.display().to_string(),
        cause,
    };
    let (file, fresh, direct) = match open_direct(&plan.path, OFlags::empty()) {
        Ok((file, direct)) => (file, false, direct),
        Err(Errno::NOENT) => {
            let Some(size) = plan.size_bytes else {
                return Err(DiskOpenError::Missing { name, path });
            };
            if let Some(folder) = plan.path.parent() {
                fs::create_dir_all(folder).map_err(unusable)?;
            }
            let (file, direct) = open_direct(&plan.path, OFlags::CREATE | OFlags::EXCL)
                .map_err(|error| unusable(error.into()))?;
            ftruncate(&file, size).map_err(|error| unusable(error.into()))?;
            (file, true, direct)
        }
        Err(error) => return Err(unusable(error.into())),
    };
    match lock(&file) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(DiskOpenError::InUse { name, path }),
        Err(error) => return Err(unusable(error.into())),
    }
    let mut facts = facts_of(&file).map_err(unusable)?;
    facts.media = plan.media.unwrap_or(facts.media);
    Ok(OpenDisk { file: Arc::new(file), facts, fresh, direct })
}

/// What a disk is that this process has open already.
///
/// # Errors
/// [`DiskOpenError`].
pub fn look_at(plan: &DiskPlan) -> Result<DiskFacts, DiskOpenError> {
    let unusable = |cause: io::Error| DiskOpenError::Unusable {
        name: plan.name.clone(),
        path: plan.path.display().to_string(),
        cause,
    };
    let file = open(&plan.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| unusable(error.into()))?;
    let facts = facts_of(&file).map_err(unusable)?;
    Ok(DiskFacts { media: plan.media.unwrap_or(facts.media), ..facts })
}

/// A process that was killed holds its disks until the kernel has ended what it had under way.
fn lock(file: &OwnedFd) -> Result<(), Errno> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// Without `O_DIRECT` where the file system has none (some tmpfs); writes are durable by FLUSH in
/// either case.
fn open_direct(path: &Path, more: OFlags) -> Result<(OwnedFd, bool), Errno> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | more;
    let rights = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
    match open(path, flags | OFlags::DIRECT, rights) {
        Ok(file) => Ok((file, true)),
        // A file that could not be opened so may have been made by the try.
        Err(Errno::INVAL) => open(path, flags - OFlags::EXCL, rights).map(|file| (file, false)),
        Err(error) => Err(error),
    }
}

fn facts_of(file: &OwnedFd) -> io::Result<DiskFacts> {
    let stat = fstat(file)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice;
    let device = if is_device { stat.st_rdev } else { stat.st_dev };
    let sector_bytes = if is_device { ioctl_blksszget(file)? } else { 4096 };
    let size_bytes = seek(file, SeekFrom::End(0))?;
    Ok(DiskFacts { size_bytes: size_bytes / 4096 * 4096, sector_bytes, media: media(device) })
}

/// What the kernel says of the device a file lies on; flash where it says nothing.
fn media(device: u64) -> Media {
    let folder = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let name = fs::canonicalize(&folder)
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_default();
    if name.starts_with("nvme") {
        return Media::Nvme;
    }
    // A partition has no queue of its own; its disk is the folder above.
    let rotates = ["queue/rotational", "../queue/rotational"]
        .iter()
        .find_map(|file| fs::read_to_string(Path::new(&folder).join(file)).ok());
    if rotates.is_some_and(|text| text.trim() == "1") { Media::Hdd } else { Media::Ssd }
}

/// Whether two paths are the same file; a path that cannot be looked at is no other's.
#[must_use]
pub fn is_same(first: &Path, second: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino(), it.rdev())).ok();
    identity(first).is_some_and(|found| identity(second) == Some(found))
}
