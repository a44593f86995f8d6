//! Single facts on simulated disks: what is promised of a full cache, of a restart, of a detach, of
//! streams, scrubs and idle times.

use purlin_block_core::Nanoseconds;
use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::IoClass;
use purlin_block_core::sim::{CrashMode, Random, SimDisk};

use super::model::{stamp_of, stamped};
use super::world::{Medium, World};
use crate::cache::{Alert, CacheError, Lock, Mode, Options, Phase, Request, Shape, Tag};

const ORIGIN_PAGES: usize = 4096;
pub const SHAPE: Shape = Shape { slots: 1024, spare_blocks: 64, journal_blocks: 16 };

fn medium(ssds: usize) -> Medium {
    let size = usize::try_from(SHAPE.size_blocks()).unwrap();
    let mut disks = vec![SimDisk::new(ORIGIN_PAGES)];
    disks.extend((0..ssds).map(|_| SimDisk::new(size)));
    Medium { disks, lock: Lock::default(), lies: false }
}

pub fn attached(ssds: usize) -> World {
    let mut world = World::with_shape(medium(ssds), SHAPE, true, 1);
    assert_eq!(world.begin(), Phase::Running);
    world
}

fn opened(medium: Medium) -> World {
    let mut world = World::with_shape(medium, SHAPE, false, 2);
    assert_eq!(world.begin(), Phase::Running);
    world
}

pub fn read(world: &mut World, page: u64, count: usize) -> u32 {
    let answer = world.ask(Request::Read { page, count }).unwrap().unwrap();
    stamp_of(&answer.as_bytes()[..BLOCK_BYTES]).unwrap()
}

pub fn write(world: &mut World, page: u64, stamps: &[u32]) {
    let slices = vec![stamped(stamps)];
    world.ask(Request::Write { page, slices, fua: false }).unwrap();
}

/// Turns until nothing is on its way.
pub fn settle(world: &mut World) {
    while world.turn() || world.busy() {}
}

/// Lets time pass in which nobody asks for anything.
fn idle(world: &mut World) {
    for _ in 0..20_000 {
        world.turn();
    }
}

/// A page of a load of which some pages are popular.
fn popular(random: &mut Random) -> u64 {
    let span = [64, 400, ORIGIN_PAGES][random.below(3)];
    random.below(span) as u64
}

#[test]
fn writeback_takes_every_write_until_the_dirty_share_is_reached_and_none_waits_after_that() {
    let mut world = attached(1);
    let options = Options { dirty_percent_max: 50, stream_pages: 0, ..Options::default() };
    world.cache.configure(options);
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    settle(&mut world);
    let before = world.operations[0];
    // Every second page, each once: nothing that a policy would let in.
    for number in 0..256u32 {
        write(&mut world, u64::from(number) * 2, &[number + 1]);
        let dirty = world.cache.status().dirty_pages;
        assert_eq!((dirty, world.operations[0]), (number as usize + 1, before));
    }
    let mut most = 0;
    for first in (256..2000u32).step_by(64) {
        let tags = (first..2000.min(first + 64)).map(|number| {
            let (page, slices) = (u64::from(number) * 2, vec![stamped(&[number + 1])]);
            world.submit(Request::Write { page, slices, fua: false })
        });
        let tags: Vec<_> = tags.collect();
        while !tags.iter().all(|tag| world.answers.contains_key(tag)) {
            world.turn();
            most = most.max(world.cache.status().dirty_pages);
        }
    }
    // What was full admitted as much as went home; the rest passed by.
    assert!((400..=512 + 64).contains(&most), "{most}");
    assert!(world.operations[0] > before);
    for number in 0..2000u32 {
        assert_eq!(read(&mut world, u64::from(number) * 2, 1), number + 1);
    }
}

