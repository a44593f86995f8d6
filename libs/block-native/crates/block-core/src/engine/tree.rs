//! The map of one volume: looking a stripe up and changing it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::core::Core;
use super::entry::{Entry, Place};
use super::geometry::{FAN_OUT, Geometry};
use super::pages::{Pointer, child, empty_page, set_child};
use super::wire::{Reader, Writer};
use crate::buffer::Buffer;
use crate::disk::IoClass;
use crate::error::BlockError;

/// A tree: its topmost page and how many levels it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    pub pointer: Pointer,
    pub height: u8,
}

/// What the map says about a stripe.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    pub entry: Option<Rc<Entry>>,
    /// Some snapshot or clone has it too, or had it at the last checkpoint.
    pub shared: bool,
}

/// The entry at `slot` of a leaf.
pub fn leaf_entry(geometry: Geometry, page: &Buffer, slot: usize) -> Option<Entry> {
    Entry::read(&mut Reader::new(leaf_bytes(geometry, page, slot)))
}

/// The bytes of the entry at `slot` of a leaf.
pub fn leaf_bytes(geometry: Geometry, page: &Buffer, slot: usize) -> &[u8] {
    &page.as_bytes()[slot * geometry.entry_bytes..][..geometry.entry_bytes]
}

pub fn set_leaf_entry(geometry: Geometry, page: &mut Buffer, slot: usize, entry: Option<&Entry>) {
    let mut writer = Writer::default();
    if let Some(entry) = entry {
        entry.write(&mut writer);
    }
    let bytes = &mut page.as_bytes_mut()[slot * geometry.entry_bytes..][..geometry.entry_bytes];
    let (head, rest) = bytes.split_at_mut(writer.bytes.len());
    head.copy_from_slice(&writer.bytes);
    rest.fill(0);
}

/// Which child of a page of `level` (1 and more) has the stripe.
pub fn slot(geometry: Geometry, level: u8, stripe: u64) -> usize {
    let slot = stripe / geometry.reach(level - 1) % FAN_OUT;
    usize::try_from(slot).unwrap_or_default()
}

pub fn leaf_slot(geometry: Geometry, stripe: u64) -> usize {
    usize::try_from(stripe % geometry.leaf_entries).unwrap_or_default()
}

