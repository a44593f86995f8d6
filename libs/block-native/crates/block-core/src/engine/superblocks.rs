//! The two superblocks of each disk: writing them in turn, and both where one is missing.

use std::rc::Rc;

use super::core::Core;
use super::entry::Place;
use super::layout::{FORMAT, Found, SUPERBLOCKS, Superblock};
use super::members::Member;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::control::DiskId;
use crate::disk::{DiskHandle, DiskOp, IoClass};
use crate::error::BlockError;

/// Which of the blocks for superblocks hold none that is right: on a disk with one, the next bit
/// that turns over may be the one too many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lacking([bool; 2]);

const _: () = assert!(SUPERBLOCKS == 2);

impl Lacking {
    /// A disk that has none.
    pub const BOTH: Self = Self([true; 2]);

    /// Whether the block where the last generation was has none.
    fn lacks_other(self, generation: u64) -> bool {
        self.0[block_of(generation + 1)]
    }
}

/// What the superblocks of a device say.
pub struct Told {
    /// The newer one.
    pub superblock: Superblock,
    pub lacking: Lacking,
}

impl Core {
    /// Reads the superblocks of a device; `None` if there is none.
    ///
    /// # Errors
    /// [`BlockError::NewerFormat`].
    pub async fn read_superblocks(
        self: &Rc<Self>,
        device: DiskHandle,
    ) -> Result<Option<Told>, BlockError> {
        let mut newest: Option<Superblock> = None;
        let mut lacking = Lacking::BOTH;
        for block in 0..SUPERBLOCKS {
            let at = block * BLOCK_BYTES as u64;
            let op = DiskOp::Read { at, buffer: Buffer::zeroed(1) };
            let read = self.io_raw(device, IoClass::Client, op).await;
            let Ok(Some(buffer)) = read else { continue };
            match Superblock::from_block(buffer.as_bytes()) {
                Found::Newer(found) => {
                    return Err(BlockError::NewerFormat { found, known: FORMAT });
                }
                Found::Superblock(found) => {
                    lacking.0[block_of(block)] = false;
                    if newest.as_ref().is_none_or(|n| n.generation < found.generation) {
                        newest = Some(*found);
                    }
                }
                Found::Nothing => {}
            }
        }
        Ok(newest.map(|superblock| Told { superblock, lacking }))
    }

    /// Writes a superblock of the next generation to every usable disk, and flushes.
    ///
    /// # Errors
    /// [`BlockError::Closed`] if no disk took it.
    pub async fn write_superblocks(
        self: &Rc<Self>,
        state_bytes: u64,
        state_crc: u32,
    ) -> Result<(), BlockError> {
        let generation = self.generation.get() + 1;
        self.stored_state.set((state_bytes, state_crc));
        let superblocks = self.superblocks(generation);
        // The other block first: it may be that the one whose turn it is holds the only one.
        let poor = |superblock: &&Superblock| {
            let members = self.members.borrow();
            let member = members.get(superblock.disk);
            member.is_some_and(|member| member.lacking.lacks_other(generation))
        };
        let poor: Vec<_> = superblocks.iter().filter(poor).cloned().collect();
        if !poor.is_empty() {
            self.write_each(poor, generation + 1).await;
        }
        let taken = self.write_each(superblocks, generation).await;
        if taken == 0 || self.members.borrow().usable().is_empty() {
            return Err(BlockError::Closed { reason: "no disk takes a superblock".into() });
        }
        self.generation.set(generation);
        Ok(())
    }

    /// What says on each usable disk what is so now.
    fn superblocks(&self, generation: u64) -> Vec<Superblock> {
        let (members, log) = (self.members.borrow(), self.log.borrow());
        let (state_bytes, state_crc) = self.stored_state.get();
        let usable = members.iter().filter(|member| member.is_usable());
        let each = usable.map(|member| Superblock {
            format: self.state_format.get(),
            pool: self.pool.get(),
            disk: member.id,
            log_is_empty: self.closing.get() && log.is_empty(),
            generation,
            log_start: member.log.start,
            log_blocks: member.log.blocks,
            tail: log.tail,
            state_bytes,
            state_crc,
            state: self.state.get().0,
            epochs: log.epochs.clone(),
        });
        each.collect()
    }

    /// Writes superblocks where those of generation `turn` are, and flushes. Tells how many disks
    /// took one.
    async fn write_each(self: &Rc<Self>, superblocks: Vec<Superblock>, turn: u64) -> usize {
        let writes = superblocks.into_iter().map(|superblock| {
            let core = Rc::clone(self);
            let disk = superblock.disk;
            let place = superblock_place(disk, turn);
            async move {
                let slices = vec![superblock.to_block()];
                core.write(place, slices, IoClass::Destage).await.map(|()| disk)
            }
        });
        let results = tasks::all(writes.collect()).await;
        self.flush_disks(IoClass::Destage).await;
        let mut members = self.members.borrow_mut();
        let mut taken = 0;
        for disk in results.into_iter().flatten() {
            taken += 1;
            if let Some(member) = members.get_mut(disk).filter(|member| Member::is_usable(member)) {
                member.lacking.0[block_of(turn)] = false;
            }
        }
        taken
    }
}

/// Where the superblock of a generation is: they take turns, so that the last one stays whole.
fn superblock_place(disk: DiskId, generation: u64) -> Place {
    Place::new(disk, generation % SUPERBLOCKS)
}

fn block_of(turn: u64) -> usize {
    usize::from(turn % SUPERBLOCKS == 1)
}
