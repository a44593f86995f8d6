//! What rebuilding lost disks asks of those that are left.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::DiskId;
use crate::placement::groups::PgIndex;
use crate::placement::replan::{Expand, Wanted};
use crate::placement::{PlacementError, PlacementTable, TableDisk};

/// Rounds in which every placement group chooses its sources again.
const ROUNDS: usize = 8;

/// A rebuild: from which disks each placement group reads, and what each disk has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuild {
    /// The table without the lost disks.
    pub table: PlacementTable,
    /// The disks to read from, K of each placement group that lost something.
    pub sources: Vec<(PgIndex, Vec<DiskId>)>,
    /// Bytes each disk reads and writes, of those that can take part.
    pub disk_bytes: Vec<(DiskId, u64)>,
    /// The largest of them over their mean.
    pub spread: f64,
    /// What no choice of sources and targets could be below: there may be few disks that the
    /// fault domains let take over, and a stripe with no shard to spare is read from all it has.
    pub least_spread: f64,
}

impl PlacementTable {
    /// Plans the rebuild of what `lost` disks held. `shard_bytes` as in [`PlacementTable::replan`].
    ///
    /// # Errors
    /// [`PlacementError`] where the disks that are left cannot hold whole stripes: there is nothing
    /// to rebuild to before disks come back or are replaced.
    pub fn rebuild(
        &self,
        lost: &[DiskId],
        shard_bytes: &dyn Fn(PgIndex) -> u64,
    ) -> Result<Rebuild, PlacementError> {
        let left: Vec<TableDisk> =
            self.disks.iter().filter(|disk| !lost.contains(&disk.id)).copied().collect();
        let wanted = Wanted {
            policy: self.policy,
            level: self.level,
            disks: &left,
            expand: Expand::NewGroup,
        };
        let (table, _) = self.replan(wanted, shard_bytes)?;
        let mut load = Load::new();
        let mut jobs = Vec::new();
        for ((pg, before), (_, after)) in self.placement_groups().zip(table.placement_groups()) {
            let bytes = shard_bytes(pg);
            if before.iter().all(|disk| !lost.contains(disk)) || bytes == 0 {
                continue;
            }
            for (from, to) in before.iter().zip(after).filter(|(from, to)| from != to) {
                // What moves although it is not lost is copied.
                if !lost.contains(from) {
                    load.add(*from, bytes);
                }
                load.write(*to, bytes);
            }
            let survivors = before.iter().filter(|disk| !lost.contains(disk)).copied().collect();
            jobs.push(Job { pg, survivors, bytes, sources: Vec::new() });
        }
        let needed = self.policy.data_shards();
        for _ in 0..ROUNDS {
            for job in &mut jobs {
                job.choose_sources(needed, &mut load);
            }
        }
        Ok(self.finish(table, lost, jobs, &load))
    }

    fn finish(&self, table: Self, lost: &[DiskId], jobs: Vec<Job>, load: &Load) -> Rebuild {
        let candidates: BTreeSet<DiskId> = jobs
            .iter()
            .flat_map(|job| &job.survivors)
            .chain(load.written.keys())
            .copied()
            .collect();
        let disk_bytes: Vec<(DiskId, u64)> =
            candidates.into_iter().map(|disk| (disk, load.of(disk))).collect();
        let largest = disk_bytes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let total: u64 = disk_bytes.iter().map(|(_, bytes)| bytes).sum();
        let targets = self.targets(lost).max(1) as u64;
        let written: u64 = load.written.values().sum();
        let forced = forced_reads(&jobs, self.policy.data_shards());
        let mean = total / disk_bytes.len().max(1) as u64;
        let least = mean.max(written / targets).max(forced.min(largest));
        let over_mean = |bytes: u64| over_mean(bytes, total, disk_bytes.len());
        Rebuild {
            spread: over_mean(largest),
            least_spread: over_mean(least),
            sources: jobs.into_iter().map(|job| (job.pg, job.sources)).collect(),
            table,
            disk_bytes,
        }
    }

    /// How many disks may take over a place of a lost disk in any placement group.
    fn targets(&self, lost: &[DiskId]) -> usize {
        let domain = |id: DiskId| self.disk(id).map(|disk| self.level.domain(disk));
        let mut targets = BTreeSet::new();
        for (_, set) in
            self.placement_groups().filter(|(_, set)| lost.iter().any(|id| set.contains(id)))
        {
            let kept: Vec<DiskId> = set.iter().filter(|id| !lost.contains(id)).copied().collect();
            for disk in &self.disks {
                let in_domain =
                    kept.iter().filter(|&&id| domain(id) == Some(self.level.domain(disk))).count();
                let fits = in_domain < self.policy.shards_per_domain();
                if fits && !kept.contains(&disk.id) && !lost.contains(&disk.id) {
                    targets.insert(disk.id);
                }
            }
        }
        targets.len()
    }
}

#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
fn over_mean(bytes: u64, total: u64, disks: usize) -> f64 {
    if total == 0 { 1.0 } else { bytes as f64 * disks as f64 / total as f64 }
}

/// The most that one disk has to read since the stripes it is in have no other shards left.
fn forced_reads(jobs: &[Job], needed: usize) -> u64 {
    let mut forced: BTreeMap<DiskId, u64> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.survivors.len() == needed) {
        for &disk in &job.survivors {
            *forced.entry(disk).or_default() += job.bytes;
        }
    }
    forced.into_values().max().unwrap_or(0)
}

struct Job {
    pg: PgIndex,
    survivors: Vec<DiskId>,
    bytes: u64,
    sources: Vec<DiskId>,
}

impl Job {
    /// Gives its sources back and takes the least loaded ones.
    fn choose_sources(&mut self, needed: usize, load: &mut Load) {
        for &disk in &self.sources {
            load.take(disk, self.bytes);
        }
        self.survivors.sort_by_key(|&disk| (load.of(disk), disk));
        self.sources = self.survivors.iter().take(needed).copied().collect();
        for &disk in &self.sources {
            load.add(disk, self.bytes);
        }
    }
}

/// Bytes by disk.
struct Load {
    all: BTreeMap<DiskId, u64>,
    written: BTreeMap<DiskId, u64>,
}

impl Load {
    fn new() -> Self {
        Self { all: BTreeMap::new(), written: BTreeMap::new() }
    }

    fn of(&self, disk: DiskId) -> u64 {
        self.all.get(&disk).copied().unwrap_or(0)
    }

    fn add(&mut self, disk: DiskId, bytes: u64) {
        *self.all.entry(disk).or_default() += bytes;
    }

    fn write(&mut self, disk: DiskId, bytes: u64) {
        self.add(disk, bytes);
        *self.written.entry(disk).or_default() += bytes;
    }

    fn take(&mut self, disk: DiskId, bytes: u64) {
        let load = self.all.entry(disk).or_default();
        *load = load.saturating_sub(bytes);
    }
}
