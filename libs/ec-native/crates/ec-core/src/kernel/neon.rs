//! NEON: vectors of 16 bytes, a product is two look-ups in tables of nibbles.

#![allow(unsafe_code, reason = "vector instructions")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8, vqtbl1q_u8,
    vshrq_n_u8, vst1q_u8,
};

use crate::kernel::functions::kernel_functions;
use crate::kernel::lanes::Lanes;
use crate::table::Nibbles;

impl Lanes for uint8x16_t {
    const BYTES: usize = 16;
    const ROOMY: bool = true;
    type Entry = Nibbles;
    type Factor = (Self, Self);

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { vst1q_u8(to, self) }
    }

    /// There is no intrinsic for stores past the caches on ARM: the line is not read first when
    /// it is written whole.
    #[inline(always)]
    unsafe fn stream(self, to: *mut u8) {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { self.store(to) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { veorq_u8(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { vorrq_u8(self, other) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { vmaxvq_u8(self) == 0 }
    }

    #[inline(always)]
    unsafe fn factor(entry: *const Nibbles) -> Self::Factor {
        let halves = entry.cast::<u8>();
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe { (vld1q_u8(halves), vld1q_u8(halves.add(16))) }
    }

    #[inline(always)]
    unsafe fn multiply(self, (low, high): Self::Factor) -> Self {
        // SAFETY: as `Lanes` asks of whoever calls this.
        unsafe {
            let low_nibbles = vandq_u8(self, vdupq_n_u8(0x0f));
            veorq_u8(vqtbl1q_u8(low, low_nibbles), vqtbl1q_u8(high, vshrq_n_u8::<4>(self)))
        }
    }

    #[inline(always)]
    unsafe fn fence() {}
}

kernel_functions!(uint8x16_t, "neon");
