//! A pool without room.

use super::basics::{small, stamps, volume};
use crate::control::ControlOp;
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::{RequestOp, VolumeId};
use crate::sim::World;
use crate::sim::model::stamped;

fn write(
    world: &mut World,
    volume: VolumeId,
    first: u64,
    stamps: &[u32],
) -> Result<(), BlockError> {
    let op = RequestOp::Write { offset: first * 4096, slices: vec![stamped(stamps)], fua: false };
    world.ask(volume, op).map(|_| ())
}

/// Writes `count` blocks at every `step`th block until the pool is full. Where it got to.
fn fill(world: &mut World, volume: VolumeId, step: u64, count: usize, stamp: u32) -> u64 {
    for at in 0..4096 {
        match write(world, volume, at * step, &vec![stamp; count]) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, BlockError::NoSpace, "after {at} writes");
                assert_eq!((error.code(), error.errno()), ("PUR_BLOCK_NO_SPACE", 28));
                return at;
            }
        }
    }
    panic!("a pool that is never full");
}

/// Fills a pool, then wants its bytes, gives space back and fills it again.
fn fill_and_free(policy: Policy, disks: usize, step: u64, count: usize) {
    let what = format!("{policy}, {count} blocks every {step}");
    let mut world = small(policy, disks, 256, 1);
    let id = volume(&mut world, "v", 4096 * step);
    let full = fill(&mut world, id, step, count, 1);
    let mut there = full;
    for round in 2..4 {
        for at in 0..there {
            let found = stamps(&mut world, id, at * step, count);
            assert_eq!(found, vec![round - 1; count], "{what}: write {at}, round {round}");
        }
        let trim = RequestOp::Zero { offset: 0, length: 4096 * step * 4096, fua: true };
        world.ask(id, trim).unwrap_or_else(|error| panic!("{what}: a trim: {error}"));
        let checkpoint = world.control(ControlOp::Checkpoint);
        checkpoint.unwrap_or_else(|error| panic!("{what}: a checkpoint: {error}"));
        assert_eq!(stamps(&mut world, id, 0, count), vec![0; count], "{what}");
        there = fill(&mut world, id, step, count, round);
        assert!(there * 10 >= full * 9, "{what}: {full} writes, then {there}");
    }
}

#[test]
fn a_full_pool_says_so_goes_on_reading_and_takes_writes_again_after_a_trim() {
    let policies = [
        (Policy::Replicas { copies: 1 }, 1),
        (Policy::Replicas { copies: 2 }, 3),
        (Policy::Erasure { data: 2, parity: 1 }, 4),
        (Policy::Erasure { data: 4, parity: 2 }, 6),
    ];
    for (policy, disks) in policies {
        for count in [1, 8] {
            fill_and_free(policy, disks, 8, count);
        }
    }
}
