//! Memory for disks: aligned so that `O_DIRECT` takes it, shared so that nothing is copied.

mod spare;

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// The unit of everything: addresses, lengths, checksums. Both sector sizes divide it.
pub const BLOCK_BYTES: usize = 4096;

/// One block, aligned to itself.
#[repr(C, align(4096))]
#[derive(Clone, Copy)]
struct Block([u8; BLOCK_BYTES]);

/// Whole blocks of memory, the first at a multiple of 4096 bytes. It is `Send`, has one owner and
/// travels with a disk operation: into a read empty, out of it filled.
pub struct Buffer {
    start: NonNull<Block>,
    blocks: usize,
}

#[expect(unsafe_code, reason = "a buffer owns its memory as a boxed slice does")]
// SAFETY: nothing else refers to the blocks, and they are plain bytes.
unsafe impl Send for Buffer {}
#[expect(unsafe_code, reason = "a buffer owns its memory as a boxed slice does")]
// SAFETY: through a shared buffer its bytes can only be read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `blocks` blocks of zeros.
    #[must_use]
    pub fn zeroed(blocks: usize) -> Self {
        let mut buffer = Self::of_any_bytes(blocks);
        if blocks <= spare::RUN_BLOCKS_MAX {
            buffer.as_bytes_mut().fill(0);
        }
        buffer
    }

    /// `blocks` blocks to be filled: what is in them until then is of no meaning, and may have been
    /// anybody's.
    #[must_use]
    pub fn of_any_bytes(blocks: usize) -> Self {
        let start = match blocks {
            0 => NonNull::dangling(),
            _ => spare::take(blocks),
        };
        Self { start, blocks }
    }

    /// A copy of `bytes`, filled up with zeros to whole blocks.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::of_any_bytes(bytes.len().div_ceil(BLOCK_BYTES));
        let (head, rest) = buffer.as_bytes_mut().split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        rest.fill(0);
        buffer
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// The length in bytes, a multiple of [`BLOCK_BYTES`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks * BLOCK_BYTES
    }

    /// Whether it has no block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// All bytes.
    #[must_use]
    #[expect(unsafe_code, reason = "a slice of blocks is a slice of their bytes")]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `start` points to that many blocks, which are self's alone; `Block` is `repr(C)`
        // around an array of bytes whose length is its size, so there is no padding, and the memory
        // was zeroed when it was allocated, so every byte is initialised. The lifetime is self's.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len()) }
    }

    /// All bytes, to be written. An I/O back end takes its pointer from here.
    #[expect(unsafe_code, reason = "a slice of blocks is a slice of their bytes")]
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_bytes`; any byte pattern is a valid `Block`, and self is borrowed
        // uniquely for the lifetime of the slice.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len()) }
    }

    /// The whole buffer as a slice that can be shared.
    #[must_use]
    pub fn share(self) -> Slice {
        let range = 0..self.len();
        Slice { owner: Arc::new(self), range }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.blocks > 0 {
            spare::give_back(self.start, self.blocks);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Buffer({} blocks)", self.blocks())
    }
}

/// Some bytes of a shared [`Buffer`] that nobody writes any more. Cloning costs a count, and the
/// same bytes can be on their way to several disks. Slices handed to the engine begin and end at
/// whole blocks.
#[derive(Clone)]
pub struct Slice {
    owner: Arc<Buffer>,
    range: Range<usize>,
}

impl Slice {
    /// One block of zeros, always the same.
    #[must_use]
    pub fn zero_block() -> Self {
        static ZERO: OnceLock<Slice> = OnceLock::new();
        ZERO.get_or_init(|| Buffer::zeroed(1).share()).clone()
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.owner.as_bytes()[self.range.clone()]
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether it has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// How many whole blocks it has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.len() / BLOCK_BYTES
    }

    /// `count` blocks from block `first` on.
    ///
    /// # Panics
    /// If the slice does not have them.
    #[must_use]
    pub fn blocks_at(&self, first: usize, count: usize) -> Self {
        let start = self.range.start + first * BLOCK_BYTES;
        let end = start + count * BLOCK_BYTES;
        assert!(end <= self.range.end, "blocks {first}+{count} are beyond {} bytes", self.len());
        Self { owner: Arc::clone(&self.owner), range: start..end }
    }

    /// Appends the slice to others that are written one after the other: as one with the last of
    /// them where its bytes come right after.
    pub fn append_to(&self, slices: &mut Vec<Self>) {
        if let Some(last) = slices.last_mut()
            && Arc::ptr_eq(&last.owner, &self.owner)
            && last.range.end == self.range.start
        {
            last.range.end = self.range.end;
            return;
        }
        slices.push(self.clone());
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Slice({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_at_a_whole_block_whatever_its_size() {
        for blocks in [1, 2, 7, 64] {
            let buffer = Buffer::zeroed(blocks);
            assert_eq!(buffer.as_bytes().as_ptr().addr() % BLOCK_BYTES, 0);
            assert_eq!(buffer.len(), blocks * BLOCK_BYTES);
        }
    }

    #[test]
    fn a_block_that_is_used_again_is_zeroed_where_zeros_are_asked_for() {
        let mut first = Buffer::zeroed(1);
        first.as_bytes_mut().fill(7);
        drop(first);
        for _ in 0..200 {
            assert!(Buffer::zeroed(1).as_bytes().iter().all(|&byte| byte == 0));
            assert!(Buffer::copy_of(&[7; 9]).as_bytes()[9..].iter().all(|&byte| byte == 0));
            Buffer::of_any_bytes(1).as_bytes_mut().fill(9);
        }
        assert!(Buffer::zeroed(0).is_empty());
    }

    #[test]
    fn a_run_that_is_used_again_is_zeroed_where_zeros_are_asked_for() {
        for blocks in [2, 16, 32, 33] {
            for _ in 0..20 {
                Buffer::of_any_bytes(blocks).as_bytes_mut().fill(7);
                assert!(Buffer::zeroed(blocks).as_bytes().iter().all(|&byte| byte == 0));
            }
        }
    }

    #[test]
    fn slices_that_follow_each_other_become_one() {
        let (whole, other) = (Buffer::zeroed(4).share(), Buffer::zeroed(1).share());
        let mut slices = Vec::new();
        for slice in [&whole.blocks_at(0, 1), &whole.blocks_at(1, 2), &other, &other] {
            slice.append_to(&mut slices);
        }
        whole.blocks_at(3, 1).append_to(&mut slices);
        let lengths: Vec<usize> = slices.iter().map(Slice::blocks).collect();
        assert_eq!(lengths, [3, 1, 1, 1]);
    }

    #[test]
    fn blocks_of_a_slice_are_the_bytes_of_its_buffer() {
        let mut buffer = Buffer::zeroed(3);
        buffer.as_bytes_mut()[BLOCK_BYTES] = 7;
        let slice = buffer.share();
        assert_eq!(slice.blocks_at(1, 2).blocks_at(0, 1).as_bytes()[0], 7);
        assert_eq!(slice.blocks_at(2, 1).as_bytes(), Slice::zero_block().as_bytes());
    }
}
