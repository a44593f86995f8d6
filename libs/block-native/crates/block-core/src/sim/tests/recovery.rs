//! Recovery: how much of it goes on at once, when it rests, and disks that fall silent.

use super::basics::{reopened, small, small_in, stamps, volume, write};
use crate::control::{ControlOp, DiskId, DiskState, DiskStatus};
use crate::disk::DiskHandle;
use crate::placement::Level;
use crate::policy::Policy;
use crate::request::{RequestOp, VolumeId};
use crate::sim::{SimDisk, World};

const REPLICAS_2: Policy = Policy::Replicas { copies: 2 };
const EC_2_1: Policy = Policy::Erasure { data: 2, parity: 1 };
const BLOCKS: usize = 512;

fn laden(policy: Policy, disks: usize) -> (World, VolumeId) {
    let mut world = small(policy, disks, 1024, 1);
    let id = volume(&mut world, "v", BLOCKS as u64);
    for first in (0..BLOCKS).step_by(64) {
        write(&mut world, id, first as u64, &[7; 64]);
    }
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    (world, id)
}

fn disk(world: &mut World, id: u16) -> DiskStatus {
    let found = world.status().disks.into_iter().find(|disk| disk.id == DiskId(id));
    found.expect("a disk of the pool")
}

/// The most operations that the disks had at once until the pool rested.
fn most_at_once(world: &mut World) -> usize {
    let mut most = 0;
    while world.turn() {
        most = most.max(world.disks.iter().map(SimDisk::in_flight).sum());
    }
    most
}

#[test]
fn a_rebuild_and_a_deep_scrub_keep_dozens_of_stripes_under_way_and_no_more() {
    for policy in [REPLICAS_2, EC_2_1] {
        let (mut world, id) = laden(policy, 5);
        world.disks[1].set_gone(true);
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), [7; BLOCKS]);
        world.settle();
        world.call(ControlOp::ForgetDisk(DiskId(1)));
        let rebuilding = most_at_once(&mut world);
        world.call(ControlOp::Scrub { deep: true });
        let scrubbing = most_at_once(&mut world);
        eprintln!("{policy}: {rebuilding} and {scrubbing} operations at once");
        // A stripe is at most as many operations as it has shards.
        let most = 64 * policy.shards();
        assert!((32..=most).contains(&rebuilding), "{policy}: {rebuilding} at once");
        assert!((24..=most).contains(&scrubbing), "{policy}: {scrubbing} at once");
        assert_eq!(world.status().disks.len(), 4);
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), [7; BLOCKS]);
    }
}

/// A path of a map was written anew where a page of it had fewer copies than there were disks with
/// room for one page. The whole path takes room at once, though, so on a disk that was all but full
/// one page of it got its second copy and another one lost it, and so on for ever.
#[test]
fn a_page_that_lacks_a_copy_stays_where_a_disk_has_no_room_for_its_whole_path() {
    // The second disk fills up with pages: those that a snapshot keeps.
    let mut world = {
        let disks = vec![SimDisk::new(2048), SimDisk::new(400)];
        let spec = crate::control::PoolSpec {
            id: crate::control::PoolId([9; 16]),
            policy: REPLICAS_2,
            level: Level::Disk,
            log_bytes: Some(32 * 4096),
            shard_bytes: Some(4 * 4096),
            force: false,
        };
        World::create(spec, disks, vec![Vec::new(); 2], 1).expect("a pool")
    };
    let leaf = world.pool.leaf_blocks();
    let leaves = 60;
    let id = volume(&mut world, "v", leaf * leaves);
    let free = |world: &mut World| {
        let small = disk(world, 1);
        (small.size_bytes - small.used_bytes) / 4096
    };
    let mut stripes = 0;
    while stripes < leaves && free(&mut world) > 60 {
        for half in [0, 4] {
            write(&mut world, id, stripes * leaf + half, &[7; 4]);
        }
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        stripes += 1;
    }
    // Each leaf that changes is one page more beside the snapshot's.
    let mut snapshots = 0;
    'filled: loop {
        let name = format!("s{snapshots}");
        let op = ControlOp::Snapshot { volume: id, name, time_seconds: 1 };
        world.control(op).expect("a snapshot");
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        snapshots += 1;
        for stripe in 0..stripes {
            let offset = (stripe * leaf + 4 * (snapshots % 2)) * 4096;
            let op = RequestOp::Zero { offset, length: 4 * 4096, fua: false };
            world.ask(id, op).expect("a trim");
            world.control(ControlOp::Checkpoint).expect("a checkpoint");
            if free(&mut world) <= 1 {
                break 'filled;
            }
        }
        assert!(snapshots < 3, "{} blocks are free", free(&mut world));
    }
    world.control(ControlOp::Rebalance).expect("it ends");
    world.settle();
    assert_eq!(stamps(&mut world, VolumeId(id.0), 0, 4).len(), 4);
}

