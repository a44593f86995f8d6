//! Single blocks that are used again: most requests and every map page take one, and an aligned
//! block of its own costs the allocator nearly another one and much of a request's time.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use super::Block;

/// Blocks taken from the allocator at once. They are not given back: there are as many as were in
/// use at the same time once.
const CHUNK_BLOCKS: usize = 64;

/// A block nobody uses.
struct Spare(NonNull<Block>);

#[expect(unsafe_code, reason = "memory without an owner may change threads")]
// SAFETY: a spare block is referred to by nothing else, wherever it is.
unsafe impl Send for Spare {}

static SPARES: Mutex<Vec<Spare>> = Mutex::new(Vec::new());

/// A block of any bytes, initialised.
pub(super) fn take() -> NonNull<Block> {
    let mut spares = SPARES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Spare(block)) = spares.pop() {
        return block;
    }
    let chunk = allocate(CHUNK_BLOCKS);
    #[expect(unsafe_code, reason = "the blocks of a chunk")]
    // SAFETY: the chunk has that many blocks.
    spares.extend((1..CHUNK_BLOCKS).map(|at| Spare(unsafe { chunk.add(at) })));
    chunk
}

/// Keeps a block of [`take`] for its next user.
pub(super) fn give_back(block: NonNull<Block>) {
    SPARES.lock().unwrap_or_else(PoisonError::into_inner).push(Spare(block));
}

/// So many blocks of zeros; not none.
pub(super) fn allocate(blocks: usize) -> NonNull<Block> {
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
pub(super) fn layout_of(blocks: usize) -> Layout {
    Layout::array::<Block>(blocks).expect("blocks that fit into memory")
}
