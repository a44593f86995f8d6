//! Volumes that are made larger, and maps that get more levels by it.

use super::basics::{reopened, small, stamps, volume, write};
use crate::control::ControlOp;
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::{RequestOp, VolumeId};
use crate::sim::World;
use crate::sim::model::stamped;

fn grow(world: &mut World, volume: VolumeId, size_bytes: u64) -> Result<(), BlockError> {
    world.control(ControlOp::Grow { volume, size_bytes }).map(|_| ())
}

#[test]
fn a_grown_volume_keeps_its_bytes_reads_zeros_behind_them_and_takes_writes_there() {
    let mut world = small(Policy::Replicas { copies: 2 }, 3, 512, 1);
    let id = volume(&mut world, "v", 16);
    write(&mut world, id, 12, &[1, 2, 3, 4]);
    let beyond = || RequestOp::Write { offset: 65536, slices: vec![stamped(&[5])], fua: false };
    let refused = world.ask(id, beyond()).unwrap_err();
    assert_eq!(refused, BlockError::OutOfRange { offset: 65536, length: 4096 });
    grow(&mut world, id, 32 * 4096).expect("grows");
    assert_eq!(stamps(&mut world, id, 12, 20)[..6], [1, 2, 3, 4, 0, 0]);
    world.ask(id, beyond()).expect("a write behind the old end");
    let code = |outcome: Result<(), BlockError>| outcome.unwrap_err().code();
    assert_eq!(code(grow(&mut world, id, 31 * 4096)), "PUR_BLOCK_INVALID");
    assert_eq!(code(grow(&mut world, id, 33 * 4096 + 512)), "PUR_BLOCK_UNALIGNED");
    assert_eq!(code(grow(&mut world, VolumeId(999), 4096)), "PUR_BLOCK_NO_VOLUME");
    let mut world = reopened(&world, &[], 2).expect("opens again");
    assert_eq!(stamps(&mut world, id, 12, 20)[..6], [1, 2, 3, 4, 5, 0]);
}

#[test]
fn a_map_gets_levels_as_its_volume_grows_and_snapshots_keep_the_low_one() {
    for (policy, disks) in
        [(Policy::Replicas { copies: 2 }, 3), (Policy::Erasure { data: 2, parity: 1 }, 4)]
    {
        let mut world = small(policy, disks, 512, 3);
        let leaf = world.pool.leaf_blocks();
        let id = volume(&mut world, "v", 8);
        let mut expected = Vec::new();
        for (level, last) in (1..).zip([0, leaf, leaf * 63, leaf * 63 * 63]) {
            grow(&mut world, id, (last + 8) * 4096).expect("grows");
            write(&mut world, id, last + 1, &[level]);
            expected.push((last + 1, level));
            let name = format!("s{level}");
            let op = ControlOp::Snapshot { volume: id, name, time_seconds: 1 };
            world.control(op).expect("a snapshot");
            world.control(ControlOp::Checkpoint).expect("a checkpoint");
            assert_eq!(u32::from(world.pool.map_height()), level, "{policy}");
            write(&mut world, id, 1, &[1]);
        }
        let mut world = reopened(&world, &[], 4).expect("opens again");
        for snapshot in world.status().volumes {
            let blocks = snapshot.size_bytes / 4096;
            for &(block, level) in expected.iter().filter(|(block, _)| *block < blocks) {
                let found = stamps(&mut world, snapshot.id, block, 1);
                assert_eq!(found, [level], "{policy}, {}, block {block}", snapshot.name);
            }
        }
        let report = world.control(ControlOp::Scrub { deep: true });
        assert!(format!("{report:?}").contains("lost: 0"), "{policy}: {report:?}");
    }
}
