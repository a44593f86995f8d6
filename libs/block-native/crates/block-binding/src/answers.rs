//! What JavaScript gets.

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::placement::{Movement, Offer, Rebuild, Refusal, SurvivalAt};

/// A policy as text: `replicas 3`, `4+2`, `4+2:1`.
#[napi(object)]
pub struct PolicyOutput {
    /// `replicas 3`, `4+2`, `4+2:1`.
    pub name: String,
    /// K, or 1.
    pub data_shards: u32,
    /// M, or copies less one.
    pub parity_shards: u32,
    /// B: fault domains that may fail.
    pub domain_failures: u32,
    /// Whether the shards are copies.
    pub replicas: bool,
}

impl From<Policy> for PolicyOutput {
    fn from(policy: Policy) -> Self {
        Self {
            name: policy.to_string(),
            data_shards: count(policy.data_shards()),
            parity_shards: count(policy.parity_shards()),
            domain_failures: count(policy.failures()),
            replicas: matches!(policy, Policy::Replicas { .. }),
        }
    }
}

/// A policy that the disks can hold.
#[napi(object)]
pub struct OfferOutput {
    /// The redundancy.
    pub policy: PolicyOutput,
    /// `disk`, `server`, `rack` or `room`.
    pub level: String,
    /// Fault domains there are.
    pub domains: u32,
    /// The least number of them.
    pub domains_min: u32,
    /// The most shards of a stripe in one.
    pub shards_per_domain: u32,
    /// Bytes that volumes can fill.
    pub usable_bytes: i64,
    /// Bytes of the disks that no stripe can use.
    pub stranded_bytes: i64,
    /// Any so many domains can fail.
    pub survives_domains: u32,
    /// Any so many disks can fail.
    pub survives_disks: u32,
    /// Domains whose loss can be rebuilt on the others.
    pub spare_domains: u32,
}

impl From<Offer> for OfferOutput {
    fn from(offer: Offer) -> Self {
        Self {
            policy: offer.policy.into(),
            level: offer.level.name().to_owned(),
            domains: count(offer.domains),
            domains_min: count(offer.domains_min),
            shards_per_domain: count(offer.shards_per_domain),
            usable_bytes: bytes(offer.usable_bytes),
            stranded_bytes: bytes(offer.stranded_bytes),
            survives_domains: count(offer.survives_domains),
            survives_disks: count(offer.survives_disks),
            spare_domains: count(offer.spare_domains),
        }
    }
}

/// A policy that the disks cannot hold.
#[napi(object)]
pub struct RefusalOutput {
    /// The redundancy.
    pub policy: PolicyOutput,
    /// `disk`, `server`, `rack` or `room`.
    pub level: String,
    /// What is missing.
    pub reason: String,
}

impl From<Refusal> for RefusalOutput {
    fn from(refusal: Refusal) -> Self {
        Self {
            policy: refusal.policy.into(),
            level: refusal.level.name().to_owned(),
            reason: refusal.reason.to_string(),
        }
    }
}

/// What a set of disks can offer.
#[napi(object)]
pub struct OffersOutput {
    /// What it can hold.
    pub offers: Vec<OfferOutput>,
    /// What it cannot.
    pub refusals: Vec<RefusalOutput>,
}

/// Bytes that a change moves. The lists of four go by distance: within a server, within a rack,
/// within a room, across rooms.
#[napi(object)]
#[allow(clippy::struct_field_names, reason = "the unit stands last in every name")]
pub struct MovementOutput {
    /// Moved.
    pub moved_bytes: Vec<i64>,
    /// The least.
    pub least_bytes: Vec<i64>,
    /// Copies that were not there.
    pub created_bytes: i64,
    /// All there is.
    pub stored_bytes: i64,
}

impl From<Movement> for MovementOutput {
    fn from(movement: Movement) -> Self {
        Self {
            moved_bytes: movement.moved_bytes.map(bytes).into(),
            least_bytes: movement.least_bytes.map(bytes).into(),
            created_bytes: bytes(movement.created_bytes),
            stored_bytes: bytes(movement.stored_bytes),
        }
    }
}

