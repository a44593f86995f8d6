use super::basics::{small, stamps, volume, write};
use crate::control::ControlOp;
use crate::policy::Policy;
use crate::sim::{CrashMode, Random, World};

/// The log of these small pools.
const LOG: std::ops::Range<usize> = 2..34;

#[test]
fn a_pool_that_was_closed_opens_without_its_log_and_one_that_was_not_needs_it() {
    let policies =
        [(Policy::Replicas { copies: 2 }, 2), (Policy::Erasure { data: 4, parity: 2 }, 6)];
    for (policy, disks) in policies {
        let mut world = small(policy, disks, 512, 1);
        let id = volume(&mut world, "v", 64);
        write(&mut world, id, 3, &[1, 2, 3]);
        world.control(ControlOp::Close).expect("closes");
        let mut disks = world.crash(CrashMode::NothingArrived, &mut Random::new(2));
        for disk in &mut disks {
            LOG.for_each(|block| disk.make_bad(block));
        }
        let mut world =
            World::open(disks, world.domains.clone(), 3).expect("opens without its log");
        assert_eq!(stamps(&mut world, id, 3, 3), [1, 2, 3], "{policy}");
        assert_eq!(world.status().disks.iter().map(|disk| disk.errors).sum::<u64>(), 0);
    }
    for (policy, disks) in policies {
        let mut world = small(policy, disks, 512, 4);
        let id = volume(&mut world, "v", 64);
        world.control(ControlOp::Close).expect("closes");
        let disks = world.crash(CrashMode::EverythingArrived, &mut Random::new(5));
        let mut world = World::open(disks, world.domains.clone(), 6).expect("opens");
        write(&mut world, id, 7, &[8]);
        let disks = world.crash(CrashMode::EverythingArrived, &mut Random::new(7));
        let mut world = World::open(disks, world.domains.clone(), 8).expect("opens again");
        assert_eq!(stamps(&mut world, id, 7, 1), [8], "{policy}: the log counts again");
    }
}
