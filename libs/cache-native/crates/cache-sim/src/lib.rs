//! Block traces, replayed through the cache's policy and the policies it is compared with.
//!
//! A trace is read from a file (`Trace::read`) or made (`generate`), and `simulate` replays it
//! through every policy at several sizes. Nothing here is in the product's path of a request.

pub mod advise;
mod format;
pub mod generate;
mod random;
mod rivals;
mod simulate;
mod trace;

pub use format::Format;
pub use simulate::{POLICIES, Row, SimulateError, simulate};
pub use trace::{Trace, TraceError};
