//! What no rebuild could be below, on disks that fill evenly.
//!
//! That they fill evenly leaves little choice. What a disk gains is what its share grows by. The
//! stripes that a lost disk was in lie on the others in proportion to their shares, beyond its own
//! fault domain: a disk of twice the size has twice as many of them. Free is only which shards of a
//! stripe are read where it has more than that takes. So each disk's load lies between what it
//! gains and that with all it shares, and the best is a level to which as many as possible come.

use std::collections::BTreeMap;

use crate::control::DiskId;
use crate::placement::ground::Ground;
use crate::placement::rebuild::Job;
use crate::placement::shares::shares;
use crate::placement::{PlacementError, PlacementTable};

/// What disks have to do and could do, in bytes.
#[derive(Default)]
pub(super) struct Bound {
    /// What each gains, or gives away to others than the lost ones.
    forced: BTreeMap<DiskId, u64>,
    /// What each could be read for.
    readable: BTreeMap<DiskId, u64>,
    /// What has to be read.
    reads: u64,
}

impl Bound {
    /// Of a change from `before` to `after`, which has all but the `lost` disks. `jobs` are the
    /// placement groups that lost something; `stored` gives a group of disks' bytes by its number.
    ///
    /// # Errors
    /// The disks cannot hold the stripes.
    pub fn of(
        (before, after): (&PlacementTable, &PlacementTable),
        lost: &[DiskId],
        jobs: &[Job],
        stored: &dyn Fn(usize) -> u64,
    ) -> Result<Self, PlacementError> {
        let needed = before.policy.data_shards() as u64;
        let reads = jobs.iter().map(|job| job.bytes * needed).sum();
        let mut bound = Self { reads, ..Self::default() };
        for (index, (old, new)) in before.groups.iter().zip(&after.groups).enumerate() {
            let old = before.ground_of(&old.members)?;
            let new = after.ground_of(&new.members)?;
            bound.add_gains(&old, &new, stored(index));
        }
        for &disk in lost {
            let first = |job: &&Job| job.lost.first() == Some(&disk);
            let own: Vec<&Job> = jobs.iter().filter(first).collect();
            bound.add_shared(before, lost, disk, &own)?;
        }
        Ok(bound)
    }

    fn add_gains(&mut self, old: &Ground, new: &Ground, stored: u64) {
        let due = |ground: &Ground| -> BTreeMap<DiskId, u64> {
            let shares = shares(ground);
            let each = ground.disks.iter().enumerate();
            each.map(|(at, disk)| (disk.id, shares.due(at, stored))).collect()
        };
        let (old, new) = (due(old), due(new));
        for (id, bytes) in new {
            let gain = bytes.abs_diff(old.get(&id).copied().unwrap_or(0));
            *self.forced.entry(id).or_default() += gain;
        }
    }

    /// Shares out over the disks that may have stripes in common with a lost one what is left of
    /// those stripes.
    fn add_shared(
        &mut self,
        table: &PlacementTable,
        lost: &[DiskId],
        disk: DiskId,
        jobs: &[&Job],
    ) -> Result<(), PlacementError> {
        let Some(group) = table.groups.iter().find(|group| group.members.contains(&disk)) else {
            return Ok(());
        };
        let ground = table.ground_of(&group.members)?;
        let parts = shares(&ground).parts;
        let Some(own) = ground.disks.iter().position(|it| it.id == disk) else { return Ok(()) };
        let left = |at: &usize| !lost.contains(&ground.disks[*at].id);
        let (near, far): (Vec<usize>, Vec<usize>) = (0..parts.len())
            .filter(left)
            .partition(|&at| ground.domain_of[at] == ground.domain_of[own]);
        let weight = |of: &[usize]| of.iter().map(|&at| u128::from(parts[at])).sum::<u128>();
        let each: u64 = jobs.iter().map(|job| job.bytes).sum();
        let shared: u64 = jobs.iter().map(|job| job.bytes * job.survivors.len() as u64).sum();
        let all = weight(&near) + weight(&far);
        let due = u128::from(shared) * weight(&near) / all.max(1);
        let most = each * (ground.per_domain as u64 - 1);
        let in_domain = u64::try_from(due).unwrap_or(most).min(most);
        for (disks, bytes) in [(near, in_domain), (far, shared - in_domain)] {
            for (at, bytes) in share_out(&disks, &parts, bytes, each) {
                *self.readable.entry(ground.disks[at].id).or_default() += bytes;
            }
        }
        Ok(())
    }

    /// The disks that can take part.
    pub fn disks(&self) -> impl Iterator<Item = DiskId> {
        let some = |(&id, &bytes): (&DiskId, &u64)| (bytes > 0).then_some(id);
        self.forced.iter().chain(&self.readable).filter_map(some)
    }

    /// What the busiest disk does at least.
    pub fn least(&self) -> u64 {
        let of = |bytes: &BTreeMap<DiskId, u64>, id| bytes.get(&id).copied().unwrap_or(0);
        let forced = self.forced.values().copied().max().unwrap_or(0);
        let could = |level: u64| -> u64 {
            let below = |id| level.saturating_sub(of(&self.forced, id));
            self.readable.iter().map(|(&id, &bytes)| bytes.min(below(id))).sum()
        };
        let (mut low, mut high) = (0, forced + self.reads);
        while low < high {
            let middle = low + (high - low) / 2;
            if could(middle) >= self.reads { high = middle } else { low = middle + 1 }
        }
        forced.max(low)
    }
}

/// `bytes` over `disks` in proportion to their parts, none above `most`.
fn share_out(disks: &[usize], parts: &[u64], bytes: u64, most: u64) -> Vec<(usize, u64)> {
    let mut by_part = disks.to_vec();
    by_part.sort_by_key(|&at| std::cmp::Reverse(parts[at]));
    let mut weight: u128 = by_part.iter().map(|&at| u128::from(parts[at])).sum();
    let mut left = bytes;
    let mut shared = Vec::new();
    // The largest first: what one cannot take is the others'.
    for at in by_part {
        let due = u128::from(left) * u128::from(parts[at]) / weight.max(1);
        let due = u64::try_from(due).unwrap_or(most).min(most);
        shared.push((at, due));
        left -= due;
        weight -= u128::from(parts[at]);
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_disk_cannot_take_is_the_others() {
        assert_eq!(share_out(&[0, 1, 2], &[10, 80, 10], 100, 50), [(1, 50), (0, 25), (2, 25)]);
        assert_eq!(share_out(&[0, 2], &[10, 80, 30], 100, 100), [(2, 75), (0, 25)]);
        assert_eq!(share_out(&[], &[], 0, 5), []);
    }

    #[test]
    fn the_least_is_a_level_to_which_reads_fill_up_what_disks_gain() {
        let bytes = |each: &[u64]| (0..).map(DiskId).zip(each.iter().copied()).collect();
        let bound = |forced: &[u64], readable: &[u64], reads| Bound {
            forced: bytes(forced),
            readable: bytes(readable),
            reads,
        };
        assert_eq!(bound(&[10, 20, 60], &[100, 100, 100], 90).least(), 60);
        assert_eq!(bound(&[10, 20, 60], &[100, 100, 100], 120).least(), 70);
        // No choice: all that is shared is read.
        assert_eq!(bound(&[10, 20], &[30, 90], 120).least(), 110);
        assert_eq!(bound(&[10, 20, 0], &[0, 40, 0], 20).disks().count(), 3);
    }
}
