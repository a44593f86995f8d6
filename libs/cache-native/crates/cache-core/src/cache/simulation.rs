//! The cache on simulated disks: crashes at every moment, and what is there afterwards.

mod coverage;
mod damage;
mod exchange;
mod explore;
mod facts;
mod model;
pub mod mutation;
pub mod narrow;
mod order;
mod past;
mod run;
mod slow;
mod world;
