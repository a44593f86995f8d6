//! Writing what changed of the map, and the superblocks that make it the truth.

use std::collections::HashSet;
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::catalogue::Base;
use super::core::Core;
use super::entry::Place;
use super::geometry::FAN_OUT;
use super::layout::written_format;
use super::pages::{Pointer, child, set_child};
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::control::DiskId;
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::policy::COPIES_MAX;

/// Pages written at once.
const PAGES_AT_ONCE: usize = 64;
/// How often something is written again because a disk failed under it.
const TRIES_MAX: usize = 8;

impl Core {
    /// Makes the map as it is now durable, with the log needed from `tail` on.
    ///
    /// # Errors
    /// [`BlockError::NoSpace`], [`BlockError::TooFewDisks`], [`BlockError::Closed`].
    pub async fn checkpoint(self: &Rc<Self>, tail: u64) -> Result<(), BlockError> {
        self.weigh_table();
        self.write_pages().await?;
        let (old_places, old_blocks) = self.state.get();
        let changes_through = self.log.borrow().applied;
        self.state_format.set(written_format());
        let state = self.write_state(changes_through);
        let state_crc = crc32c(&state);
        let state_bytes = state.len() as u64;
        let buffer = Buffer::copy_of(&state);
        let blocks = buffer.blocks() as u64;
        let number = self.generation.get();
        let places = self.write_copies(number, buffer, true).await?;
        if !fault!(SuperblockBeforePages) {
            self.flush_disks(IoClass::Destage).await;
        }
        if fault!(FreeBeforeCommit) {
            self.end_cycle(tail);
        }
        self.state.set((places, blocks));
        self.log.borrow_mut().set_tail(tail);
        self.write_superblocks(state_bytes, state_crc).await?;
        self.let_go(&old_places, old_blocks);
        Ok(())
    }

    /// Writes dirty pages, those below first, since those above say where they are.
    pub async fn write_pages(self: &Rc<Self>) -> Result<(), BlockError> {
        // What the last time was moved is kept until now: a reader may still have a page that names
        // one below as it was when dirty.
        self.moved.borrow_mut().clear();
        let levels = self.dirty_pages();
        for (level, keys) in levels.into_iter().enumerate() {
            for keys in keys.chunks(PAGES_AT_ONCE) {
                let writes = keys.iter().map(|&key| {
                    let core = Rc::clone(self);
                    async move { core.write_page(key, level).await }
                });
                for result in tasks::all(writes.collect()).await {
                    result?;
                }
            }
        }
        Ok(())
    }

    /// Keys of the dirty pages that some tree has, by level; others are forgotten.
    fn dirty_pages(&self) -> Vec<Vec<u64>> {
        let catalogue = self.catalogue.borrow();
        let mut pages = self.pages.borrow_mut();
        let mut levels: Vec<Vec<u64>> = Vec::new();
        let mut seen = HashSet::new();
        let roots = catalogue.heads.values().filter_map(|head| match head.base {
            Base::Tree(root) => Some((root.pointer, usize::from(root.height) - 1)),
            Base::Frozen { .. } => None,
        });
        let dead = catalogue.dead.iter().map(|dead| (dead.pointer, usize::from(dead.level)));
        let mut left: Vec<_> = roots.chain(dead).collect();
        while let Some((pointer, level)) = left.pop() {
            if !pointer.is_dirty() || !seen.insert(pointer.key()) {
                continue;
            }
            levels.resize(levels.len().max(level + 1), Vec::new());
            levels[level].push(pointer.key());
            if level > 0
                && let Some(page) = pages.cached(pointer.key())
            {
                let slots = 0..usize::try_from(FAN_OUT).unwrap_or_default();
                left.extend(slots.map(|slot| (child(&page, slot), level - 1)));
            }
        }
        for keys in &mut levels {
            keys.sort_unstable();
        }
        pages.retain_dirty(&seen);
        levels
    }

    async fn write_page(self: &Rc<Self>, key: u64, level: usize) -> Result<(), BlockError> {
        let Some(page) = self.pages.borrow_mut().cached(key) else { return Ok(()) };
        let mut page = Buffer::copy_of(page.as_bytes());
        if level > 0 {
            let moved = self.moved.borrow();
            for slot in 0..usize::try_from(FAN_OUT).unwrap_or_default() {
                let below = child(&page, slot);
                if let Some(pointer) = moved.get(&below.key()) {
                    set_child(&mut page, slot, pointer);
                }
            }
        }
        let crc = crc32c(page.as_bytes());
        let kept = Rc::new(Buffer::copy_of(page.as_bytes()));
        let places = self.write_copies(key, page, false).await?;
        let pointer = Pointer { places, generation: self.generation.get() + 1, crc };
        self.pages.borrow_mut().make_clean(key, pointer.key(), kept);
        self.moved.borrow_mut().insert(key, pointer);
        self.catalogue.borrow_mut().replace_pointer(key, pointer);
        Ok(())
    }

    /// Writes a buffer to as many disks as the policy wants copies, or as are left. What the map
    /// itself needs may use what is kept for it.
    async fn write_copies(
        self: &Rc<Self>,
        number: u64,
        buffer: Buffer,
        whole_state: bool,
    ) -> Result<[Place; COPIES_MAX], BlockError> {
        let blocks = buffer.blocks() as u64;
        let slice = buffer.share();
        let class = IoClass::Destage;
        for _ in 0..TRIES_MAX {
            let disks: Vec<Option<DiskId>> =
                self.page_disks(number, blocks).into_iter().map(Some).collect();
            if disks.is_empty() {
                return Err(if whole_state { BlockError::NoSpace } else { self.no_disks() });
            }
            let Some(places) = self.take_space(&disks, blocks) else {
                return Err(BlockError::NoSpace);
            };
            let writes = places.iter().map(|&place| {
                let (core, slice) = (Rc::clone(self), slice.clone());
                async move { core.write(place, vec![slice], class).await }
            });
            let results = tasks::all(writes.collect()).await;
            if results.iter().all(Result::is_ok) {
                let mut all = [Place::NOWHERE; COPIES_MAX];
                all[..places.len()].copy_from_slice(&places);
                return Ok(all);
            }
            self.let_go(&places, blocks);
        }
        Err(BlockError::Closed { reason: "the map cannot be written".into() })
    }

    fn no_disks(&self) -> BlockError {
        let live = self.members.borrow().iter().filter(|member| member.takes_new()).count();
        if live == 0 {
            BlockError::TooFewDisks { found: 0, needed: 1 }
        } else {
            BlockError::NoSpace
        }
    }
}

/// The bytes of whole blocks that hold `bytes` bytes.
pub fn blocks_of(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(BLOCK_BYTES as u64)).unwrap_or(usize::MAX)
}
