//! AVX2 with GFNI: vectors of 32 bytes, one affine instruction a product.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{
    __m256i, _mm_sfence, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_storeu_si256, _mm256_stream_si256,
    _mm256_testz_si256, _mm256_xor_si256,
};

use crate::kernel::functions::kernel_functions;
use crate::kernel::lanes::Lanes;

/// A vector of 32 bytes that multiplies by affine matrices.
#[derive(Clone, Copy)]
pub(super) struct Affine(__m256i);

impl Lanes for Affine {
    const BYTES: usize = 32;
    const ROOMY: bool = false;
    type Entry = u64;
    type Factor = __m256i;

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
    unsafe fn factor(entry: *const u64) -> __m256i {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_set1_epi64x((*entry).cast_signed()) }
    }

    #[inline(always)]
    unsafe fn multiply(self, factor: __m256i) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self(_mm256_gf2p8affine_epi64_epi8::<0>(self.0, factor)) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_sfence() }
    }
}

kernel_functions!(Affine, "avx2,gfni");
