//! What rebuilding lost disks asks of those that are left.

use std::collections::BTreeMap;

use crate::control::DiskId;
use crate::placement::groups::PgIndex;
use crate::placement::rebuild_bound::Bound;
use crate::placement::replan::{Expand, Wanted};
use crate::placement::{PlacementError, PlacementTable, TableDisk};

/// The stripes of a placement group choose their sources each for itself, so that a group reads
/// from more disks than a stripe does: in so many parts.
const PARTS: usize = 16;
/// Rounds in which every part of a placement group chooses its sources again.
const ROUNDS: usize = 8;

/// A rebuild: from which disks each placement group reads, and what each disk has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebuild {
    /// The table without the lost disks.
    pub table: PlacementTable,
    /// Bytes to be read from each disk, K times a shard's of each placement group that lost
    /// something.
    pub sources: Vec<(PgIndex, BTreeMap<DiskId, u64>)>,
    /// Bytes each disk reads and writes, of those that can take part.
    pub disk_bytes: Vec<(DiskId, u64)>,
    /// The largest of them over their mean.
    pub spread: f64,
    /// What no placement whose disks fill evenly could be below: disks of unequal size have
    /// unequal parts, there may be few that the fault domains let take over, and a stripe with no
    /// shard to spare is read from all it has.
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
        let mut load = Load::default();
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
                load.add(*to, bytes);
            }
            let (lost, survivors) = before.iter().partition(|&disk| lost.contains(disk));
            jobs.push(Job {
                pg,
                lost,
                survivors,
                bytes,
                parts: std::array::from_fn(|_| Vec::new()),
            });
        }
        let needed = self.policy.data_shards();
        for _ in 0..ROUNDS {
            for job in &mut jobs {
                job.choose_sources(needed, &mut load);
            }
        }
        let bound = Bound::of((self, &table), lost, &jobs, &|group| {
            let first = self.first_numbers()[group];
            let count = self.groups[group].count(self.policy.shards());
            let numbers = (first..).take(count).map(PgIndex);
            numbers.map(shard_bytes).sum::<u64>() * self.policy.shards() as u64
        })?;
        Ok(finish(table, &jobs, load, &bound))
    }
}

fn finish(table: PlacementTable, jobs: &[Job], mut load: Load, bound: &Bound) -> Rebuild {
    for disk in bound.disks() {
        load.add(disk, 0);
    }
    let disk_bytes: Vec<(DiskId, u64)> = load.0.into_iter().collect();
    let largest = disk_bytes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let total: u64 = disk_bytes.iter().map(|(_, bytes)| bytes).sum();
    let over_mean = |bytes: u64| over_mean(bytes, total, disk_bytes.len());
    Rebuild {
        spread: over_mean(largest),
        // Whole placement groups can come out below what shares are due.
        least_spread: over_mean(bound.least().min(largest)).max(1.0),
        sources: jobs.iter().map(|job| (job.pg, job.sources())).collect(),
        table,
        disk_bytes,
    }
}

#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
fn over_mean(bytes: u64, total: u64, disks: usize) -> f64 {
    if total == 0 { 1.0 } else { bytes as f64 * disks as f64 / total as f64 }
}

/// A placement group that lost something.
pub(super) struct Job {
    pg: PgIndex,
    pub lost: Vec<DiskId>,
    pub survivors: Vec<DiskId>,
    /// Of a shard.
    pub bytes: u64,
    /// The sources of each part.
    parts: [Vec<DiskId>; PARTS],
}

impl Job {
    fn part_bytes(&self, part: usize) -> u64 {
        let (part, parts) = (part as u64, PARTS as u64);
        self.bytes * (part + 1) / parts - self.bytes * part / parts
    }

    /// Gives the sources of each part back and takes the least loaded ones, as a stripe does.
    fn choose_sources(&mut self, needed: usize, load: &mut Load) {
        for part in 0..PARTS {
            let bytes = self.part_bytes(part);
            for &disk in &self.parts[part] {
                load.take(disk, bytes);
            }
            self.survivors.sort_by_key(|&disk| (load.of(disk), disk));
            self.parts[part] = self.survivors.iter().take(needed).copied().collect();
            for &disk in &self.parts[part] {
                load.add(disk, bytes);
            }
        }
    }

    fn sources(&self) -> BTreeMap<DiskId, u64> {
        let mut sources = BTreeMap::new();
        for (part, disks) in self.parts.iter().enumerate() {
            for &disk in disks {
                *sources.entry(disk).or_default() += self.part_bytes(part);
            }
        }
        sources
    }
}

/// Bytes by disk.
#[derive(Default)]
struct Load(BTreeMap<DiskId, u64>);

impl Load {
    fn of(&self, disk: DiskId) -> u64 {
        self.0.get(&disk).copied().unwrap_or(0)
    }

    fn add(&mut self, disk: DiskId, bytes: u64) {
        *self.0.entry(disk).or_default() += bytes;
    }

    fn take(&mut self, disk: DiskId, bytes: u64) {
        let load = self.0.entry(disk).or_default();
        *load = load.saturating_sub(bytes);
    }
}
