//! The daemon: pools in their threads, volumes as the configuration wants them, sockets for them.

pub mod access;
pub mod copies;
pub mod copy;
pub mod disks;
mod ensure;
pub mod handover;
mod late_pools;
pub mod pool_thread;
pub mod serve;
pub mod sockets;
pub mod successor;
pub mod upgrade;
pub mod volumes;
