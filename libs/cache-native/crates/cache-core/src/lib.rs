//! The on-disk format of the SSD cache, without Node-API and without I/O: functions over byte
//! buffers.
//!
//! What is here is the superblock (its layout, its two copies, and how to tell which copy to trust)
//! and the policy: which pages the cache holds.

mod cache_id;
mod error;
pub mod layout;
pub mod policy;
mod superblock;

pub use cache_id::{CacheId, CacheIdError};
pub use error::{CopyError, FieldError, SuperblockError};
pub use superblock::{Decoded, Generation, Slot, Superblock};
