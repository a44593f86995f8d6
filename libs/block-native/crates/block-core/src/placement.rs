//! Where the shards of a pool lie: which disks, in which fault domains.
//!
//! ```text
//! Topology + disks + policy  --plan-->  PlacementTable  --Placer-->  disks of a stripe
//!                                       | replan: a change of disks or policy, least bytes moved
//!                                       | encode / decode: versioned, CRC-32C
//!                                       | rebuild, survival: the price of a loss, what is survived
//! ```
//! A table is an explicit list: placement group -> ordered disks, made once by a deterministic
//! optimiser and changed by as few moves as the change asks for. `docs/placement.md` says why it
//! is no hash, and what the figures of both are.

mod choose;
mod draw;
mod error;
mod ground;
mod groups;
mod movement;
mod moves;
mod offers;
mod pairs;
mod quotas;
mod random;
mod rebuild;
mod rebuild_bound;
mod replan;
mod search;
mod shares;
mod survival;
mod table;
mod table_bytes;
mod topology;

pub use error::PlacementError;
pub use ground::Level;
pub use groups::{GroupIndex, PgIndex, Transition};
pub use movement::{Distance, Movement};
pub use offers::{Offer, Refusal, offers};
pub use rebuild::Rebuild;
pub use replan::{Expand, Wanted};
pub use survival::{Census, Survival, SurvivalAt};
pub use table::{PlacementTable, TableDisk};
pub use topology::{Location, RackSpec, RoomSpec, RootSpec, Topology, TopologySpec};
