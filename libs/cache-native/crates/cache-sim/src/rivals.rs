//! The policies that ours is compared with, each after its paper. They work on the dense page
//! numbers of one trace. They are no part of the product's path.

mod arc;
mod belady;
mod lirs;
mod list;
mod lru;
mod s3_fifo;
mod sieve;
mod two_q;
mod w_tiny_lfu;

pub use arc::Arc;
pub use belady::Belady;
pub use lirs::Lirs;
pub use lru::Lru;
pub use s3_fifo::S3Fifo;
pub use sieve::Sieve;
pub use two_q::TwoQ;
pub use w_tiny_lfu::WTinyLfu;

/// A policy under comparison. Each of these writes every page that it misses to flash.
pub trait Rival {
    /// One request for `page`; whether it was in the cache.
    fn access(&mut self, page: u32) -> bool;

    /// The memory of index, queues and ghosts at their largest, in bytes.
    fn metadata_bytes(&self) -> usize;
}

/// Bytes of an index entry: a page number of 8 and a place of 4, at a load of three quarters.
const INDEX_ENTRY_BYTES: usize = 16;
/// Bytes of the two links of a queue.
const LINKS_BYTES: usize = 8;
/// Bytes of the word beside a page that holds its queue and its bits.
const FLAGS_BYTES: usize = 1;
/// What a page costs that stands in an index and in one queue, in bytes.
const LINKED_ENTRY_BYTES: usize = INDEX_ENTRY_BYTES + LINKS_BYTES + FLAGS_BYTES;
/// What a page costs that stands in an index and in a ring, in bytes: its number again in the ring.
const RING_ENTRY_BYTES: usize = INDEX_ENTRY_BYTES + 4 + FLAGS_BYTES;
