//! Clean content on its way into a slot.

use std::rc::Rc;

use purlin_block_core::buffer::Slice;

use super::Mode;
use super::core::{Core, Inner, index};
use super::metadata::{Entry, Kept};

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
        write(&filler, fill).await;
        filler.get().ranges.release(id);
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
    if inner.entries[index(slot)].kept != Kept::Vacant {
        return None;
    }
    let block = inner.allocate()?;
    inner.hold(slot);
    Some(Fill { page, slot, block, slice: slice.clone() })
}

/// Writes it; a slot whose write fails stays empty.
pub async fn write(core: &Core, Fill { page, slot, block, slice }: Fill) {
    let taken = core.write_block(block, slice.clone()).await;
    let mut inner = core.get();
    if taken == 0 || inner.alive.is_empty() {
        inner.free.push(block);
    } else {
        let crc = crc32c::crc32c(slice.as_bytes());
        inner.change(slot, Entry { page, block, crc, kept: Kept::Clean, epoch: 0 });
    }
    inner.release(slot);
}