#[test]
fn a_restart_keeps_the_cache_warm() {
    let mut world = attached(1);
    let mut random = Random::new(5);
    let reads = |world: &mut World, random: &mut Random, count: u64| {
        let before = world.operations[0];
        for _ in 0..count {
            read(world, popular(random), 1);
        }
        world.operations[0] - before
    };
    reads(&mut world, &mut random, 9000);
    // Few, so that what is learned after the start does not hide what was there at once.
    let warm = reads(&mut world, &mut random, 200);
    world.ask(Request::Close).unwrap();
    let mut again = opened(world.crash(CrashMode::NothingArrived, &mut random));
    let after = reads(&mut again, &mut random, 200);
    let cold = reads(&mut attached(1), &mut random, 200);
    eprintln!("of 200 reads missed: warm {warm}, after a restart {after}, cold {cold}");
    assert!(cold > after && (cold - after) * 2 > cold - warm, "{warm} {after} {cold}");
}

#[test]
fn a_commit_of_many_pages_outlives_a_turn_of_the_journal_in_its_middle() {
    let shape = Shape { journal_blocks: 3, ..SHAPE };
    for first_pages in 1..=4u32 {
        let mut world = World::with_shape(medium(1), shape, true, 1);
        assert_eq!(world.begin(), Phase::Running);
        world.cache.configure(Options { stream_pages: 0, ..Options::default() });
        world.ask(Request::SetMode(Mode::Writeback)).unwrap();
        settle(&mut world);
        let mut written = 0;
        // Each commit fills whole blocks of the journal and part of one.
        for pages in [first_pages * 60, 150, 190, 130] {
            for _ in 0..pages {
                write(&mut world, u64::from(written) * 2, &[written + 1]);
                written += 1;
            }
            world.ask(Request::Flush).unwrap();
            // The table is whole while pages still wait to go home.
            for _ in 0..30 {
                world.turn();
            }
            let mut random = Random::new(u64::from(written));
            let crashed = world.crash(CrashMode::NothingArrived, &mut random);
            let mut again = World::with_shape(crashed, shape, false, 2);
            assert_eq!(again.begin(), Phase::Running);
            for number in 0..written {
                assert_eq!(read(&mut again, u64::from(number) * 2, 1), number + 1, "{written}");
            }
            world = again;
            world.cache.configure(Options { stream_pages: 0, ..Options::default() });
            settle(&mut world);
        }
    }
}

#[test]
fn detach_of_a_clean_cache_is_no_operation_on_any_disk() {
    let mut world = attached(2);
    let mut random = Random::new(6);
    for number in 1..1000u32 {
        read(&mut world, popular(&mut random), 1);
        write(&mut world, popular(&mut random), &[number]);
    }
    world.ask(Request::Flush).unwrap();
    settle(&mut world);
    let before = world.operations.clone();
    world.ask(Request::Detach).unwrap();
    assert_eq!(world.operations, before);
    assert!(!world.medium.lock.dirty);
    assert_eq!(world.phase(), Phase::Detached);
    let refused = World::with_shape(world.medium, SHAPE, false, 3).begin();
    assert_eq!(refused, Phase::Refused(CacheError::Stale), "its SSDs are stale from then on");
}

#[test]
fn streams_and_scrubs_pass_by() {
    let mut world = attached(1);
    let options = Options { idle_after: Nanoseconds(u64::MAX / 2), ..Options::default() };
    world.cache.configure(options);
    let mut random = Random::new(8);
    for _ in 0..4000 {
        read(&mut world, popular(&mut random), 1);
    }
    settle(&mut world);
    let (cached, writes) = (world.cache.status().cached_pages, world.operations[1]);
    for page in (0..ORIGIN_PAGES as u64).step_by(16) {
        let tag = Tag(1 << 40 | page);
        world.cache.submit_as(tag, IoClass::Scrub, Request::Read { page, count: 16 });
        while !world.answers.contains_key(&tag) {
            world.turn();
        }
    }
    settle(&mut world);
    assert_eq!(world.cache.status().cached_pages, cached);
    let scrub = world.operations[1] - writes;
    assert!(scrub <= cached, "the cached pages were read: {scrub} of {cached}");
    world.cache.configure(Options { stream_pages: 256, ..options });
    for first in (0..ORIGIN_PAGES as u64).step_by(32) {
        read(&mut world, first, 32);
    }
    settle(&mut world);
    let streamed = world.operations[1] - writes - scrub;
    assert!(streamed <= cached + 600, "256 pages came in at most: {streamed}");
    // A stream of writes reaches the origin and leaves nothing old behind.
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    for first in (0..ORIGIN_PAGES as u64).step_by(32) {
        write(&mut world, first, &[9; 32]);
    }
    assert!(world.cache.status().dirty_pages <= 256);
    assert!((0..ORIGIN_PAGES as u64).all(|page| read(&mut world, page, 1) == 9));
}

