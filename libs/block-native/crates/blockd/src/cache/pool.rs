//! The caches of a pool's disks: one for each, side by side on the pool's SSDs.
//!
//! Every opening of a disk, with or without its cache, goes by the disk's lock: what is dirty keeps
//! a disk from being used without its SSD, and what is clean is stale from the moment the disk is
//! used alone.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::DiskHandle;
use purlin_cache_core::cache::{Lock, Shape};

use super::identity::{new_cache_id, new_origin_id, origin_id};
use super::layer::{Layer, LayerPlan, Part};
use super::lock_file::{LockFile, LockWords};
use super::serve::refuse_foreign;
use crate::daemon::disks::{OpenDisk, open_disk};
use crate::plan::{DIRTY_PERCENT_MAX, PoolPlan};
use crate::port::operation::Handle;

/// The handle of the first SSD; those of the pool's disks are below.
const FIRST_DEVICE: u32 = 1 << 16;

/// The SSDs of a pool that are open.
pub struct Devices {
    files: Vec<Handle>,
    names: Vec<String>,
    blocks: u64,
    /// Whether something is on them that may be somebody else's.
    foreign: bool,
}

impl Devices {
    /// Opens the SSDs of a pool's cache; empty without a cache, or if one cannot be opened, which
    /// is told: a pool serves without its cache where nothing is dirty.
    #[must_use]
    pub fn open(plan: &PoolPlan) -> Self {
        let none = Self { files: Vec::new(), names: Vec::new(), blocks: 0, foreign: false };
        let Some(cache) = &plan.cache else { return none };
        let mut opened: Vec<OpenDisk> = Vec::new();
        for device in &cache.devices {
            match open_disk(device) {
                Ok(disk) => opened.push(disk),
                Err(error) => {
                    eprintln!("purlin-blockd: the cache of pool {}: {error}", plan.name);
                    return none;
                }
            }
        }
        let sizes = opened.iter().map(|disk| disk.facts.size_bytes / BLOCK_BYTES as u64);
        Self {
            blocks: sizes.min().unwrap_or_default(),
            foreign: opened.iter().any(|disk| refuse_foreign(disk).is_err()),
            files: opened.iter().map(|disk| Arc::clone(&disk.file)).collect(),
            names: cache.devices.iter().map(|it| it.path.display().to_string()).collect(),
        }
    }

    /// The SSDs that a pool's cache begins with, by the paths of its plan.
    #[must_use]
    pub fn handles(plan: &PoolPlan) -> Vec<(String, DiskHandle)> {
        let devices = plan.cache.iter().flat_map(|cache| &cache.devices);
        let named = devices.map(|it| it.path.display().to_string());
        named.zip((FIRST_DEVICE..).map(DiskHandle)).collect()
    }

    /// The SSDs by their handles.
    pub fn files(&self) -> impl Iterator<Item = (DiskHandle, &Handle)> {
        (FIRST_DEVICE..).map(DiskHandle).zip(&self.files)
    }

    fn parts(&self, first_block: u64) -> Vec<Part> {
        self.files().map(|(disk, _)| Part { disk, first_block }).collect()
    }
}

/// The layers of a pool's disks, by their handles. A disk without a layer is used alone, and its
/// lock says so from now on.
///
/// # Errors
/// A lock cannot be read or written.
pub fn layers(
    plan: &PoolPlan,
    disks: &[Option<OpenDisk>],
    devices: &Devices,
) -> io::Result<BTreeMap<DiskHandle, Layer>> {
    let mut locks = Vec::new();
    for disk in &plan.disks {
        locks.push(LockFile::read(&path_of(plan, &disk.name))?);
    }
    let mut places = Places::new(&locks, devices, plan.disks.len());
    let mut layers = BTreeMap::new();
    for (number, (disk, lock)) in (0..).zip(disks.iter().zip(locks)) {
        let Some(disk) = disk else { continue };
        let name = &plan.disks[number as usize].name;
        let blocks = disk.facts.size_bytes / BLOCK_BYTES as u64;
        let opening = Opening { plan, name, handle: DiskHandle(number), blocks, devices };
        if let Some(layer) = opening.layer(lock, &mut places)? {
            layers.insert(DiskHandle(number), layer);
        }
    }
    Ok(layers)
}

