//! AVX-512 with GFNI: vectors of 64 bytes, one affine instruction a product.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{
    __m512i, __mmask64, _mm_sfence, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512,
    _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8, _mm512_or_si512, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_stream_si512, _mm512_ternarylogic_epi64,
    _mm512_test_epi64_mask, _mm512_xor_si512,
};

use crate::kernel::functions::kernel_functions;
use crate::kernel::lanes::Lanes;

/// The truth table of a ^ b ^ c.
const XOR_OF_THREE: i32 = 0x96;

fn mask(count: usize) -> __mmask64 {
    (1 << count) - 1
}

impl Lanes for __m512i {
    const BYTES: usize = 64;
    const ROOMY: bool = true;
    type Entry = u64;
    type Factor = Self;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, count: usize) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_maskz_loadu_epi8(mask(count), from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut u8, count: usize) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_mask_storeu_epi8(to.cast(), mask(count), self) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_stream_si512(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_xor_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_or_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_ternarylogic_epi64::<XOR_OF_THREE>(self, second, third) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_test_epi64_mask(self, self) == 0 }
    }

    #[inline(always)]
    unsafe fn factor(entry: *const u64) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_set1_epi64((*entry).cast_signed()) }
    }

    #[inline(always)]
    unsafe fn multiply(self, factor: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm512_gf2p8affine_epi64_epi8::<0>(self, factor) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm_sfence() }
    }
}

kernel_functions!(__m512i, "avx512f,avx512bw,avx512vl,gfni");
