//! What a change of disks moves: how much, how far, from where, and what stays safe meanwhile.

use super::basics::{reopened, small, small_in, stamps, volume, write};
use crate::control::{ControlAnswer, ControlOp, DiskId, DiskState, PoolStatus, Survey};
use crate::mutation::set_format;
use crate::placement::{Census, Expand, Level};
use crate::policy::Policy;
use crate::request::VolumeId;
use crate::sim::{SimDisk, Start, World};

const EC_4_2: Policy = Policy::Erasure { data: 4, parity: 2 };
const FOLDED: Policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
const REPLICAS_2: Policy = Policy::Replicas { copies: 2 };
const WRITE: usize = 64;

/// Racks and servers as names: `k0/s1` is server `s1` of rack `k0`.
fn at(places: &[&str]) -> Vec<Vec<String>> {
    let names = |place: &&str| {
        let way = std::iter::once("room").chain(place.split('/'));
        way.map(str::to_owned).collect()
    };
    places.iter().map(names).collect()
}

/// A pool with `blocks` blocks at home.
fn laden(policy: Policy, places: &[&str], disk_blocks: usize, blocks: usize) -> (World, VolumeId) {
    let mut world = small_in(policy, at(places), disk_blocks, 1);
    let id = fill(&mut world, blocks);
    (world, id)
}

fn fill(world: &mut World, blocks: usize) -> VolumeId {
    let id = volume(world, "v", blocks as u64);
    for first in (0..blocks).step_by(WRITE) {
        write(world, id, first as u64, &[7; WRITE]);
    }
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    id
}

fn assert_whole(world: &mut World, id: VolumeId, blocks: usize) {
    for first in (0..blocks).step_by(WRITE) {
        assert_eq!(stamps(world, id, first as u64, WRITE), [7; WRITE], "from block {first}");
    }
}

/// A device more, at this place, not in the pool yet.
fn plug(world: &mut World, place: &str, blocks: usize) -> usize {
    world.disks.push(SimDisk::new(blocks));
    world.domains.extend(at(&[place]));
    world.disks.len() - 1
}

fn add(world: &mut World, devices: &[usize], expand: Expand) -> Result<Vec<DiskId>, String> {
    let disks = devices.iter().map(|&device| world.spec(device)).collect();
    match world.control(ControlOp::AddDisks { disks, expand, force: false }) {
        Ok(ControlAnswer::Disks(ids)) => Ok(ids),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.code().to_owned()),
    }
}

fn survey(world: &mut World) -> Survey {
    match world.control(ControlOp::Survey) {
        Ok(ControlAnswer::Surveyed(survey)) => *survey,
        other => panic!("{other:?}"),
    }
}

/// How many of any domains of a level what is placed survives, and that no stripe is short.
fn survives(world: &mut World, policy: Policy, level: Level) -> usize {
    let Survey { placed, disks, .. } = survey(world);
    assert_eq!(placed.keys().copied().collect::<Vec<_>>(), [policy.parity_shards()]);
    let census: &Census = &placed[&policy.parity_shards()];
    let survival = census.survival(&disks);
    survival.levels.iter().find(|it| it.level == level).map_or(0, |it| it.any)
}

fn told(what: &str, status: &PoolStatus) -> (u64, u64) {
    let moving = status.moving;
    let (moved, least) =
        (moving.moved_bytes.iter().sum::<u64>(), moving.least_bytes.iter().sum::<u64>());
    eprintln!(
        "{what}: moved {:?}, least {:?} (server, rack, room, across), rebuilt {}, rewritten {}",
        moving.moved_bytes, moving.least_bytes, moving.rebuilt_bytes, moving.rewritten_bytes
    );
    (moved, least)
}

/// Bytes that the busiest disk has moved, over the mean.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn spread(status: &PoolStatus) -> f64 {
    let moved: Vec<u64> = status.disks.iter().map(|disk| disk.moved_bytes).collect();
    let sum: u64 = moved.iter().sum();
    moved.iter().copied().max().unwrap_or(0) as f64 * moved.len() as f64 / sum as f64
}

