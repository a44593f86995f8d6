use crate::control::{ControlAnswer, ControlOp, PoolId, PoolSpec};
use crate::error::BlockError;
use crate::placement::Level;
use crate::policy::Policy;
use crate::request::{Answer, RequestOp, VolumeId};
use crate::sim::model::stamped;
use crate::sim::{CrashMode, Random, SimDisk, Start, World};

/// A pool with small disks, a small log and small stripes.
pub fn small(policy: Policy, disks: usize, blocks: usize, start: impl Into<Start>) -> World {
    small_in(policy, vec![Vec::new(); disks], blocks, start)
}

/// As [`small`], with a disk in each of these fault domains.
pub fn small_in(
    policy: Policy,
    domains: Vec<Vec<String>>,
    blocks: usize,
    start: impl Into<Start>,
) -> World {
    let disks: Vec<_> = domains.iter().map(|_| SimDisk::new(blocks)).collect();
    let shard_bytes = if policy.data_shards() == 1 { 4 * 4096 } else { 2 * 4096 };
    let spec = PoolSpec {
        id: PoolId([9; 16]),
        policy,
        level: Level::Server,
        log_bytes: Some(32 * 4096),
        shard_bytes: Some(shard_bytes),
        force: false,
    };
    World::create(spec, disks, domains, start).expect("a pool")
}

pub fn volume(world: &mut World, name: &str, blocks: u64) -> VolumeId {
    let op = ControlOp::CreateVolume { name: name.into(), size_bytes: blocks * 4096 };
    match world.control(op) {
        Ok(ControlAnswer::Volume(id)) => id,
        other => panic!("{other:?}"),
    }
}

pub fn write(world: &mut World, volume: VolumeId, first: u64, stamps: &[u32]) {
    let op = RequestOp::Write { offset: first * 4096, slices: vec![stamped(stamps)], fua: false };
    let answer = world.ask(volume, op);
    assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
}

pub fn stamps(world: &mut World, volume: VolumeId, first: u64, count: usize) -> Vec<u32> {
    let bytes = world.read(volume, first * 4096, count * 4096).expect("a read");
    bytes.chunks(4096).map(|b| u32::from_le_bytes(b[..4].try_into().expect("4 bytes"))).collect()
}

/// The pool as it is opened again on what its disks hold now, those of `gone` taken away.
pub fn reopened(world: &World, gone: &[usize], seed: u64) -> Result<World, BlockError> {
    let mut disks = world.crash(CrashMode::EverythingArrived, &mut Random::new(seed));
    for &disk in gone {
        disks[disk].set_gone(true);
    }
    World::open(disks, world.domains.clone(), seed)
}

const POLICIES: [(Policy, usize); 5] = [
    (Policy::Replicas { copies: 1 }, 1),
    (Policy::Replicas { copies: 2 }, 3),
    (Policy::Replicas { copies: 3 }, 3),
    (Policy::Erasure { data: 2, parity: 1 }, 4),
    (Policy::Erasure { data: 4, parity: 2 }, 6),
];

#[test]
fn what_was_written_is_read_from_the_log_from_home_and_after_opening_again() {
    for (policy, disks) in POLICIES {
        let mut world = small(policy, disks, 512, 1);
        let id = volume(&mut world, "v", 64);
        assert_eq!(stamps(&mut world, id, 0, 64), [0; 64]);
        write(&mut world, id, 3, &[1, 2, 3]);
        write(&mut world, id, 8, &[11, 12, 13, 14, 15, 16, 17, 18]);
        write(&mut world, id, 4, &[4]);
        let expected = [0, 0, 0, 1, 4, 3, 0, 0, 11, 12, 13, 14, 15, 16, 17, 18];
        assert_eq!(stamps(&mut world, id, 0, 16), expected, "{policy}");
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        assert_eq!(stamps(&mut world, id, 0, 16), expected, "{policy}");
        write(&mut world, id, 5, &[5]);
        let disks = std::mem::take(&mut world.disks);
        let domains = world.domains.clone();
        drop(world);
        let mut world = World::open(disks, domains, 2).expect("opens again");
        assert_eq!(stamps(&mut world, id, 3, 3), [1, 4, 5], "{policy}");
        assert_eq!(stamps(&mut world, id, 8, 8), expected[8..], "{policy}");
    }
}

#[test]
fn a_log_that_fills_up_goes_home_and_writes_go_on() {
    for (policy, disks) in POLICIES {
        let mut world = small(policy, disks, 512, 3);
        let id = volume(&mut world, "v", 64);
        for round in 1..=12 {
            for block in 0..32 {
                write(&mut world, id, block * 2, &[round * 100 + u32::try_from(block).unwrap()]);
            }
        }
        let found = stamps(&mut world, id, 0, 64);
        for (block, stamp) in found.iter().enumerate() {
            let expected =
                if block % 2 == 0 { 1200 + u32::try_from(block).unwrap() / 2 } else { 0 };
            assert_eq!(*stamp, expected, "{policy}, block {block}");
        }
    }
}
