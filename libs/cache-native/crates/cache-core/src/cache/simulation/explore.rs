//! Crashes at every moment of many runs, and what is there afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer};
use purlin_block_core::disk::{Disk, DiskHandle, DiskIo, DiskOp, IoClass, IoId};
use purlin_block_core::sim::{CrashMode, Random};

use super::coverage::{Coverage, Operation, Point};
use super::model::{Model, Stamp, stamp_of, stamped};
use super::mutation::{Mutation, set_mutation};
use super::narrow::set_narrow;
use super::order::keeps_order;
use super::run::{Plan, Run, point};
use super::world::{Medium, PAGES, SHAPE, World};
use crate::cache::{CacheError, Lock, Phase, Request};

const PLAIN: Plan = Plan::WRITEBACK;
const PLANS: [Plan; 15] = [
    Plan { dies: true, ..PLAIN },
    Plan { writeback: false, rots: true, ..PLAIN },
    PLAIN,
    Plan { rots: true, ..PLAIN },
    Plan { writeback: false, dies: true, ..PLAIN },
    Plan { ssds: 2, dies: true, ..PLAIN },
    Plan { ssds: 2, rots: true, ..PLAIN },
    Plan { writeback: false, wears: true, ..PLAIN },
    Plan { ssds: 2, wears: true, ..PLAIN },
    Plan { lies: true, ..PLAIN },
    Plan { narrow: true, ..PLAIN },
    Plan { narrow: true, ssds: 2, dies: true, ..PLAIN },
    Plan { narrow: true, writeback: false, rots: true, ..PLAIN },
    Plan { spare: true, ssds: 2, ..PLAIN },
    Plan { spare: true, narrow: true, ssds: 2, dies: true, ..PLAIN },
];

fn fingerprint(medium: &Medium, seed: u64) -> u64 {
    let Lock { epoch, dirty } = medium.lock;
    let start = Random::new(seed ^ epoch << 40 ^ u64::from(dirty) << 63).bits();
    medium.disks.iter().enumerate().fold(start, |sum, (at, disk)| {
        sum ^ disk.fingerprint().rotate_left(u32::try_from(at).unwrap() * 7)
    })
}

/// Opens what is there. A stale or missing SSD is given up where the lock says that it may be.
fn open(medium: Medium, random: &mut Random) -> Result<World, String> {
    let mut world = World::start(medium, false, random.bits());
    match world.begin() {
        Phase::Running => Ok(world),
        Phase::Refused(CacheError::Stale) if !world.medium.lock.dirty => {
            let mut medium = world.medium;
            for disk in &mut medium.disks {
                disk.set_gone(false);
            }
            let mut world = World::start(medium, true, random.bits());
            match world.begin() {
                Phase::Running => Ok(world),
                phase => Err(format!("attached again: {phase:?}")),
            }
        }
        phase => Err(format!("opened: {phase:?}")),
    }
}

/// Reads every page; `None` is a page that the cache says is lost.
fn read_all(
    world: &mut World,
    model: &Model,
    may_lose: bool,
) -> Result<Vec<Option<Stamp>>, String> {
    let mut stamps = Vec::new();
    for page in 0..PAGES {
        match world.ask(Request::Read { page: page as u64, count: 1 }) {
            Ok(Some(buffer)) => match stamp_of(buffer.as_bytes()) {
                Some(stamp) => {
                    model.check(page, stamp, true)?;
                    stamps.push(Some(stamp));
                }
                None if model.is_loose(page) => stamps.push(None),
                None => return Err(format!("page {page} is torn, and a flush covers it")),
            },
            Err(CacheError::Lost) if may_lose => stamps.push(None),
            answer => return Err(format!("page {page}: {answer:?}")),
        }
    }
    Ok(stamps)
}

/// The origin alone has what was read through the cache.
fn compare_origin(world: &mut World, seen: &[Option<Stamp>]) -> Result<(), String> {
    match world.ask(Request::Detach) {
        Ok(_) => {}
        Err(CacheError::Lost) => return Ok(()),
        Err(error) => return Err(format!("detach: {error}")),
    }
    let mut origin = world.medium.disks[0].crash(CrashMode::EverythingArrived, &mut Random::new(0));
    for (page, stamp) in seen.iter().enumerate().filter_map(|(page, s)| Some((page, (*s)?))) {
        let op = DiskOp::Read { at: (page * BLOCK_BYTES) as u64, buffer: Buffer::zeroed(1) };
        origin.submit(DiskIo { id: IoId(0), disk: DiskHandle(0), class: IoClass::Client, op });
        let answer = origin.poll().and_then(|done| done.result.ok().flatten());
        let found = answer.and_then(|buffer| stamp_of(buffer.as_bytes()));
        if found != Some(stamp) {
            return Err(format!(
                "page {page}: {stamp:#x} from the cache, {found:x?} on the origin"
            ));
        }
    }
    Ok(())
}

