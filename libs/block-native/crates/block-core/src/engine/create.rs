//! Making a pool.

use std::rc::Rc;

use super::core::Core;
use super::entry::Place;
use super::foreign;
use super::geometry::Geometry;
use super::layout::{Epoch, SUPERBLOCKS};
use super::members::Member;
use super::ring::Ring;
use super::space::Space;
use super::superblocks::Lacking;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Slice};
use crate::control::{DiskId, DiskSpec, DiskState, PoolSpec};
use crate::disk::IoClass;
use crate::error::BlockError;

/// The log a disk gets unless told otherwise: a quarter of it, at most this.
const LOG_BYTES_MAX: u64 = 4 << 30;
/// The smallest log: two batches of the largest size would not fit, but any single one does.
const LOG_BLOCKS_MIN: u64 = 16;

impl Core {
    /// Writes the first checkpoint of a new pool.
    ///
    /// # Errors
    /// [`BlockError::BadPolicy`], [`BlockError::Invalid`], [`BlockError::ForeignDisk`],
    /// [`BlockError::Closed`].
    pub async fn create(
        self: &Rc<Self>,
        spec: PoolSpec,
        disks: Vec<DiskSpec>,
    ) -> Result<(), BlockError> {
        let policy = spec.policy.check()?;
        self.pool.set(spec.id);
        self.policy.set(policy);
        self.geometry.set(Geometry::new(policy, spec.shard_bytes)?);
        for (number, disk) in disks.into_iter().enumerate() {
            let id = DiskId(u16::try_from(number).unwrap_or(u16::MAX));
            let member = new_member(id, &disk, spec.log_bytes, self.slot_blocks())?;
            self.members.borrow_mut().push(member);
            self.catalogue.borrow_mut().next_disk = id.0 + 1;
        }
        let count = self.members.borrow().iter().count();
        let ids: Vec<DiskId> = self.members.borrow().iter().map(|member| member.id).collect();
        for id in ids {
            self.claim_disk(id, spec.force).await?;
        }
        let needed = match policy {
            crate::Policy::Folded { .. } => 1,
            _ => policy.shards(),
        };
        if count < needed {
            let reason = format!("{policy} needs at least {needed} disks; {count} were given");
            return Err(BlockError::Invalid { reason });
        }
        let invalid = |error| BlockError::Invalid { reason: format!("{error}") };
        self.make_table(spec.level).map_err(invalid)?;
        self.plan_stripe(0, |_, _| true)?;
        {
            let mut log = self.log.borrow_mut();
            log.epochs.push(Epoch { nonce: self.options.nonce, first_sequence: 1 });
            log.next = 1;
            log.tail = 1;
        }
        self.checkpoint(1).await?;
        self.end_cycle(1);
        Ok(())
    }

    /// Makes sure that nothing of value is on a disk, and that nothing on it can be taken for a
    /// superblock later.
    ///
    /// # Errors
    /// [`BlockError::ForeignDisk`]; [`BlockError::Closed`] if the disk cannot be read or written.
    pub async fn claim_disk(self: &Rc<Self>, id: DiskId, force: bool) -> Result<(), BlockError> {
        let blocks = self.members.borrow().get(id).map_or(0, |member| {
            foreign::LOOK_BLOCKS.min(usize::try_from(member.size_blocks).unwrap_or(usize::MAX))
        });
        let handle = self.members.borrow().get(id).and_then(|member| member.handle);
        let handle = handle.map_or(u32::MAX, |handle| handle.0);
        let closed = |error| BlockError::Closed { reason: format!("device {handle}: {error}") };
        let read = self.read(Place::new(id, 0), blocks, IoClass::Destage).await.map_err(closed)?;
        if !force && let Some(found) = foreign::what_is_on(read.as_bytes()) {
            return Err(BlockError::ForeignDisk { handle, found });
        }
        let writes = (0..SUPERBLOCKS).map(|block| {
            let core = Rc::clone(self);
            let slices = vec![Slice::zero_block()];
            async move { core.write(Place::new(id, block), slices, IoClass::Destage).await }
        });
        for result in tasks::all(writes.collect()).await {
            result.map_err(closed)?;
        }
        self.flush_disks(IoClass::Destage).await;
        Ok(())
    }
}

/// A disk as it joins a pool whose shards have `slot_blocks`.
///
/// # Errors
/// [`BlockError::Invalid`] if it is too small.
pub fn new_member(
    id: DiskId,
    disk: &DiskSpec,
    log_bytes: Option<u64>,
    slot_blocks: u64,
) -> Result<Member, BlockError> {
    let size_blocks = disk.facts.size_bytes / BLOCK_BYTES as u64;
    let usual = (disk.facts.size_bytes / 4).min(LOG_BYTES_MAX);
    let log_blocks = (log_bytes.unwrap_or(usual) / BLOCK_BYTES as u64).max(LOG_BLOCKS_MIN);
    let start = SUPERBLOCKS + log_blocks;
    if size_blocks < start + 64 {
        let reason = format!(
            "device {} of {} bytes is too small: it needs room for a log of {log_blocks} blocks \
             and 64 more",
            disk.handle.0, disk.facts.size_bytes
        );
        return Err(BlockError::Invalid { reason });
    }
    Ok(Member {
        id,
        handle: Some(disk.handle),
        name: disk.name.clone(),
        media: disk.facts.media,
        size_blocks,
        domains: disk.domains.clone(),
        state: DiskState::Online,
        log: Ring::new(SUPERBLOCKS, log_blocks),
        space: Space::with_slots(start..size_blocks, slot_blocks),
        errors: 0,
        written: 0,
        flushed: 0,
        reads: 0,
        lacking: Lacking::BOTH,
        moved_bytes: 0,
    })
}
