//! Memory for disks: aligned so that `O_DIRECT` takes it, shared so that nothing is copied.

use std::fmt;
use std::ops::Range;
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
    blocks: Box<[Block]>,
}

impl Buffer {
    /// `blocks` blocks of zeros.
    #[must_use]
    pub fn zeroed(blocks: usize) -> Self {
        Self { blocks: vec![Block([0; BLOCK_BYTES]); blocks].into_boxed_slice() }
    }

    /// A copy of `bytes`, filled up with zeros to whole blocks.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::zeroed(bytes.len().div_ceil(BLOCK_BYTES));
        buffer.as_bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        buffer
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The length in bytes, a multiple of [`BLOCK_BYTES`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    /// Whether it has no block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// All bytes.
    #[must_use]
    #[expect(unsafe_code, reason = "a slice of blocks is a slice of their bytes")]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `Block` is `repr(C)` around an array of bytes whose length is its size, so the
        // slice has no padding and every byte of it is initialised; the lifetime is that of self.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len()) }
    }

    /// All bytes, to be written. An I/O back end takes its pointer from here.
    #[expect(unsafe_code, reason = "a slice of blocks is a slice of their bytes")]
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_bytes`; any byte pattern is a valid `Block`, and self is borrowed
        // uniquely for the lifetime of the slice.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.len()) }
    }

    /// The whole buffer as a slice that can be shared.
    #[must_use]
    pub fn share(self) -> Slice {
        let range = 0..self.len();
        Slice { owner: Arc::new(self), range }
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
    fn blocks_of_a_slice_are_the_bytes_of_its_buffer() {
        let mut buffer = Buffer::zeroed(3);
        buffer.as_bytes_mut()[BLOCK_BYTES] = 7;
        let slice = buffer.share();
        assert_eq!(slice.blocks_at(1, 2).blocks_at(0, 1).as_bytes()[0], 7);
        assert_eq!(slice.blocks_at(2, 1).as_bytes(), Slice::zero_block().as_bytes());
    }
}