fn hurt(plan: Plan, medium: &mut Medium, random: &mut Random) -> bool {
    if plan.dies && random.one_in(2) {
        // What died comes back as it was.
        medium.disks.iter_mut().for_each(|disk| disk.set_gone(false));
    }
    if !plan.rots || !random.one_in(2) {
        return false;
    }
    let size = usize::try_from(SHAPE.size_blocks()).unwrap();
    let block = 4 + random.below(size - 4);
    if random.one_in(2) {
        medium.disks[plan.ssds].rot(block, random.below(BLOCK_BYTES * 8));
    } else {
        medium.disks[plan.ssds].make_bad(block);
    }
    plan.ssds == 1
}

/// Of SSDs that lie only this can hold: what is read was once written there, or is an error.
fn try_lies(run: &Run, medium: Medium, random: &mut Random) -> Result<(), String> {
    let mut world = World::start(medium, false, random.bits());
    match world.begin() {
        Phase::Running => {}
        Phase::Refused(CacheError::Stale | CacheError::Damaged) => return Ok(()),
        phase => return Err(format!("opened: {phase:?}")),
    }
    for page in 0..PAGES {
        match world.ask(Request::Read { page: page as u64, count: 1 }) {
            Ok(Some(buffer)) => match stamp_of(buffer.as_bytes()) {
                Some(stamp) if !run.model.was_written(page, stamp) => {
                    return Err(format!(
                        "page {page} has {stamp:#x}, which was never written there"
                    ));
                }
                // The origin tears, and what covered it may be lost.
                Some(_) | None => {}
            },
            Err(CacheError::Lost) => {}
            answer => return Err(format!("page {page}: {answer:?}")),
        }
    }
    Ok(())
}

fn try_state(
    run: &Run,
    mut medium: Medium,
    may_lose: bool,
    coverage: &mut Coverage,
    random: &mut Random,
) -> Result<(), String> {
    if random.one_in(6) {
        // A crash while it is opened.
        let mut world = World::start(medium, false, random.bits());
        for _ in 0..random.below(40) {
            world.turn();
        }
        medium = world.crash(CrashMode::ALL[random.below(CrashMode::ALL.len())], random);
        coverage.add(Operation::Open, point(&world), fingerprint(&medium, 1));
    }
    if run.died && run.plan.ssds == 1 && medium.lock.dirty {
        // The only SSD died while writeback began: the owner has to say that nothing is lost.
        return Ok(());
    }
    if run.plan.lies {
        return try_lies(run, medium, random);
    }
    let mut world = open(medium, random)?;
    let mut seen = read_all(&mut world, &run.model, may_lose)?;
    if random.one_in(3) && !may_lose {
        // What was read stays, and what is written now with FUA, through another crash.
        let mut model = Model::seen(&seen);
        for stamp in 1..4 {
            let (page, stamp) = (random.below(PAGES), 0xffff_0000 + stamp);
            let (slices, fua) = (vec![stamped(&[stamp])], true);
            let tag = u64::from(stamp);
            model.write(tag, page, &[stamp]);
            let answer = world.ask(Request::Write { page: page as u64, slices, fua });
            answer.map_err(|error| format!("write after it was opened: {error}"))?;
            model.flushed(&[tag]);
            seen[page] = Some(stamp);
        }
        let medium = world.crash(CrashMode::ALL[random.below(CrashMode::ALL.len())], random);
        world = open(medium, random)?;
        seen = read_all(&mut world, &model, false)
            .map_err(|why| format!("after a second crash: {why}"))?;
    }
    compare_origin(&mut world, &seen)
}

