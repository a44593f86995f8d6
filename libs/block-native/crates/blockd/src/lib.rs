//! The daemon of the block engine: NBD on sockets, pools in threads of their own, disks by
//! `io_uring`. `docs/blockd.md` says how it is built and why.

pub mod arguments;
pub mod cache;
pub mod config;
pub mod control;
pub mod daemon;
pub mod directory;
pub mod disk_gate;
pub mod engine;
pub mod map;
pub mod nbd;
pub mod plan;
pub mod port;
pub mod qos;
pub mod raw;
pub mod reactor;
pub mod server;
pub mod vhost;
