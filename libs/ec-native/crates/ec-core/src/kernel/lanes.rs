//! What the passes over the shards need of a vector, so that they are written once for every
//! width.
//!
//! All functions are inlined into functions of the kernels that enable the processor's features,
//! and get their vector instructions there; none may be called from elsewhere.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use crate::table::Table;

/// The most bytes of a vector that reads and writes its parts by way of memory; a longer one has
/// masks.
const BY_MEMORY_BYTES_MAX: usize = 32;

/// A vector of bytes and what the field needs of it.
///
/// # Safety
/// Every function needs the processor's features of the implementing kernel, and every address
/// must be valid for the bytes named.
pub(super) trait Lanes: Copy {
    /// How many bytes a vector has.
    const BYTES: usize;
    /// Whether there are 32 registers; else there are 16.
    const ROOMY: bool;
    /// A coefficient as it stands in a table.
    type Entry;
    /// A coefficient as it stands in registers.
    type Factor: Copy;

    unsafe fn zero() -> Self;
    /// Reads `BYTES` bytes, of any alignment.
    unsafe fn load(from: *const u8) -> Self;
    /// Reads `count` bytes, fewer than `BYTES`; the others are 0.
    #[inline(always)]
    unsafe fn load_part(from: *const u8, count: usize) -> Self {
        const { assert!(Self::BYTES <= BY_MEMORY_BYTES_MAX) };
        let mut bytes = [0u8; BY_MEMORY_BYTES_MAX];
        // SAFETY: as the trait asks; `bytes` holds a whole vector.
        unsafe {
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), count);
            Self::load(bytes.as_ptr())
        }
    }
    /// Writes `BYTES` bytes, of any alignment.
    unsafe fn store(self, to: *mut u8);
    /// Writes `count` bytes, fewer than `BYTES`.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut u8, count: usize) {
        const { assert!(Self::BYTES <= BY_MEMORY_BYTES_MAX) };
        let mut bytes = [0u8; BY_MEMORY_BYTES_MAX];
        // SAFETY: as the trait asks; `bytes` holds a whole vector.
        unsafe {
            self.store(bytes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
        }
    }
    /// Writes `BYTES` bytes past the caches; `to` is a multiple of `BYTES`.
    unsafe fn stream(self, to: *mut u8);
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    #[inline(always)]
    unsafe fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: as the trait asks.
        unsafe { self.xor(second.xor(third)) }
    }
    unsafe fn is_zero(self) -> bool;
    unsafe fn factor(entry: *const Self::Entry) -> Self::Factor;
    unsafe fn multiply(self, factor: Self::Factor) -> Self;
    /// Orders streamed stores before whatever is stored after them.
    unsafe fn fence();
}

/// What a kernel works on.
///
/// Whoever makes one promises for it: `sources` has a pointer a column of the table from
/// `first_column` on, valid for reading `length` bytes; `outputs` has a pointer a row, valid for
/// writing as many (for reading, where they are only checked); no output overlaps with anything.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub table: &'a Table,
    pub first_column: usize,
    pub sources: &'a [*const u8],
    pub outputs: &'a [*mut u8],
    pub length: usize,
}

/// The pointers of the R rows `order`.
pub(super) fn in_order<const R: usize>(outputs: &[*mut u8], order: &[usize]) -> [*mut u8; R] {
    std::array::from_fn(|row| outputs[order[row]])
}