/// A table after a change.
#[napi(object)]
pub struct ReplanOutput {
    /// Its bytes.
    pub table: Uint8Array,
    /// What it moves.
    pub movement: MovementOutput,
}

/// A disk in a table.
#[napi(object)]
pub struct PlacedDisk {
    /// Its number.
    pub id: u32,
    /// Its group of disks.
    pub group: u32,
    /// What it can hold.
    pub capacity_bytes: i64,
    /// Placement groups it stands in.
    pub placement_groups: u32,
}

/// What is survived at a level.
#[napi(object)]
pub struct SurvivalOutput {
    /// `disk`, `server`, `rack` or `room`.
    pub level: String,
    /// Domains there are.
    pub domains: u32,
    /// Any so many can fail.
    pub any: u32,
    /// Single disks that can fail beside 0, 1, .. of them.
    pub disks_beside: Vec<u32>,
    /// A smallest set that is too much, each domain by one of its disks.
    pub fatal: Vec<u32>,
    /// How many sets of that size are.
    pub fatal_sets: Option<i64>,
    /// Of how many.
    pub sets_of_that_size: Option<i64>,
    /// A largest set that is survived, each domain by one of its disks.
    pub largest: Vec<u32>,
    /// No larger one than this is.
    pub largest_at_most: u32,
}

impl From<SurvivalAt> for SurvivalOutput {
    fn from(at: SurvivalAt) -> Self {
        Self {
            level: at.level.name().to_owned(),
            domains: count(at.domains),
            any: count(at.any),
            disks_beside: at.disks_beside.into_iter().map(count).collect(),
            fatal: numbers(&at.fatal),
            fatal_sets: at.fatal_sets.map(|(fatal, _)| bytes(fatal)),
            sets_of_that_size: at.fatal_sets.map(|(_, all)| bytes(all)),
            largest: numbers(&at.largest),
            largest_at_most: count(at.largest_at_most),
        }
    }
}

/// A rebuild of lost disks.
#[napi(object)]
pub struct RebuildOutput {
    /// The largest over the mean of the bytes a disk.
    pub spread: f64,
    /// What no choice could be below.
    pub least_spread: f64,
    /// Disks that take part.
    pub disks: Vec<u32>,
    /// Bytes each of them reads and writes.
    pub disk_bytes: Vec<i64>,
}

impl From<Rebuild> for RebuildOutput {
    fn from(rebuild: Rebuild) -> Self {
        Self {
            spread: rebuild.spread,
            least_spread: rebuild.least_spread,
            disks: rebuild.disk_bytes.iter().map(|(id, _)| u32::from(id.0)).collect(),
            disk_bytes: rebuild.disk_bytes.iter().map(|(_, moved)| bytes(*moved)).collect(),
        }
    }
}

/// What a table places, and what it survives.
#[napi(object)]
pub struct ExplanationOutput {
    /// Grows by one with each change.
    pub epoch: u32,
    /// The redundancy.
    pub policy: PolicyOutput,
    /// The level of the fault domains.
    pub level: String,
    /// Placement groups.
    pub placement_groups: u32,
    /// Different sets of disks among them.
    pub disk_sets: u32,
    /// Places that are not settled.
    pub transitions: u32,
    /// Bytes of volumes when the first disk is full.
    pub usable_bytes: i64,
    /// The most that any placement could hold.
    pub best_usable_bytes: i64,
    /// The disks.
    pub disks: Vec<PlacedDisk>,
    /// The levels, the narrowest first.
    pub survival: Vec<SurvivalOutput>,
}

/// A count that a table's bounds keep far below 2^32.
pub fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Bytes as a number of JavaScript, whose exact ones end at 8 PiB.
pub fn bytes(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn numbers(disks: &[DiskId]) -> Vec<u32> {
    disks.iter().map(|disk| u32::from(disk.0)).collect()
}
