//! Every policy over one trace at several sizes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use purlin_cache_core::policy::{Access, Found, Policy, PolicyShape};

use crate::rivals::{Arc, Belady, Lirs, Lru, Rival, S3Fifo, Sieve, TwoQ, WTinyLfu};
use crate::trace::Trace;

/// The names of the policies, ours first and the optimum last.
pub const POLICIES: [&str; 9] =
    ["purlin", "lru", "arc", "2q", "s3-fifo", "sieve", "lirs", "w-tinylfu", "belady"];

/// One policy at one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// One of `POLICIES`.
    pub policy: &'static str,
    /// The size of the cache as percent of the trace's distinct pages.
    pub percent: f64,
    /// Requests that were not in the cache, of all requests.
    pub miss_ratio: f64,
    /// Pages written to flash, of all requests.
    pub flash_writes_per_request: f64,
    /// The memory of index, queues and ghosts in bytes.
    pub metadata_bytes: usize,
}

/// Why there are no rows.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// A size is out of its range.
    #[error("{0} percent is no size of a cache: above 0 and at most 100 is needed")]
    Percent(f64),
    /// It was asked to stop.
    #[error("the simulation was stopped")]
    Stopped,
}

/// Requests between two looks at whether to stop.
const STOP_INTERVAL_REQUESTS: usize = 1 << 16;
const THREADS_MAX: usize = 8;

/// The rows of all policies at all sizes, in the order of the sizes and of `POLICIES`. Works in as
/// many threads as there are processors, up to 8, until done or `stop` is set.
///
/// # Errors
/// A size out of its range, or `Stopped`.
pub fn simulate(
    trace: &Trace,
    percents: &[f64],
    stop: &AtomicBool,
) -> Result<Vec<Row>, SimulateError> {
    if let Some(wrong) = percents.iter().find(|percent| !(**percent > 0.0 && **percent <= 100.0)) {
        return Err(SimulateError::Percent(*wrong));
    }
    let jobs: Vec<(f64, &'static str)> =
        percents.iter().flat_map(|percent| POLICIES.map(|policy| (*percent, policy))).collect();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(vec![None; jobs.len()]);
    let threads =
        std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((percent, policy)) = jobs.get(at) else { break };
                    let row = replay(trace, *percent, policy, stop);
                    if let Ok(mut rows) = rows.lock() {
                        rows[at] = row;
                    }
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap_or_default();
    rows.into_iter().collect::<Option<Vec<Row>>>().ok_or(SimulateError::Stopped)
}

/// `None` when it was asked to stop.
#[allow(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn replay(trace: &Trace, percent: f64, policy: &'static str, stop: &AtomicBool) -> Option<Row> {
    let capacity = capacity_pages(trace.distinct_pages(), percent);
    let (misses, writes, metadata_bytes) = if policy == "purlin" {
        replay_ours(trace, capacity, stop)?
    } else {
        let mut rival = rival(policy, trace, capacity);
        let misses = replay_rival(trace, rival.as_mut(), stop)?;
        (misses, misses, rival.metadata_bytes())
    };
    let requests = trace.requests() as f64;
    Some(Row {
        policy,
        percent,
        miss_ratio: misses as f64 / requests,
        flash_writes_per_request: writes as f64 / requests,
        metadata_bytes,
    })
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of the number of pages, which is below 2^32"
)]
fn capacity_pages(distinct: usize, percent: f64) -> usize {
    ((distinct as f64 * percent / 100.0) as usize).max(1)
}

fn replay_ours(trace: &Trace, capacity: usize, stop: &AtomicBool) -> Option<(u64, u64, usize)> {
    let address_bits = trace.address_bits();
    let mut policy = Policy::new(PolicyShape { capacity_pages: capacity, address_bits });
    let (mut misses, mut writes) = (0, 0);
    for requests in trace.pages().chunks(STOP_INTERVAL_REQUESTS) {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        for page in requests {
            let Access { found, write } = policy.access(*page);
            misses += u64::from(found == Found::Nowhere);
            writes += u64::from(write.is_some());
        }
    }
    Some((misses, writes, policy.metadata_bytes()))
}

fn replay_rival(trace: &Trace, rival: &mut dyn Rival, stop: &AtomicBool) -> Option<u64> {
    let mut misses = 0;
    for requests in trace.dense().chunks(STOP_INTERVAL_REQUESTS) {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        misses += requests.iter().map(|page| u64::from(!rival.access(*page))).sum::<u64>();
    }
    Some(misses)
}

fn rival(policy: &str, trace: &Trace, capacity: usize) -> Box<dyn Rival> {
    let pages = trace.distinct_pages();
    match policy {
        "arc" => Box::new(Arc::new(pages, capacity)),
        "2q" => Box::new(TwoQ::new(pages, capacity)),
        "s3-fifo" => Box::new(S3Fifo::new(pages, capacity)),
        "sieve" => Box::new(Sieve::new(pages, capacity)),
        "lirs" => Box::new(Lirs::new(pages, capacity)),
        "w-tinylfu" => Box::new(WTinyLfu::new(pages, capacity)),
        "belady" => Box::new(Belady::new(pages, capacity, trace.dense())),
        _ => Box::new(Lru::new(pages, capacity)),
    }
}
