//! Memory that JavaScript and the pool own together.
//!
//! An `ArrayBuffer` can be transferred away by JavaScript at any time, and its memory freed, while
//! another thread works on it; Node-API offers no way to hold a foreign one. Memory that was made
//! here is counted: it is freed when both JavaScript and the last task have let it go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use napi::Env;
use napi::bindgen_prelude::{BufferSlice, Either};
use napi_derive::napi;
use purlin_ec_core::StripeArena;

use crate::failure::{EcFailure, guarded};
use crate::handles::answer;

/// A piece of such memory, and who else holds it.
pub type Allocation = Arc<StripeArena>;

/// All pieces that JavaScript holds, by their first address, with their length.
static ALLOCATIONS: Mutex<BTreeMap<usize, (usize, Weak<StripeArena>)>> =
    Mutex::new(BTreeMap::new());

fn allocations() -> MutexGuard<'static, BTreeMap<usize, (usize, Weak<StripeArena>)>> {
    ALLOCATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Zeroed memory that begins at a multiple of 4096.
#[napi]
pub fn allocate(env: &Env, size_bytes: i64) -> napi::Result<Either<BufferSlice<'_>, EcFailure>> {
    let made = guarded(|| {
        let size_bytes = usize::try_from(size_bytes).unwrap_or_default();
        Ok(StripeArena::new(1, 1, size_bytes)?)
    });
    let mut arena = match answer(made) {
        Either::A(arena) => arena,
        Either::B(failure) => return Ok(Either::B(failure)),
    };
    let bytes = arena.as_bytes_mut();
    let (start, length) = (bytes.as_mut_ptr(), bytes.len());
    let allocation = Arc::new(arena);
    allocations().insert(start.addr(), (length, Arc::downgrade(&allocation)));
    let release = move |_env: Env, allocation: Allocation| {
        allocations().remove(&start.addr());
        drop(allocation);
    };
    // SAFETY: `start` is valid for `length` bytes until the arena is dropped, which `release` alone
    // does, when JavaScript has let the memory go; moving the arena does not move its heap memory.
    // Rust makes no reference to the bytes meanwhile but those a task borrows through its buffers.
    let buffer = unsafe { BufferSlice::from_external(env, start, length, allocation, release) }?;
    Ok(Either::A(buffer))
}

/// The memory that all of `bytes` lies in, held from now on; `None` for memory of others.
pub fn hold(bytes: &[u8]) -> Option<Allocation> {
    let start = bytes.as_ptr().addr();
    let allocations = allocations();
    let (first, (length, allocation)) = allocations.range(..=start).next_back()?;
    let inside = start - first <= *length && bytes.len() <= length - (start - first);
    if inside { allocation.upgrade() } else { None }
}
