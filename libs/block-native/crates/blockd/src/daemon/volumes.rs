//! Making volumes and snapshots what the configuration says: what is missing is made, what is too
//! small grows, nothing is taken away.

use std::time::{SystemTime, UNIX_EPOCH};

use purlin_block_core::BlockError;
use purlin_block_core::control::{ControlAnswer, ControlOp, VolumeStatus};
use purlin_block_core::request::VolumeId;

use super::copies::{Copies, Copy};
use super::copy::copy_volume;
use super::pool_thread::{CALL_TIMEOUT, PoolThread};
use crate::plan::{SourcePlan, VolumePlan};
use crate::reactor::mailbox::{Mail, Mailbox};

/// Begins the name of what marks a volume that is being copied; it is there until the copy is
/// durable, and until then nobody is served with the volume.
const COPYING: &str = "copying:";

/// A copy that is to be made for a volume to be there.
pub struct CopyTask {
    from: (Mailbox, VolumeId),
    to: (Mailbox, VolumeId),
    size_bytes: u64,
    marker: VolumeId,
}

impl CopyTask {
    /// Copies, and takes the marker away when all is durable.
    ///
    /// # Errors
    /// Either engine's, or it was stopped. The marker is still there.
    pub fn run(&self, copy: &Copy) -> Result<(), BlockError> {
        let (from, to) = ((&self.from.0, self.from.1), (&self.to.0, self.to.1));
        copy_volume(from, to, self.size_bytes, copy)?;
        self.to.0.call(ControlOp::Delete(self.marker), CALL_TIMEOUT).map(drop)
    }
}

/// Brings one volume about; gives the copy that is left to be made for it, after which this is to
/// be called again.
///
/// # Errors
/// The engine's, of the volume's pool or of its source's.
pub fn ensure_volume(
    plan: &VolumePlan,
    pools: &[PoolThread],
    copies: &Copies,
) -> Result<Option<CopyTask>, BlockError> {
    let pool = find_pool(pools, &plan.pool)?;
    if copies.of(&plan.name).is_some() {
        return Ok(None);
    }
    // A copy that was cut off is begun again.
    if find(pool, &marker(&plan.name))?.is_some() {
        drop_copy(pool, &plan.name)?;
    }
    match (find(pool, &plan.name)?, &plan.source) {
        (Some(found), _) => grow(pool, &found, plan.size_bytes)?,
        (None, None) => {
            let size_bytes = plan.size_bytes.unwrap_or_default();
            pool.call(ControlOp::CreateVolume { name: plan.name.clone(), size_bytes })?;
        }
        (None, Some(source)) if source.pool != plan.pool => {
            return begin_copy(plan, source, pool, pools).map(Some);
        }
        (None, Some(source)) => {
            let (snapshot, linked) = (id_of(pool, &source.snapshot)?, source.linked);
            pool.call(ControlOp::Clone { snapshot, name: plan.name.clone(), linked })?;
            if let Some(found) = find(pool, &plan.name)? {
                grow(pool, &found, plan.size_bytes)?;
            }
        }
    }
    for name in &plan.snapshots {
        if find(pool, name)?.is_none() {
            let volume = id_of(pool, &plan.name)?;
            let time_seconds = now_seconds();
            pool.call(ControlOp::Snapshot { volume, name: name.clone(), time_seconds })?;
        }
    }
    pool.mailbox.send(Mail::SetLimits(plan.name.clone(), plan.limits));
    Ok(None)
}

/// The marker comes first, so that there is no moment at which a part looks like the whole.
fn begin_copy(
    plan: &VolumePlan,
    source: &SourcePlan,
    pool: &PoolThread,
    pools: &[PoolThread],
) -> Result<CopyTask, BlockError> {
    let from = find_pool(pools, &source.pool)?;
    let snapshot = id_of(from, &source.snapshot)?;
    let size_bytes = size_of(from, &source.snapshot)?;
    let marker = ControlOp::CreateVolume { name: marker(&plan.name), size_bytes: 4096 };
    let marker = volume_of(&pool.call(marker)?)?;
    let target = ControlOp::CreateVolume { name: plan.name.clone(), size_bytes };
    let target = volume_of(&pool.call(target)?)?;
    let from = (from.mailbox.clone(), snapshot);
    Ok(CopyTask { from, to: (pool.mailbox.clone(), target), size_bytes, marker })
}

/// Takes away what a copy that does not run any more has left, the marker last.
///
/// # Errors
/// The engine's.
pub fn drop_copy(pool: &PoolThread, volume: &str) -> Result<(), BlockError> {
    for name in [volume.to_owned(), marker(volume)] {
        if let Some(found) = find(pool, &name)? {
            pool.call(ControlOp::Delete(found.id))?;
        }
    }
    Ok(())
}

/// Whether one of `volumes` is a part of what it shall be, or marks one.
#[must_use]
pub fn is_part_of_copy(volume: &VolumeStatus, volumes: &[VolumeStatus]) -> bool {
    let marked = marker(&volume.name);
    volume.name.starts_with(COPYING) || volumes.iter().any(|other| other.name == marked)
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

/// What marks a volume that is being copied.
#[must_use]
pub fn marker(volume: &str) -> String {
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