#[test]
fn idle_time_fetches_hot_regions_and_brings_everything_dirty_home() {
    let mut world = attached(1);
    world.cache.configure(Options { near_pages: 0, ..Options::default() });
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    // Reads all over one region, none of them twice.
    for page in (1024..1280).step_by(8) {
        read(&mut world, page, 1);
    }
    write(&mut world, 3, &[7]);
    settle(&mut world);
    let before = world.cache.status();
    idle(&mut world);
    let after = world.cache.status();
    assert_eq!((before.dirty_pages, after.dirty_pages), (1, 0));
    assert!(after.cached_pages >= before.cached_pages + 200, "{before:?} {after:?}");
    let origin = world.operations[0];
    for page in 1024..1280 {
        read(&mut world, page, 1);
    }
    assert!(world.operations[0] - origin < 20, "what was fetched is there");
    world.ask(Request::Flush).unwrap();
}

#[test]
fn an_ssd_with_too_many_errors_is_dropped_and_one_with_few_is_not() {
    for (bad, left) in [(5, 1), (40, 0)] {
        let mut world = attached(1);
        for page in (0..600).chain(0..600) {
            read(&mut world, page, 1);
        }
        settle(&mut world);
        let first = usize::try_from(SHAPE.block_at(0)).unwrap() / BLOCK_BYTES;
        (first..first + bad).for_each(|block| world.medium.disks[1].make_bad(block));
        for page in 0..600 {
            assert_eq!(read(&mut world, page, 1), 0);
        }
        world.ask(Request::Flush).unwrap();
        assert_eq!(world.cache.status().ssds, left, "{bad} bad blocks");
        let dropped = std::iter::from_fn(|| world.cache.next_alert()).count();
        assert_eq!(dropped, 1 - left);
    }
}

#[test]
fn a_lost_dirty_page_is_an_error_alone_and_is_listed() {
    let mut world = attached(1);
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    (0..20).for_each(|page| write(&mut world, page, &[5]));
    world.ask(Request::Flush).unwrap();
    let first = usize::try_from(SHAPE.block_at(0)).unwrap() / BLOCK_BYTES;
    (first + 3..first + 6).for_each(|block| world.medium.disks[1].make_bad(block));
    assert_eq!(world.ask(Request::SetMode(Mode::Writethrough)).err(), Some(CacheError::Lost));
    let lost = world.cache.lost_pages();
    assert_eq!((lost.len(), world.cache.status().lost_pages), (3, 3));
    let ranges = world.cache.lost_ranges();
    assert_eq!(ranges.iter().flat_map(Clone::clone).collect::<Vec<_>>(), lost);
    let alerts: Vec<_> = std::iter::from_fn(|| world.cache.next_alert()).collect();
    assert!(lost.iter().all(|page| alerts.contains(&Alert::PageLost(*page))));
    for page in 0..20 {
        let answer = world.ask(Request::Read { page, count: 1 });
        assert_eq!(answer.is_err(), lost.contains(&page));
    }
    lost.iter().for_each(|page| write(&mut world, *page, &[6]));
    assert_eq!(world.cache.lost_pages(), []);
    world.ask(Request::Detach).unwrap();
}
