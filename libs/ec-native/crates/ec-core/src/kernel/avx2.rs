//! AVX2: vectors of 32 bytes, a product is two shuffles of tables of nibbles.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{
    __m256i, _mm_load_si128, _mm_sfence, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_stream_si256,
    _mm256_testz_si256, _mm256_xor_si256,
};

use crate::kernel::functions::kernel_functions;
use crate::kernel::lanes::Lanes;
use crate::table::Nibbles;

/// A vector of 32 bytes that multiplies by tables of nibbles.
#[derive(Clone, Copy)]
pub(super) struct Shuffle(__m256i);

impl Lanes for Shuffle {
    const BYTES: usize = 32;
    const ROOMY: bool = false;
    type Entry = Nibbles;
    type Factor = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, count: usize) -> Self {
        let mut bytes = [0u8; 32];
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), count);
            Self::load(bytes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut u8, count: usize) {
        let mut bytes = [0u8; 32];
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            self.store(bytes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
        }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_stream_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self(_mm256_xor_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self(_mm256_or_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { self.xor(second.xor(third)) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_testz_si256(self.0, self.0) == 1 }
    }

    #[inline(always)]
    unsafe fn factor(entry: *const Nibbles) -> Self::Factor {
        let halves = entry.cast::<std::arch::x86_64::__m128i>();
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            (
                _mm256_broadcastsi128_si256(_mm_load_si128(halves)),
                _mm256_broadcastsi128_si256(_mm_load_si128(halves.add(1))),
            )
        }
    }

    #[inline(always)]
    unsafe fn multiply(self, (low, high): Self::Factor) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            let mask = _mm256_set1_epi8(0x0f);
            let low_nibbles = _mm256_and_si256(self.0, mask);
            let high_nibbles = _mm256_and_si256(_mm256_srli_epi64::<4>(self.0), mask);
            Self(_mm256_xor_si256(
                _mm256_shuffle_epi8(low, low_nibbles),
                _mm256_shuffle_epi8(high, high_nibbles),
            ))
        }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_sfence() }
    }
}

kernel_functions!(Shuffle, "avx2");