fn explore(plan: Plan, seed: u64, steps: usize, coverage: &mut Coverage) -> Result<(), String> {
    set_narrow(plan.narrow);
    let mut run = Run::new(plan, seed);
    let mut random = Random::new(seed ^ 0xdead_beef);
    for step in 0..steps {
        let story = |why: String| format!("{plan:?}, seed {seed}, step {step}: {why}");
        run.step().map_err(story)?;
        let (operation, point) = (run.operation(), run.point());
        let rare = coverage.count(operation, point) < 400;
        if operation == Operation::Attach && !random.one_in(3) || !rare && !random.one_in(4) {
            continue;
        }
        for _ in 0..if rare { 6 } else { 2 } {
            let mode = CrashMode::ALL[random.below(CrashMode::ALL.len())];
            let mut medium = run.world.crash(mode, &mut random);
            let may_lose = hurt(plan, &mut medium, &mut random);
            if coverage.add(operation, point, fingerprint(&medium, seed)) {
                try_state(&run, medium, may_lose, coverage, &mut random)
                    .map_err(|why| story(format!("{mode:?}, {operation:?}, {point:?}: {why}")))?;
            }
        }
    }
    Ok(())
}

fn explore_until(states: usize, first_seed: u64) -> Result<Coverage, String> {
    let mut coverage = Coverage::default();
    for seed in first_seed.. {
        for plan in PLANS {
            if coverage.states() >= states {
                return Ok(coverage);
            }
            let run = AssertUnwindSafe(|| explore(plan, seed, 500, &mut coverage));
            catch_unwind(run).map_err(|_| format!("{plan:?}, seed {seed}: an assertion"))??;
        }
    }
    Ok(coverage)
}

const STATES_MIN: usize = 100_000;

#[test]
fn no_crash_loses_a_flushed_write_and_the_cache_never_differs_from_its_origin() {
    let threads = [1, 30_000]
        .map(|seed| std::thread::spawn(move || explore_until(STATES_MIN / 2 + 500, seed)));
    let mut all = Coverage::default();
    for thread in threads {
        match thread.join().expect("a thread that ends") {
            Ok(coverage) => all.join(coverage),
            Err(why) => panic!("{why}"),
        }
    }
    eprintln!("{all}");
    assert!(all.states() >= STATES_MIN);
    assert_eq!(all.operations().len(), 17);
    let must = [
        (Operation::Attach, Point::Superblock),
        (Operation::Attach, Point::Lock),
        (Operation::Open, Point::Superblock),
        (Operation::Open, Point::Lock),
        (Operation::ToWriteback, Point::Superblock),
        (Operation::ToWriteback, Point::Lock),
        (Operation::ToWritethrough, Point::Superblock),
        (Operation::ToWritethrough, Point::Lock),
        (Operation::ToWritethrough, Point::Journal),
        (Operation::ToWritethrough, Point::Origin),
        (Operation::ToPassThrough, Point::Superblock),
        (Operation::Detach, Point::Lock),
        (Operation::Detach, Point::Origin),
        (Operation::LostSsd, Point::Lock),
        (Operation::Adopt, Point::Superblock),
        (Operation::Adopt, Point::Journal),
        (Operation::Adopt, Point::Slots),
        (Operation::Dismiss, Point::Lock),
        (Operation::Discard, Point::Journal),
        (Operation::Discard, Point::Origin),
        (Operation::LongCommit, Point::Journal),
        (Operation::JournalTurn, Point::Superblock),
        (Operation::JournalTurn, Point::Journal),
        (Operation::JournalTurn, Point::Slots),
    ];
    for (operation, point) in must {
        assert!(all.count(operation, point) >= 20, "{operation:?} at {point:?}");
    }
}

fn caught(mutation: Mutation) -> Option<String> {
    for seed in 100..160 {
        for plan in PLANS {
            let outcome = catch_unwind(|| {
                set_mutation(Some(mutation));
                explore(plan, seed, 400, &mut Coverage::default())?;
                keeps_order(seed).map(drop)
            });
            set_mutation(None);
            set_narrow(false);
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Some(why),
                Err(_) => return Some(format!("{plan:?}, seed {seed}: an assertion")),
            }
        }
    }
    None
}

#[test]
fn every_named_fault_of_the_cache_is_noticed() {
    let missed: Vec<_> = Mutation::ALL
        .into_iter()
        .filter(|&mutation| {
            let why = caught(mutation);
            eprintln!("{mutation:?}: {}", why.as_deref().unwrap_or("NOT NOTICED"));
            why.is_none()
        })
        .collect();
    assert_eq!(missed, []);
}
