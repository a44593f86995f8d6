//! Opening a pool: superblocks, state, map, log, in this order.

use std::collections::BTreeMap;
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::checkpoint::blocks_of;
use super::core::Core;
use super::entry::Place;
use super::layout::{EPOCHS_MAX, Epoch, Superblock};
use super::superblocks::Told;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::control::{DiskId, DiskSpec, DiskState};
use crate::disk::{DiskHandle, DiskOp, IoClass};
use crate::error::BlockError;
use crate::placement::{Level, PlacementTable};

impl Core {
    /// Opens the pool that is on `disks`.
    ///
    /// # Errors
    /// [`BlockError::NoSuperblock`], [`BlockError::NewerFormat`], [`BlockError::ForeignDisk`] of a
    /// disk of another pool, [`BlockError::DisksMissing`], [`BlockError::Damaged`].
    pub async fn open(self: &Rc<Self>, disks: Vec<DiskSpec>) -> Result<(), BlockError> {
        let found = self.read_all_superblocks(&disks).await?;
        let newest = found.iter().max_by_key(|(_, told)| told.superblock.generation);
        let Some(newest) = newest.map(|(_, told)| told.superblock.clone()) else {
            return Err(BlockError::NoSuperblock);
        };
        let foreign = |(_, told): &&(DiskSpec, Told)| told.superblock.pool != newest.pool;
        if let Some((disk, Told { superblock: other, .. })) = found.iter().find(foreign) {
            let found = format!("disk {} of pool {}", other.disk.0, other.pool);
            return Err(BlockError::ForeignDisk { handle: disk.handle.0, found });
        }
        self.pool.set(newest.pool);
        self.generation.set(newest.generation);
        self.state_format.set(newest.format);
        let handles: BTreeMap<DiskId, (DiskHandle, u64)> = found
            .iter()
            .map(|(disk, Told { superblock, .. })| {
                (superblock.disk, (disk.handle, superblock.generation))
            })
            .collect();
        let state = self.read_stored_state(&newest, &handles).await?;
        let stored = self.read_state(&state, newest.format).ok_or_else(|| BlockError::Damaged {
            what: "state, whose checksum is right,".into(),
        })?;
        self.policy.set(stored.policy);
        self.geometry.set(stored.geometry);
        let blocks = blocks_of(newest.state_bytes) as u64;
        self.state.set((newest.state, blocks));
        self.stored_state.set((newest.state_bytes, newest.state_crc));
        let level = self.options.level;
        *self.table.borrow_mut() = match &stored.table {
            Some(table) => table.clone(),
            None => PlacementTable::loose(stored.policy, level.unwrap_or(Level::Server), &[], 0),
        };
        self.attach(&found, newest.generation)?;
        self.open_table(stored.table, level);
        {
            let mut log = self.log.borrow_mut();
            log.epochs.clone_from(&newest.epochs);
            log.tail = newest.tail;
        }
        for place in newest.state.into_iter().filter(|place| place.is_somewhere()) {
            if let Some(member) = self.members.borrow_mut().get_mut(place.disk()) {
                member.space.mark(place.block(), blocks);
            }
        }
        self.walk().await?;
        self.replay(stored.changes_through, newest.log_is_empty).await?;
        self.begin_epoch().await
    }

    /// What the superblocks of every disk say that has some.
    async fn read_all_superblocks(
        self: &Rc<Self>,
        disks: &[DiskSpec],
    ) -> Result<Vec<(DiskSpec, Told)>, BlockError> {
        let mut all = Vec::new();
        for disk in disks {
            let told = self.read_superblocks(disk.handle).await?;
            all.extend(told.map(|told| (disk.clone(), told)));
        }
        Ok(all)
    }

    /// Reads a device before it is known which disk of the pool it is.
    async fn read_raw(
        self: &Rc<Self>,
        handle: DiskHandle,
        block: u64,
        blocks: usize,
    ) -> Option<Buffer> {
        let at = block * BLOCK_BYTES as u64;
        let op = DiskOp::Read { at, buffer: Buffer::zeroed(blocks) };
        self.io_raw(handle, IoClass::Client, op).await.ok().flatten()
    }

    async fn read_stored_state(
        self: &Rc<Self>,
        newest: &Superblock,
        handles: &BTreeMap<DiskId, (DiskHandle, u64)>,
    ) -> Result<Vec<u8>, BlockError> {
        let mut missing = Vec::new();
        for place in newest.state.into_iter().filter(|place| place.is_somewhere()) {
            let Some(&(handle, _)) = handles.get(&place.disk()) else {
                missing.push(place.disk().0);
                continue;
            };
            let blocks = blocks_of(newest.state_bytes);
            let Some(buffer) = self.read_raw(handle, place.block(), blocks).await else { continue };
            let length = usize::try_from(newest.state_bytes).unwrap_or(0);
            let bytes = &buffer.as_bytes()[..length];
            if crc32c(bytes) == newest.state_crc {
                return Ok(bytes.to_vec());
            }
        }
        if missing.is_empty() {
            return Err(BlockError::Damaged { what: "state".into() });
        }
        Err(BlockError::DisksMissing { missing })
    }