#[test]
fn a_silent_disk_is_done_without_and_catches_up_when_it_answers() {
    let (mut world, id) = laden(REPLICAS_2, 3);
    let answers = |world: &mut World, disk, answers| {
        world.control(ControlOp::SetAnswering { disk: DiskHandle(disk), answers })
    };
    answers(&mut world, 1, false).expect("two are left");
    assert_eq!(disk(&mut world, 1).state, DiskState::Missing);
    let refused = answers(&mut world, 2, false).unwrap_err();
    assert_eq!(refused.code(), "PUR_BLOCK_INVALID", "no copy of some stripes would be left");
    assert_eq!(disk(&mut world, 2).state, DiskState::Online);
    write(&mut world, id, 0, &[8; 64]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    answers(&mut world, 1, true).expect("it is back");
    world.settle();
    assert_eq!(disk(&mut world, 1).state, DiskState::Online);
    assert_eq!(world.status().short_stripes, 0);
    for gone in 0..3 {
        let mut again = reopened(&world, &[gone], 5).expect("opens without a disk");
        assert_eq!(stamps(&mut again, id, 0, 128), [[8; 64], [7; 64]].concat());
    }
}

#[test]
fn a_disk_keeps_its_name_while_it_is_missing() {
    let (world, _) = laden(REPLICAS_2, 3);
    let mut world = reopened(&world, &[1], 2).expect("opens without a disk");
    let missing = disk(&mut world, 1);
    assert_eq!((missing.name.as_str(), missing.state), ("d1", DiskState::Missing));
    world.settle();
    let mut world = reopened(&world, &[1], 3).expect("opens again");
    assert_eq!(disk(&mut world, 1).name, "d1");
}

#[test]
fn another_fault_domain_is_in_force_at_once_and_moves_what_it_puts_at_risk() {
    let racks = |names: [&str; 6]| -> Vec<Vec<String>> {
        let way = |(at, rack): (usize, &str)| {
            ["room".to_owned(), rack.to_owned(), format!("s{at}")].to_vec()
        };
        names.into_iter().enumerate().map(way).collect()
    };
    let stands = racks(["a", "a", "b", "b", "c", "c"]);
    let mut world = small_in(REPLICAS_2, stands.clone(), 1024, 1);
    let id = volume(&mut world, "v", BLOCKS as u64);
    for first in (0..BLOCKS).step_by(64) {
        write(&mut world, id, first as u64, &[7; 64]);
    }
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    let topology = |world: &mut World, level, stands: &[Vec<String>]| {
        let domains = (0..).map(DiskHandle).zip(stands.iter().cloned()).collect();
        let outcome = world.control(ControlOp::SetTopology { level, domains });
        world.settle();
        outcome.map_err(|error| error.code())
    };
    let moved = |world: &mut World| world.status().moving.moved_bytes.iter().sum::<u64>();
    topology(&mut world, Level::Server, &stands).expect("as it was");
    assert_eq!(moved(&mut world), 0, "nothing has changed");
    let one_rack = racks(["a"; 6]);
    let refused = topology(&mut world, Level::Rack, &one_rack);
    assert_eq!(refused.unwrap_err(), "PUR_BLOCK_INVALID", "two replicas in one rack");
    assert_eq!(world.status().level, Level::Server);
    assert_eq!(world.status().disks[5].domains, stands[5]);
    topology(&mut world, Level::Rack, &stands).expect("three racks");
    assert_eq!(world.status().level, Level::Rack);
    assert!(moved(&mut world) > 0);
    // Any rack may go.
    for rack in 0..3 {
        let gone = [2 * rack, 2 * rack + 1];
        let mut again = reopened(&world, &gone, 5).expect("opens without a rack");
        assert_eq!(stamps(&mut again, id, 0, BLOCKS), [7; BLOCKS]);
    }
    // Two servers change places.
    let crossed = racks(["a", "b", "a", "b", "c", "c"]);
    topology(&mut world, Level::Rack, &crossed).expect("three racks");
    assert!(moved(&mut world) > 0);
    let mut again = reopened(&world, &[0, 2], 6).expect("opens without a rack");
    assert_eq!(stamps(&mut again, id, 0, BLOCKS), [7; BLOCKS]);
}
