//! The block engine of one host, without I/O: pools of disks, volumes, snapshots.
//!
//! [`Pool`] is a step function between clients' requests ([`request`]), owners' calls
//! ([`control`]) and disks ([`disk`]). `docs/block.md` says how it is built and why.

#![deny(unsafe_code)]

pub mod buffer;
pub mod control;
pub mod disk;
mod engine;
mod error;
pub mod keys;
#[cfg(any(test, feature = "mutations"))]
pub mod mutation;
pub mod place;
pub mod placement;
mod policy;
mod pool;
pub mod request;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

pub use engine::tasks;
pub use error::BlockError;
pub use policy::{COPIES_MAX, Policy, SHARDS_MAX};
pub use pool::{Nanoseconds, Phase, Pool};
