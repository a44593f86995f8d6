//! What each call does.

use std::sync::Arc;
use std::time::Duration;

use purlin_block_core::BlockError;
use purlin_block_core::control::{ControlAnswer, ControlOp, RecoverySpeed, ScrubReport};
use serde_json::{Value, json};

use super::protocol::{Call, Failure, Speed};
use super::{disks, status};
use crate::cache::calls::CacheCall;
use crate::cache::serve::cache_call;
use crate::cache::status::of_answer;
use crate::config;
use crate::daemon::copy::{REQUEST_TIMEOUT, set_ranges};
use crate::daemon::pool_thread::PoolThread;
use crate::daemon::serve::Daemon;
use crate::daemon::upgrade;
use crate::daemon::volumes::{drop_copy, find, find_pool, id_of, marker, now_seconds};
use crate::plan::{SourcePlan, VolumePlan};
use crate::qos::limiter::VolumeLimits;
use crate::reactor::mailbox::Mail;

/// For what walks a whole pool.
pub(super) const WALK_TIMEOUT: Duration = Duration::from_hours(24);

impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Does what is asked.
///
/// # Errors
/// Why not.
pub(super) fn perform(daemon: &Arc<Daemon>, call: Call) -> Result<Value, Failure> {
    match call {
        Call::Status => Ok(status::of(daemon)),
        Call::Stop => {
            daemon.stop();
            Ok(json!({}))
        }
        Call::Upgrade { program } => upgrade::begin(daemon, program)
            .map(|process| json!({ "process": process }))
            .map_err(|error| Failure::new("PUR_BLOCK_UPGRADE", error.to_string())),
        Call::VolumeClone { snapshot, name, linked, pool: Some(pool), wait }
            if locate(daemon, &snapshot)?.0.plan.name != pool =>
        {
            copy(daemon, snapshot, (pool, name), linked, wait)
        }
        Call::VolumeLimit { name, limits } => limit(daemon, &name, &limits),
        Call::VolumeExtents { name, since, offset } => extents(daemon, &name, since, offset),
        Call::PoolScrub { pool, deep } => walk(daemon, &pool, ControlOp::Scrub { deep }),
        Call::PoolScrubPause { pool, on } => {
            Ok(result_of(&of_pool(daemon, &pool)?.call(ControlOp::PauseScrub(on))?))
        }
        Call::PoolCheckpoint { pool } => walk(daemon, &pool, ControlOp::Checkpoint),
        Call::CacheDeviceAdd { pool, words } => of_pool(daemon, &pool)?.book.add(words),
        Call::CacheDeviceRemove { pool, device } => of_pool(daemon, &pool)?.book.remove(&device),
        change => match cache_call(change) {
            Ok((name, call, timeout)) => of_caches(daemon, &name, call, timeout),
            Err(change) => match disks::perform(daemon, *change) {
                Ok(done) => done,
                Err(change) => change_volumes(daemon, *change),
            },
        },
    }
}

/// Calls of a pool's caches; those of recordings name a volume.
fn of_caches(
    daemon: &Daemon,
    name: &str,
    call: CacheCall,
    timeout: Duration,
) -> Result<Value, Failure> {
    let (pool, call) = match call {
        CacheCall::RecordStart(_) => {
            let (pool, found) = locate(daemon, name)?;
            (pool, CacheCall::RecordStart(found.id))
        }
        CacheCall::RecordTake | CacheCall::RecordStop => (locate(daemon, name)?.0, call),
        _ => (of_pool(daemon, name)?, call),
    };
    let asks_status = call == CacheCall::Status;
    let mut answer = of_answer(pool.desk.ask(call, timeout)?);
    if asks_status && pool.plan.cache.is_some() {
        answer["uncachedDisks"] = uncached(pool, &answer)?;
    }
    Ok(answer)
}

/// The disks of a pool that no cache stands before: those that came while it was in use.
fn uncached(pool: &PoolThread, answer: &Value) -> Result<Value, Failure> {
    let layers = answer["layers"].as_array().into_iter().flatten();
    let cached: Vec<&str> = layers.filter_map(|layer| layer["origin"].as_str()).collect();
    let status = pool.status()?;
    let names = status.disks.iter().filter_map(|disk| pool.disk_name(disk.handle?));
    Ok(names.filter(|name| !cached.contains(&name.as_str())).collect())
}

