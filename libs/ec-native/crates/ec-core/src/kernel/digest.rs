//! The pass that digests one shard.

#![allow(unsafe_code, reason = "vector loads and stores by address")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]

use crate::kernel::lanes::Lanes;

/// The state after each block of 64 bytes is `step` times it plus the block; the last block is
/// filled up with zeros. `powers` are the entries of the step's powers 1, 2, 3 and 4.
///
/// # Safety
/// The features are there; `powers` has four entries.
#[inline(always)]
pub(super) unsafe fn digest<L: Lanes>(powers: &[L::Entry], bytes: &[u8], state: &mut [u8; 64]) {
    assert_eq!(powers.len(), 4, "four powers");
    let whole = bytes.len() / 64 * 64;
    let mut last = [0; 64];
    last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
    // SAFETY: lanes begin every `BYTES`, which divides 64, in blocks that are whole.
    unsafe {
        let factors = [
            L::factor(powers.as_ptr()),
            L::factor(powers.as_ptr().add(1)),
            L::factor(powers.as_ptr().add(2)),
            L::factor(powers.as_ptr().add(3)),
        ];
        let mut lane = 0;
        while lane < 64 {
            let mut sum = L::load(state.as_ptr().add(lane));
            let mut at = 0;
            while whole - at >= 256 {
                let from = bytes.as_ptr().add(at + lane);
                let first = L::load(from).multiply(factors[2]);
                let second = L::load(from.add(64)).multiply(factors[1]);
                let third = L::load(from.add(128)).multiply(factors[0]);
                let fresh = L::load(from.add(192)).xor3(first, second);
                sum = fresh.xor3(third, sum.multiply(factors[3]));
                at += 256;
            }
            while at < whole {
                sum = sum.multiply(factors[0]).xor(L::load(bytes.as_ptr().add(at + lane)));
                at += 64;
            }
            if whole < bytes.len() {
                sum = sum.multiply(factors[0]).xor(L::load(last.as_ptr().add(lane)));
            }
            sum.store(state.as_mut_ptr().add(lane));
            lane += L::BYTES;
        }
    }
}
