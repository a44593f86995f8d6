//! Map pages in memory, and how often pages and stripes are referred to.
//!
//! ```text
//! inner page   0  8  magic "PURLNMAP"   8  1  level   9  55  0   then 63 pointers of 64 bytes
//! leaf page    entries, see entry.rs
//! pointer      0  8  each of six places    48  8  generation    56  4  CRC-32C of the page
//!             60  4  0
//! ```
//! A page that changed since the last checkpoint is dirty: it has no place yet, and the first
//! place of its pointers is a number that no disk has.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::{Core, Guard};
use super::entry::Place;
use super::references::References;
use super::wire::{Reader, Writer};
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::keys::KeyMap;
use crate::policy::COPIES_MAX;

pub const POINTER_BYTES: usize = 64;
/// What a page takes in memory, with what leads to it.
const PAGE_BYTES: usize = BLOCK_BYTES + 96;
const DIRTY: u64 = 0xffff << 48;
const MAGIC: &[u8; 8] = b"PURLNMAP";

/// Where a page is and what must be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pointer {
    pub places: [Place; COPIES_MAX],
    pub generation: u64,
    pub crc: u32,
}

impl Pointer {
    pub fn dirty(number: u64) -> Self {
        let mut pointer = Self::default();
        pointer.places[0] = Place(DIRTY | number);
        pointer
    }

    pub fn is_null(&self) -> bool {
        self.key() == 0
    }

    pub fn is_dirty(&self) -> bool {
        self.places[0].0 & DIRTY == DIRTY
    }

    /// What stands for the page where pages are counted and kept.
    pub fn key(&self) -> u64 {
        self.places.iter().find(|place| place.is_somewhere()).map_or(0, |place| place.0)
    }

    pub fn write(&self, writer: &mut Writer) {
        for place in self.places {
            writer.u64(place.0);
        }
        writer.u64(self.generation);
        writer.u32(self.crc);
        writer.u32(0);
    }

    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut pointer = Self::default();
        for place in &mut pointer.places {
            *place = Place(reader.u64()?);
        }
        pointer.generation = reader.u64()?;
        pointer.crc = reader.u32()?;
        reader.u32()?;
        Some(pointer)
    }
}

/// The pointer at `slot` of an inner page.
pub fn child(page: &Buffer, slot: usize) -> Pointer {
    let bytes = &page.as_bytes()[POINTER_BYTES * (slot + 1)..];
    Pointer::read(&mut Reader::new(bytes)).unwrap_or_default()
}

pub fn set_child(page: &mut Buffer, slot: usize, pointer: &Pointer) {
    let mut writer = Writer::default();
    pointer.write(&mut writer);
    page.as_bytes_mut()[POINTER_BYTES * (slot + 1)..][..POINTER_BYTES]
        .copy_from_slice(&writer.bytes);
}

/// A new page with nothing in it; `level` 0 is a leaf.
pub fn empty_page(level: u8) -> Buffer {
    let mut page = Buffer::zeroed(1);
    if level > 0 {
        page.as_bytes_mut()[..8].copy_from_slice(MAGIC);
        page.as_bytes_mut()[8] = level;
    }
    page
}

struct Cached {
    page: Rc<Buffer>,
    used: bool,
    /// Which of the hand's entries is this one's; others of the same key are of the past.
    entry: u64,
}

/// The pages in memory: dirty ones until the checkpoint, clean ones as long as there is room
/// (a clock: a page that was used since the hand passed stays).
pub struct Pages {
    capacity: usize,
    clean: KeyMap<u64, Cached>,
    hand: VecDeque<(u64, u64)>,
    next_entry: u64,
    dirty: KeyMap<u64, Rc<Buffer>>,
    next_dirty: u64,
    /// References beyond the first, of pages and stripes by key.
    extra: References,
    /// Keys that lost a reference since the last checkpoint, which still has it: after a crash they
    /// are shared again, so they must not be overwritten in place yet.
    lately_shared: HashSet<u64>,
    #[cfg(test)]
    pub evicted: u64,
}

impl Pages {
    pub fn new(capacity_bytes: usize) -> Self {
        Self {
            capacity: (capacity_bytes / 2 / PAGE_BYTES).max(1),
            clean: KeyMap::default(),
            hand: VecDeque::new(),
            next_entry: 0,
            dirty: KeyMap::default(),
            next_dirty: 1,
            extra: References::default(),
            lately_shared: HashSet::new(),
            #[cfg(test)]
            evicted: 0,
        }
    }

    /// Memory of the pages; at most [`Self::memory_bytes_max`].
    pub fn memory_bytes(&self) -> u64 {
        ((self.clean.len() + self.dirty.len()) * PAGE_BYTES) as u64
    }

    /// What pages may take: the clean ones, and as many dirty ones before they are written early,
    /// with those of the stripes that go home at once.
    pub fn memory_bytes_max(&self) -> u64 {
        (2 * self.capacity * PAGE_BYTES) as u64
    }

    /// Memory of what is known of things that are shared.
    pub fn reference_bytes(&self) -> u64 {
        self.extra.memory_bytes() + self.lately_shared.capacity() as u64 * 9
    }

    /// Whether so many pages are dirty that they are to be written before the checkpoint.
    pub fn has_many_dirty(&self) -> bool {
        self.dirty.len() >= self.capacity
    }

    pub fn cached(&mut self, key: u64) -> Option<Rc<Buffer>> {
        if key & DIRTY == DIRTY {
            return self.dirty.get(&key).cloned();
        }
        self.clean.get_mut(&key).map(|cached| {
            cached.used = true;
            Rc::clone(&cached.page)
        })
    }

