//! Clusters to place on, and what has to hold of every table.

use std::collections::BTreeMap;

use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::disk::Media;
use purlin_block_core::placement::{
    Level, Location, PgIndex, PlacementError, PlacementTable, TableDisk,
};

pub const GIB: u64 = 1 << 30;
const CLUSTERS: u64 = 250;

/// Numbers from a seed: `SplitMix64`.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.between(0, from.len() as u64 - 1)).unwrap()]
    }
}

pub fn disk(id: u16, names: [&str; 3], gib: u64) -> TableDisk {
    let capacity_bytes = gib * GIB;
    TableDisk { id: DiskId(id), location: Location::of(&names), capacity_bytes, media: Media::Ssd }
}

/// `servers` servers, two in each rack, with a disk of each of the sizes.
pub fn servers(servers: u16, sizes_gib: &[u64]) -> Vec<TableDisk> {
    let mut disks = Vec::new();
    for server in 0..servers {
        let (rack, name) = (format!("k{}", server / 2), format!("s{server}"));
        for &gib in sizes_gib {
            let id = u16::try_from(disks.len()).unwrap();
            disks.push(disk(id, ["r1", &rack, &name], gib));
        }
    }
    disks
}

/// What tells the domain of a disk from others of the level.
pub fn domain(level: Level, disk: &TableDisk) -> u64 {
    match level {
        Level::Disk => u64::from(disk.id.0),
        Level::Server => disk.location.server,
        Level::Rack => disk.location.rack,
        Level::Room => disk.location.room,
    }
}

/// As every place holds a GiB.
pub fn even(_: PgIndex) -> u64 {
    GIB
}

/// The bytes that fit before the first disk is full, over the most that any placement could fit:
/// `sets` are the disks of placement groups that fill evenly.
pub fn capacity_used<'a>(
    policy: Policy,
    level: Level,
    disks: &[TableDisk],
    sets: impl Iterator<Item = &'a [DiskId]>,
) -> f64 {
    let mut stands: BTreeMap<DiskId, u64> = BTreeMap::new();
    let mut groups = 0;
    for set in sets {
        groups += 1;
        for &id in set {
            *stands.entry(id).or_default() += 1;
        }
    }
    let room = |disk: &TableDisk| {
        let stands = stands.get(&disk.id).copied().unwrap_or(0);
        if stands == 0 { f64::INFINITY } else { disk.capacity_bytes as f64 / stands as f64 }
    };
    let fits = disks.iter().map(room).fold(f64::INFINITY, f64::min) * f64::from(groups);
    let (offers, _) = purlin_block_core::placement::offers(disks, &[policy]);
    let offer = offers.iter().find(|offer| (offer.policy, offer.level) == (policy, level)).unwrap();
    fits * policy.data_shards() as f64 / offer.usable_bytes as f64
}

/// The same bytes for a table.
pub fn table_used(table: &PlacementTable) -> f64 {
    let sets = table.placement_groups().map(|(_, set)| set);
    capacity_used(table.policy(), table.level(), table.disks(), sets)
}

fn policy(random: &mut Random) -> Policy {
    let folded = |data, parity, failures| Policy::Folded { data, parity, failures };
    match random.between(0, 9) {
        0..=2 => Policy::Replicas { copies: u8::try_from(random.between(1, 6)).unwrap() },
        3 => Policy::Erasure { data: 2, parity: 1 },
        4 | 5 => Policy::Erasure { data: 4, parity: 2 },
        6 => Policy::Erasure { data: 8, parity: 3 },
        7 => folded(4, 2, 1),
        8 => folded(8, 2, 1),
        _ => folded(8, 4, 2),
    }
}

fn any_disk(random: &mut Random, id: u16) -> TableDisk {
    let server = random.between(0, 9);
    let names = [format!("r{}", server / 5), format!("k{}", server / 2), format!("s{server}")];
    let gib = random.pick(&[900, 1000, 1000, 1000, 2000, 4000, 7000]);
    disk(id, [&names[0], &names[1], &names[2]], gib)
}

/// A table on disks from the seed; none where they cannot hold the policy.
fn cluster(seed: u64) -> Result<(PlacementTable, Random), PlacementError> {
    let mut random = Random(seed);
    let (policy, level) = (policy(&mut random), random.pick(&Level::ALL));
    let count = u16::try_from(random.between(1, 30)).unwrap();
    let disks: Vec<TableDisk> = (0..count).map(|id| any_disk(&mut random, id)).collect();
    Ok((PlacementTable::new(policy, level, &disks, seed)?, random))
}

pub fn clusters() -> impl Iterator<Item = (u64, PlacementTable, Random)> {
    (0..CLUSTERS).filter_map(|seed| cluster(seed).ok().map(|(table, rest)| (seed, table, rest)))
}

/// One or two changes of the disks: some go, some come, some are of another size.
pub fn changed(random: &mut Random, disks: &[TableDisk], next_id: &mut u16) -> Vec<TableDisk> {
    let mut disks = disks.to_vec();
    for _ in 0..random.between(1, 2) {
        let at = usize::try_from(random.between(0, disks.len() as u64 - 1)).unwrap();
        match random.between(0, 3) {
            0 if disks.len() > 1 => drop(disks.remove(at)),
            1 => disks[at].capacity_bytes = random.between(500, 8000) * GIB,
            2 => {
                disks[at].id = DiskId(*next_id);
                *next_id += 1;
            }
            _ => {
                disks.push(any_disk(random, *next_id));
                *next_id += 1;
            }
        }
    }
    disks
}

/// No disk twice in a set, and no domain more often than the policy says.
pub fn assert_sound(table: &PlacementTable, title: &str) {
    let by_id: BTreeMap<DiskId, &TableDisk> =
        table.disks().iter().map(|disk| (disk.id, disk)).collect();
    for (pg, set) in table.placement_groups() {
        assert_eq!(set.len(), table.policy().shards(), "{title} {pg:?}");
        let mut domains: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, id) in set.iter().enumerate() {
            assert!(!set[..at].contains(id), "{title} {pg:?}: {id:?} twice");
            *domains.entry(domain(table.level(), by_id[id])).or_default() += 1;
        }
        let most = domains.values().max().copied().unwrap_or(0);
        assert!(most <= table.policy().shards_per_domain(), "{title} {pg:?}: {set:?}");
    }
}
