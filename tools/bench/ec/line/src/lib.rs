//! The line protocol that the workers of the erasure coding benchmark speak.
//!
//! A worker reads lines `OP K M SIZE STRIPES MS` and answers each by one JSON object: `iters`
//! calls, `bytes` counted for each, `ns` of CPU time of the process, and `ok`, whether the bytes
//! that came of it are right. `iters` 0 says that the worker has no such operation.
//!
//! This crate stands outside of the workers of both sides, so that both measure alike.

mod arena;
mod request;
mod timing;

pub use arena::Arena;
pub use request::{BadRequest, Request};
pub use timing::{Timing, cpu_ns, timed};

/// The answer of a call, a line without its end.
#[must_use]
pub fn answer(timing: Timing, bytes: usize, ok: bool) -> String {
    let Timing { iters, ns } = timing;
    format!("{{\"iters\":{iters},\"bytes\":{bytes},\"ns\":{ns},\"ok\":{ok}}}")
}
