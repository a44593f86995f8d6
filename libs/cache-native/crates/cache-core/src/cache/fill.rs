//! Clean content on its way into a slot.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;

use super::Mode;
use super::core::{Core, Inner};
use super::metadata::{Entry, Kept, checksum};

/// A page with its slot, which is held, and its block.
pub struct Fill {
    page: u64,
    slot: u32,
    block: u32,
    slice: Slice,
}

/// Fills the slot of a page that nobody is at work on, from `slice` or from memory.
pub fn begin(core: &Rc<Core>, page: u64, slice: Option<Slice>) {
    let mut inner = core.get();
    let Some(id) = inner.ranges.try_take(page..page + 1) else { return };
    let slice = slice.or_else(|| inner.memory.find(page).cloned());
    let Some(fill) = slice.and_then(|slice| place(&mut inner, page, &slice)) else {
        inner.ranges.release(id);
        return;
    };
    drop(inner);
    let filler = Rc::clone(core);
    core.tasks.spawn(async move {
        write(&filler, vec![fill]).await;
        filler.get().ranges.release(id);
        filler.bell.ring();
    });
}

/// Fills empty slots with pages that came with others and that nobody is at work on.
pub fn begin_near(core: &Rc<Core>, near: Vec<(u64, Slice)>) {
    let (mut fills, mut holds) = (Vec::new(), Vec::new());
    let mut inner = core.get();
    for (page, slice) in near {
        if !inner.has_unused_room() || !inner.is_absent(page) {
            continue;
        }
        let Some(hold) = inner.ranges.try_take(page..page + 1) else { continue };
        holds.push(hold);
        if inner.make_room(page).is_some() {
            fills.extend(place(&mut inner, page, &slice));
        }
    }
    drop(inner);
    let filler = Rc::clone(core);
    core.tasks.spawn(async move {
        write(&filler, fills).await;
        for hold in holds {
            filler.get().ranges.release(hold);
        }
        filler.bell.ring();
    });
}

/// A block for a page whose slot is empty. A page without a slot waits in memory.
pub fn place(inner: &mut Inner, page: u64, slice: &Slice) -> Option<Fill> {
    if inner.mode == Mode::PassThrough || inner.alive.is_empty() {
        return None;
    }
    let Some(slot) = inner.policy.find(page).map(|slot| slot.0) else {
        inner.memory.put(page, slice.as_bytes());
        return None;
    };
    inner.memory.remove(page);
    if inner.slots.kept(slot) != Kept::Vacant {
        return None;
    }
    let block = inner.allocate()?;
    inner.hold(slot);
    Some(Fill { page, slot, block, slice: slice.clone() })
}

/// Writes them; a slot whose write fails stays empty.
pub async fn write(core: &Core, fills: Vec<Fill>) {
    let blocks: Vec<_> = fills.iter().map(|fill| (fill.block, fill.slice.clone())).collect();
    let taken = core.write_blocks(&blocks).await;
    let mut inner = core.get();
    for (Fill { page, slot, block, slice }, taken) in fills.into_iter().zip(taken) {
        if taken == 0 || inner.alive.is_empty() {
            inner.free.push(block);
        } else {
            let crc = checksum(slice.as_bytes());
            inner.change(slot, Entry { page, block, crc, kept: Kept::Clean, epoch: 0 });
        }
        inner.release(slot);
    }
}
