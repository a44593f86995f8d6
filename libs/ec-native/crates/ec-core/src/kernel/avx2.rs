//! AVX2: vectors of 32 bytes, a product is two shuffles of tables of nibbles.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_load_si128, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_xor_si256,
};

use crate::kernel::functions::kernel_functions;
use crate::kernel::ymm::{Product, Ymm};
use crate::table::Nibbles;

/// Multiplies by tables of nibbles.
#[derive(Clone, Copy)]
pub(super) struct Shuffle;

impl Product for Shuffle {
    type Entry = Nibbles;
    type Factor = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn factor(entry: *const Nibbles) -> Self::Factor {
        let halves = entry.cast::<__m128i>();
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            (
                _mm256_broadcastsi128_si256(_mm_load_si128(halves)),
                _mm256_broadcastsi128_si256(_mm_load_si128(halves.add(1))),
            )
        }
    }

    #[inline(always)]
    unsafe fn multiply(vector: __m256i, (low, high): Self::Factor) -> __m256i {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            let mask = _mm256_set1_epi8(0x0f);
            let low_nibbles = _mm256_and_si256(vector, mask);
            let high_nibbles = _mm256_and_si256(_mm256_srli_epi64::<4>(vector), mask);
            _mm256_xor_si256(
                _mm256_shuffle_epi8(low, low_nibbles),
                _mm256_shuffle_epi8(high, high_nibbles),
            )
        }
    }
}

kernel_functions!(Ymm<Shuffle>, "avx2");
