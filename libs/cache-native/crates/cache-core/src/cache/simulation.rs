//! The cache on simulated disks: crashes at every moment, and what is there afterwards.

mod coverage;
mod explore;
mod model;
pub mod mutation;
mod run;
mod world;
