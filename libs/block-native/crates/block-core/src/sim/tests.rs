//! The engine against the simulator.

mod basics;
mod coverage;
mod explore;
mod run;
