//! Simulated disks: what a crash, a bad sector or a lying disk can do, from a seed.

mod disk;
mod model;
mod random;
mod sites;
#[cfg(test)]
mod tests;
mod world;

pub use disk::{CrashMode, SimDisk};
pub use model::{Model, Stamp, stamped};
pub use random::Random;
pub use sites::{Sites, Spread};
pub use world::{Start, World};
