//! What can be chosen while the cache serves, and what it has to tell on its own.

use purlin_block_core::Nanoseconds;
use purlin_block_core::disk::DiskHandle;

/// Choices that may change at any time; [`Options::default`] is what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The largest part of the slots that may be dirty, in percent, 1 to 90.
    pub dirty_percent_max: u32,
    /// Dirty pages go home in the order of the flushes, so that the origin without its SSD is stale
    /// but consistent. Costs the waits that `docs/cache.md` names.
    pub ordered: bool,
    /// Requests that follow each other for so many pages pass by; 0 lets none pass by.
    pub stream_pages: u64,
    /// While there are slots that nobody has used yet, a page that is read from the origin brings
    /// along what is beside it in so many pages; 0 brings nothing.
    pub near_pages: u64,
    /// An SSD with more errors than this within `errors_window` is not used any more.
    pub errors_max: usize,
    /// See `errors_max`.
    pub errors_window: Nanoseconds,
    /// After so long without a client's request, pages of hot regions are fetched from the origin
    /// and dirty pages are brought home. Needs [`super::Cache::pass_time`].
    pub idle_after: Nanoseconds,
}

impl Default for Options {
    /// 70 %, 4 MiB, 64 KiB, 8 errors in 10 minutes, and 2 s.
    fn default() -> Self {
        Self {
            dirty_percent_max: 70,
            ordered: false,
            stream_pages: 1024,
            near_pages: 16,
            errors_max: 8,
            errors_window: Nanoseconds(600_000_000_000),
            idle_after: Nanoseconds(2_000_000_000),
        }
    }
}

/// Something an operator has to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// An SSD is not used any more: it is gone, or had too many errors.
    SsdDropped(DiskHandle),
    /// A dirty page can be read from no SSD: it is an error until it is written again.
    PageLost(u64),
    /// Metadata was not to be read from any SSD: writeback has stopped, what is readable goes home,
    /// and so many pages may be lost.
    MetadataDamaged(usize),
}
