//! Vectors of 32 bytes, whatever they multiply by.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{
    __m256i, _mm_sfence, _mm256_loadu_si256, _mm256_or_si256, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm256_stream_si256, _mm256_testz_si256, _mm256_xor_si256,
};
use std::marker::PhantomData;

use crate::kernel::lanes::Lanes;

/// How vectors of 32 bytes are multiplied; the functions are those of [`Lanes`].
pub(super) trait Product: Copy {
    type Entry;
    type Factor: Copy;

    unsafe fn factor(entry: *const Self::Entry) -> Self::Factor;
    unsafe fn multiply(vector: __m256i, factor: Self::Factor) -> __m256i;
}

/// A vector of 32 bytes that multiplies by `P`.
#[derive(Clone, Copy)]
pub(super) struct Ymm<P>(__m256i, PhantomData<P>);

impl<P: Product> Ymm<P> {
    #[inline(always)]
    fn of(vector: __m256i) -> Self {
        Self(vector, PhantomData)
    }
}

impl<P: Product> Lanes for Ymm<P> {
    const BYTES: usize = 32;
    const ROOMY: bool = false;
    type Entry = P::Entry;
    type Factor = P::Factor;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self::of(_mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self::of(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_stream_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self::of(_mm256_xor_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self::of(_mm256_or_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_testz_si256(self.0, self.0) == 1 }
    }

    #[inline(always)]
    unsafe fn factor(entry: *const P::Entry) -> P::Factor {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { P::factor(entry) }
    }

    #[inline(always)]
    unsafe fn multiply(self, factor: P::Factor) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { Self::of(P::multiply(self.0, factor)) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_sfence() }
    }
}