impl Core {
    /// What the map says about `stripe`.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn look_up(
        self: &Rc<Self>,
        root: Root,
        stripe: u64,
        class: IoClass,
    ) -> Result<Lookup, BlockError> {
        let geometry = self.geometry.get();
        if stripe >= geometry.reach(root.height - 1) {
            return Ok(Lookup::default());
        }
        let mut pointer = root.pointer;
        let mut shared = false;
        for level in (0..root.height).rev() {
            if pointer.is_null() {
                return Ok(Lookup { entry: None, shared });
            }
            shared |= self.pages.borrow().was_shared(pointer.key());
            let page = self.page(&pointer, class).await?;
            if level > 0 {
                pointer = child(&page, slot(geometry, level, stripe));
                continue;
            }
            let entry = leaf_entry(geometry, &page, leaf_slot(geometry, stripe));
            let entry = entry.map(Rc::new);
            if let Some(entry) = &entry {
                shared |= self.pages.borrow().was_shared(entry.key());
            }
            return Ok(Lookup { entry, shared });
        }
        Ok(Lookup::default())
    }

    /// The first stripe from `stripe` on, below `end`, that has an entry; whole empty subtrees are
    /// passed at once.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn next_stripe(
        self: &Rc<Self>,
        root: Root,
        stripe: u64,
        end: u64,
        class: IoClass,
    ) -> Result<Option<u64>, BlockError> {
        let geometry = self.geometry.get();
        let mut stripe = stripe;
        'next: while stripe < end.min(geometry.reach(root.height - 1)) {
            let mut pointer = root.pointer;
            for level in (0..root.height).rev() {
                let reach = geometry.reach(level);
                if pointer.is_null() {
                    stripe = (stripe / reach + 1) * reach;
                    continue 'next;
                }
                let page = self.page(&pointer, class).await?;
                if level > 0 {
                    pointer = child(&page, slot(geometry, level, stripe));
                    continue;
                }
                let first = leaf_slot(geometry, stripe);
                let count = usize::try_from(geometry.leaf_entries).unwrap_or_default();
                let found = (first..count).find(|&at| leaf_entry(geometry, &page, at).is_some());
                let Some(found) = found else {
                    stripe = (stripe / reach + 1) * reach;
                    continue 'next;
                };
                let found = stripe + (found - first) as u64;
                return Ok((found < end).then_some(found));
            }
        }
        Ok(None)
    }

    /// Puts `new` in the place of what the tree of `head` has at `stripe`, and drops that. Called
    /// by the cycle alone.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn set_entry(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        new: Option<&Entry>,
    ) -> Result<(), BlockError> {
        let geometry = self.geometry.get();
        let Some(root) = self.catalogue.borrow().root(head) else { return Ok(()) };
        if new.is_none() && self.look_up(root, stripe, IoClass::Destage).await?.entry.is_none() {
            return Ok(());
        }
        let owned = self.own_leaf(head, root, stripe).await?;
        let at = leaf_slot(geometry, stripe);
        let page = self.page(&owned, IoClass::Destage).await?;
        let old = leaf_entry(geometry, &page, at);
        drop(page);
        self.pages.borrow_mut().change(owned.key(), |page| set_leaf_entry(geometry, page, at, new));
        if let Some(old) = old
            && new.is_none_or(|new| new.key() != old.key())
        {
            self.drop_entry(&old);
        }
        Ok(())
    }

    /// Puts `new`, which has some of the places of `old`, in the place of it, and lets go of the
    /// other ones. False, and nothing has changed, where the tree of `head` has something else at
    /// `stripe` or others have it too. Called by the cycle alone.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn exchange_entry(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        old: &Entry,
        new: &Entry,
    ) -> Result<bool, BlockError> {
        let geometry = self.geometry.get();
        let Some(root) = self.catalogue.borrow().root(head) else { return Ok(false) };
        let owned = self.own_leaf(head, root, stripe).await?;
        let at = leaf_slot(geometry, stripe);
        // A dirty page is in memory: nobody comes to share the stripe from here on.
        let page = self.page(&owned, IoClass::Destage).await?;
        let found = leaf_entry(geometry, &page, at);
        drop(page);
        if found.as_ref() != Some(old) || self.pages.borrow().is_shared(old.key()) {
            return Ok(false);
        }
        let change = |page: &mut Buffer| set_leaf_entry(geometry, page, at, Some(new));
        self.pages.borrow_mut().change(owned.key(), change);
        let gone: Vec<Place> =
            old.places.iter().filter(|place| !new.places.contains(place)).copied().collect();
        self.let_go(&gone, old.shape.shard_blocks as u64);
        Ok(true)
    }

    /// The leaf that has `stripe`, as a page that the tree of `head` alone has.
    async fn own_leaf(
        self: &Rc<Self>,
        head: u64,
        mut root: Root,
        stripe: u64,
    ) -> Result<Pointer, BlockError> {
        let geometry = self.geometry.get();
        while stripe >= geometry.reach(root.height - 1) {
            self.raise(&mut root);
        }
        let mut level = root.height - 1;
        let mut owned = self.own(&root.pointer, level, IoClass::Destage).await?;
        root.pointer = owned;
        self.catalogue.borrow_mut().set_root(head, root);
        while level > 0 {
            let at = slot(geometry, level, stripe);
            let page = self.page(&owned, IoClass::Destage).await?;
            let below = self.own(&child(&page, at), level - 1, IoClass::Destage).await?;
            drop(page);
            self.pages.borrow_mut().change(owned.key(), |page| set_child(page, at, &below));
            owned = below;
            level -= 1;
        }
        Ok(owned)
    }

    /// The pages on the way to `stripe`, the topmost first.
    ///
    /// # Errors
    /// [`BlockError::Damaged`].
    pub async fn path(
        self: &Rc<Self>,
        root: Root,
        stripe: u64,
    ) -> Result<Vec<Pointer>, BlockError> {
        let geometry = self.geometry.get();
        let mut path = Vec::new();
        let mut pointer = root.pointer;
        for level in (0..root.height).rev() {
            if pointer.is_null() {
                break;
            }
            path.push(pointer);
            if level > 0 {
                let page = self.page(&pointer, IoClass::Recovery).await?;
                pointer = child(&page, slot(geometry, level, stripe));
            }
        }
        Ok(path)
    }

    /// One level more on top.
    fn raise(&self, root: &mut Root) {
        if !root.pointer.is_null() {
            let mut page = empty_page(root.height);
            set_child(&mut page, 0, &root.pointer);
            root.pointer = self.pages.borrow_mut().add_dirty(page);
        }
        root.height += 1;
    }

    /// A page that only this tree has and that may be changed: the page itself, or a copy.
    fn own<'a>(
        self: &'a Rc<Self>,
        pointer: &'a Pointer,
        level: u8,
        class: IoClass,
    ) -> Pin<Box<dyn Future<Output = Result<Pointer, BlockError>> + 'a>> {
        Box::pin(async move {
            if pointer.is_null() {
                return Ok(self.pages.borrow_mut().add_dirty(empty_page(level)));
            }
            let key = pointer.key();
            if pointer.is_dirty() && !self.pages.borrow().is_shared(key) {
                return Ok(*pointer);
            }
            let page = self.page(pointer, class).await?;
            // While it was read, a clone may have come to share it.
            let shared = self.pages.borrow().is_shared(key);
            let mut pages = self.pages.borrow_mut();
            if shared {
                pages.drop_reference(key);
                for key in self.keys_below(&page, level) {
                    pages.add_reference(key);
                }
            } else {
                pages.forget(key);
                self.let_go(&pointer.places, 1);
            }
            Ok(pages.add_dirty(Buffer::copy_of(page.as_bytes())))
        })
    }

    /// Keys of the pages or stripes a page refers to.
    pub fn keys_below(&self, page: &Buffer, level: u8) -> Vec<u64> {
        let geometry = self.geometry.get();
        if level > 0 {
            let count = usize::try_from(FAN_OUT).unwrap_or_default();
            return (0..count).map(|at| child(page, at).key()).filter(|&key| key != 0).collect();
        }
        let count = usize::try_from(geometry.leaf_entries).unwrap_or_default();
        (0..count).filter_map(|at| leaf_entry(geometry, page, at)).map(|e| e.key()).collect()
    }
}
