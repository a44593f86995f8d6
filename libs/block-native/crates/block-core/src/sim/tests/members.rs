//! Owners' calls about disks: maintenance, giving a disk up, moving stripes to a new one.

use super::basics::{reopened, small, stamps, volume, write};
use crate::control::{ControlAnswer, ControlOp, DiskId, DiskState, DiskStatus};
use crate::error::BlockError;
use crate::placement::Expand;
use crate::policy::Policy;
use crate::request::VolumeId;
use crate::sim::{CrashMode, Random, SimDisk, World};

const REPLICAS_2: Policy = Policy::Replicas { copies: 2 };
const BLOCKS: usize = 128;

fn laden(disks: usize) -> (World, VolumeId) {
    let mut world = small(REPLICAS_2, disks, 512, 1);
    let id = volume(&mut world, "v", BLOCKS as u64);
    write(&mut world, id, 0, &[1; BLOCKS]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    (world, id)
}

fn disk(world: &mut World, id: u16) -> Option<DiskStatus> {
    world.status().disks.into_iter().find(|disk| disk.id == DiskId(id))
}

fn maintain(world: &mut World, id: u16, on: bool) -> Result<ControlAnswer, BlockError> {
    world.control(ControlOp::SetMaintenance { disk: DiskId(id), on })
}

#[test]
fn a_disk_in_maintenance_is_left_alone_and_catches_up_when_it_is_taken_out() {
    let (mut world, id) = laden(3);
    maintain(&mut world, 1, true).expect("maintenance");
    assert_eq!(disk(&mut world, 1).map(|disk| disk.state), Some(DiskState::Maintenance));
    let refused = maintain(&mut world, 2, true).unwrap_err();
    assert_eq!(refused.code(), "PUR_BLOCK_INVALID", "{refused}");
    // Any operation would find the disk gone and count an error.
    world.disks[1].set_gone(true);
    write(&mut world, id, 10, &[2; 50]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    let mut expected = vec![1; BLOCKS];
    expected[10..60].fill(2);
    assert_eq!(stamps(&mut world, id, 0, BLOCKS), expected);
    world.settle();
    let away = disk(&mut world, 1).expect("still a member");
    assert_eq!((away.state, away.errors), (DiskState::Maintenance, 0));
    world.disks[1].set_gone(false);
    maintain(&mut world, 1, false).expect("out of maintenance");
    world.settle();
    assert_eq!(disk(&mut world, 1).map(|disk| disk.state), Some(DiskState::Online));
    assert_eq!(world.status().short_stripes, 0);
    maintain(&mut world, 1, false).unwrap_err();
    for gone in 0..3 {
        let mut world = reopened(&world, &[gone], 2).expect("opens without one");
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), expected, "without disk {gone}");
    }
}

#[test]
fn a_missing_disk_that_is_given_up_is_rebuilt_elsewhere_and_no_member_any_more() {
    let (mut world, id) = laden(4);
    let refused = world.control(ControlOp::ForgetDisk(DiskId(2))).unwrap_err();
    assert_eq!(refused.code(), "PUR_BLOCK_INVALID", "an online disk: {refused}");
    let refused = world.control(ControlOp::ForgetDisk(DiskId(9))).unwrap_err();
    assert_eq!(refused, BlockError::NoDisk { disk: DiskId(9) });
    world.disks[2].set_gone(true);
    assert_eq!(stamps(&mut world, id, 0, BLOCKS), [1; BLOCKS]);
    world.settle();
    assert_eq!(disk(&mut world, 2).map(|disk| disk.state), Some(DiskState::Missing));
    world.control(ControlOp::ForgetDisk(DiskId(2))).expect("given up");
    world.settle();
    assert_eq!(disk(&mut world, 2), None);
    assert_eq!(world.status().short_stripes, 0);
    // What it held has its second copy elsewhere, so that any other may go now.
    for gone in [0, 1, 3] {
        let mut world = reopened(&world, &[2, gone], 2).expect("opens without one more");
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), [1; BLOCKS], "without disk {gone}");
    }
}

