//! Changes with a meaning of their own: groups of disks, policies, racks, what is unsettled.

use std::collections::BTreeSet;

use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::placement::{
    Census, Expand, GroupIndex, Level, PgIndex, PlacementError, PlacementTable, TableDisk, Wanted,
};

use crate::support::{GIB, assert_sound, even, servers, table_used};

#[test]
fn a_new_group_of_disks_moves_nothing_and_takes_new_stripes_by_its_weight() {
    let policy = Policy::Erasure { data: 2, parity: 1 };
    let disks = servers(4, &[1000]);
    let table = PlacementTable::new(policy, Level::Disk, &disks, 1).unwrap();
    let old: Vec<Vec<DiskId>> = (0..5000).map(|key| table.wanted(key).collect()).collect();
    let all = servers(8, &[1000]);
    let wanted = Wanted { policy, level: Level::Disk, disks: &all, expand: Expand::NewGroup };
    let (mut next, movement) = table.replan(wanted, &even).unwrap();
    assert_eq!((movement.moved(), movement.least()), (0, 0));
    assert_eq!(next.transitions().count(), 0);
    assert_eq!(next.groups().count(), 2);
    next.weigh(&[(GroupIndex(0), 0)]);
    for (key, places) in (0..).zip(&old) {
        assert_eq!(next.misplaced(key, places), 0);
        assert!(next.wanted(key).all(|disk| disk.0 >= 4));
    }
    let wanted = Wanted { expand: Expand::Rebalance, ..wanted };
    let (even_table, movement) = next
        .replan(wanted, &|pg: PgIndex| {
            // The new group holds nothing yet.
            if pg.0 < 256 { GIB } else { 0 }
        })
        .unwrap();
    assert!(movement.moved() > 0 && table_used(&even_table) > 0.98);
    assert!(movement.moved() as f64 <= 1.05 * movement.least() as f64, "{movement:?}");
}

#[test]
fn a_group_too_small_for_the_policy_is_refused_with_what_it_lacks() {
    let policy = Policy::Erasure { data: 4, parity: 2 };
    let table = PlacementTable::new(policy, Level::Disk, &servers(6, &[9]), 1).unwrap();
    let disks = servers(8, &[9]);
    let wanted = Wanted { policy, level: Level::Disk, disks: &disks, expand: Expand::NewGroup };
    let error = table.replan(wanted, &even).unwrap_err();
    assert_eq!(error.code(), "PUR_BLOCK_PLACEMENT");
    assert_eq!(error.to_string(), "4+2 over disks needs 6 of them, and these disks stand in 2");
}

#[test]
fn folded_becomes_standard_and_replicas_more_or_fewer_by_the_least_moves() {
    let folded = Policy::Folded { data: 4, parity: 2, failures: 1 };
    let standard = Policy::Erasure { data: 4, parity: 2 };
    let replicas = |copies| Policy::Replicas { copies };
    let disks = servers(8, &[1000; 2]);
    let go = |table: &PlacementTable, policy| {
        let level = Level::Server;
        let wanted = Wanted { policy, level, disks: &disks, expand: Expand::NewGroup };
        table.replan(wanted, &even)
    };
    let table = PlacementTable::new(folded, Level::Server, &disks, 1).unwrap();
    let (next, movement) = go(&table, standard).unwrap();
    assert_sound(&next, "standard");
    let doubled = |set: &[DiskId]| {
        let servers: BTreeSet<u16> = set.iter().map(|disk| disk.0 / 2).collect();
        (set.len() - servers.len()) as u64
    };
    let forced: u64 = table.placement_groups().map(|(_, set)| doubled(set)).sum();
    assert!(movement.moved() / GIB <= forced + 16, "{} of {forced}", movement.moved() / GIB);
    assert!(table_used(&next) > 0.98);
    assert_eq!(next.transitions().count() as u64, movement.moved() / GIB);

    let table = PlacementTable::new(replicas(2), Level::Server, &disks, 1).unwrap();
    let groups = table.placement_groups().count() as u64;
    let (more, movement) = go(&table, replicas(3)).unwrap();
    assert_sound(&more, "3 replicas");
    assert_eq!((movement.moved(), movement.created_bytes), (0, groups * GIB));
    let (fewer, movement) = go(&more, replicas(2)).unwrap();
    assert_sound(&fewer, "2 replicas");
    // A copy too many goes from every group; a few seats are evened out by moves.
    assert!(movement.created_bytes == 0 && movement.moved() / GIB <= 4, "{movement:?}");
    assert!(table_used(&fewer) > 0.98);
    let error = go(&fewer, standard).unwrap_err();
    assert!(matches!(error, PlacementError::Conversion { .. }), "{error}");
}

#[test]
fn a_server_that_moves_to_another_rack_is_put_right() {
    let policy = Policy::Replicas { copies: 3 };
    let mut disks = servers(10, &[1000; 2]);
    let table = PlacementTable::new(policy, Level::Rack, &disks, 1).unwrap();
    for server in [0, 1] {
        disks[server].location = disks[18].location;
    }
    let wanted = Wanted { policy, level: Level::Rack, disks: &disks, expand: Expand::NewGroup };
    let (next, movement) = table.replan(wanted, &even).unwrap();
    assert_sound(&next, "moved server");
    assert!(movement.moved() > 0 && movement.moved() < movement.stored_bytes / 4);
}

#[test]
fn transitions_name_where_shards_still_are_until_their_group_is_settled() {
    let policy = Policy::Erasure { data: 2, parity: 1 };
    let disks = servers(6, &[1000]);
    let first = PlacementTable::new(policy, Level::Disk, &disks, 1).unwrap();
    let replan = |table: &PlacementTable, disks: &[TableDisk]| {
        let wanted = Wanted { policy, level: Level::Disk, disks, expand: Expand::Rebalance };
        table.replan(wanted, &even).unwrap().0
    };
    let second = replan(&first, &disks[1..]);
    let mut third = replan(&second, &disks[1..5]);
    assert_eq!((first.epoch(), second.epoch(), third.epoch()), (1, 2, 3));
    let sets: Vec<Vec<DiskId>> = first.placement_groups().map(|(_, set)| set.to_vec()).collect();
    let transitions: Vec<_> = third.transitions().collect();
    assert!(!transitions.is_empty());
    for transition in &transitions {
        let before = sets[transition.pg.0 as usize][transition.position];
        assert_eq!(transition.from, Some(before));
        assert_ne!(transition.from, Some(transition.to));
    }
    let census = Census::of(&third).survival(&disks);
    assert_eq!(census.levels[0].any, 1);
    for transition in transitions {
        third.settle(transition.pg);
    }
    assert_eq!(third.transitions().count(), 0);
}
