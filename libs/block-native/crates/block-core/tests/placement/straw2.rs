//! The table held against straw2, the hash of CRUSH, on the same number of placement groups.

use std::collections::BTreeMap;

use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::placement::{Expand, Level, PlacementTable, TableDisk, Wanted};

use crate::support::{GIB, Random, capacity_used, disk, domain, even, servers, table_used};

const FOLDED: Policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
const WIDE: Policy = Policy::Erasure { data: 4, parity: 2 };

fn cases() -> Vec<(&'static str, Policy, Level, Vec<TableDisk>)> {
    let sizes = [1000, 2000, 2000, 4000, 4000, 8000, 8000];
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let unequal = (0..).zip(sizes.iter().zip(names));
    let unequal = unequal.map(|(id, (&gib, name))| disk(id, ["r", "k", name], gib)).collect();
    let many = Policy::Erasure { data: 8, parity: 3 };
    let two = Policy::Replicas { copies: 2 };
    vec![
        ("3 servers of 4", FOLDED, Level::Server, servers(3, &[2000; 4])),
        ("5 servers of 4", FOLDED, Level::Server, servers(5, &[2000; 4])),
        ("7", WIDE, Level::Disk, servers(7, &[4000])),
        ("8 servers of 3", WIDE, Level::Server, servers(8, &[4000; 3])),
        ("20", many, Level::Disk, servers(20, &[4000])),
        ("4 servers of 1, 2, 8 TB", two, Level::Server, servers(4, &[1000, 2000, 8000])),
        ("1, 2, 2, 4, 4, 8, 8 TB", WIDE, Level::Disk, unequal),
        ("3 times 1, 2, 3 TB", WIDE, Level::Disk, servers(3, &[1000, 2000, 3000])),
    ]
}

/// Shards that straw2 puts elsewhere for other disks.
fn hash_moves(policy: Policy, level: Level, before: &[TableDisk], after: &[TableDisk]) -> usize {
    let groups = PlacementTable::new(policy, level, before, 1).unwrap().placement_groups().count();
    let before = straw2(policy, level, before, groups);
    let after = straw2(policy, level, after, groups);
    let new = |(old, new): (&Vec<DiskId>, &Vec<DiskId>)| {
        new.iter().filter(|disk| !old.contains(disk)).count()
    };
    before.iter().zip(&after).map(new).sum()
}

#[test]
fn the_table_stores_more_and_moves_less_than_a_hash() {
    for (title, policy, level, disks) in cases() {
        let table = PlacementTable::new(policy, level, &disks, 1).unwrap();
        let groups = table.placement_groups().count();
        let hash_used = |groups| {
            let sets = straw2(policy, level, &disks, groups);
            capacity_used(policy, level, &disks, sets.iter().map(Vec::as_slice))
        };
        let (used, hashed, finer) = (table_used(&table), hash_used(groups), hash_used(groups * 16));
        print!("{title}, {policy} over {level}s: used {used:.3}, straw2 {hashed:.2} {finer:.2}");
        assert!(used > 0.99 && used > hashed && used > finer - 0.01, "{title}");

        let mut more = disks.clone();
        more.push(TableDisk { id: DiskId(1000), ..disks[0] });
        let less = &disks[..disks.len() - 1];
        for (change, after) in [("more", more.as_slice()), ("less", less)] {
            let wanted = Wanted { policy, level, disks: after, expand: Expand::Rebalance };
            let (next, movement) = table.replan(wanted, &even).unwrap();
            let (moved, least) = (movement.moved() / GIB, movement.least() / GIB);
            let hashed = hash_moves(policy, level, &disks, after);
            print!("; one {change}: {moved} (least {least}), straw2 {hashed}");
            assert!(table_used(&next) > 0.99, "{title}");
            assert!(moved as f64 <= 1.1 * least as f64 + 4.0, "{title}");
        }
        println!();
    }
}

#[test]
fn an_equal_disk_in_the_place_of_another_moves_what_was_on_it_and_no_more() {
    for (title, policy, level, disks) in cases() {
        let table = PlacementTable::new(policy, level, &disks, 1).unwrap();
        let mut after = disks.clone();
        after[1].id = DiskId(1000);
        let wanted = Wanted { policy, level, disks: &after, expand: Expand::Rebalance };
        let (_, movement) = table.replan(wanted, &even).unwrap();
        let on_it = table.placement_groups().filter(|(_, set)| set.contains(&disks[1].id)).count();
        let moved = movement.moved() / GIB;
        assert!(moved >= on_it as u64 && moved <= on_it as u64 + 4, "{title}: {moved} of {on_it}");
        // All but what rounding shifts goes to the disk in the same server.
        assert!(movement.moved_bytes[0] / GIB + 4 >= on_it as u64, "{title}: {movement:?}");
    }
}

/// Straw2, as CRUSH does it: domains by the straws of their capacities, disks in them likewise, and
/// another try where one was drawn before.
fn straw2(policy: Policy, level: Level, disks: &[TableDisk], groups: usize) -> Vec<Vec<DiskId>> {
    let mut domains: BTreeMap<u64, Vec<&TableDisk>> = BTreeMap::new();
    for disk in disks {
        domains.entry(domain(level, disk)).or_default().push(disk);
    }
    (0..groups).map(|pg| straw2_set(policy, &domains, pg as u64)).collect()
}

fn straw2_set(policy: Policy, domains: &BTreeMap<u64, Vec<&TableDisk>>, pg: u64) -> Vec<DiskId> {
    let per_domain = policy.shards_per_domain();
    let mut set: Vec<DiskId> = Vec::new();
    let mut taken: BTreeMap<u64, usize> = BTreeMap::new();
    for try_number in 0..10_000 {
        let weight = |disks: &Vec<&TableDisk>| disks.iter().map(|disk| disk.capacity_bytes).sum();
        let drawn = draw(domains.iter().map(|(&key, disks)| (key, weight(disks))), pg, try_number);
        let members = domains[&drawn].iter();
        let id = draw(
            members.map(|disk| (u64::from(disk.id.0), disk.capacity_bytes)),
            pg,
            try_number ^ 0x5555_0000,
        );
        let id = DiskId(u16::try_from(id).unwrap());
        let count = taken.entry(drawn).or_default();
        if *count < per_domain && !set.contains(&id) {
            *count += 1;
            set.push(id);
        }
        if set.len() == policy.shards() {
            return set;
        }
    }
    panic!("straw2 found no place");
}

/// The item with the longest straw: `ln(chance) / weight`.
fn draw(items: impl Iterator<Item = (u64, u64)>, pg: u64, try_number: u64) -> u64 {
    let straw = |(item, weight): (u64, u64)| {
        let mut random = Random(item.wrapping_mul(0x9e37_79b9) ^ pg << 20 ^ try_number << 44);
        random.next();
        let chance = ((random.next() >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        (chance.ln() / weight as f64, item)
    };
    items.map(straw).max_by(|one, other| one.0.total_cmp(&other.0)).unwrap().1
}
