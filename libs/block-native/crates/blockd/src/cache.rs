//! SSDs in front of the disks of an engine: `docs/cache.md`, "in use".
//!
//! [`cached::Cached`] is an engine around an engine. What the inner one asks of a cached disk goes
//! through that disk's [`layer::Layer`]; what the layers ask of disks goes out as the engine's own.
//! Around a pool it is the pool's cache; around [`crate::raw::RawEngine`] it is `cache-serve`.

pub mod cached;
pub mod calls;
pub mod desk;
pub mod devices;
pub mod identity;
pub mod layer;
pub mod lock_file;
pub mod nbd_address;
pub mod nbd_disk;
pub mod pool;
pub mod recorder;
pub mod serve;
pub(crate) mod status;
