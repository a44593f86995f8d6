//! Volumes as disks of machines by vhost-user: the guest's requests are read from its memory, and
//! no program is between it and the reactor of its pool.

pub mod chain;
pub mod config_space;
pub mod crew;
pub mod device;
pub mod inflight;
pub mod lone;
pub mod memory;
pub mod message;
pub mod order;
pub mod protocol;
pub mod refusal;
pub mod ring;
pub mod session;
pub mod under_way;
pub mod work;