/// Calls after which there may be other volumes, one at a time.
fn change_volumes(daemon: &Arc<Daemon>, call: Call) -> Result<Value, Failure> {
    let changing = daemon.change();
    let made = match call {
        Call::VolumeCreate { pool, name, size_bytes, limits } => {
            check_name(daemon, &name)?;
            let made = of_pool(daemon, &pool)?
                .call(ControlOp::CreateVolume { name: name.clone(), size_bytes })?;
            limit(daemon, &name, &limits)?;
            made
        }
        Call::VolumeClone { snapshot, name, linked, .. } => {
            let (from, found) = locate(daemon, &snapshot)?;
            check_name(daemon, &name)?;
            from.call(ControlOp::Clone { snapshot: found.id, name, linked })?
        }
        Call::VolumeGrow { name, size_bytes, reconnect } => {
            let (pool, found) = locate(daemon, &name)?;
            let made = pool.call(ControlOp::Grow { volume: found.id, size_bytes })?;
            if reconnect {
                pool.mailbox.send(Mail::Disconnect(name));
            }
            made
        }
        Call::VolumeFlatten { name } => {
            let (pool, found) = locate(daemon, &name)?;
            pool.call(ControlOp::Flatten(found.id))?
        }
        Call::VolumeRollback { name, snapshot } => {
            let (pool, found) = locate(daemon, &name)?;
            refuse_in_use(pool, &name)?;
            let (_, target) = locate(daemon, &snapshot)?;
            pool.call(ControlOp::Rollback { volume: found.id, snapshot: target.id })?
        }
        Call::VolumeDelete { name } | Call::SnapshotDelete { name } => {
            let (pool, found) = locate(daemon, &name)?;
            refuse_in_use(pool, &name)?;
            refuse_read(daemon, &name)?;
            daemon.copies.stop(&name, REQUEST_TIMEOUT);
            if pool.status()?.volumes.iter().any(|it| it.name == marker(&name)) {
                drop_copy(pool, &name)?;
                ControlAnswer::Done
            } else {
                pool.call(ControlOp::Delete(found.id))?
            }
        }
        Call::SnapshotCreate { volume, name } => {
            check_name(daemon, &name)?;
            if daemon.copies.of(&volume).is_some() {
                let message = format!("{volume} is being copied; wait until it is whole");
                return Err(Failure::new("PUR_BLOCK_IN_USE", message));
            }
            let (pool, found) = locate(daemon, &volume)?;
            let time_seconds = now_seconds();
            pool.call(ControlOp::Snapshot { volume: found.id, name, time_seconds })?
        }
        Call::PoolRecoverySpeed { pool, speed } => {
            let speed = match speed {
                Speed::Low => RecoverySpeed::Low,
                Speed::Medium => RecoverySpeed::Medium,
                Speed::High => RecoverySpeed::High,
            };
            of_pool(daemon, &pool)?.call(ControlOp::SetRecoverySpeed(speed))?
        }
        Call::PoolPolicy { pool, redundancy } => {
            let policy = config::policy(&redundancy)
                .map_err(|reason| Failure::new("PUR_BLOCK_BAD_POLICY", reason))?;
            of_pool(daemon, &pool)?.call(ControlOp::SetPolicy(policy))?
        }
        other => {
            let message = format!("{other:?} changes no volume");
            return Err(Failure::new("PUR_INVALID", message));
        }
    };
    daemon
        .match_sockets()
        .map_err(|error| Failure::new("PUR_BLOCK_SOCKET", format!("the sockets: {error}")))?;
    drop(changing);
    Ok(result_of(&made))
}

/// An independent clone in another pool than its snapshot's. Other changes are made while it is
/// copied.
fn copy(
    daemon: &Arc<Daemon>,
    snapshot: String,
    (pool, name): (String, String),
    linked: bool,
    wait: bool,
) -> Result<Value, Failure> {
    let changing = daemon.change();
    let from = locate(daemon, &snapshot)?.0.plan.name.clone();
    if linked {
        let message = format!(
            "a linked clone of {snapshot} must be in {from}, the pool of its snapshot; make it \
             independent"
        );
        return Err(Failure::new("PUR_BLOCK_INVALID", message));
    }
    let target = of_pool(daemon, &pool)?;
    if find(target, &marker(&name))?.is_none() {
        check_name(daemon, &name)?;
    }
    let source = Some(SourcePlan { snapshot, pool: from, linked });
    let limits = VolumeLimits::default();
    let plan = VolumePlan { name, pool, size_bytes: None, source, limits, snapshots: Vec::new() };
    let copy = daemon.ensure(&plan)?;
    let made = ControlAnswer::Volume(id_of(target, &plan.name)?);
    drop(changing);
    if let Some(copy) = copy.filter(|_| wait) {
        copy.wait(WALK_TIMEOUT)?;
    }
    Ok(result_of(&made))
}