#[test]
fn a_rebalance_moves_a_share_of_the_stripes_to_an_added_disk() {
    let (mut world, id) = laden(3);
    let used = |world: &mut World| -> Vec<u64> {
        world.status().disks.iter().map(|disk| disk.used_bytes / 4096).collect()
    };
    let before: u64 = used(&mut world).iter().sum();
    world.disks.push(SimDisk::new(512));
    world.domains.push(Vec::new());
    world.control(ControlOp::PauseRebalance(true)).expect("a pause");
    let (disks, expand) = (vec![world.spec(3)], Expand::Rebalance);
    let op = ControlOp::AddDisks { disks, expand, force: false };
    assert!(matches!(world.control(op), Ok(ControlAnswer::Disks(ids)) if ids == [DiskId(3)]));
    world.settle();
    assert!(used(&mut world)[3] < 8, "nothing moves while it is paused");
    world.control(ControlOp::Rebalance).expect("a rebalance");
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    world.settle();
    let after = used(&mut world);
    // A quarter of 256 blocks is due to it; a draw for each of 32 stripes decides.
    assert!((32..=96).contains(&after[3]), "{after:?}");
    assert!(after.iter().sum::<u64>() <= before + 16, "what moved is given back: {after:?}");
    assert_eq!(stamps(&mut world, id, 0, BLOCKS), [1; BLOCKS]);
    for gone in 0..4 {
        let mut world = reopened(&world, &[gone], 2).expect("opens without one");
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), [1; BLOCKS], "without disk {gone}");
    }
}

/// Shards that were two on a disk, and had no better place, were once moved for ever.
#[test]
fn a_folded_pool_rests_when_disks_are_given_up_until_each_has_two_shards_of_a_stripe() {
    let policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
    let mut world = small(policy, 6, 512, 1);
    let id = volume(&mut world, "v", BLOCKS as u64);
    write(&mut world, id, 0, &[1; BLOCKS]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    for gone in [5, 4, 3_u16] {
        world.disks[usize::from(gone)].set_gone(true);
        write(&mut world, id, 0, &[u32::from(gone); BLOCKS]);
        world.control(ControlOp::Checkpoint).expect("a checkpoint without a disk");
        world.control(ControlOp::ForgetDisk(DiskId(gone))).expect("given up");
        world.settle();
        let expected = [u32::from(gone); BLOCKS];
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), expected, "without disk {gone}");
        assert!(disk(&mut world, gone).is_none(), "disk {gone} is no member");
    }
    for gone in 0..3 {
        let mut world = reopened(&world, &[gone], 2).expect("opens without one");
        assert_eq!(stamps(&mut world, id, 0, BLOCKS), [3; BLOCKS], "without disk {gone}");
    }
}

fn all_online(world: &mut World) -> bool {
    world.status().disks.iter().all(|disk| disk.state == DiskState::Online)
}

/// A disk that left after its first checkpoint had one superblock, and a bit of that turned over:
/// the pool took it for a foreign disk.
#[test]
fn a_disk_is_known_by_either_of_its_superblocks_from_its_first_checkpoint_on() {
    let mut world = small(REPLICAS_2, 3, 512, 1);
    world.disks.push(SimDisk::new(512));
    world.domains.push(Vec::new());
    let added = vec![world.spec(3)];
    let add = ControlOp::AddDisks { disks: added, expand: Expand::Rebalance, force: false };
    world.control(add).expect("a disk more");
    for (disk, block) in (0..4).flat_map(|disk| [(disk, 0), (disk, 1)]) {
        let everything = CrashMode::EverythingArrived;
        let mut disks = world.crash(everything, &mut Random::new(1));
        disks[disk].rot(block, 100);
        let opened = World::open(disks, world.domains.clone(), 2);
        let mut opened = opened.expect("opens with one superblock of a disk");
        assert!(all_online(&mut opened), "disk {disk} without superblock {block}");
        // Both are there again.
        let mut disks = opened.crash(everything, &mut Random::new(1));
        disks[disk].rot(1 - block, 100);
        let opened = World::open(disks, world.domains.clone(), 3);
        assert!(all_online(&mut opened.expect("opens with the other one")), "disk {disk}");
    }
}

#[test]
fn a_disk_that_returns_with_one_superblock_has_two_again() {
    for block in [0, 1] {
        let (mut world, _) = laden(3);
        for lost in [block, 1 - block] {
            world.disks[2].set_gone(true);
            world.control(ControlOp::Checkpoint).expect("a checkpoint without it");
            world.disks[2].rot(lost, 100);
            world.disks[2].set_gone(false);
            let back = ControlOp::ReturnDisk(world.spec(2));
            world.control(back).unwrap_or_else(|error| panic!("without {lost}: {error}"));
            world.settle();
        }
        assert!(all_online(&mut world));
    }
}
