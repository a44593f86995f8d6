//! The engine against the simulator.

mod basics;
mod coverage;
mod explore;
mod extents;
mod full;
mod growth;
mod losses;
mod members;
mod run;
