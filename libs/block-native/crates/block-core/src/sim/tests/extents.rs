//! Which parts of a volume are allocated, and which differ from a snapshot.

use super::basics::{small, stamps, volume, write};
use crate::control::{ControlAnswer, ControlOp};
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::{Answer, RequestOp, VolumeId};
use crate::sim::World;

const REPLICAS_2: Policy = Policy::Replicas { copies: 2 };

/// Extents in blocks, `(how many, set)`.
fn extents(world: &mut World, volume: VolumeId, op: RequestOp) -> Vec<(u64, bool)> {
    match world.ask(volume, op) {
        Ok(Answer::Extents(found)) => found.iter().map(|e| (e.length / 4096, e.set)).collect(),
        other => panic!("{other:?}"),
    }
}

fn allocated(world: &mut World, volume: VolumeId, first: u64, count: u64) -> Vec<(u64, bool)> {
    let (offset, length) = (first * 4096, count * 4096);
    extents(world, volume, RequestOp::BlockStatus { offset, length, extents_max: 64 })
}

fn differing(world: &mut World, volume: VolumeId, base: VolumeId, count: u64) -> Vec<(u64, bool)> {
    let length = count * 4096;
    extents(world, volume, RequestOp::Difference { base, offset: 0, length, extents_max: 64 })
}

fn trim(world: &mut World, volume: VolumeId, first: u64, count: u64) {
    let (offset, length) = (first * 4096, count * 4096);
    world.ask(volume, RequestOp::Zero { offset, length, fua: false }).expect("a trim");
}

fn snapshot(world: &mut World, volume: VolumeId, name: &str) -> VolumeId {
    match world.control(ControlOp::Snapshot { volume, name: name.into(), time_seconds: 1 }) {
        Ok(ControlAnswer::Volume(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn block_status_tells_written_blocks_from_holes_in_the_log_and_at_home() {
    for policy in [REPLICAS_2, Policy::Erasure { data: 2, parity: 1 }] {
        let mut world = small(policy, 3, 512, 1);
        let id = volume(&mut world, "v", 64);
        assert_eq!(allocated(&mut world, id, 0, 64), [(64, false)]);
        write(&mut world, id, 3, &[1, 2, 3]);
        write(&mut world, id, 16, &[4; 8]);
        trim(&mut world, id, 18, 1);
        let expected =
            [(3, false), (3, true), (10, false), (2, true), (1, false), (5, true), (40, false)];
        assert_eq!(allocated(&mut world, id, 0, 64), expected, "{policy}, in the log");
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        assert_eq!(allocated(&mut world, id, 0, 64), expected, "{policy}, at home");
        assert_eq!(allocated(&mut world, id, 4, 14), [(2, true), (10, false), (2, true)]);
        let op = RequestOp::BlockStatus { offset: 0, length: 64 * 4096, extents_max: 2 };
        assert_eq!(extents(&mut world, id, op), expected[..2]);
        trim(&mut world, id, 0, 64);
        assert_eq!(allocated(&mut world, id, 0, 64), [(64, false)], "{policy}, trimmed");
    }
}

#[test]
fn block_status_passes_empty_parts_of_a_map_of_three_levels_at_once() {
    let mut world = small(REPLICAS_2, 3, 512, 2);
    let leaf = world.pool.leaf_blocks();
    let (second, last) = (5 * leaf, 70 * leaf);
    let id = volume(&mut world, "v", last + 8);
    for first in [0, second, last] {
        write(&mut world, id, first, &[7; 8]);
    }
    let expected =
        [(8, true), (second - 8, false), (8, true), (last - second - 8, false), (8, true)];
    assert_eq!(allocated(&mut world, id, 0, last + 8), expected);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    assert_eq!(world.pool.map_height(), 3);
    assert_eq!(allocated(&mut world, id, 0, last + 8), expected);
    trim(&mut world, id, 4, last);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    let left = [(4, true), (last, false), (4, true)];
    assert_eq!(allocated(&mut world, id, 0, last + 8), left);
    assert_eq!(stamps(&mut world, id, last, 8), [0, 0, 0, 0, 7, 7, 7, 7]);
}

#[test]
fn a_difference_names_the_stripes_that_changed_since_the_snapshot() {
    for policy in [REPLICAS_2, Policy::Erasure { data: 2, parity: 1 }] {
        let mut world = small(policy, 3, 512, 3);
        let id = volume(&mut world, "v", 64);
        write(&mut world, id, 0, &[1; 24]);
        let first = snapshot(&mut world, id, "first");
        assert_eq!(differing(&mut world, id, first, 64), [(64, false)], "{policy}");
        write(&mut world, id, 5, &[2]);
        trim(&mut world, id, 16, 4);
        write(&mut world, id, 40, &[3; 4]);
        let expected =
            [(4, false), (4, true), (8, false), (4, true), (20, false), (4, true), (20, false)];
        assert_eq!(differing(&mut world, id, first, 64), expected, "{policy}, in the log");
        let second = snapshot(&mut world, id, "second");
        write(&mut world, id, 60, &[4]);
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        assert_eq!(differing(&mut world, second, first, 64), expected, "{policy}, of snapshots");
        assert_eq!(differing(&mut world, id, second, 64), [(60, false), (4, true)]);
        let op = RequestOp::Difference { base: first, offset: 0, length: 16384, extents_max: 1 };
        assert_eq!(extents(&mut world, id, op), [(4, false)]);
        let missing = VolumeId(999);
        let op = RequestOp::Difference { base: missing, offset: 0, length: 4096, extents_max: 1 };
        assert_eq!(world.ask(id, op).unwrap_err(), BlockError::NoVolume { volume: missing });
    }
}
