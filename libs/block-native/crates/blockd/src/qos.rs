//! Who may use the disks, and how much: limits of volumes and shares of classes. Pure.

pub mod bucket;
pub mod limiter;
pub mod weighted_queue;
