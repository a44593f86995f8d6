//! The calls; `src/placement.ts` says what each takes.

use std::collections::BTreeMap;

use napi::bindgen_prelude::{Either, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use purlin_block_core::control::DiskId;
use purlin_block_core::placement::{Census, Expand, PgIndex, PlacementTable, Wanted, offers};

use crate::answers::{
    ExplanationOutput, OffersOutput, PlacedDisk, RebuildOutput, ReplanOutput, bytes, count,
};
use crate::failure::{BlockFailure, guarded};
use crate::inputs::{DiskInput, PolicyInput, RootInput, level, policy, table_disks};

/// Every policy that the disks can and cannot hold.
#[napi]
#[must_use]
pub fn placement_offers(
    roots: Vec<RootInput>,
    disks: Vec<DiskInput>,
    asked: Vec<PolicyInput>,
) -> Either<OffersOutput, BlockFailure> {
    guarded(|| {
        let asked = asked.iter().map(policy).collect::<Result<Vec<_>, _>>()?;
        let (offers, refusals) = offers(&table_disks(roots, &disks)?, &asked);
        Ok(OffersOutput {
            offers: offers.into_iter().map(Into::into).collect(),
            refusals: refusals.into_iter().map(Into::into).collect(),
        })
    })
}

/// The bytes of a new table.
#[napi]
#[must_use]
pub fn placement_table(
    roots: Vec<RootInput>,
    disks: Vec<DiskInput>,
    redundancy: PolicyInput,
    fault_domain: String,
    seed: u32,
) -> Either<Uint8Array, BlockFailure> {
    guarded(|| {
        let disks = table_disks(roots, &disks)?;
        let (policy, level) = (policy(&redundancy)?, level(&fault_domain)?);
        let table = PlacementTable::new(policy, level, &disks, u64::from(seed))?;
        Ok(table.encode().into())
    })
}

/// The table after a change; `stored_bytes` lie in it, shards of all kinds, spread evenly.
#[napi]
#[must_use]
pub fn replan_placement(
    table: Uint8ArraySlice<'_>,
    roots: Vec<RootInput>,
    disks: Vec<DiskInput>,
    redundancy: PolicyInput,
    fault_domain: String,
    expand: String,
    stored_bytes: i64,
) -> Either<ReplanOutput, BlockFailure> {
    guarded(|| {
        let table = PlacementTable::decode(&table)?;
        let disks = table_disks(roots, &disks)?;
        let expand = match expand.as_str() {
            "newGroup" => Expand::NewGroup,
            "rebalance" => Expand::Rebalance,
            _ => return Err(BlockFailure::invalid(format!("{expand} is no way to expand"))),
        };
        let (policy, level) = (policy(&redundancy)?, level(&fault_domain)?);
        let wanted = Wanted { policy, level, disks: &disks, expand };
        let (next, movement) = table.replan(wanted, &even_shard(&table, stored_bytes))?;
        Ok(ReplanOutput { table: next.encode().into(), movement: movement.into() })
    })
}

/// What rebuilding lost disks asks of the others.
#[napi]
#[must_use]
pub fn rebuild_placement(
    table: Uint8ArraySlice<'_>,
    lost: Vec<u32>,
    stored_bytes: i64,
) -> Either<RebuildOutput, BlockFailure> {
    guarded(|| {
        let table = PlacementTable::decode(&table)?;
        let lost: Vec<DiskId> =
            lost.into_iter().filter_map(|id| u16::try_from(id).ok().map(DiskId)).collect();
        Ok(table.rebuild(&lost, &even_shard(&table, stored_bytes))?.into())
    })
}

/// What a table places and survives.
#[napi]
#[must_use]
pub fn explain_placement(table: Uint8ArraySlice<'_>) -> Either<ExplanationOutput, BlockFailure> {
    guarded(|| Ok(explanation(&PlacementTable::decode(&table)?)))
}

fn explanation(table: &PlacementTable) -> ExplanationOutput {
    let mut placed: BTreeMap<DiskId, u32> = BTreeMap::new();
    for (_, set) in table.placement_groups() {
        for &disk in set {
            *placed.entry(disk).or_default() += 1;
        }
    }
    let groups: BTreeMap<DiskId, u32> = (0u32..)
        .zip(table.groups())
        .flat_map(|(group, members)| members.iter().map(move |&disk| (disk, group)))
        .collect();
    let survival = Census::of(table).survival(table.disks());
    let disks = table.disks().iter().map(|disk| PlacedDisk {
        id: u32::from(disk.id.0),
        group: groups.get(&disk.id).copied().unwrap_or(0),
        capacity_bytes: bytes(disk.capacity_bytes),
        placement_groups: placed.get(&disk.id).copied().unwrap_or(0),
    });
    let (usable, best) = usable_bytes(table, &placed);
    ExplanationOutput {
        epoch: table.epoch(),
        policy: table.policy().into(),
        level: table.level().name().to_owned(),
        placement_groups: count(table.placement_groups().count()),
        disk_sets: count(survival.sets),
        transitions: count(table.transitions().count()),
        usable_bytes: bytes(usable),
        best_usable_bytes: bytes(best),
        disks: disks.collect(),
        survival: survival.levels.into_iter().map(Into::into).collect(),
    }
}

/// Bytes of volumes when the first disk is full, where every placement group fills alike, and the
/// most that any placement could hold.
fn usable_bytes(table: &PlacementTable, placed: &BTreeMap<DiskId, u32>) -> (u64, u64) {
    let groups = table.placement_groups().count() as u64;
    let room = |disk: &purlin_block_core::placement::TableDisk| {
        let count = placed.get(&disk.id).copied().filter(|&count| count > 0)?;
        Some(disk.capacity_bytes / u64::from(count))
    };
    let shard = table.disks().iter().filter_map(room).min().unwrap_or(0);
    let (offers, _) = offers(table.disks(), &[table.policy()]);
    let same =
        offers.iter().find(|offer| (offer.policy, offer.level) == (table.policy(), table.level()));
    let usable = shard * groups * table.policy().data_shards() as u64;
    (usable, same.map_or(usable, |offer| offer.usable_bytes))
}

/// Bytes at each place of a placement group when `stored_bytes` are spread evenly.
fn even_shard(table: &PlacementTable, stored_bytes: i64) -> impl Fn(PgIndex) -> u64 {
    let places = table.placement_groups().count() * table.policy().shards();
    let each = u64::try_from(stored_bytes).unwrap_or(0) / places.max(1) as u64;
    move |_| each
}
