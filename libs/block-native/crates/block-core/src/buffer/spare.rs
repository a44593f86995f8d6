//! Blocks that are used again: most requests and every map page take one, whole stripes and their
//! parity take a few, and an aligned allocation of its own costs the allocator nearly another block
//! and the zeroing of it all, which is much of a request's time.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use super::Block;

/// Blocks taken from the allocator at once. They are not given back: there are as many as were in
/// use at the same time once.
const CHUNK_BLOCKS: usize = 64;
/// The longest run that is kept.
pub(super) const RUN_BLOCKS_MAX: usize = 32;
/// Most blocks of all runs that are kept: 1 MiB.
const KEPT_BLOCKS_MAX: usize = 256;

/// The first of some blocks nobody uses.
struct Spare(NonNull<Block>);

#[expect(unsafe_code, reason = "memory without an owner may change threads")]
// SAFETY: a spare block is referred to by nothing else, wherever it is.
unsafe impl Send for Spare {}

/// Single blocks, and runs by their length.
struct Shelf {
    singles: Vec<Spare>,
    runs: [Vec<Spare>; RUN_BLOCKS_MAX + 1],
    kept_blocks: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf {
    singles: Vec::new(),
    runs: [const { Vec::new() }; RUN_BLOCKS_MAX + 1],
    kept_blocks: 0,
});

/// So many blocks of any bytes, initialised; not none.
pub(super) fn take(blocks: usize) -> NonNull<Block> {
    if blocks == 1 {
        return take_one();
    }
    if blocks <= RUN_BLOCKS_MAX {
        let mut shelf = SHELF.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Spare(start)) = shelf.runs[blocks].pop() {
            shelf.kept_blocks -= blocks;
            return start;
        }
    }
    allocate(blocks)
}

fn take_one() -> NonNull<Block> {
    let mut shelf = SHELF.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Spare(block)) = shelf.singles.pop() {
        return block;
    }
    let chunk = allocate(CHUNK_BLOCKS);
    #[expect(unsafe_code, reason = "the blocks of a chunk")]
    // SAFETY: the chunk has that many blocks.
    shelf.singles.extend((1..CHUNK_BLOCKS).map(|at| Spare(unsafe { chunk.add(at) })));
    chunk
}

/// Keeps blocks of [`take`] for their next user, or gives them back to the allocator.
pub(super) fn give_back(start: NonNull<Block>, blocks: usize) {
    let mut shelf = SHELF.lock().unwrap_or_else(PoisonError::into_inner);
    if blocks == 1 {
        shelf.singles.push(Spare(start));
    } else if blocks <= RUN_BLOCKS_MAX && shelf.kept_blocks + blocks <= KEPT_BLOCKS_MAX {
        shelf.kept_blocks += blocks;
        shelf.runs[blocks].push(Spare(start));
    } else {
        drop(shelf);
        let layout = layout_of(blocks);
        #[expect(unsafe_code, reason = "the other end of the allocation")]
        // SAFETY: more than one block was allocated with this layout, and nobody uses them.
        unsafe {
            dealloc(start.as_ptr().cast(), layout);
        }
    }
}

/// So many blocks of zeros; not none.
fn allocate(blocks: usize) -> NonNull<Block> {
    let layout = layout_of(blocks);
    #[expect(unsafe_code, reason = "aligned memory that the kernel has zeroed is not zeroed again")]
    // SAFETY: the layout is not empty, since there is a block.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// The layout of so many blocks.
///
/// # Panics
/// If they are more than the address space has.
fn layout_of(blocks: usize) -> Layout {
    Layout::array::<Block>(blocks).expect("blocks that fit into memory")
}
