//! The engine against the simulator.

mod basics;
mod closing;
mod coverage;
mod explore;
mod extents;
mod faults;
mod full;
mod growth;
mod losses;
mod meanwhile;
mod members;
mod moving;
mod readings;
mod recovery;
mod retried;
mod run;
mod scrubbing;
