//! An SSD is replaced while requests go on.

use std::panic::catch_unwind;

use purlin_block_core::disk::DiskHandle;
use purlin_block_core::sim::{CrashMode, Random, SimDisk};

use super::model::{stamp_of, stamped};
use super::mutation::{Mutation, set_mutation};
use super::world::{Medium, PAGES, SHAPE, World};
use crate::cache::{CacheError, Lock, Mode, Options, Phase, Request};

/// A cache in writeback on the first `taking` of `ssds` SSDs.
fn attached(ssds: usize, taking: u32) -> World {
    let size = usize::try_from(SHAPE.size_blocks()).unwrap();
    let mut disks = vec![SimDisk::new(PAGES)];
    disks.extend((0..ssds).map(|_| SimDisk::new(size)));
    let medium = Medium { disks, lock: Lock::default(), lies: false };
    let mut world = World::with_ssds(medium, SHAPE, true, 1, taking);
    assert_eq!(world.begin(), Phase::Running);
    world.cache.configure(Options { stream_pages: 0, ..Options::default() });
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    world
}

fn write(world: &mut World, page: u64, stamp: u32) {
    let slices = vec![stamped(&[stamp])];
    world.ask(Request::Write { page, slices, fua: true }).unwrap();
}

fn read(world: &mut World, page: u64) -> u32 {
    let answer = world.ask(Request::Read { page, count: 1 }).unwrap().unwrap();
    stamp_of(answer.as_bytes()).unwrap()
}

#[test]
fn of_two_ssds_one_dies_a_new_one_takes_its_place_and_the_other_may_die_then() {
    let mut world = attached(3, 2);
    (0..8).for_each(|page| write(&mut world, page, 5));
    world.medium.disks[1].set_gone(true);
    write(&mut world, 3, 6);
    assert_eq!(world.cache.status().ssds, 1);
    world.ask(Request::Adopt(DiskHandle(3))).unwrap();
    let status = world.cache.status();
    assert_eq!((status.ssds, status.mode, status.adopted_slots), (2, Mode::Writeback, None));
    write(&mut world, 4, 7);
    world.medium.disks[2].set_gone(true);
    write(&mut world, 5, 8);
    let mut again = {
        let medium = world.crash(CrashMode::NothingArrived, &mut Random::new(3));
        World::with_ssds(medium, SHAPE, false, 2, 3)
    };
    assert_eq!(again.begin(), Phase::Running);
    for world in [&mut world, &mut again] {
        for (page, wanted) in (0..).zip([5, 5, 5, 6, 7, 8, 5, 5]) {
            assert_eq!(read(world, page), wanted, "page {page}");
        }
    }
    again.ask(Request::Detach).unwrap();
    assert!(!again.medium.lock.dirty);
}

#[test]
fn an_ssd_in_use_is_exchanged_for_another_and_is_stale_from_then_on() {
    exchange();
}

#[test]
fn an_exchange_that_leaves_out_what_was_there_is_noticed() {
    set_mutation(Some(Mutation::AdoptUncopied));
    let noticed = catch_unwind(exchange).is_err();
    set_mutation(None);
    assert!(noticed);
}

fn exchange() {
    let mut world = attached(2, 1);
    (0..8).for_each(|page| write(&mut world, page, 5));
    assert_eq!(world.ask(Request::Dismiss(DiskHandle(1))).err(), Some(CacheError::SsdLost));
    world.ask(Request::Adopt(DiskHandle(2))).unwrap();
    world.ask(Request::Dismiss(DiskHandle(1))).unwrap();
    assert_eq!(world.cache.status().ssds, 1);
    write(&mut world, 2, 6);
    let mut random = Random::new(4);
    let medium = world.crash(CrashMode::NothingArrived, &mut random);
    // The old one alone is not believed; the new one has everything.
    let mut old = World::with_ssds(medium, SHAPE, false, 3, 1);
    assert_eq!(old.begin(), Phase::Refused(CacheError::Stale));
    let medium = world.crash(CrashMode::NothingArrived, &mut random);
    let mut again = World::with_ssds(medium, SHAPE, false, 3, 2);
    assert_eq!(again.begin(), Phase::Running);
    for world in [&mut world, &mut again] {
        for (page, wanted) in (0..).zip([5, 5, 6, 5, 5, 5, 5, 5]) {
            assert_eq!(read(world, page), wanted, "page {page}");
        }
    }
}

#[test]
fn an_ssd_that_dies_while_it_is_adopted_changes_nothing() {
    let mut world = attached(2, 1);
    (0..8).for_each(|page| write(&mut world, page, 5));
    let tag = world.submit(Request::Adopt(DiskHandle(2)));
    for _ in 0..30 {
        world.turn();
    }
    world.medium.disks[2].set_gone(true);
    while !world.answers.contains_key(&tag) {
        world.turn();
    }
    let answer = world.answers.remove(&tag).unwrap();
    assert_eq!(answer.err(), Some(CacheError::SsdLost));
    assert_eq!(world.cache.status().ssds, 1);
    write(&mut world, 1, 6);
    assert_eq!(read(&mut world, 1), 6);
}