/// Before a disk comes to a pool in use, which has no cache for it: from now on what an SSD has of
/// it is old.
///
/// # Errors
/// It lacks what an SSD has, or its lock cannot be read or written.
pub fn use_alone(plan: &PoolPlan, disk: &str) -> io::Result<()> {
    let Some(mut lock) = LockFile::read(&path_of(plan, disk))? else { return Ok(()) };
    let Lock { epoch, dirty } = lock.lock();
    if dirty {
        let message = format!(
            "disk {disk} lacks what its SSD has, so that it comes back with its cache alone: start \
             the daemon again with both in place"
        );
        return Err(io::Error::other(message));
    }
    lock.store(Lock { epoch: epoch + 1, dirty })
}

fn path_of(plan: &PoolPlan, disk: &str) -> PathBuf {
    plan.locks.join(format!("{}.{disk}.json", plan.name))
}

/// Where on the SSDs there is room.
struct Places {
    next_block: u64,
    each: u64,
    end: u64,
}

impl Places {
    fn new(locks: &[Option<LockFile>], devices: &Devices, disks: usize) -> Self {
        let ends = locks.iter().flatten().map(|it| it.words().first_block + it.words().blocks);
        let next_block = ends.max().unwrap_or(0);
        let count = u64::try_from(disks).unwrap_or(1).max(1);
        // Nobody knows what is on a foreign SSD, so that nothing is put there.
        let end = if devices.foreign && next_block == 0 { 0 } else { devices.blocks };
        Self { next_block, each: devices.blocks / count, end }
    }

    fn take(&mut self) -> Option<(u64, u64)> {
        let first = self.next_block;
        let blocks = self.each.min(self.end.checked_sub(first)?);
        Shape::of(blocks)?;
        self.next_block += blocks;
        Some((first, blocks))
    }
}

struct Opening<'a> {
    plan: &'a PoolPlan,
    name: &'a str,
    handle: DiskHandle,
    blocks: u64,
    devices: &'a Devices,
}

impl Opening<'_> {
    fn layer(&self, lock: Option<LockFile>, places: &mut Places) -> io::Result<Option<Layer>> {
        match lock {
            Some(lock) if lock.lock().dirty => {
                // Without its SSD, or as another disk, it is refused by its lock.
                let same = lock.words().origin_blocks == self.blocks;
                let first_block = lock.words().first_block;
                let parts = if same { self.devices.parts(first_block) } else { Vec::new() };
                self.start(lock, parts, false).map(Some)
            }
            Some(mut lock) => {
                let usable = !self.devices.files.is_empty()
                    && lock.words().origin_blocks == self.blocks
                    && lock.words().first_block + lock.words().blocks <= self.devices.blocks;
                if usable {
                    let parts = self.devices.parts(lock.words().first_block);
                    return self.start(lock, parts, false).map(Some);
                }
                // What the SSD has is old as soon as the disk is used alone.
                let epoch = lock.lock().epoch + 1;
                lock.store(Lock { epoch, dirty: false })?;
                Ok(None)
            }
            None => {
                let Some((first, blocks)) = places.take() else {
                    if self.plan.cache.is_some() {
                        let (pool, disk) = (&self.plan.name, self.name);
                        eprintln!("purlin-blockd: pool {pool}: no room on an SSD for disk {disk}");
                    }
                    return Ok(None);
                };
                let names = self.devices.names.clone();
                let mut words = LockWords::new(self.name.to_owned(), self.blocks, names);
                words.cache_id = new_cache_id()?;
                words.origin_id = new_origin_id()?;
                (words.first_block, words.blocks) = (first, blocks);
                let lock = LockFile::new(&path_of(self.plan, self.name), words);
                self.start(lock, self.devices.parts(first), true).map(Some)
            }
        }
    }

    fn start(&self, lock: LockFile, parts: Vec<Part>, attach: bool) -> io::Result<Layer> {
        let words = lock.words();
        let unreadable = || io::Error::other(format!("the lock of disk {} has no id", self.name));
        let cache = self.plan.cache.as_ref();
        let plan = LayerPlan {
            origin: self.handle,
            origin_blocks: words.origin_blocks,
            origin_id: origin_id(&words.origin_id).ok_or_else(unreadable)?,
            cache_id: words.cache_id.parse().map_err(|_| unreadable())?,
            devices: self.devices.names.iter().take(parts.len()).cloned().map(Some).collect(),
            parts,
            blocks: words.blocks,
            dirty_percent_max: cache.map_or(DIRTY_PERCENT_MAX, |it| it.dirty_percent_max),
            // Each disk has a cache of its own: an order within each is none of the pool's.
            ordered: false,
            mode: cache.map(|it| it.mode),
            attach,
        };
        Layer::start(plan, lock).map_err(io::Error::other)
    }
}
