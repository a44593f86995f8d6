//! SSSE3: vectors of 16 bytes, a product is two shuffles of tables of nibbles.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_load_si128, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128, _mm_sfence, _mm_shuffle_epi8, _mm_srli_epi64,
    _mm_storeu_si128, _mm_stream_si128, _mm_xor_si128,
};

use crate::kernel::functions::kernel_functions;
use crate::kernel::lanes::Lanes;
use crate::table::Nibbles;

impl Lanes for __m128i {
    const BYTES: usize = 16;
    const ROOMY: bool = false;
    type Entry = Nibbles;
    type Factor = (Self, Self);

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_setzero_si128() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_loadu_si128(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_storeu_si128(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_stream_si128(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_xor_si128(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_or_si128(self, other) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(self, _mm_setzero_si128())) == 0xffff }
    }

    #[inline(always)]
    unsafe fn factor(entry: *const Nibbles) -> Self::Factor {
        let halves = entry.cast::<Self>();
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { (_mm_load_si128(halves), _mm_load_si128(halves.add(1))) }
    }

    #[inline(always)]
    unsafe fn multiply(self, (low, high): Self::Factor) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            let mask = _mm_set1_epi8(0x0f);
            let low_nibbles = _mm_and_si128(self, mask);
            let high_nibbles = _mm_and_si128(_mm_srli_epi64::<4>(self), mask);
            _mm_xor_si128(_mm_shuffle_epi8(low, low_nibbles), _mm_shuffle_epi8(high, high_nibbles))
        }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_sfence() }
    }
}

kernel_functions!(__m128i, "ssse3");
