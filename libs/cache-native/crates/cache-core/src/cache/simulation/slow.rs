//! What makes few requests of many: before a slow disk each costs the same, large or small.

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::disk::Disk;

use super::facts::{attached, read, settle, write};
use super::model::stamped;
use super::world::World;
use crate::cache::{Mode, Options, Request, Tag};

fn submit(world: &mut World, page: u64, stamps: &[u32]) -> Tag {
    world.submit(Request::Write { page, slices: vec![stamped(stamps)], fua: false })
}

fn wait(world: &mut World, tags: &[Tag]) {
    while !tags.iter().all(|tag| world.answers.contains_key(tag)) {
        world.turn();
    }
    assert!(tags.iter().all(|tag| world.answers[tag].is_ok()));
}

/// Pages 0 to 255 hold their number and 1, and those that divide by three are written anew.
fn with_gaps() -> World {
    let mut world = attached(1);
    world.cache.configure(Options { stream_pages: 0, near_pages: 0, ..Options::default() });
    let stamps: Vec<u32> = (1..=256).collect();
    write(&mut world, 0, &stamps);
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    for page in (0..256u32).step_by(3) {
        write(&mut world, u64::from(page), &[9000 + page]);
    }
    world.ask(Request::Flush).unwrap();
    settle(&mut world);
    world
}

fn has_gaps(world: &mut World) {
    for page in 0..256u32 {
        let stamp = if page % 3 == 0 { 9000 + page } else { page + 1 };
        assert_eq!(read(world, u64::from(page), 1), stamp, "page {page}");
    }
}

#[test]
fn scattered_pages_of_a_window_go_home_as_one_write_with_what_lies_between() {
    let mut world = with_gaps();
    assert_eq!(world.cache.status().dirty_pages, 86);
    let before = world.operations[0];
    world.ask(Request::SetMode(Mode::Writethrough)).unwrap();
    // Four windows with a read and a write each, and flushes.
    let requests = world.operations[0] - before;
    assert!(requests <= 16, "{requests}");
    world.ask(Request::Detach).unwrap();
    has_gaps(&mut world);
}

#[test]
fn where_a_joined_write_fails_nothing_between_is_lost_and_none_is_tried_again() {
    let mut world = with_gaps();
    let before = world.operations[0];
    let tag = world.submit(Request::SetMode(Mode::Writethrough));
    while world.operations[0] == before || world.medium.disks[0].in_flight() > 0 {
        world.turn();
    }
    // What was read of the windows is there, and the writes come next.
    world.medium.disks[0].fail_next(1);
    wait(&mut world, &[tag]);
    world.ask(Request::Detach).unwrap();
    has_gaps(&mut world);
    assert!(world.operations[0] - before > 40, "page by page after that");
}

#[test]
fn writes_that_wait_for_the_same_page_go_along_with_one() {
    let mut world = attached(1);
    let before = world.operations[0];
    let tags: Vec<Tag> = (1..=8).map(|stamp| submit(&mut world, 5, &[stamp])).collect();
    wait(&mut world, &tags);
    // One that had begun, and one for all that waited.
    assert_eq!(world.operations[0] - before, 2);
    assert_eq!(read(&mut world, 5, 1), 8);
    // Others in between stay: each page has what was written last of those that were not answered.
    let mut tags: Vec<Tag> = (11..=13).map(|stamp| submit(&mut world, 5, &[stamp])).collect();
    tags.push(submit(&mut world, 4, &[20, 21]));
    tags.push(submit(&mut world, 6, &[22]));
    wait(&mut world, &tags);
    assert_eq!((read(&mut world, 4, 1), read(&mut world, 6, 1)), (20, 22));
    assert_eq!(read(&mut world, 5, 1), 21);
    world.ask(Request::Detach).unwrap();
    assert_eq!(read(&mut world, 5, 1), 21, "the origin has it too");
}

#[test]
fn a_miss_brings_along_what_lies_beside_it_while_slots_are_unused() {
    let mut world = attached(1);
    write(&mut world, 100, &[7]);
    let before = world.operations[0];
    read(&mut world, 103, 1);
    settle(&mut world);
    (101..112).for_each(|page| assert_eq!(read(&mut world, page, 1), 0));
    assert_eq!(read(&mut world, 100, 1), 7);
    assert!(world.operations[0] - before <= 3, "{}", world.operations[0] - before);
    assert_eq!(world.cache.status().missed_pages, 1);
    // What was brought along is no more than the origin has.
    write(&mut world, 104, &[8]);
    assert_eq!(read(&mut world, 104, 1), 8);
    for page in (0..4096).step_by(16) {
        read(&mut world, page, 1);
    }
    settle(&mut world);
    assert!(world.cache.status().cached_pages <= 1024);
}

#[test]
fn a_request_without_room_is_one_write_also_where_the_cache_has_some_of_it() {
    let mut world = attached(1);
    let options = Options { dirty_percent_max: 50, stream_pages: 0, ..Options::default() };
    world.cache.configure(options);
    world.ask(Request::SetMode(Mode::Writeback)).unwrap();
    (0..256).for_each(|page| write(&mut world, page * 2, &[1]));
    assert_eq!(world.cache.status().dirty_pages, 256);
    settle(&mut world);
    world.cache.configure(Options { dirty_percent_max: 25, ..options });
    let before = world.operations[0];
    let tag = submit(&mut world, 32, &[2; 16]);
    wait(&mut world, &[tag]);
    let requests = world.operations[0] - before;
    assert!(requests <= 4, "{requests} instead of one for each of eight pages");
    assert!(world.cache.status().dirty_pages <= 248);
    assert!((32..48).all(|page| read(&mut world, page, 1) == 2));
}

#[test]
fn a_stream_of_writes_waits_for_few_commits_though_the_cache_has_its_pages() {
    let mut world = attached(1);
    let pages = world.medium.disks[0].facts().size_bytes / BLOCK_BYTES as u64;
    world.cache.configure(Options { stream_pages: 64, near_pages: 0, ..Options::default() });
    for page in (0..pages).step_by(5) {
        read(&mut world, page, 1);
    }
    world.ask(Request::Flush).unwrap();
    settle(&mut world);
    let before = world.operations[1];
    for page in (0..pages).step_by(16) {
        write(&mut world, page, &[3; 16]);
    }
    let on_ssd = world.operations[1] - before;
    assert!(on_ssd < 120, "{on_ssd} operations for {} writes", pages / 16);
    assert!((0..pages).all(|page| read(&mut world, page, 1) == 3));
}
