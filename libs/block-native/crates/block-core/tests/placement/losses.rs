//! What becomes of a pool that loses disks.

use std::collections::BTreeMap;

use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::place::Placer;
use purlin_block_core::placement::{Census, Level, PlacementTable, TableDisk};

use crate::support::{clusters, disk, domain, even, servers};

#[test]
fn what_really_lies_there_survives_what_the_policy_promises() {
    for (seed, table, _) in clusters().step_by(3) {
        let survival = Census::of(&table).survival(table.disks());
        let at = |level| survival.levels.iter().find(|found| found.level == level).unwrap();
        assert!(at(table.level()).any >= table.policy().failures(), "seed {seed}");
        assert_eq!(at(Level::Disk).any, table.policy().parity_shards(), "seed {seed}");
        assert!(at(Level::Disk).largest.len() >= at(Level::Disk).any, "seed {seed}");
    }
}

#[test]
fn a_lost_disk_is_rebuilt_by_all_others_evenly() {
    let folded = Policy::Folded { data: 4, parity: 2, failures: 1 };
    let wide = Policy::Erasure { data: 4, parity: 2 };
    let three = Policy::Replicas { copies: 3 };
    for (policy, level, disks) in [
        (folded, Level::Server, servers(3, &[2000; 4])),
        (folded, Level::Server, servers(5, &[2000; 3])),
        (wide, Level::Disk, servers(7, &[2000])),
        (wide, Level::Server, servers(8, &[2000; 3])),
        (wide, Level::Server, servers(7, &[2000; 2])),
        (Policy::Erasure { data: 2, parity: 1 }, Level::Disk, servers(4, &[2000])),
        (Policy::Erasure { data: 8, parity: 3 }, Level::Disk, servers(10, &[2000; 2])),
        (Policy::Replicas { copies: 2 }, Level::Disk, servers(6, &[2000])),
        (three, Level::Disk, servers(6, &[2000])),
        (three, Level::Server, servers(4, &[2000; 2])),
        (three, Level::Disk, servers(20, &[2000; 3])),
    ] {
        let table = PlacementTable::new(policy, level, &disks, 3).unwrap();
        for lost in [0, disks.len() / 2, disks.len() - 1] {
            let rebuild = table.rebuild(&[disks[lost].id], &even).unwrap();
            let title = format!("{policy} over {} {level}s", disks.len());
            println!(
                "{title}: max / mean {:.3}, least {:.3}",
                rebuild.spread, rebuild.least_spread
            );
            assert!(rebuild.spread <= 1.3, "{title}: {}", rebuild.spread);
            assert_eq!(rebuild.disk_bytes.len(), disks.len() - 1, "{title}");
            for (pg, sources) in rebuild.sources {
                let set = table.placement_groups().find(|(found, _)| *found == pg).unwrap().1;
                let read: u64 = sources.values().sum();
                assert_eq!(read, even(pg) * policy.data_shards() as u64, "{title}");
                let fit = |disk: &DiskId| set.contains(disk) && *disk != disks[lost].id;
                assert!(sources.keys().all(fit), "{title}");
            }
        }
    }
}

#[test]
fn where_the_domains_leave_no_choice_the_rebuild_is_as_even_as_they_allow() {
    let policy = Policy::Erasure { data: 4, parity: 2 };
    let disks = servers(6, &[2000; 3]);
    let table = PlacementTable::new(policy, Level::Server, &disks, 3).unwrap();
    let rebuild = table.rebuild(&[DiskId(0)], &even).unwrap();
    assert!(rebuild.least_spread > 1.3, "{}", rebuild.least_spread);
    assert!(rebuild.spread <= rebuild.least_spread * 1.05, "{}", rebuild.spread);
}

