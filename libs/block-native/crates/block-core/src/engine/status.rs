//! How a pool is.

use super::core::Core;
use crate::buffer::BLOCK_BYTES;
use crate::control::{DiskStatus, MemoryStatus, Moving, PoolStatus, VolumeStatus};
use crate::request::VolumeId;

const BLOCK: u64 = BLOCK_BYTES as u64;

impl Core {
    pub fn status(&self) -> PoolStatus {
        let (members, catalogue) = (self.members.borrow(), self.catalogue.borrow());
        let pages = self.pages.borrow();
        let disks = members.iter().map(|member| DiskStatus {
            id: member.id,
            handle: member.handle,
            name: member.name.clone(),
            domains: member.domains.clone(),
            state: member.state,
            size_bytes: member.space.size_blocks() * BLOCK,
            used_bytes: member.space.used_blocks() * BLOCK,
            errors: member.errors,
            media: member.media,
            moved_bytes: member.moved_bytes,
        });
        let volumes = catalogue.volumes.iter().map(|(&id, volume)| VolumeStatus {
            id: VolumeId(id),
            name: volume.name.clone(),
            size_bytes: catalogue.heads.get(&volume.head).map_or(0, |head| head.blocks) * BLOCK,
            snapshot: volume.snapshot,
            parent: volume.parent.map(VolumeId),
            time_seconds: volume.time_seconds,
            limits: volume.limits,
        });
        let volumes: Vec<_> = volumes.collect();
        PoolStatus {
            id: self.pool.get(),
            policy: self.policy.get(),
            generation: self.generation.get(),
            disks: disks.collect(),
            provisioned_bytes: volumes.iter().filter(|v| !v.snapshot).map(|v| v.size_bytes).sum(),
            volumes,
            log_used_bytes: members.iter().map(|m| m.log.used_blocks()).max().unwrap_or(0) * BLOCK,
            log_bytes: members.iter().map(|m| m.log.blocks).min().unwrap_or(0) * BLOCK,
            short_stripes: self.counters.short_stripes.get(),
            repaired_chunks: self.counters.repaired.get(),
            memory: MemoryStatus {
                cache_bytes: pages.memory_bytes(),
                cache_bytes_max: pages.memory_bytes_max(),
                log_bytes: self.log_index_bytes(),
                log_bytes_max: self.options.log_index_bytes as u64,
                space_bytes: members.iter().map(|member| member.space.memory_bytes()).sum(),
                reference_bytes: pages.reference_bytes(),
            },
            written_bytes: self.counters.written_bytes.get(),
            client_written_bytes: self.counters.client_written_bytes.get(),
            level: self.table.borrow().level(),
            scrub: self.scrub_progress(),
            moving: Moving {
                rebalancing: self.wanted.rebalance.get(),
                paused: self.wanted.paused.get(),
                ..self.moving.get()
            },
        }
    }
}
