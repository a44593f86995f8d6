//! How long a call takes.

use crate::Request;
use rustix::time::{ClockId, clock_gettime};

/// Between two looks at the clock lies this much data at least.
const BYTES_BETWEEN_CLOCKS: usize = 2 << 20;

/// Calls made, and the CPU time of the process that they took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How many calls were made.
    pub iters: u64,
    /// Nanoseconds.
    pub ns: u64,
}

/// CPU time of this process in nanoseconds: what else the machine does is not in it.
#[must_use]
pub fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let count = |part: i64| u64::try_from(part).unwrap_or_default();
    count(now.tv_sec) * 1_000_000_000 + count(now.tv_nsec)
}

/// Calls `work` on the items in turn until the request's time is spent.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn timed<Item>(
    request: &Request,
    items: &mut [Item],
    mut work: impl FnMut(&mut Item),
) -> Timing {
    let turns = 1 + BYTES_BETWEEN_CLOCKS / (request.k * request.size);
    let limit = (request.ms * 1e6) as u64;
    let (mut next, mut iters) = (0, 0);
    let begun = cpu_ns();
    loop {
        for _ in 0..turns {
            work(&mut items[next]);
            next = if next + 1 == items.len() { 0 } else { next + 1 };
        }
        iters += turns as u64;
        let ns = cpu_ns() - begun;
        if ns >= limit {
            return Timing { iters, ns };
        }
    }
}