#[test]
fn an_added_disk_gets_its_share_by_moves_of_single_shards_close_to_the_least() {
    let places = ["a/s1", "a/s2", "b/s3", "b/s4", "c/s5", "c/s6"];
    for (policy, blocks) in [(EC_4_2, 1024), (REPLICAS_2, 1024)] {
        let (mut world, id) = laden(policy, &places, 1024, blocks);
        let device = plug(&mut world, "c/s7", 1024);
        add(&mut world, &[device], Expand::Rebalance).expect("added");
        world.settle();
        let status = world.status();
        let (moved, least) = told(&format!("{policy}, one disk more of 7"), &status);
        assert!(!status.moving.rebalancing);
        // With so few stripes the places dealt out are not wholly even.
        assert!(moved * 10 >= least * 8, "{moved} of {least}");
        assert!(moved * 10 <= least * 12, "{moved} moved, {least} would be the least");
        assert_eq!((status.moving.rewritten_bytes, status.moving.rebuilt_bytes), (0, 0));
        assert_eq!(status.moving.planned_bytes, moved);
        assert_eq!(survey(&mut world).misplaced_bytes, 0);
        assert_eq!(survives(&mut world, policy, Level::Server), policy.failures());
        assert_whole(&mut world, id, blocks);
        let mut again = reopened(&world, &[0], 2).expect("opens without a disk");
        assert_whole(&mut again, id, blocks);
    }
}

#[test]
fn a_new_group_of_disks_moves_nothing_until_a_rebalance_and_takes_new_stripes() {
    let (mut world, id) = laden(REPLICAS_2, &["a/s1", "a/s2", "a/s3"], 1024, 512);
    let (one, two) = (plug(&mut world, "b/s4", 1024), plug(&mut world, "b/s5", 1024));
    let refused = add(&mut world, &[one], Expand::NewGroup).unwrap_err();
    assert_eq!(refused, "PUR_BLOCK_INVALID", "one disk is no group of two replicas");
    assert_eq!(world.status().disks.len(), 3);
    add(&mut world, &[one, two], Expand::NewGroup).expect("a group");
    world.settle();
    let status = world.status();
    assert_eq!(told("a new group", &status).0, 0);
    assert_eq!(status.moving.rewritten_bytes, 0);
    let before = survey(&mut world);
    assert_eq!(before.stored.len(), 3, "{:?}", before.stored);
    assert_eq!(before.misplaced_bytes, 0);
    let new = volume(&mut world, "w", 512);
    for first in (0..512).step_by(WRITE) {
        write(&mut world, new, first, &[9; WRITE]);
    }
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    let after = survey(&mut world);
    let of = |survey: &Survey, ids: [u16; 2]| -> u64 {
        ids.iter().map(|&id| survey.stored.get(&DiskId(id)).copied().unwrap_or(0)).sum()
    };
    let there: Vec<u16> = world.status().disks.iter().map(|disk| disk.id.0).collect();
    assert!(of(&after, [there[3], there[4]]) > 0, "{:?}", after.stored);
    assert_whole(&mut world, id, 512);
}