/// What is read for a copy must stay until that has ended.
fn refuse_read(daemon: &Daemon, snapshot: &str) -> Result<(), Failure> {
    let Some(volume) = daemon.copies.reader_of(snapshot) else { return Ok(()) };
    let message = format!("{snapshot} is being copied to {volume}; wait, or delete {volume}");
    Err(Failure::new("PUR_BLOCK_IN_USE", message))
}

/// The extents from `offset` on; `next` is absent at the end.
fn extents(
    daemon: &Daemon,
    name: &str,
    since: Option<String>,
    offset: u64,
) -> Result<Value, Failure> {
    let (pool, found) = locate(daemon, name)?;
    let base = match since {
        None => None,
        Some(since) => {
            let (other, base) = locate(daemon, &since)?;
            if other.plan.name != pool.plan.name || !base.snapshot {
                let message = format!("{since} is no snapshot in {}, as {name} is", pool.plan.name);
                return Err(Failure::new("PUR_BLOCK_INVALID", message));
            }
            Some(base.id)
        }
    };
    let (ranges, next) = set_ranges((&pool.mailbox, found.id), base, offset, found.size_bytes)?;
    let listed: Vec<_> = ranges.iter().map(|it| json!([it.start, it.end - it.start])).collect();
    Ok(json!({ "sizeBytes": found.size_bytes, "extents": listed, "next": next }))
}

fn walk(daemon: &Daemon, pool: &str, op: ControlOp) -> Result<Value, Failure> {
    let made = of_pool(daemon, pool)?.call_within(op, WALK_TIMEOUT)?;
    Ok(result_of(&made))
}

pub(super) fn result_of(answer: &ControlAnswer) -> Value {
    match answer {
        ControlAnswer::Volume(id) => json!({ "volume": id.0 }),
        ControlAnswer::Disk(id) => json!({ "disk": id.0 }),
        ControlAnswer::Scrubbed(report) => of_report(report),
        ControlAnswer::Disks(ids) => {
            json!({ "disks": ids.iter().map(|id| id.0).collect::<Vec<_>>() })
        }
        ControlAnswer::Done | ControlAnswer::Status(_) | ControlAnswer::Surveyed(_) => json!({}),
    }
}

pub(super) fn of_report(report: &ScrubReport) -> Value {
    json!({
        "pages": report.pages,
        "stripes": report.stripes,
        "repaired": report.repaired,
        "lost": report.lost,
    })
}

fn limit(daemon: &Daemon, name: &str, limits: &VolumeLimits) -> Result<Value, Failure> {
    let (pool, _) = locate(daemon, name)?;
    pool.mailbox.send(Mail::SetLimits(name.to_owned(), *limits));
    Ok(json!({}))
}

pub(super) fn of_pool<'a>(daemon: &'a Daemon, name: &str) -> Result<&'a PoolThread, Failure> {
    Ok(find_pool(&daemon.pools, name)?)
}

/// The pool a volume or snapshot is in, and what it is.
fn locate<'a>(
    daemon: &'a Daemon,
    name: &str,
) -> Result<(&'a PoolThread, purlin_block_core::control::VolumeStatus), Failure> {
    for pool in &daemon.pools {
        if let Ok(Some(found)) = find(pool, name) {
            return Ok((pool, found));
        }
    }
    let message = format!("there is no volume or snapshot {name} in any pool that serves");
    Err(Failure::new("PUR_BLOCK_NO_VOLUME", message))
}

fn check_name(daemon: &Daemon, name: &str) -> Result<(), Failure> {
    if !config::is_name(name) {
        let rule = "1 to 63 lower-case letters, digits and dashes, not at an end";
        return Err(Failure::new("PUR_INVALID", format!("{name}: a name must be {rule}")));
    }
    if locate(daemon, name).is_ok() {
        return Err(Failure::new("PUR_BLOCK_NAME_TAKEN", format!("the name {name} is taken")));
    }
    Ok(())
}

/// What is under a client must not change by itself.
fn refuse_in_use(pool: &PoolThread, name: &str) -> Result<(), Failure> {
    let report = pool.mailbox.ask(Duration::from_secs(5), Mail::Report);
    let clients = report
        .iter()
        .flat_map(|report| &report.connections)
        .find(|(volume, _)| volume == name)
        .map_or(0, |(_, count)| *count);
    if clients == 0 {
        return Ok(());
    }
    let message = format!("{name} has {clients} clients; disconnect them first");
    Err(Failure::new("PUR_BLOCK_IN_USE", message))
}