    pub fn keep(&mut self, key: u64, page: Rc<Buffer>) {
        let entry = self.next_entry;
        self.next_entry += 1;
        self.clean.insert(key, Cached { page, used: false, entry });
        self.hand.push_back((key, entry));
        // Pages that were let go of left entries behind.
        if self.hand.len() > 2 * self.clean.len() + 64 {
            self.hand.retain(|(key, entry)| self.clean.get(key).is_some_and(|c| c.entry == *entry));
        }
        while self.clean.len() > self.capacity {
            let Some((oldest, entry)) = self.hand.pop_front() else { return };
            match self.clean.get_mut(&oldest).filter(|cached| cached.entry == entry) {
                None => {}
                Some(cached) if cached.used => {
                    cached.used = false;
                    self.hand.push_back((oldest, entry));
                }
                Some(_) => {
                    self.clean.remove(&oldest);
                    #[cfg(test)]
                    {
                        self.evicted += 1;
                    }
                }
            }
        }
    }

    /// A page whose places are let go of must not be found under them again.
    pub fn forget(&mut self, key: u64) {
        self.clean.remove(&key);
    }

    pub fn add_dirty(&mut self, page: Buffer) -> Pointer {
        let pointer = Pointer::dirty(self.next_dirty);
        self.next_dirty += 1;
        self.dirty.insert(pointer.key(), Rc::new(page));
        pointer
    }

    /// Changes a dirty page in place; readers that hold it keep what they have.
    pub fn change(&mut self, key: u64, change: impl FnOnce(&mut Buffer)) {
        if let Some(page) = self.dirty.get_mut(&key) {
            if Rc::get_mut(page).is_none() {
                *page = Rc::new(Buffer::copy_of(page.as_bytes()));
            }
            if let Some(page) = Rc::get_mut(page) {
                change(page);
            }
        }
    }

    pub fn dirty_count(&self) -> usize {
        self.dirty.len()
    }

    /// A dirty page got its place.
    pub fn make_clean(&mut self, dirty: u64, clean: u64, page: Rc<Buffer>) {
        self.dirty.remove(&dirty);
        self.keep(clean, page);
        self.extra.rename(dirty, clean);
    }

    /// Forgets the dirty pages that no tree has any more.
    pub fn retain_dirty(&mut self, kept: &HashSet<u64>) {
        self.dirty.retain(|key, _| kept.contains(key));
    }

    pub fn forget_dirty(&mut self, key: u64) {
        self.dirty.remove(&key);
    }

    pub fn is_shared(&self, key: u64) -> bool {
        self.extra.has(key)
    }

    /// Whether something is shared, or was at the last checkpoint.
    pub fn was_shared(&self, key: u64) -> bool {
        self.is_shared(key) || self.lately_shared.contains(&key)
    }

    /// A checkpoint has what lost a reference without it.
    pub fn end_cycle(&mut self) {
        self.lately_shared = HashSet::new();
    }

    pub fn add_reference(&mut self, key: u64) {
        if key != 0 {
            self.extra.add(key, 1);
        }
    }

    /// Takes a reference beyond the first away; false if there was none, so that the caller lets
    /// go of the thing itself.
    pub fn drop_reference(&mut self, key: u64) -> bool {
        let taken = self.extra.take_one(key);
        if taken {
            self.lately_shared.insert(key);
        }
        taken
    }
}

impl Core {
    /// While a checkpoint writes pages, a page above still names one below as it was when dirty.
    fn newest(&self, pointer: &Pointer) -> Pointer {
        self.moved.borrow().get(&pointer.key()).copied().unwrap_or(*pointer)
    }

    /// The page a pointer names, if it is in memory.
    pub fn page_in_memory(&self, pointer: &Pointer) -> Option<Rc<Buffer>> {
        self.pages.borrow_mut().cached(self.newest(pointer).key())
    }

    /// The page a pointer names, from memory or from the first disk that has it whole. Copies that
    /// are not are written again: pages are never overwritten, so this cannot be too late.
    ///
    /// # Errors
    /// [`BlockError::Damaged`] if no disk has it.
    pub async fn page(
        self: &Rc<Self>,
        pointer: &Pointer,
        class: IoClass,
    ) -> Result<Rc<Buffer>, BlockError> {
        let pointer = self.newest(pointer);
        let key = pointer.key();
        if let Some(page) = self.pages.borrow_mut().cached(key) {
            return Ok(page);
        }
        let guard = self.guard();
        let mut bad = Vec::new();
        for place in pointer.places.into_iter().filter(|place| place.is_somewhere()) {
            match self.read(place, 1, class).await {
                Ok(page) if crc32c(page.as_bytes()) == pointer.crc => {
                    let page = Rc::new(page);
                    self.pages.borrow_mut().keep(key, Rc::clone(&page));
                    self.mend_page(&page, bad, guard);
                    return Ok(page);
                }
                _ => bad.push(place),
            }
        }
        Err(BlockError::Damaged { what: format!("map page at {key:#x}") })
    }

    fn mend_page(self: &Rc<Self>, page: &Rc<Buffer>, bad: Vec<Place>, guard: Guard) {
        if bad.is_empty() {
            return;
        }
        let slice = Buffer::copy_of(page.as_bytes()).share();
        let core = Rc::clone(self);
        self.tasks.spawn(async move {
            for place in bad {
                if core.write(place, vec![slice.clone()], IoClass::Recovery).await.is_ok() {
                    core.counters.repaired.set(core.counters.repaired.get() + 1);
                }
            }
            drop(guard);
        });
    }
}
