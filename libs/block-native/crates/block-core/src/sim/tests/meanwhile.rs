//! What happens while a cycle runs: reads, deletions, crashes.

use super::basics::{small, stamps, volume, write};
use crate::buffer::Slice;
use crate::control::{ControlAnswer, ControlOp};
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::{Answer, RequestOp, VolumeId};
use crate::sim::model::stamps_in;
use crate::sim::{CrashMode, Start, World};

const READS_AT_ONCE: usize = 8;
const REPLICAS_1: Policy = Policy::Replicas { copies: 1 };
const REPLICAS_2: Policy = Policy::Replicas { copies: 2 };
const MODES: [CrashMode; 3] =
    [CrashMode::NothingArrived, CrashMode::EverythingArrived, CrashMode::AnySubset];

fn snapshot(world: &mut World, volume: VolumeId) -> VolumeId {
    match world.control(ControlOp::Snapshot { volume, name: "s".into(), time_seconds: 1 }) {
        Ok(ControlAnswer::Volume(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn flush(world: &mut World, volume: VolumeId) {
    world.ask(volume, RequestOp::Flush).expect("a flush");
}

/// A read of a stripe once kept what the map had said of its first block for the others. With a map
/// larger than memory the look-up took its time, the cycle put the stripe into the snapshot's tree
/// meanwhile, and the others were read as they had been before.
#[test]
fn a_snapshot_that_is_read_while_it_goes_home_shows_what_it_was_made_of() {
    for seed in 1..=40 {
        let mut world = small(REPLICAS_1, 1, 512, Start { page_cache_bytes: 1, ..seed.into() });
        let leaf = world.pool.leaf_blocks();
        let id = volume(&mut world, "v", 3 * leaf);
        write(&mut world, id, 0, &[1]);
        write(&mut world, id, leaf, &[2, 3, 4, 5]);
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        write(&mut world, id, 0, &[6]);
        write(&mut world, id, leaf + 2, &[7]);
        let snapshot = snapshot(&mut world, id);
        write(&mut world, id, leaf, &[8, 9, 10]);
        let checkpoint = world.call(ControlOp::Checkpoint);
        // The simulated disk keeps no class's share: with more reads the cycle would never end.
        let mut reading = Vec::new();
        let mut reads = 0;
        let right = |answer: Result<Answer, BlockError>| {
            let Ok(Answer::Bytes(slices)) = answer else { panic!("seed {seed}: a read failed") };
            let bytes: Vec<u8> = slices.iter().flat_map(Slice::as_bytes).copied().collect();
            assert_eq!(stamps_in(&bytes), Ok(vec![2, 3, 7, 5]), "seed {seed}");
        };
        while world.control_answer(checkpoint).is_none() {
            if reading.len() < READS_AT_ONCE {
                let op = RequestOp::Read { offset: leaf * 4096, length: 4 * 4096 };
                reading.push(world.submit(snapshot, op));
                reads += 1;
            }
            world.turn();
            reading.retain(|&tag| world.answer(tag).map(right).is_none());
        }
        assert!(reads > READS_AT_ONCE, "a cycle takes its turns");
        for tag in reading {
            right(world.wait(tag));
        }
    }
}

/// A snapshot that was deleted after a cycle had begun was given up by that cycle, whose flush did
/// not cover the deletion: after a crash it was there again, its blocks overwritten in place.
#[test]
fn a_snapshot_deleted_while_a_cycle_begins_is_whole_or_gone_after_a_crash() {
    let mut there = 0;
    for seed in 1..=12 {
        let mut world = small(REPLICAS_1, 1, 512, seed);
        let id = volume(&mut world, "v", 16);
        write(&mut world, id, 0, &[1, 2, 3, 4]);
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        let snapshot = snapshot(&mut world, id);
        write(&mut world, id, 0, &[5, 6]);
        write(&mut world, id, 2, &[7]);
        world.call(ControlOp::Checkpoint);
        for _ in 0..seed % 4 {
            world.turn();
        }
        let deleted = world.call(ControlOp::Delete(snapshot));
        while world.control_answer(deleted).is_none() {
            world.turn();
            for mode in MODES {
                let mut random = world.random.clone();
                let disks = world.crash(mode, &mut random);
                let mut crashed = World::open(disks, world.domains.clone(), seed).expect("opens");
                if crashed.status().volumes.iter().any(|volume| volume.id == snapshot) {
                    there += 1;
                    let found = stamps(&mut crashed, snapshot, 0, 4);
                    assert_eq!(found, [1, 2, 3, 4], "seed {seed}, {mode:?}");
                }
            }
        }
    }
    assert!(there > 20, "{there}");
}

/// Two layers with a snapshot between them that was deleted: a cycle overwrote blocks of both in
/// place, and after a crash that took a disk away the first layer's stripe could not be written
/// anew, since the second layer's blocks were not any more what the map said.
#[test]
fn a_cycle_cut_off_between_two_layers_is_done_again_without_a_disk() {
    for seed in 1..=4 {
        let mut world = small(REPLICAS_2, 3, 512, seed);
        let id = volume(&mut world, "v", 16);
        write(&mut world, id, 0, &[1, 2, 3, 4]);
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        write(&mut world, id, 0, &[5]);
        let snapshot = snapshot(&mut world, id);
        write(&mut world, id, 2, &[6]);
        world.control(ControlOp::Delete(snapshot)).expect("deleted");
        flush(&mut world, id);
        let checkpoint = world.call(ControlOp::Checkpoint);
        while world.control_answer(checkpoint).is_none() {
            world.turn();
            for (mode, gone) in MODES.into_iter().flat_map(|mode| [(mode, 0), (mode, 1), (mode, 2)])
            {
                let mut random = world.random.clone();
                let mut disks = world.crash(mode, &mut random);
                disks[gone].set_gone(true);
                let what = format!("seed {seed}, {mode:?}, without disk {gone}");
                let mut crashed = World::open(disks, world.domains.clone(), seed).expect("opens");
                assert_eq!(stamps(&mut crashed, id, 0, 4), [5, 2, 6, 4], "{what}");
                let checkpoint = crashed.control(ControlOp::Checkpoint);
                checkpoint.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(stamps(&mut crashed, id, 0, 4), [5, 2, 6, 4], "{what}, at home");
            }
        }
    }
}
