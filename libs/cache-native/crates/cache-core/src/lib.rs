//! The SSD cache, without Node-API and without I/O: the superblock (its layout, its two copies, and
//! how to tell which copy to trust), the policy (which pages the cache holds), and the data path
//! between an origin and its SSDs.

pub mod cache;
mod cache_id;
mod error;
pub mod layout;
pub mod policy;
mod superblock;

pub use cache_id::{CacheId, CacheIdError};
pub use error::{CopyError, FieldError, SuperblockError};
pub use superblock::{Decoded, Generation, Slot, Superblock};
