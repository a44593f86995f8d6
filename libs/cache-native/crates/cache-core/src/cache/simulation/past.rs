//! Writes past a cache that has something older of their pages, and discards of it.
//!
//! Random runs found, once in a thousand, that a dirty page which was written anew on the origin
//! came back after a crash, although a flush had covered the new content: filling its slot with
//! that asked for a later flush than the client's before the older was taken back.

use purlin_block_core::sim::{CrashMode, Random};

use super::facts::{SHAPE, attached, read, settle, write};
use super::model::stamped;
use super::mutation::{Mutation, set_mutation};
use super::world::World;
use crate::cache::{Mode, Options, Phase, Request, Tag};

fn is_answered(world: &World, tag: Tag) -> bool {
    world.answers.contains_key(&tag)
}

/// Dirty pages are written anew while writeback is being left; how many of those a crash after the
/// writer's flush leaves as they were before.
fn older_after_the_crash(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut world = attached(1);
    world.random = Random::new(seed);
    world.cache.configure(Options { stream_pages: 0, near_pages: 0, ..Options::default() });
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    (0..40).for_each(|number| write(&mut world, number * 64, &[1]));
    world.ask(Request::Flush).unwrap();
    world.submit(Request::SetMode(Mode::Writethrough));
    let mut written = Vec::new();
    for number in (random.below(4)..40).step_by(4) {
        (0..random.below(16)).for_each(|_| {
            world.turn();
        });
        let (page, slices) = (number as u64 * 64, vec![stamped(&[2])]);
        written.push((page, world.submit(Request::Write { page, slices, fua: false })));
    }
    while !written.iter().all(|(_, tag)| is_answered(&world, *tag)) {
        world.turn();
    }
    (0..random.below(40)).for_each(|_| {
        world.turn();
    });
    world.ask(Request::Flush).unwrap();
    let medium = world.crash(CrashMode::NothingArrived, &mut random);
    let mut again = World::with_shape(medium, SHAPE, false, seed);
    assert_eq!(again.begin(), Phase::Running);
    written.iter().filter(|(page, _)| read(&mut again, *page, 1) != 2).count()
}

#[test]
fn a_write_past_the_cache_outlives_a_crash_after_its_flush() {
    assert_eq!((0..300).map(older_after_the_crash).sum::<usize>(), 0);
    set_mutation(Some(Mutation::RaiseProof));
    let older: usize = (0..300).map(older_after_the_crash).sum();
    set_mutation(None);
    assert!(older > 0);
}

#[test]
fn what_is_discarded_leaves_the_cache_and_the_origin_is_told_once() {
    let mut world = attached(1);
    world.cache.configure(Options { stream_pages: 0, near_pages: 0, ..Options::default() });
    write(&mut world, 0, &[5; 64]);
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    write(&mut world, 32, &[6; 64]);
    world.ask(Request::Flush).unwrap();
    settle(&mut world);
    let before = world.operations[0];
    assert!(world.cache.status().dirty_pages > 0);
    world.ask(Request::Discard { page: 0, count: 4096 }).unwrap();
    let status = world.cache.status();
    assert_eq!((status.dirty_pages, status.cached_pages), (0, 0));
    let told = world.operations[0] - before;
    assert!(told <= 2, "{told}: the discard, and what destage had on its way");
    world.ask(Request::Flush).unwrap();
    // It is free for what comes.
    write(&mut world, 7, &[8]);
    world.ask(Request::Flush).unwrap();
    assert_eq!(read(&mut world, 7, 1), 8);
}
