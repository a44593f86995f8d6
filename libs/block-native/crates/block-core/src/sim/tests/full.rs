//! A pool without room.

use super::basics::{small, stamps, volume};
use crate::control::ControlOp;
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::{RequestOp, VolumeId};
use crate::sim::model::stamped;
use crate::sim::{Random, World};

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
    for round in 2..8 {
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

const AREA_BLOCKS: usize = 400;

/// A pool that is filled and emptied in pieces, and what it must hold.
struct Churn {
    world: World,
    volume: VolumeId,
    random: Random,
    expected: Vec<u32>,
    what: String,
}

impl Churn {
    fn new(policy: Policy, disks: usize, seed: u64) -> Self {
        let mut world = small(policy, disks, 256, seed);
        let volume = volume(&mut world, "v", AREA_BLOCKS as u64);
        let expected = vec![0; AREA_BLOCKS];
        let what = format!("{policy}, seed {seed}");
        Self { world, volume, random: Random::new(seed), expected, what }
    }

    /// Writes here and there until there is no room, which must be true then.
    fn fill(&mut self, stamp: u32, needed: usize) {
        for _ in 0..4096 {
            let count = 1 + self.random.below(9);
            let first = self.random.below(AREA_BLOCKS - count);
            match write(&mut self.world, self.volume, first as u64, &vec![stamp; count]) {
                Ok(()) => self.expected[first..first + count].fill(stamp),
                Err(error) => {
                    assert_eq!(error, BlockError::NoSpace, "{}", self.what);
                    // A write is refused as a whole, and parts of it may have happened.
                    let found = stamps(&mut self.world, self.volume, first as u64, count);
                    let parts = self.expected[first..first + count].iter_mut().zip(found);
                    for (expected, found) in parts {
                        assert!(found == *expected || found == stamp, "{}: {found}", self.what);
                        *expected = found;
                    }
                    return self.assert_full(needed);
                }
            }
        }
        // The area fits into the pool as a whole: full is another's business.
    }

    /// Fewer disks than a stripe needs have more free than is kept, and room for a stripe or two.
    fn assert_full(&mut self, needed: usize) {
        let disks = self.world.status().disks;
        let free = disks.iter().map(|disk| (disk.size_bytes - disk.used_bytes) / 4096);
        let roomy = free.clone().filter(|&blocks| blocks > 16 + 24).count();
        let free: Vec<u64> = free.collect();
        assert!(roomy < needed, "{}: full with {free:?} blocks free", self.what);
    }

    fn trim(&mut self, first: usize, count: usize) {
        let (offset, length) = (first as u64 * 4096, count as u64 * 4096);
        let op = RequestOp::Zero { offset, length, fua: false };
        let outcome = self.world.ask(self.volume, op);
        outcome.unwrap_or_else(|error| panic!("{}: a trim: {error}", self.what));
        self.expected[first..first + count].fill(0);
    }

    fn check(&mut self) {
        let found = stamps(&mut self.world, self.volume, 0, AREA_BLOCKS);
        assert_eq!(found, self.expected, "{}", self.what);
    }
}

/// A pool of three small disks stalled in the fourth round although each had free blocks: pages had
/// come to lie in every run of blocks that was long enough for a shard.
#[test]
fn a_small_pool_that_is_filled_and_emptied_in_pieces_is_full_only_when_it_is_and_never_stalls() {
    let policies = [
        (Policy::Replicas { copies: 2 }, 3, 2),
        (Policy::Replicas { copies: 3 }, 3, 3),
        (Policy::Erasure { data: 2, parity: 1 }, 3, 3),
        (Policy::Erasure { data: 2, parity: 1 }, 4, 3),
    ];
    for (policy, disks, needed) in policies {
        for seed in 1..=4 {
            let mut churn = Churn::new(policy, disks, seed);
            for round in 1..=8 {
                churn.fill(round, needed);
                churn.check();
                for _ in 0..6 {
                    let first = churn.random.below(AREA_BLOCKS / 8) * 8;
                    let count = 16 + churn.random.below(8) * 8;
                    churn.trim(first, count.min(AREA_BLOCKS - first));
                }
                let checkpoint = churn.world.control(ControlOp::Checkpoint);
                checkpoint.unwrap_or_else(|e| panic!("{}, round {round}: {e}", churn.what));
                churn.check();
            }
        }
    }
}