#[test]
fn a_disk_that_is_replaced_gives_its_places_to_the_new_one_and_nothing_else_moves() {
    let places = ["a/s1", "a/s1", "a/s2", "a/s2", "a/s3", "a/s3"];
    let (mut world, id) = laden(FOLDED, &places, 1024, 1024);
    let held = survey(&mut world).stored[&DiskId(2)];
    let device = plug(&mut world, "a/s2", 1024);
    let by = world.spec(device);
    world.control(ControlOp::ReplaceDisk { disk: DiskId(2), by, force: false }).expect("replaced");
    let status = world.status();
    told("4+2:1, a disk replaced", &status);
    assert_eq!(status.moving.moved_bytes, [held, 0, 0, 0], "all of it within the server");
    assert_eq!(status.disks.len(), 6);
    assert!(status.disks.iter().all(|disk| disk.id != DiskId(2)));
    assert_eq!(survives(&mut world, FOLDED, Level::Server), 1);
    assert_whole(&mut world, id, 1024);
    // A disk that is gone is replaced by what the others have.
    world.disks[0].set_gone(true);
    assert_whole(&mut world, id, 1024);
    write(&mut world, id, 0, &[7]);
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    world.settle();
    assert_eq!(world.status().disks[0].state, DiskState::Missing);
    let device = plug(&mut world, "a/s1", 1024);
    let by = world.spec(device);
    world.control(ControlOp::ReplaceDisk { disk: DiskId(0), by, force: false }).expect("replaced");
    let status = world.status();
    told("4+2:1, a lost disk replaced", &status);
    // What was written while it was away stood in for it on the disk beside.
    assert_eq!(status.moving.moved_bytes[1..], [0; 3]);
    assert!(status.moving.moved_bytes[0] <= 2 * 8192);
    assert_eq!(status.moving.least_bytes, status.moving.moved_bytes);
    assert!(status.moving.rebuilt_bytes > 0);
    assert_eq!((status.disks.len(), status.short_stripes), (6, 0));
    assert_eq!(survives(&mut world, FOLDED, Level::Server), 1);
    assert_whole(&mut world, id, 1024);
}

#[test]
fn a_lost_disk_is_rebuilt_by_all_others_no_more_than_a_third_above_the_mean() {
    let mut world = small(EC_4_2, 12, 1024, 3);
    let id = fill(&mut world, 4096);
    let held = survey(&mut world).stored[&DiskId(5)];
    world.disks[5].set_gone(true);
    assert_whole(&mut world, id, 4096);
    world.settle();
    world.control(ControlOp::ForgetDisk(DiskId(5))).expect("given up");
    world.settle();
    let status = world.status();
    told("4+2, one disk of 12 lost", &status);
    let spread = spread(&status);
    eprintln!("  bytes read and written by the busiest disk over the mean: {spread:.2}");
    assert_eq!(status.moving.rebuilt_bytes + status.moving.moved_bytes.iter().sum::<u64>(), held);
    assert!(spread <= 1.3, "{spread}");
    assert_eq!((status.disks.len(), status.short_stripes), (11, 0));
    assert_eq!(survives(&mut world, EC_4_2, Level::Disk), 2);
    assert_whole(&mut world, id, 4096);
}

#[test]
fn an_evacuated_disk_is_empty_stays_a_member_and_can_be_used_again() {
    let (mut world, id) = laden(REPLICAS_2, &["a/s1", "a/s2", "b/s3", "b/s4"], 1024, 512);
    let evacuate =
        |world: &mut World, on| world.control(ControlOp::EvacuateDisk { disk: DiskId(1), on });
    let held = survey(&mut world).stored[&DiskId(1)];
    evacuate(&mut world, true).expect("evacuated");
    let status = world.status();
    let (moved, least) = told("replicas 2, one disk of 4 evacuated", &status);
    assert!(moved >= held && moved * 10 <= least * 15, "{moved}, held {held}, least {least}");
    let found = status.disks.iter().find(|disk| disk.id == DiskId(1)).expect("a member");
    assert_eq!((found.state, found.used_bytes), (DiskState::Leaving, 0));
    assert_eq!(survives(&mut world, REPLICAS_2, Level::Server), 1);
    evacuate(&mut world, false).expect("used again");
    world.control(ControlOp::Rebalance).expect("a rebalance");
    assert!(survey(&mut world).stored[&DiskId(1)] > 0);
    assert_whole(&mut world, id, 512);
}

