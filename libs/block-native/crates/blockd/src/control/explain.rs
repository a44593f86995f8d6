//! What is really placed, as JSON.

use std::collections::BTreeMap;

use purlin_block_core::control::{ControlAnswer, ControlOp, DiskId, PoolStatus, Survey};
use purlin_block_core::placement::{Level, Survival, TableDisk};
use serde_json::{Value, json};

use super::calls::WALK_TIMEOUT;
use super::protocol::Failure;
use crate::daemon::pool_thread::PoolThread;

/// Looks through a pool's map.
///
/// # Errors
/// The engine's.
pub(super) fn of(pool: &PoolThread) -> Result<Value, Failure> {
    let status = pool.status()?;
    let ControlAnswer::Surveyed(survey) = pool.call_within(ControlOp::Survey, WALK_TIMEOUT)? else {
        return Err(Failure::new("PUR_BLOCK_INVALID", "no survey was answered"));
    };
    let names = Names::of(pool, &status);
    let Survey { disks, stored, placed, counted, .. } = &*survey;
    let placed: Vec<Value> = placed
        .iter()
        .map(|(tolerates, census)| {
            let survival = census.survival(disks);
            json!({
                "tolerates": tolerates,
                "stripes": counted.get(tolerates),
                "diskSets": survival.sets,
                "survival": names.survival(&survival),
            })
        })
        .collect();
    let disks: Vec<Value> = disks.iter().map(|disk| names.disk(disk, stored)).collect();
    Ok(json!({
        "policy": status.policy.to_string(),
        "faultDomain": status.level.name(),
        "stripes": survey.stripes,
        "disks": disks,
        "placed": placed,
        "misplacedBytes": survey.misplaced_bytes,
        "homelessBytes": survey.homeless_bytes,
        "lostBytes": survey.lost_bytes,
        "leastBytes": by_distance(survey.least_bytes),
    }))
}

/// Bytes by how far they go.
pub(super) fn by_distance([server, rack, room, across]: [u64; 4]) -> Value {
    json!({ "server": server, "rack": rack, "room": room, "across": across })
}

/// How disks and domains are called.
struct Names(BTreeMap<DiskId, (String, Vec<String>)>);

impl Names {
    fn of(pool: &PoolThread, status: &PoolStatus) -> Self {
        let each = status.disks.iter().map(|disk| {
            let name = disk.handle.and_then(|handle| pool.disk_name(handle));
            let name = name.unwrap_or_else(|| format!("disk {}", disk.id.0));
            (disk.id, (name, disk.domains.clone()))
        });
        Self(each.collect())
    }

    fn at(&self, level: Level, disk: DiskId) -> String {
        let Some((name, way)) = self.0.get(&disk) else { return format!("disk {}", disk.0) };
        let above = match level {
            Level::Disk => return name.clone(),
            Level::Server => 0,
            Level::Rack => 1,
            Level::Room => 2,
        };
        // Where a level has no name, all stand together.
        let depth = way.len().saturating_sub(above);
        way[..depth].last().cloned().unwrap_or_else(|| "one".to_owned())
    }

    fn survival(&self, survival: &Survival) -> Vec<Value> {
        let levels = survival.levels.iter();
        let named = |level, disks: &[DiskId]| -> Vec<String> {
            disks.iter().map(|&disk| self.at(level, disk)).collect()
        };
        levels
            .map(|at| {
                json!({
                    "level": at.level.name(),
                    "domains": at.domains,
                    "any": at.any,
                    "disksBeside": at.disks_beside,
                    "fatal": named(at.level, &at.fatal),
                    "fatalSets": at.fatal_sets.map(|(fatal, all)| json!([fatal, all])),
                    "largest": named(at.level, &at.largest),
                    "largestAtMost": at.largest_at_most,
                })
            })
            .collect()
    }

    fn disk(&self, disk: &TableDisk, stored: &BTreeMap<DiskId, u64>) -> Value {
        json!({
            "disk": disk.id.0,
            "name": self.at(Level::Disk, disk.id),
            "server": self.at(Level::Server, disk.id),
            "capacityBytes": disk.capacity_bytes,
            "storedBytes": stored.get(&disk.id).copied().unwrap_or(0),
        })
    }
}
