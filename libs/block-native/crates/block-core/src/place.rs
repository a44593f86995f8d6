//! The seam to placement: which disks a stripe goes to.

use crate::control::DiskId;

/// Chooses disks. The answer depends on the arguments and the placer's own topology alone, so
/// that the same stripe is always wanted in the same place.
pub trait Placer {
    /// Disks for up to `shards` shards of the stripe named `key`, best first, only such as
    /// `usable` allows, and no more of one fault domain than `per_domain`; a disk is named once.
    /// Fewer than `shards` where there are not enough.
    fn place(
        &self,
        key: u64,
        shards: usize,
        per_domain: usize,
        usable: &dyn Fn(DiskId) -> bool,
    ) -> Vec<DiskId>;
}