#[test]
fn no_disk_is_taken_away_that_the_policy_needs() {
    let (mut world, id) = laden(EC_4_2, &["a/s1", "a/s2", "a/s3", "a/s4", "a/s5", "a/s6"], 512, 64);
    let refused = world.control(ControlOp::RemoveDisk(DiskId(3))).unwrap_err();
    assert_eq!(refused.code(), "PUR_BLOCK_INVALID", "{refused}");
    assert!(refused.to_string().contains("4+2 over servers needs 6"), "{refused}");
    assert_whole(&mut world, id, 64);
}

#[test]
fn a_paused_rebalance_is_kept_over_an_opening_and_goes_on_where_it_was() {
    let (mut world, id) = laden(REPLICAS_2, &["a/s1", "a/s2", "a/s3"], 1024, 512);
    world.control(ControlOp::PauseRebalance(true)).expect("paused");
    let device = plug(&mut world, "a/s4", 1024);
    add(&mut world, &[device], Expand::Rebalance).expect("added");
    world.settle();
    let moving = world.status().moving;
    assert!(moving.rebalancing && moving.paused, "{moving:?}");
    assert_eq!(told("paused", &world.status()).0, 0);
    let mut world = reopened(&world, &[], 5).expect("opens");
    world.settle();
    let moving = world.status().moving;
    assert!(moving.rebalancing && moving.paused, "{moving:?}");
    world.control(ControlOp::PauseRebalance(false)).expect("goes on");
    world.settle();
    let status = world.status();
    assert!(!status.moving.rebalancing);
    let (moved, least) = told("after the pause", &status);
    assert!(moved >= least && least > 0, "{moved} of {least}");
    assert_eq!(survey(&mut world).misplaced_bytes, 0);
    assert_whole(&mut world, id, 512);
}

#[test]
fn shards_of_a_stripe_are_in_different_racks_where_the_rack_is_the_fault_domain() {
    let places = ["a/s1", "a/s2", "b/s3", "b/s4", "c/s5", "c/s6"];
    let mut world = small_in(REPLICAS_2, at(&places), 1024, 1);
    let id = fill(&mut world, 512);
    // The pool was made with the server as its fault domain; it is opened with another one.
    world = {
        world.control(ControlOp::Checkpoint).expect("a checkpoint");
        let start = Start { level: Some(Level::Rack), ..Start::from(2) };
        World::open(world.disks, at(&places), start).expect("opens")
    };
    world.settle();
    assert_eq!(world.status().level, Level::Rack);
    assert_eq!(survives(&mut world, REPLICAS_2, Level::Rack), 1, "what was there is put right");
    // A rack's only other disk takes over, or another rack; never one rack twice.
    world.control(ControlOp::EvacuateDisk { disk: DiskId(0), on: true }).expect("evacuated");
    assert_eq!(survives(&mut world, REPLICAS_2, Level::Rack), 1, "after an evacuation");
    world.disks[3].set_gone(true);
    assert_whole(&mut world, id, 512);
    world.settle();
    world.control(ControlOp::ForgetDisk(DiskId(3))).expect("given up");
    world.settle();
    assert_eq!(survives(&mut world, REPLICAS_2, Level::Rack), 1, "after a rebuild");
    assert_whole(&mut world, id, 512);
}

#[test]
fn a_pool_of_the_former_format_gets_its_table_when_it_is_opened() {
    set_format(Some(2));
    let (mut world, id) = laden(REPLICAS_2, &["a/s1", "a/s2", "a/s3", "a/s4"], 1024, 512);
    world.control(ControlOp::Close).expect("closed");
    set_format(None);
    let mut world = World::open(world.disks, world.domains, 2).expect("opens");
    assert_whole(&mut world, id, 512);
    world.control(ControlOp::Rebalance).expect("a rebalance");
    assert_eq!(survey(&mut world).misplaced_bytes, 0);
    assert_eq!(survives(&mut world, REPLICAS_2, Level::Server), 1);
    let mut again = reopened(&world, &[2], 3).expect("opens again");
    assert_whole(&mut again, id, 512);
}
