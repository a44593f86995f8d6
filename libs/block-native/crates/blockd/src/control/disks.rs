//! Calls about disks and about where stripes are.

use std::sync::Arc;

use purlin_block_core::control::{ControlOp, DiskId, DiskSpec};
use serde_json::{Value, json};

use super::calls::{WALK_TIMEOUT, of_pool, result_of};
use super::explain;
use super::protocol::{Call, DiskName, Failure};
use crate::cache::calls::{CacheAnswer, CacheCall, SOON};
use crate::cache::pool::use_alone;
use crate::daemon::pool_thread::PoolThread;
use crate::daemon::serve::{Daemon, read_plan};
use crate::plan::PoolPlan;

type Done = Result<Value, Failure>;

/// Does what is asked, or gives the call back if it is about something else.
pub(super) fn perform(daemon: &Arc<Daemon>, call: Call) -> Result<Done, Box<Call>> {
    Ok(match call {
        Call::PoolRebalance { pool, wait } => {
            of_pool(daemon, &pool).and_then(|pool| run(pool, ControlOp::Rebalance, wait))
        }
        Call::PoolRebalancePause { pool, on } => {
            of_pool(daemon, &pool).and_then(|pool| run(pool, ControlOp::PauseRebalance(on), true))
        }
        Call::PoolExplain { pool } => of_pool(daemon, &pool).and_then(explain::of),
        Call::PoolTopology { pool } => stand(daemon, &pool),
        Call::DiskMaintenance { pool, disk, on } => {
            on_disk(daemon, &pool, &disk, true, |disk| ControlOp::SetMaintenance { disk, on })
        }
        Call::DiskEvacuate { pool, disk, on, wait } => {
            on_disk(daemon, &pool, &disk, wait, |disk| ControlOp::EvacuateDisk { disk, on })
        }
        Call::DiskRemove { pool, disk, wait } => {
            on_disk(daemon, &pool, &disk, wait, ControlOp::RemoveDisk)
        }
        Call::DiskForget { pool, disk } => {
            on_disk(daemon, &pool, &disk, true, ControlOp::ForgetDisk)
        }
        Call::DiskAdd { pool, disks, force } => add(daemon, &pool, &disks, force),
        Call::DiskReturn { pool, disk } => give_back(daemon, &pool, &disk),
        Call::DiskReplace { pool, disk, by, force, wait } => {
            replace(daemon, &pool, (&disk, by), force, wait)
        }
        other => return Err(Box::new(other)),
    })
}

/// Passes a call on; what is not waited for shows in the status.
fn run(pool: &PoolThread, op: ControlOp, wait: bool) -> Done {
    if wait {
        return Ok(result_of(&pool.call_within(op, WALK_TIMEOUT)?));
    }
    pool.begin(op)?;
    Ok(json!({}))
}

fn on_disk(
    daemon: &Daemon,
    pool: &str,
    disk: &DiskName,
    wait: bool,
    op: impl FnOnce(DiskId) -> ControlOp,
) -> Done {
    let pool = of_pool(daemon, pool)?;
    let disk = number_of(pool, disk)?;
    run(pool, op(disk), wait)
}

/// A disk's number in its pool.
fn number_of(pool: &PoolThread, disk: &DiskName) -> Result<DiskId, Failure> {
    let status = pool.status()?;
    let found = status.disks.iter().find(|found| match disk {
        DiskName::Number(number) => found.id.0 == *number,
        DiskName::Name(name) => {
            let known = found.handle.and_then(|handle| pool.disk_name(handle));
            known.as_ref().unwrap_or(&found.name) == name
        }
    });
    let missing = || {
        let named = match disk {
            DiskName::Number(number) => format!("number {number}"),
            DiskName::Name(name) => name.clone(),
        };
        let message =
            format!("pool {} has no disk {named}; see its status for those it has", pool.plan.name);
        Failure::new("PUR_BLOCK_NO_DISK", message)
    };
    found.map(|found| found.id).ok_or_else(missing)
}

/// What the configuration file says of a pool now.
fn written(daemon: &Daemon, pool: &str) -> Result<PoolPlan, Failure> {
    let plan = read_plan(&daemon.options.config)
        .map_err(|error| Failure::new("PUR_INVALID", error.to_string()))?;
    let found = plan.pools.into_iter().find(|it| it.name == pool);
    let missing = format!("the configuration file has no pool {pool}");
    found.ok_or_else(|| Failure::new("PUR_BLOCK_INVALID", missing))
}

fn stand(daemon: &Daemon, pool: &str) -> Done {
    let plan = written(daemon, pool)?;
    Ok(result_of(&of_pool(daemon, pool)?.stand(&plan)?))
}

/// Opens a disk that the configuration file names, for the pool to use.
fn attach(pool: &PoolThread, plan: &PoolPlan, name: &str) -> Result<DiskSpec, Failure> {
    let Some(disk) = plan.disks.iter().find(|disk| disk.name == name) else {
        let message = format!("the configuration file has no disk {name} in pool {}", plan.name);
        return Err(Failure::new("PUR_BLOCK_NO_DISK", message));
    };
    if !is_cached(pool, name)? {
        use_alone(plan, name).map_err(|why| Failure::new("PUR_BLOCK_DISK", why.to_string()))?;
    }
    let attached = pool.attach(disk);
    attached.map_err(|error| Failure::new("PUR_BLOCK_DISK", error.to_string()))
}

/// Whether what goes to this disk goes through a cache.
fn is_cached(pool: &PoolThread, name: &str) -> Result<bool, Failure> {
    match pool.desk.ask(CacheCall::Status, SOON)? {
        CacheAnswer::Status(layers) => Ok(layers.iter().any(|layer| layer.origin == name)),
        _ => Ok(false),
    }
}

fn add(daemon: &Daemon, pool: &str, names: &[String], force: bool) -> Done {
    let plan = written(daemon, pool)?;
    let pool = of_pool(daemon, pool)?;
    let mut disks = Vec::new();
    for name in names {
        if number_of(pool, &DiskName::Name(name.clone())).is_ok() {
            let message = format!("disk {name} is in pool {} already", plan.name);
            return Err(Failure::new("PUR_BLOCK_INVALID", message));
        }
        disks.push(attach(pool, &plan, name)?);
    }
    let handles: Vec<_> = disks.iter().map(|disk| disk.handle).collect();
    let op = ControlOp::AddDisks { disks, expand: plan.expand, force };
    match pool.call_within(op, WALK_TIMEOUT) {
        Ok(answer) => Ok(result_of(&answer)),
        Err(error) => {
            for handle in handles {
                pool.detach(handle);
            }
            Err(error.into())
        }
    }
}

fn give_back(daemon: &Daemon, pool: &str, name: &str) -> Done {
    let plan = written(daemon, pool)?;
    let pool = of_pool(daemon, pool)?;
    let disk = attach(pool, &plan, name)?;
    run(pool, ControlOp::ReturnDisk(disk), true)
}

fn replace(
    daemon: &Daemon,
    pool: &str,
    (disk, by): (&DiskName, String),
    force: bool,
    wait: bool,
) -> Done {
    let plan = written(daemon, pool)?;
    let pool = of_pool(daemon, pool)?;
    let disk = number_of(pool, disk)?;
    if number_of(pool, &DiskName::Name(by.clone())).is_ok() {
        let message = format!("disk {by} is in pool {} already", plan.name);
        return Err(Failure::new("PUR_BLOCK_INVALID", message));
    }
    let by = attach(pool, &plan, &by)?;
    run(pool, ControlOp::ReplaceDisk { disk, by, force }, wait)
}
