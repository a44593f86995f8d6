//! The cache on simulated disks: crashes at every moment, and what is there afterwards.

mod coverage;
mod damage;
mod explore;
mod facts;
mod model;
pub mod mutation;
mod order;
mod run;
mod world;
