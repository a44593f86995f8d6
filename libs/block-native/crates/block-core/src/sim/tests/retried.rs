//! Cycles that could not end, and those that come after them.

use super::basics::{small, stamps, volume, write};
use crate::control::{ControlAnswer, ControlOp};
use crate::policy::Policy;
use crate::sim::{Start, World};

const DISK_BLOCKS: usize = 160;
/// Behind the superblocks and the log.
const HOME: usize = 34;
const REPLICAS_1: Policy = Policy::Replicas { copies: 1 };

/// A cycle takes a whole stripe of "a" home, which a snapshot may share, and then cannot read the
/// map of "b" because a bit of `block` is turned over; it is turned back before the next one. False
/// if the cycle did not need that block.
fn try_with(block: usize, is_shared: bool) -> bool {
    let mut world = small(REPLICAS_1, 1, DISK_BLOCKS, Start { page_cache_bytes: 1, ..1.into() });
    let leaf = world.pool.leaf_blocks();
    let a = volume(&mut world, "a", 8);
    let b = volume(&mut world, "b", 3 * leaf);
    write(&mut world, b, 0, &[1]);
    write(&mut world, b, leaf, &[2]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    write(&mut world, a, 0, &[3, 4, 5, 6]);
    let snapshot = is_shared.then(|| snapshot(&mut world, a));
    write(&mut world, b, 1, &[7]);
    world.disks[0].rot(block, 5);
    if world.control(ControlOp::Checkpoint).is_ok() {
        return false;
    }
    world.disks[0].rot(block, 5);
    let op = snapshot.map_or(ControlOp::Delete(a), |snapshot| {
        // Its own tree is let go of, and what it shares with the snapshot stays.
        ControlOp::Rollback { volume: a, snapshot }
    });
    world.control(op).expect("deleted or rolled back");
    world.control(ControlOp::Checkpoint).expect("the next cycle");
    world.settle();
    let c = volume(&mut world, "c", 32);
    for first in (0..32).step_by(4) {
        write(&mut world, c, first, &[8, 8, 8, 8]);
    }
    world.control(ControlOp::Checkpoint).expect("another cycle");
    assert_eq!(stamps(&mut world, b, 0, 2), [1, 7], "block {block}");
    assert_eq!(stamps(&mut world, c, 0, 32), [8; 32], "block {block}");
    if let Some(snapshot) = snapshot {
        assert_eq!(stamps(&mut world, snapshot, 0, 4), [3, 4, 5, 6], "block {block}");
    }
    true
}

fn snapshot(world: &mut World, volume: crate::request::VolumeId) -> crate::request::VolumeId {
    match world.control(ControlOp::Snapshot { volume, name: "s".into(), time_seconds: 1 }) {
        Ok(ControlAnswer::Volume(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// Its stripe was the tree's and still the log's, and deleting the volume, or rolling it back, let
/// go of its places for both: twice, and also where the snapshot had come to share the tree.
#[test]
fn a_volume_let_go_of_after_a_cycle_that_could_not_end_frees_its_stripes_once() {
    for is_shared in [false, true] {
        let needed = (HOME..DISK_BLOCKS).filter(|&block| try_with(block, is_shared)).count();
        assert!(needed > 0, "no cycle failed");
    }
}