#[test]
fn another_disk_stands_in_for_one_that_cannot_be_used_and_the_others_keep_their_places() {
    for (seed, table, mut random) in clusters().step_by(3) {
        let width = table.policy().shards();
        let per_domain = table.policy().shards_per_domain();
        let by_id: BTreeMap<DiskId, &TableDisk> =
            table.disks().iter().map(|disk| (disk.id, disk)).collect();
        let down = random.pick(table.disks()).id;
        for key in 0..200 {
            let wanted: Vec<DiskId> = table.wanted(key).collect();
            assert_eq!(table.place(key, width, per_domain, &|_| true), wanted, "seed {seed}");
            let found = table.place(key, width, per_domain, &|disk| disk != down);
            assert!(!found.contains(&down));
            let mut domains: BTreeMap<u64, usize> = BTreeMap::new();
            for id in &found {
                *domains.entry(domain(table.level(), by_id[id])).or_default() += 1;
            }
            assert!(domains.values().all(|&count| count <= per_domain), "seed {seed}");
            let amiss = table.misplaced(key, &found);
            if found.len() == width {
                assert_eq!(amiss, usize::from(wanted.contains(&down)), "seed {seed}");
            } else {
                // One shard fewer where a domain takes one alone.
                assert_eq!((found.len(), per_domain), (width - 1, 1), "seed {seed}");
                assert!(found.iter().all(|disk| wanted.contains(disk)), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_folded_stripe_keeps_all_its_shards_on_the_domains_that_are_left() {
    let policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
    let disks = servers(3, &[2000; 2]);
    let table = PlacementTable::new(policy, Level::Server, &disks, 3).unwrap();
    for key in 0..1000 {
        let found = table.place(key, 6, 3, &|disk| disk.0 >= 2);
        assert_eq!(found.len(), 6);
        for disk in 2..6 {
            let shards = found.iter().filter(|found| found.0 == disk).count();
            assert!((1..=2).contains(&shards), "{found:?}");
        }
        assert_eq!(found.iter().filter(|disk| disk.0 < 4).count(), 3);
        // The shards that were there stay on their disks.
        let kept = table.wanted(key).zip(&found).filter(|(wanted, found)| wanted == *found);
        assert_eq!(kept.count(), 4);
    }
}

/// 18 servers of four disks in six racks and two rooms.
fn racks(sizes: &[u64; 4]) -> Vec<TableDisk> {
    let mut disks = Vec::new();
    for server in 0..18 {
        let (room, rack) = (format!("r{}", server / 9), format!("k{}", server / 3));
        for &gib in sizes {
            let id = u16::try_from(disks.len()).unwrap();
            disks.push(disk(id, [&room, &rack, &format!("s{server}")], gib));
        }
    }
    disks
}

#[test]
fn over_racks_a_rebuild_is_even_on_equal_disks_and_near_the_least_on_unequal_ones() {
    for (policy, level) in [
        (Policy::Replicas { copies: 2 }, Level::Server),
        (Policy::Replicas { copies: 3 }, Level::Rack),
        (Policy::Erasure { data: 2, parity: 1 }, Level::Rack),
        (Policy::Erasure { data: 4, parity: 2 }, Level::Server),
        (Policy::Erasure { data: 8, parity: 3 }, Level::Server),
        (Policy::Folded { data: 4, parity: 2, failures: 1 }, Level::Rack),
    ] {
        for sizes in [[9000; 4], [4000, 8000, 8000, 16000]] {
            let disks = racks(&sizes);
            let table = PlacementTable::new(policy, level, &disks, 3).unwrap();
            for lost in [vec![DiskId(0)], vec![DiskId(37)], (0..4).map(DiskId).collect()] {
                let rebuild = table.rebuild(&lost, &even).unwrap();
                let (spread, least) = (rebuild.spread, rebuild.least_spread);
                let title = format!("{policy} over {level}s, {sizes:?} GiB, lost {}", lost.len());
                println!("{title}: max / mean {spread:.3}, least {least:.3}");
                let is_equal = sizes[0] == sizes[3];
                assert!(spread <= 1.3 * if is_equal { 1.0 } else { least }, "{title}: {spread}");
                assert!(least <= 1.3 || !is_equal, "{title}: {least}");
            }
        }
    }
}
