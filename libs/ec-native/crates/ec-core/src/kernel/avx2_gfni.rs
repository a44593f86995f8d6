//! AVX2 with GFNI: vectors of 32 bytes, one affine instruction a product.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{__m256i, _mm256_gf2p8affine_epi64_epi8, _mm256_set1_epi64x};

use crate::kernel::functions::kernel_functions;
use crate::kernel::ymm::{Product, Ymm};

/// Multiplies by affine matrices.
#[derive(Clone, Copy)]
pub(super) struct Affine;

impl Product for Affine {
    type Entry = u64;
    type Factor = __m256i;

    #[inline(always)]
    unsafe fn factor(entry: *const u64) -> __m256i {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_set1_epi64x((*entry).cast_signed()) }
    }

    #[inline(always)]
    unsafe fn multiply(vector: __m256i, factor: __m256i) -> __m256i {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { _mm256_gf2p8affine_epi64_epi8::<0>(vector, factor) }
    }
}

kernel_functions!(Ymm<Affine>, "avx2,gfni");
