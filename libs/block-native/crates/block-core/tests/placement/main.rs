//! Placement: what `docs/placement.md` promises.

#![allow(clippy::cast_precision_loss, reason = "ratios for people")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod changes;
mod invariants;
mod losses;
mod reads;
mod straw2;
mod support;
mod table_bytes;
