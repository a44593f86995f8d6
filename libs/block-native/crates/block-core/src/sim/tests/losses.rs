//! Every set of fault domains that a policy survives, and every set of one more.

use super::basics::{reopened, small_in, stamps, volume, write};
use crate::control::{ControlAnswer, ControlOp, DiskState, ScrubReport};
use crate::policy::Policy;
use crate::request::VolumeId;
use crate::sim::World;

const BLOCKS: usize = 96;

/// A pool with bytes at home and in the log, on as few fault domains as its policy wants.
struct Laden {
    world: World,
    volume: VolumeId,
    /// Disks by fault domain.
    domains: Vec<Vec<usize>>,
    expected: Vec<u32>,
}

fn laden(policy: Policy) -> Laden {
    let in_each = policy.shards_per_domain();
    let count = policy.shards() / in_each;
    let names = (0..count * in_each).map(|disk| match in_each {
        1 => Vec::new(),
        _ => vec![format!("server-{}", disk / in_each)],
    });
    let mut world = small_in(policy, names.collect(), 512, 1);
    let volume = volume(&mut world, "v", BLOCKS as u64);
    let first: Vec<u32> = (1..=80).collect();
    write(&mut world, volume, 0, &first);
    write(&mut world, volume, 83, &[83]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    write(&mut world, volume, 5, &[1005, 1006]);
    write(&mut world, volume, 90, &[90, 91]);
    let mut expected: Vec<u32> = first;
    expected.resize(BLOCKS, 0);
    for (block, stamp) in [(5, 1005), (6, 1006), (83, 83), (90, 90), (91, 91)] {
        expected[block] = stamp;
    }
    let domains = (0..count).map(|at| (at * in_each..(at + 1) * in_each).collect()).collect();
    Laden { world, volume, domains, expected }
}

/// Every set of `size` of the numbers below `count`.
fn sets(count: usize, size: usize) -> Vec<Vec<usize>> {
    let all = 0u32..1 << count;
    let sized = all.filter(|set| set.count_ones() as usize == size);
    sized.map(|set| (0..count).filter(|at| set >> at & 1 == 1).collect()).collect()
}

impl Laden {
    fn disks_of(&self, domains: &[usize]) -> Vec<usize> {
        domains.iter().flat_map(|&domain| self.domains[domain].clone()).collect()
    }

    fn assert_whole(&self, world: &mut World, what: &str) {
        assert_eq!(stamps(world, self.volume, 0, BLOCKS), self.expected, "{what}");
    }

    /// Gives disks back to a pool that runs, those it knows to be missing by a call.
    fn give_back(world: &mut World, disks: &[usize]) {
        for &disk in disks {
            world.disks[disk].set_gone(false);
            let missing = world
                .status()
                .disks
                .iter()
                .any(|found| found.id.0 as usize == disk && found.state == DiskState::Missing);
            if missing {
                let op = ControlOp::ReturnDisk(world.spec(disk));
                world.control(op).expect("a disk that returns");
            }
        }
    }

    /// Nothing is short or lost any more, and another opening finds the same.
    fn assert_mended(&self, mut world: World, what: &str) {
        self.assert_whole(&mut world, what);
        world.settle();
        match world.control(ControlOp::Scrub { deep: true }) {
            Ok(ControlAnswer::Scrubbed(ScrubReport { lost: 0, .. })) => {}
            other => panic!("{what}: {other:?}"),
        }
        let mut again = reopened(&world, &[], 5).expect("opens again");
        self.assert_whole(&mut again, what);
    }

    fn pull(&self, policy: Policy, domains: &[usize]) {
        let gone = self.disks_of(domains);
        let what = format!("{policy} without {domains:?}");
        let mut opened = reopened(&self.world, &gone, 2).unwrap_or_else(|e| panic!("{what}: {e}"));
        self.assert_whole(&mut opened, &format!("{what}, opened"));
        Self::give_back(&mut opened, &gone);
        self.assert_mended(opened, &format!("{what}, opened, given back"));
        let mut running = reopened(&self.world, &[], 3).expect("opens");
        for &disk in &gone {
            running.disks[disk].set_gone(true);
        }
        self.assert_whole(&mut running, &format!("{what}, running"));
        Self::give_back(&mut running, &gone);
        self.assert_mended(running, &format!("{what}, running, given back"));
    }

    /// One domain more than the policy survives.
    fn pull_too_many(&self, policy: Policy, domains: &[usize]) {
        let gone = self.disks_of(domains);
        let what = format!("{policy} without {domains:?}");
        match reopened(&self.world, &gone, 2) {
            Ok(_) => panic!("{what}: opened"),
            Err(error) => {
                let code = error.code();
                let known = ["PUR_BLOCK_DISKS_MISSING", "PUR_BLOCK_NO_SUPERBLOCK"];
                assert!(known.contains(&code), "{what}: {error}");
            }
        }
        let mut running = reopened(&self.world, &[], 3).expect("opens");
        for &disk in &gone {
            running.disks[disk].set_gone(true);
        }
        let mut failed = 0;
        for (block, &stamp) in self.expected.iter().enumerate() {
            match running.read(self.volume, block as u64 * 4096, 4096) {
                Ok(bytes) => {
                    let found = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"));
                    assert_eq!(found, stamp, "{what}, block {block}");
                }
                Err(error) => {
                    failed += 1;
                    let known = ["PUR_BLOCK_LOST", "PUR_BLOCK_DAMAGED", "PUR_BLOCK_CLOSED"];
                    assert!(known.contains(&error.code()), "{what}, block {block}: {error}");
                }
            }
        }
        assert!(failed > 0, "{what}: no read failed");
        for &disk in &gone {
            running.disks[disk].set_gone(false);
        }
        let mut again = reopened(&running, &[], 4).unwrap_or_else(|e| panic!("{what}: {e}"));
        self.assert_whole(&mut again, &format!("{what}, all back"));
        self.assert_mended(again, &format!("{what}, all back"));
    }
}

fn pull_every_set(policy: Policy) {
    let laden = laden(policy);
    let count = laden.domains.len();
    for size in 1..=policy.failures() {
        for domains in sets(count, size) {
            laden.pull(policy, &domains);
        }
    }
    for domains in sets(count, policy.failures() + 1) {
        laden.pull_too_many(policy, &domains);
    }
}

#[test]
fn every_set_of_disks_that_replicas_survive_may_go_and_one_more_is_an_error() {
    for copies in 2..=6 {
        pull_every_set(Policy::Replicas { copies });
    }
}

#[test]
fn every_set_of_disks_that_erasure_coding_survives_may_go_and_one_more_is_an_error() {
    for (data, parity) in [(2, 1), (4, 2), (8, 3)] {
        pull_every_set(Policy::Erasure { data, parity });
    }
}

#[test]
fn every_server_of_a_folded_pool_may_go_and_one_more_is_an_error() {
    for (data, parity, failures) in [(4, 2, 1), (8, 2, 1), (16, 2, 1)] {
        pull_every_set(Policy::Folded { data, parity, failures });
    }
}
