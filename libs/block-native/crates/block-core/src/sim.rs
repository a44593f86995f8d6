//! Simulated disks: what a crash, a bad sector or a lying disk can do, from a seed.

mod disk;
mod model;
mod random;
#[cfg(test)]
mod tests;
mod world;

pub use disk::{CrashMode, SimDisk};
pub use model::{Model, Stamp};
pub use random::Random;
pub use world::World;