    /// Matches devices with members, and decides whether enough of them are there.
    fn attach(self: &Rc<Self>, found: &[(DiskSpec, Told)], newest: u64) -> Result<(), BlockError> {
        let mut members = self.members.borrow_mut();
        for (disk, Told { superblock, lacking }) in found {
            let Some(member) = members.get_mut(superblock.disk) else { continue };
            member.lacking = *lacking;
            member.handle = Some(disk.handle);
            member.name.clone_from(&disk.name);
            member.domains.clone_from(&disk.domains);
            // Replay decides what of the volatile writes counts, so they are to be flushed.
            member.written = 1;
            if member.state == DiskState::Missing || superblock.generation < newest {
                self.wanted.rebuild.set(true);
            }
            if member.state == DiskState::Missing {
                member.state = DiskState::Online;
            }
        }
        let mut lost = Vec::new();
        let mut missing = Vec::new();
        for member in members.iter_mut().filter(|member| member.handle.is_none()) {
            // A disk that was missing at the last checkpoint has no part of the log.
            if member.state != DiskState::Missing {
                lost.push(member.id);
                missing.push(member.id.0);
            }
            if member.state != DiskState::Maintenance {
                member.state = DiskState::Missing;
            }
        }
        let refused = !missing.is_empty() && !self.options.degraded;
        let lost_domains = self.domains(&members, |member| lost.contains(&member.id));
        if refused || lost_domains > self.policy.get().failures() {
            return Err(BlockError::DisksMissing { missing });
        }
        Ok(())
    }

    /// Makes what replay accepted durable and begins a new epoch, so that batches it dropped never
    /// count again.
    async fn begin_epoch(self: &Rc<Self>) -> Result<(), BlockError> {
        self.flush_disks(IoClass::Client).await;
        if self.log.borrow().epochs.len() >= EPOCHS_MAX {
            self.cycle().await?;
        }
        if !fault!(KeepEpoch) {
            let mut log = self.log.borrow_mut();
            let first_sequence = log.next;
            log.epochs.push(Epoch { nonce: self.options.nonce, first_sequence });
        }
        let (bytes, crc) = self.stored_state.get();
        self.write_superblocks(bytes, crc).await?;
        if self.skipped.get() {
            self.cycle().await?;
        }
        Ok(())
    }

    /// Walks every tree: marks what is taken and counts who shares what. What it reads warms the
    /// page cache.
    async fn walk(self: &Rc<Self>) -> Result<(), BlockError> {
        let mut left: Vec<(super::pages::Pointer, u8)> = {
            let catalogue = self.catalogue.borrow();
            let roots = catalogue.heads.values().filter_map(|head| match head.base {
                super::catalogue::Base::Tree(root) => Some((root.pointer, root.height - 1)),
                super::catalogue::Base::Frozen { .. } => None,
            });
            roots.chain(catalogue.dead.iter().map(|dead| (dead.pointer, dead.level))).collect()
        };
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(64));
            let fresh: Vec<_> = batch
                .into_iter()
                .filter(|(pointer, _)| !pointer.is_null())
                .filter(|(pointer, _)| self.mark(&pointer.places, 1, pointer.key()))
                .collect();
            let reads = fresh.iter().map(|(pointer, _)| {
                let (core, pointer) = (Rc::clone(self), *pointer);
                async move { core.page(&pointer, IoClass::Client).await }
            });
            let pages = tasks::all(reads.collect()).await;
            for ((_, level), page) in fresh.into_iter().zip(pages) {
                let page = page?;
                if level > 0 {
                    let slots = 0..usize::try_from(super::geometry::FAN_OUT).unwrap_or_default();
                    left.extend(slots.map(|slot| (super::pages::child(&page, slot), level - 1)));
                    continue;
                }
                let geometry = self.geometry.get();
                let slots = 0..usize::try_from(geometry.leaf_entries).unwrap_or_default();
                for slot in slots {
                    if let Some(entry) = super::tree::leaf_entry(geometry, &page, slot) {
                        self.mark(&entry.places, entry.shape.shard_blocks as u64, entry.key());
                    }
                }
            }
        }
        Ok(())
    }

    /// Marks places as taken, or counts one more reference if they were. Tells which.
    pub fn mark(&self, places: &[Place], blocks: u64, key: u64) -> bool {
        let mut members = self.members.borrow_mut();
        let first = Place(key);
        let seen =
            members.get(first.disk()).is_none_or(|member| member.space.is_taken(first.block()));
        if seen {
            drop(members);
            self.pages.borrow_mut().add_reference(key);
            return false;
        }
        for place in places.iter().filter(|place| place.is_somewhere()) {
            if let Some(member) = members.get_mut(place.disk()) {
                member.space.mark(place.block(), blocks);
            }
        }
        true
    }
}
