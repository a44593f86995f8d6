//! Both copies of a block of metadata gone: what is readable is right, and only what is lost is an
//! error.

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer};
use purlin_block_core::disk::{Disk, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use purlin_block_core::sim::{CrashMode, Random};

use super::model::{Model, stamp_of, stamped};
use super::run::{Plan, Run};
use super::world::{Medium, PAGES, SHAPE, World};
use crate::cache::{Alert, CacheError, Phase, Request};

const PLAN: Plan = Plan::WRITEBACK;

fn read_block(medium: &mut Medium, at: u64) -> Vec<u8> {
    let op = DiskOp::Read { at, buffer: Buffer::zeroed(1) };
    let (id, disk, class) = (IoId(0), DiskHandle(1), IoClass::Client);
    medium.disks[1].submit(DiskIo { id, disk, class, op });
    let done = medium.disks[1].poll().unwrap();
    done.result.unwrap().unwrap().as_bytes().to_vec()
}

/// The newest journal block: without both of its copies nobody knows that it was there.
fn newest_journal(medium: &mut Medium) -> [u64; 2] {
    let long = |block: &[u8], at: usize| u64::from_le_bytes(block[at..at + 8].try_into().unwrap());
    let all = (0..u64::from(SHAPE.journal_blocks))
        .flat_map(|at| [0, 1].map(|generation| SHAPE.journal_at(generation, at)));
    let age = |places: &[u64; 2]| {
        let block = read_block(medium, places[0]);
        (long(&block, 24), long(&block, 32))
    };
    all.max_by_key(age).unwrap()
}

/// Reads everything; the pages that are lost.
fn read_all(world: &mut World, model: &Model) -> Vec<u64> {
    let mut lost = Vec::new();
    for page in 0..PAGES {
        match world.ask(Request::Read { page: page as u64, count: 1 }) {
            Ok(Some(buffer)) => match stamp_of(buffer.as_bytes()) {
                Some(stamp) => model.check(page, stamp, true).unwrap(),
                None => assert!(model.is_loose(page), "page {page} is torn"),
            },
            Err(CacheError::Lost) => lost.push(page as u64),
            answer => panic!("page {page}: {answer:?}"),
        }
    }
    lost
}

fn restart(world: &World, random: &mut Random) -> World {
    let medium = world.crash(CrashMode::NothingArrived, random);
    let mut world = World::start(medium, false, random.bits());
    assert_eq!(world.begin(), Phase::Running);
    world
}

/// What happened to one medium without both copies of a block: how many pages were lost.
fn try_damage(run: &Run, places: [u64; 2], random: &mut Random) -> Option<usize> {
    let mut medium = run.world.crash(CrashMode::EverythingArrived, random);
    if newest_journal(&mut medium) == places {
        return None;
    }
    for at in places {
        medium.disks[1].make_bad(usize::try_from(at).unwrap() / BLOCK_BYTES);
    }
    let mut world = World::start(medium, false, random.bits());
    assert_eq!(world.begin(), Phase::Running);
    let alert = world.cache.next_alert();
    let lost = read_all(&mut world, &run.model);
    assert_eq!(world.cache.lost_pages(), lost);
    assert!(lost.is_empty() || matches!(alert, Some(Alert::MetadataDamaged(_))));
    if lost.is_empty() {
        return Some(0);
    }
    let mut again = restart(&world, random);
    assert_eq!(read_all(&mut again, &run.model), lost, "after a restart too");
    if random.one_in(3) {
        again.ask(Request::AcceptLoss).unwrap();
    } else {
        let (mut model, written) = (run.model.clone(), lost.len() / 2 + 1);
        for (page, stamp) in lost[..written].iter().zip(0xffff_0000u32..) {
            let (slices, at) = (vec![stamped(&[stamp])], usize::try_from(*page).unwrap());
            model.write(u64::from(stamp), at, &[stamp]);
            again.ask(Request::Write { page: *page, slices, fua: true }).unwrap();
            model.flushed(&[u64::from(stamp)]);
        }
        again = restart(&again, random);
        assert_eq!(read_all(&mut again, &model), lost[written..], "what was written is there");
        again.ask(Request::AcceptLoss).unwrap();
    }
    let mut last = restart(&again, random);
    assert_eq!(last.cache.lost_pages(), []);
    last.ask(Request::Detach).unwrap();
    assert!(!last.medium.lock.dirty);
    Some(lost.len())
}

#[test]
fn without_both_copies_of_a_metadata_block_only_what_it_named_is_lost() {
    let journals = (0..u64::from(SHAPE.journal_blocks))
        .flat_map(|at| [0, 1].map(|generation| SHAPE.journal_at(generation, at)));
    let tables = (0..SHAPE.table_blocks()).flat_map(|at| [0, 1].map(|g| SHAPE.table_at(g, at)));
    let pairs: Vec<[u64; 2]> = journals.chain(tables).collect();
    let mut random = Random::new(77);
    let (mut tried, mut with_loss, mut whole) = (0, 0, 0);
    for seed in 0..60 {
        let mut run = Run::new(PLAN, 9000 + seed);
        for _ in 0..250 + random.below(200) {
            run.step().unwrap();
        }
        if run.world.phase() != Phase::Running || !run.world.medium.lock.dirty {
            continue;
        }
        for pair in &pairs {
            let Some(lost) = try_damage(&run, *pair, &mut random) else { continue };
            tried += 1;
            with_loss += usize::from(lost > 0);
            whole += usize::from(lost == PAGES);
        }
    }
    eprintln!("{tried} damaged, {with_loss} with lost pages, {whole} with all of them lost");
    assert!(tried > 100 && with_loss > 20 && whole * 10 < tried);
}
