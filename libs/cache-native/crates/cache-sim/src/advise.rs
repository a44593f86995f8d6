//! What a cache of some size and mode would do for a trace: the cache's own code, on disks that
//! answer at once and keep nothing.
//!
//! All content is zeroes, so that the checksums the cache keeps are right whatever is read back.

use std::sync::atomic::{AtomicBool, Ordering};

use purlin_block_core::buffer::Slice;
use purlin_block_core::disk::{DiskDone, DiskHandle, DiskOp, IoClass};
use purlin_cache_core::CacheId;
use purlin_cache_core::cache::{Cache, Lock, Mode, Phase, Request, Setup, Shape, Tag};

use crate::simulate::SimulateError;
use crate::trace::Trace;

const PAGE_BYTES: u64 = 4096;
/// Requests between two looks at whether to stop.
const STOP_INTERVAL_REQUESTS: usize = 1 << 12;
/// A set of the policy, which slots come in.
const SET_SLOTS: u32 = 64;
const ORIGIN: DiskHandle = DiskHandle(0);
const SSD: DiskHandle = DiskHandle(1);

/// The modes that are tried.
pub const MODES: [(&str, Mode); 2] =
    [("writethrough", Mode::Writethrough), ("writeback", Mode::Writeback)];

/// One mode at one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// One of [`MODES`].
    pub mode: &'static str,
    /// The size as percent of the trace's distinct pages, as it was asked for.
    pub percent: f64,
    /// The SSD that this takes, spare blocks and metadata too.
    pub size_bytes: u64,
    /// Reads that the disk did not see, of all reads; 0 without reads.
    pub hit_ratio: f64,
    /// Requests to the disk, destage too, of all requests.
    pub disk_requests_per_request: f64,
    /// Blocks of 4096 bytes written to the SSD, metadata too, of all requests.
    pub flash_writes_per_request: f64,
}

/// The advice for every mode at every size, in the order of the sizes and of [`MODES`].
///
/// # Errors
/// A size out of its range, or `Stopped`.
pub fn advise(
    trace: &Trace,
    percents: &[f64],
    stop: &AtomicBool,
) -> Result<Vec<Advice>, SimulateError> {
    if let Some(wrong) = percents.iter().find(|percent| !(**percent > 0.0 && **percent <= 100.0)) {
        return Err(SimulateError::Percent(*wrong));
    }
    let mut rows = Vec::new();
    for percent in percents {
        for mode in MODES {
            rows.push(replay(trace, *percent, mode, stop)?);
        }
    }
    Ok(rows)
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of pages are below 2^32"
)]
fn shape_of(trace: &Trace, percent: f64) -> Shape {
    let pages = (trace.distinct_pages() as f64 * percent / 100.0).ceil() as u32;
    let slots = pages.max(1).next_multiple_of(SET_SLOTS);
    // A larger SSD is divided in the same way.
    let whole = (u64::from(slots)..)
        .find_map(|blocks| Shape::of(blocks + blocks / 8).filter(|shape| shape.slots >= slots));
    whole.unwrap_or(Shape { slots, spare_blocks: slots / 16, journal_blocks: 4 })
}

#[derive(Default)]
struct Counts {
    origin_reads: u64,
    origin_requests: u64,
    flash_blocks: u64,
}

struct Bench {
    cache: Cache,
    counts: Counts,
}

impl Bench {
    /// Lets the cache go on until it has nothing to ask; whether a reply came.
    fn settle(&mut self) {
        loop {
            self.cache.advance();
            let mut rests = true;
            while let Some(lock) = self.cache.next_lock() {
                self.cache.lock_stored(lock);
                rests = false;
            }
            while let Some(io) = self.cache.next_io() {
                rests = false;
                let origin = io.disk == ORIGIN;
                let result = match io.op {
                    DiskOp::Read { buffer, .. } => {
                        if origin {
                            // Each page is a request, and what comes along was not asked for.
                            let asked = io.class == IoClass::Client;
                            self.counts.origin_reads += u64::from(asked);
                            self.counts.origin_requests += 1;
                        }
                        Some(buffer)
                    }
                    DiskOp::Write { slices, .. } => {
                        if origin {
                            self.counts.origin_requests += 1;
                        } else {
                            self.counts.flash_blocks +=
                                slices.iter().map(|slice| slice.blocks() as u64).sum::<u64>();
                        }
                        None
                    }
                    DiskOp::Flush | DiskOp::Discard { .. } => None,
                };
                self.cache.complete(DiskDone { id: io.id, result: Ok(result) });
            }
            while self.cache.next_reply().is_some() {}
            if rests {
                return;
            }
        }
    }

    fn ask(&mut self, tag: u64, request: Request) {
        self.cache.submit(Tag(tag), request);
        self.settle();
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn replay(
    trace: &Trace,
    percent: f64,
    (name, mode): (&'static str, Mode),
    stop: &AtomicBool,
) -> Result<Advice, SimulateError> {
    let shape = shape_of(trace, percent);
    let origin_blocks = trace.pages().iter().max().copied().unwrap_or(0) + 1;
    let setup = Setup {
        origin: ORIGIN,
        origin_blocks,
        origin_id: [1; 16],
        ssds: vec![SSD],
        cache_id: CacheId([2; 16]),
        shape,
        lock: Lock::default(),
        dirty_percent_max: 70,
        ordered: false,
        attach: true,
    };
    let mut bench = Bench { cache: Cache::start(setup), counts: Counts::default() };
    bench.settle();
    assert_eq!(bench.cache.status().phase, Phase::Running, "an SSD that answers is attached");
    bench.ask(0, Request::SetMode(mode));
    bench.counts = Counts::default();
    let (mut reads, mut read_misses) = (0u64, 0u64);
    for (number, (page, write)) in trace.pages().iter().zip(trace.writes()).enumerate() {
        if number % STOP_INTERVAL_REQUESTS == 0 && stop.load(Ordering::Relaxed) {
            return Err(SimulateError::Stopped);
        }
        let before = bench.counts.origin_reads;
        let request = if *write {
            Request::Write { page: *page, slices: vec![Slice::zero_block()], fua: false }
        } else {
            reads += 1;
            Request::Read { page: *page, count: 1 }
        };
        bench.ask(number as u64 + 1, request);
        if !*write {
            read_misses += bench.counts.origin_reads - before;
        }
    }
    // What is dirty comes home in the end.
    bench.ask(u64::MAX, Request::SetMode(Mode::PassThrough));
    let requests = trace.requests() as f64;
    let Counts { origin_requests, flash_blocks, .. } = bench.counts;
    Ok(Advice {
        mode: name,
        percent,
        size_bytes: shape.size_blocks() * PAGE_BYTES,
        hit_ratio: if reads == 0 { 0.0 } else { 1.0 - read_misses as f64 / reads as f64 },
        disk_requests_per_request: origin_requests as f64 / requests,
        flash_writes_per_request: flash_blocks as f64 / requests,
    })
}
