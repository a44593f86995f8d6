//! How everything is, as JSON.

use std::time::Duration;

use purlin_block_core::control::{DiskState, PoolStatus, VolumeStatus};
use purlin_block_core::disk::{DiskHandle, Media};
use serde_json::{Map, Value, json};

use super::calls::of_report;
use super::explain::by_distance;
use crate::daemon::copies::Copies;
use crate::daemon::pool_thread::{PoolState, PoolThread};
use crate::daemon::serve::Daemon;
use crate::reactor::mailbox::{Mail, Report};

/// For a reactor that is busy.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The daemon and each of its pools; one that does not answer says so and holds up no other.
pub(super) fn of(daemon: &Daemon) -> Value {
    let pools: Vec<Value> = daemon.pools.iter().map(|pool| of_pool(pool, &daemon.copies)).collect();
    json!({
        "program": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "handshakes": daemon.listeners.greeted(),
        "refusedClients": daemon.listeners.refused(),
        "pools": pools,
    })
}

fn of_pool(pool: &PoolThread, copies: &Copies) -> Value {
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
        fields.insert("engine".to_owned(), of_engine(pool, &status, copies));
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
    let silent = report.silent_disks.iter().map(|handle| disk_name(pool, Some(*handle)));
    json!({
        "port": report.port,
        "clients": clients,
        "answeredRequests": report.answered,
        "failedRequests": report.failed,
        "movedBytes": moved,
        "silentDisks": silent.collect::<Vec<_>>(),
    })
}

fn of_classes(bytes: &[u64; 6]) -> Value {
    let names = ["client", "destage", "recovery", "migration", "scrub", "snaptrim"];
    Value::Object(names.iter().zip(bytes).map(|(name, n)| ((*name).to_owned(), json!(n))).collect())
}

fn of_engine(pool: &PoolThread, status: &PoolStatus, copies: &Copies) -> Value {
    let volumes = status.volumes.iter().map(|volume| of_volume(status, volume, copies));
    let disks: Vec<Value> = status
        .disks
        .iter()
        .map(|disk| {
            json!({
                "disk": disk.id.0,
                "name": if disk.name.is_empty() {
                    disk_name(pool, disk.handle.map(|handle| handle.0))
                } else {
                    disk.name.clone()
                },
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
                "media": match disk.media {
                    Media::Hdd => "hdd",
                    Media::Ssd => "ssd",
                    Media::Nvme => "nvme",
                },
                "movedBytes": disk.moved_bytes,
            })
        })
        .collect();
    json!({
        "policy": status.policy.to_string(),
        "faultDomain": status.level.name(),
        "moving": of_moving(status),
        "scrub": status.scrub.map(|scrub| json!({
            "deep": scrub.deep,
            "paused": scrub.paused,
            "walkedBytes": scrub.walked_bytes,
            "plannedBytes": scrub.planned_bytes,
            "found": of_report(&scrub.report),
        })),
        "generation": status.generation,
        "disks": disks,
        "volumes": volumes.collect::<Vec<_>>(),
        "provisionedBytes": status.provisioned_bytes,
        "logUsedBytes": status.log_used_bytes,
        "logBytes": status.log_bytes,
        "shortStripes": status.short_stripes,
        "repairedChunks": status.repaired_chunks,
        "memoryBytes": status.memory.total_bytes(),
        "memory": {
            "cacheBytes": status.memory.cache_bytes,
            "cacheBytesMax": status.memory.cache_bytes_max,
            "logBytes": status.memory.log_bytes,
            "logBytesMax": status.memory.log_bytes_max,
            "spaceBytes": status.memory.space_bytes,
            "referenceBytes": status.memory.reference_bytes,
        },
        "writtenBytes": status.written_bytes,
        "clientWrittenBytes": status.client_written_bytes,
    })
}

/// How the moving of stripes is going, and how evenly the disks take part.
fn of_moving(status: &PoolStatus) -> Value {
    let moving = &status.moving;
    json!({
        "rebalance": match (moving.rebalancing, moving.paused) {
            (true, true) => "paused",
            (true, false) => "running",
            (false, true) => "held",
            (false, false) => "idle",
        },
        "movedBytes": by_distance(moving.moved_bytes),
        "leastBytes": by_distance(moving.least_bytes),
        "rebuiltBytes": moving.rebuilt_bytes,
        "rewrittenBytes": moving.rewritten_bytes,
        "plannedBytes": moving.planned_bytes,
    })
}

fn of_volume(status: &PoolStatus, volume: &VolumeStatus, copies: &Copies) -> Value {
    let copy = copies.of(&volume.name).map(|copy| copy.progress());
    let parent = status.volumes.iter().find(|other| Some(other.id) == volume.parent);
    json!({
        "name": volume.name,
        "sizeBytes": volume.size_bytes,
        "snapshot": volume.snapshot,
        "parent": parent.map(|parent| &parent.name),
        "timeSeconds": volume.snapshot.then_some(volume.time_seconds),
        "copy": copy.map(|it| {
            json!({ "copiedBytes": it.copied_bytes, "totalBytes": it.total_bytes })
        }),
    })
}

fn disk_name(pool: &PoolThread, handle: Option<u32>) -> String {
    handle
        .and_then(|handle| pool.disk_name(DiskHandle(handle)))
        .unwrap_or_else(|| "missing".to_owned())
}
