//! How everything is, as JSON.

use std::time::Duration;

use purlin_block_core::control::{DiskState, PoolStatus, VolumeStatus};
use serde_json::{Map, Value, json};

use crate::daemon::pool_thread::{PoolState, PoolThread};
use crate::daemon::serve::Daemon;
use crate::reactor::mailbox::{Mail, Report};

/// For a reactor that is busy.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The daemon and each of its pools; one that does not answer says so and holds up no other.
pub(super) fn of(daemon: &Daemon) -> Value {
    let pools: Vec<Value> = daemon.pools.iter().map(of_pool).collect();
    json!({
        "program": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "handshakes": daemon.listeners.greeted(),
        "refusedClients": daemon.listeners.refused(),
        "pools": pools,
    })
}

fn of_pool(pool: &PoolThread) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), json!(pool.plan.name));
    let state = match pool.state() {
        PoolState::Starting => json!({ "phase": "starting" }),
        PoolState::Running => json!({ "phase": "running" }),
        PoolState::Closed => json!({ "phase": "closed" }),
        PoolState::Failed { code, message } => {
            json!({ "phase": "failed", "code": code, "message": message })
        }
    };
    fields.insert("state".to_owned(), state);
    if let Some(report) = pool.mailbox.ask(REPORT_TIMEOUT, Mail::Report) {
        fields.insert("reactor".to_owned(), of_reactor(pool, &report));
    }
    if let Ok(status) = pool.status() {
        fields.insert("engine".to_owned(), of_engine(pool, &status));
    }
    Value::Object(fields)
}

fn of_reactor(pool: &PoolThread, report: &Report) -> Value {
    let clients: Map<String, Value> =
        report.connections.iter().map(|(name, count)| (name.clone(), json!(count))).collect();
    let moved: Map<String, Value> = report
        .moved_bytes
        .iter()
        .map(|(handle, bytes)| (disk_name(pool, Some(*handle)), of_classes(bytes)))
        .collect();
    json!({
        "port": report.port,
        "clients": clients,
        "answeredRequests": report.answered,
        "failedRequests": report.failed,
        "movedBytes": moved,
    })
}

fn of_classes(bytes: &[u64; 6]) -> Value {
    let names = ["client", "destage", "recovery", "migration", "scrub", "snaptrim"];
    Value::Object(names.iter().zip(bytes).map(|(name, n)| ((*name).to_owned(), json!(n))).collect())
}

fn of_engine(pool: &PoolThread, status: &PoolStatus) -> Value {
    let disks: Vec<Value> = status
        .disks
        .iter()
        .map(|disk| {
            json!({
                "disk": disk.id.0,
                "name": disk_name(pool, disk.handle.map(|handle| handle.0)),
                "domains": disk.domains,
                "state": match disk.state {
                    DiskState::Online => "online",
                    DiskState::Missing => "missing",
                    DiskState::Maintenance => "maintenance",
                    DiskState::Leaving => "leaving",
                    DiskState::Joining => "joining",
                },
                "sizeBytes": disk.size_bytes,
                "usedBytes": disk.used_bytes,
                "errors": disk.errors,
            })
        })
        .collect();
    json!({
        "policy": status.policy.to_string(),
        "generation": status.generation,
        "disks": disks,
        "volumes": status.volumes.iter().map(|it| of_volume(status, it)).collect::<Vec<_>>(),
        "provisionedBytes": status.provisioned_bytes,
        "logUsedBytes": status.log_used_bytes,
        "logBytes": status.log_bytes,
        "shortStripes": status.short_stripes,
        "repairedChunks": status.repaired_chunks,
        "memoryBytes": status.memory_bytes,
        "writtenBytes": status.written_bytes,
        "clientWrittenBytes": status.client_written_bytes,
    })
}

fn of_volume(status: &PoolStatus, volume: &VolumeStatus) -> Value {
    let parent = status.volumes.iter().find(|other| Some(other.id) == volume.parent);
    json!({
        "name": volume.name,
        "sizeBytes": volume.size_bytes,
        "snapshot": volume.snapshot,
        "parent": parent.map(|parent| &parent.name),
        "timeSeconds": volume.snapshot.then_some(volume.time_seconds),
    })
}

fn disk_name(pool: &PoolThread, handle: Option<u32>) -> String {
    handle
        .and_then(|handle| pool.plan.disks.get(usize::try_from(handle).ok()?))
        .map_or_else(|| "missing".to_owned(), |disk| disk.name.clone())
}
