//! Disks for the shards of a stripe: those of its placement group, and others where those cannot be
//! used.

use crate::control::DiskId;
use crate::place::Placer;
use crate::placement::random::{mix, scale};
use crate::placement::table::{PlacementTable, TableDisk};
use crate::policy::Policy;

impl PlacementTable {
    /// Disks for the shards whose place in `kept` is empty, beside those that keep theirs: the disk
    /// of the place in the placement group that the kept ones are nearest to, or one that stands in
    /// for it; nothing where none is left.
    #[must_use]
    pub fn fill(
        &self,
        key: u64,
        kept: &[Option<DiskId>],
        per_domain: usize,
        usable: &dyn Fn(DiskId) -> bool,
    ) -> Vec<Option<DiskId>> {
        let group = self.nearest(key, kept);
        let wanted = self.toward(group, key, kept);
        let known = |id: &Option<DiskId>| id.and_then(|id| self.disk(id));
        let mut chosen: Vec<Option<&TableDisk>> = kept.iter().map(known).collect();
        let times = |chosen: &[Option<&TableDisk>], id: DiskId| {
            chosen.iter().flatten().filter(|other| other.id == id).count()
        };
        let fits = |chosen: &[Option<&TableDisk>], disk: &TableDisk, named: usize| {
            let domain = self.level.domain(disk);
            let taken = |other: &&&TableDisk| self.level.domain(other) == domain;
            usable(disk.id)
                && times(chosen, disk.id) == named
                && chosen.iter().flatten().filter(taken).count() < per_domain
        };
        for (position, id) in wanted.into_iter().enumerate() {
            if kept[position].is_none() {
                let disk = id.and_then(|id| self.disk(id));
                chosen[position] = disk.filter(|disk| fits(&chosen, disk, 0));
            }
        }
        for position in 0..chosen.len() {
            let chance = mix(key ^ (position as u64) << 56);
            for named in 0..per_domain {
                if chosen[position].is_none() && kept[position].is_none() {
                    let found = self.stand_in(chance, group, &|disk| fits(&chosen, disk, named));
                    chosen[position] = found;
                }
            }
        }
        let name = |(disk, kept): (Option<&TableDisk>, &Option<DiskId>)| {
            disk.map(|disk| disk.id).or(*kept)
        };
        chosen.into_iter().zip(kept).map(name).collect()
    }

    /// Where the shards of a stripe ought to be that are on the disks `places` now, shard 0 first:
    /// as many as there are places. Replicas that are on a right disk stay, whatever their order.
    #[must_use]
    pub fn destination(&self, key: u64, places: &[Option<DiskId>]) -> Vec<Option<DiskId>> {
        self.toward(self.nearest(key, places), key, places)
    }

    /// The group of disks in which a stripe is that is on `places`; of a stripe that is nowhere,
    /// the group it is to go to.
    fn nearest(&self, key: u64, places: &[Option<DiskId>]) -> usize {
        let dealt = self.group_of(key);
        if self.groups.len() < 2 || places.iter().all(Option::is_none) {
            return dealt;
        }
        let groups = std::iter::once(dealt).chain(0..self.groups.len());
        groups.min_by_key(|&group| self.amiss(group, key, places)).unwrap_or(dealt)
    }

    /// How many shards on `places` are not where `group` wants them.
    pub(super) fn amiss(&self, group: usize, key: u64, places: &[Option<DiskId>]) -> usize {
        let wanted = self.toward(group, key, places);
        let wrong = wanted.iter().zip(places).filter(|(wanted, place)| wanted != place).count();
        wrong + self.policy.shards().saturating_sub(places.len())
    }

    fn toward(&self, group: usize, key: u64, places: &[Option<DiskId>]) -> Vec<Option<DiskId>> {
        let mut wanted: Vec<Option<DiskId>> = self.wanted_in(group, key).map(Some).collect();
        wanted.resize(places.len(), None);
        if !matches!(self.policy, Policy::Replicas { .. }) {
            return wanted;
        }
        for (position, place) in places.iter().enumerate() {
            let right = wanted.iter().position(|disk| disk.is_some() && disk == place);
            if let Some(other) = right {
                wanted.swap(position, other);
            }
        }
        wanted
    }

    /// A disk that stands in for one that cannot be used: by chance of the key, in proportion to
    /// what disks can hold, one of the stripe's own group of disks as long as there is one.
    fn stand_in(
        &self,
        key: u64,
        group: usize,
        fits: &dyn Fn(&TableDisk) -> bool,
    ) -> Option<&TableDisk> {
        let members = self.groups.get(group).map_or(&[][..], |group| &group.members);
        let own = |disk: &&TableDisk| members.binary_search(&disk.id).is_ok();
        let near: Vec<&TableDisk> =
            self.disks.iter().filter(own).filter(|disk| fits(disk)).collect();
        let far = || self.disks.iter().filter(|disk| fits(disk)).collect();
        let candidates = if near.is_empty() { far() } else { near };
        // Capacities in units of 1 MiB or more, so that the sum is a number of 32 bits.
        let units = |disk: &TableDisk| usize::try_from(disk.capacity_bytes >> 20).unwrap_or(0) + 1;
        let total = candidates.iter().map(|disk| units(disk)).sum::<usize>();
        let mut point = scale(key, total.max(1));
        for disk in candidates {
            match point.checked_sub(units(disk)) {
                Some(rest) => point = rest,
                None => return Some(disk),
            }
        }
        None
    }
}

impl Placer for PlacementTable {
    /// The disks of [`PlacementTable::wanted`]; where one cannot be used, another stands in its
    /// place, so that the other shards keep theirs. Where none is left and `per_domain` allows
    /// more, a disk is named again: a folded stripe goes on with all of its shards on the domains
    /// that are left. Where that is not allowed either, the list is shorter.
    fn place(
        &self,
        key: u64,
        shards: usize,
        per_domain: usize,
        usable: &dyn Fn(DiskId) -> bool,
    ) -> Vec<DiskId> {
        self.fill(key, &vec![None; shards], per_domain, usable).into_iter().flatten().collect()
    }
}
