//! Making volumes and snapshots what the configuration says: what is missing is made, what is too
//! small grows, nothing is taken away.

use std::time::{SystemTime, UNIX_EPOCH};

use purlin_block_core::BlockError;
use purlin_block_core::control::{ControlAnswer, ControlOp, VolumeStatus};
use purlin_block_core::request::VolumeId;

use super::copy::copy_volume;
use super::pool_thread::PoolThread;
use crate::plan::{SourcePlan, VolumePlan};
use crate::reactor::mailbox::Mail;

/// Begins the name of a volume that is being copied; it is there until the copy is durable.
const COPYING: &str = "copying:";

/// Brings one volume about.
///
/// # Errors
/// The engine's, of the volume's pool or of its source's.
pub fn ensure_volume(plan: &VolumePlan, pools: &[PoolThread]) -> Result<(), BlockError> {
    let pool = find_pool(pools, &plan.pool)?;
    match (find(pool, &plan.name)?, &plan.source) {
        (Some(found), _) => {
            if let Some(marker) = find(pool, &marker(&plan.name))? {
                // A copy that was cut off is begun again.
                pool.call(ControlOp::Delete(found.id))?;
                pool.call(ControlOp::Delete(marker.id))?;
                return ensure_volume(plan, pools);
            }
            grow(pool, &found, plan.size_bytes)?;
        }
        (None, None) => {
            let size_bytes = plan.size_bytes.unwrap_or_default();
            pool.call(ControlOp::CreateVolume { name: plan.name.clone(), size_bytes })?;
        }
        (None, Some(source)) => from_source(plan, source, pool, pools)?,
    }
    for name in &plan.snapshots {
        if find(pool, name)?.is_none() {
            let volume = id_of(pool, &plan.name)?;
            let time_seconds = now_seconds();
            pool.call(ControlOp::Snapshot { volume, name: name.clone(), time_seconds })?;
        }
    }
    pool.mailbox.send(Mail::SetLimits(plan.name.clone(), plan.limits));
    Ok(())
}

fn from_source(
    plan: &VolumePlan,
    source: &SourcePlan,
    pool: &PoolThread,
    pools: &[PoolThread],
) -> Result<(), BlockError> {
    let from = find_pool(pools, &source.pool)?;
    let snapshot = id_of(from, &source.snapshot)?;
    let name = plan.name.clone();
    if source.pool == plan.pool {
        let clone = ControlOp::Clone { snapshot, name: name.clone(), linked: source.linked };
        pool.call(clone)?;
    } else {
        let size_bytes = size_of(from, &source.snapshot)?;
        let marker = ControlOp::CreateVolume { name: marker(&name), size_bytes: 4096 };
        let marker = volume_of(&pool.call(marker)?)?;
        let target = ControlOp::CreateVolume { name: name.clone(), size_bytes };
        let target = volume_of(&pool.call(target)?)?;
        copy_volume((from, snapshot), (pool, target), size_bytes)?;
        pool.call(ControlOp::Delete(marker))?;
    }
    match find(pool, &name)? {
        Some(found) => grow(pool, &found, plan.size_bytes),
        None => Ok(()),
    }
}

fn grow(pool: &PoolThread, found: &VolumeStatus, wanted: Option<u64>) -> Result<(), BlockError> {
    match wanted {
        Some(size_bytes) if size_bytes > found.size_bytes => {
            pool.call(ControlOp::Grow { volume: found.id, size_bytes }).map(drop)
        }
        _ => Ok(()),
    }
}

/// The seconds since 1970.
#[must_use]
pub fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn marker(volume: &str) -> String {
    format!("{COPYING}{volume}")
}

/// The pool of a name.
///
/// # Errors
/// There is none.
pub fn find_pool<'a>(pools: &'a [PoolThread], name: &str) -> Result<&'a PoolThread, BlockError> {
    pools
        .iter()
        .find(|pool| pool.plan.name == name)
        .ok_or_else(|| BlockError::Invalid { reason: format!("there is no pool {name}") })
}

/// The volume or snapshot of a name, if it is there.
///
/// # Errors
/// The engine's.
pub fn find(pool: &PoolThread, name: &str) -> Result<Option<VolumeStatus>, BlockError> {
    Ok(pool.status()?.volumes.into_iter().find(|volume| volume.name == name))
}

/// The id of a volume or snapshot.
///
/// # Errors
/// There is none, or the engine's.
pub fn id_of(pool: &PoolThread, name: &str) -> Result<VolumeId, BlockError> {
    let missing = || format!("there is no volume or snapshot {name} in pool {}", pool.plan.name);
    let found = find(pool, name)?.ok_or_else(|| BlockError::Invalid { reason: missing() })?;
    Ok(found.id)
}

fn size_of(pool: &PoolThread, name: &str) -> Result<u64, BlockError> {
    Ok(find(pool, name)?.map_or(0, |found| found.size_bytes))
}

fn volume_of(answer: &ControlAnswer) -> Result<VolumeId, BlockError> {
    match answer {
        ControlAnswer::Volume(id) => Ok(*id),
        _ => Err(BlockError::Invalid { reason: "no volume was answered".to_owned() }),
    }
}
