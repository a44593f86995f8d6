//! Crashes at every moment of many runs, and what is there afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::coverage::{Coverage, Operation};
use super::faults::hurt;
use super::run::{Plan, Run, flush_point};
use crate::BlockError;
use crate::control::{ControlAnswer, ControlOp};
use crate::mutation::{Mutation, set_format, set_mutation};
use crate::policy::Policy;
use crate::request::{RequestOp, VolumeId};
use crate::sim::model::stamped;
use crate::sim::{CrashMode, Random, SimDisk, Spread, World};

const REPLICAS_1: Policy = Policy::Replicas { copies: 1 };
const REPLICAS_2: Policy = Policy::Replicas { copies: 2 };
const REPLICAS_3: Policy = Policy::Replicas { copies: 3 };
const EC_2_1: Policy = Policy::Erasure { data: 2, parity: 1 };
const EC_4_2: Policy = Policy::Erasure { data: 4, parity: 2 };

fn plan(policy: Policy, disks: usize, snapshots: bool, failures: bool) -> Plan {
    Plan {
        policy,
        disks,
        disk_blocks: 512,
        volume_blocks: 40,
        spread: Spread::Dense,
        page_cache_bytes: 1 << 20,
        snapshots,
        failures,
        members: false,
        other: None,
        upgrade: false,
    }
}

/// Enough of a state that was tried to find it again.
fn told(plan: &Plan, seed: u64, step: usize) -> String {
    let Plan { policy, disks, spread, page_cache_bytes, .. } = plan;
    let cache = format!("{page_cache_bytes} bytes of map");
    format!("{policy} on {disks} disks, {spread:?}, {cache}, seed {seed}, step {step}")
}

/// Opens the pool on what a crash left and compares everything. Sometimes goes on from there.
fn try_state(
    run: &Run,
    disks: Vec<SimDisk>,
    mode: CrashMode,
    random: &mut Random,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let domains = run.world.domains.clone();
    let mut mode = mode;
    let mut disks = disks;
    if random.one_in(6) {
        // A crash while the pool is opened.
        let turns = random.below(60);
        let world =
            World::open_partly(disks, domains.clone(), run.plan.start(random.bits()), turns);
        let second = CrashMode::ALL[random.below(CrashMode::ALL.len())];
        disks = world.crash(second, random);
        coverage.add(Operation::Recovery, flush_point(&world), fingerprint(&disks, run.seed));
        // What arrived the first time and was opened may count as it was, and no less.
        mode = if mode == CrashMode::EverythingArrived { second } else { mode };
    }
    let opened = World::open(disks, domains.clone(), run.plan.start(random.bits()));
    let mut world = opened.map_err(|error| format!("cannot be opened: {error}"))?;
    let seen = run.model.check(&mut world, mode != CrashMode::EverythingArrived)?;
    coverage.add_opened(world.pool.pages_evicted() > 0, world.status().repaired_chunks);
    if !random.one_in(4) {
        return Ok(());
    }
    // What was seen stays, and what is flushed now stays too, through another crash.
    let mut seen = seen;
    let after = |why: String| format!("after it was opened: {why}");
    let failed = |error: BlockError| format!("after it was opened: {error}");
    if random.one_in(2) {
        world.control(ControlOp::Checkpoint).map_err(failed)?;
        seen.check(&mut world, false).map_err(after)?;
        world.control(ControlOp::Scrub { deep: true }).map_err(failed)?;
    }
    for _ in 0..=random.below(3) {
        let blocks = seen.blocks("v0");
        let (first, stamp) =
            (random.below(blocks), 1 << 31 | u32::try_from(random.below(1 << 30)).unwrap());
        let id = VolumeId(seen.volumes["v0"].id);
        let (offset, slices) = (run.sites.address(first) * 4096, vec![stamped(&[stamp])]);
        let tag = world.submit(id, RequestOp::Write { offset, slices, fua: true });
        seen.write("v0", tag.0, first, &[stamp]);
        world.wait(tag).map_err(failed)?;
        seen.answered("v0", tag.0, true);
        seen.flushed(&seen.flush_point());
    }
    let mode = CrashMode::ALL[random.below(CrashMode::ALL.len())];
    let disks = world.crash(mode, random);
    let mut world = World::open(disks, domains, run.plan.start(random.bits()))
        .map_err(|error| format!("cannot be opened a second time: {error}"))?;
    seen.check(&mut world, true).map_err(|why| format!("the second time, {mode:?}: {why}"))?;
    Ok(())
}

fn fingerprint(disks: &[SimDisk], seed: u64) -> u64 {
    let seed = Random::new(seed).bits();
    disks.iter().enumerate().fold(seed, |sum, (at, disk)| {
        sum ^ disk.fingerprint().rotate_left(u32::try_from(at).unwrap_or(0) * 7)
    })
}

/// Runs `steps` steps and tries crashes on the way, more of them where there were few.
fn explore(plan: Plan, seed: u64, steps: usize, coverage: &mut Coverage) -> Result<(), String> {
    set_format(plan.upgrade.then_some(1));
    let mut run = Run::new(plan, seed);
    let mut random = Random::new(seed ^ 0xdead_beef);
    let mut height = run.world.pool.map_height();
    for step in 0..steps {
        set_format(plan.upgrade.then_some(1));
        run.step();
        set_format(None);
        if let Some(why) = &run.readings.wrong {
            return Err(format!("{}: {why}", told(&plan, seed, step)));
        }
        let now = run.world.pool.map_height();
        if height > 0 && now > height {
            coverage.add_rise(now);
        }
        height = height.max(now);
        let (operation, point) = (run.operation(), run.flush_point());
        let rare = coverage.count(operation, point) < CELL_STATES_MIN;
        if !rare && !random.one_in(4) {
            continue;
        }
        for _ in 0..if rare { 16 } else { 2 } {
            let mode = CrashMode::ALL[random.below(CrashMode::ALL.len())];
            let mut disks = run.world.crash(mode, &mut random);
            let faults = hurt(&run, &mut disks, &mut random);
            if coverage.add(operation, point, fingerprint(&disks, seed)) {
                coverage.add_height(now);
                let gone = disks.iter().filter(|disk| disk.is_gone()).count();
                coverage.add_faults(&faults, run.plan.policy, gone);
                try_state(&run, disks, mode, &mut random, coverage)
                    .map_err(|why| format!("{}, {mode:?}: {why}", told(&plan, seed, step)))?;
            }
        }
    }
    end(&mut run, coverage).map_err(|why| format!("{}, alive: {why}", told(&plan, seed, steps)))
}

/// The end of a run: its disks obey and are all there, everything is as it should be, and after a
/// scrub nothing is left that is not.
fn end(run: &mut Run, coverage: &mut Coverage) -> Result<(), String> {
    for disk in &mut run.world.disks {
        disk.obey();
    }
    run.world.settle();
    run.turn();
    for disk in run.faulty.clone() {
        run.world.disks[disk].set_gone(false);
        if run.is_missing(disk) {
            let op = ControlOp::ReturnDisk(run.world.spec(disk));
            run.world.control(op).map_err(|error| format!("disk {disk}: {error}"))?;
        }
    }
    run.world.settle();
    run.turn();
    run.model.check(&mut run.world, false)?;
    coverage.add_readings(run.readings.right);
    run.readings.wrong.take().map_or(Ok(()), Err)?;
    let scrub = |run: &mut Run| match run.world.control(ControlOp::Scrub { deep: true }) {
        Ok(ControlAnswer::Scrubbed(report)) => Ok(report),
        other => Err(format!("a scrub: {other:?}")),
    };
    let first = scrub(run)?;
    run.model.check(&mut run.world, false)?;
    let second = scrub(run)?;
    if (first.lost, second.lost, second.repaired) == (0, 0, 0) {
        Ok(())
    } else {
        Err(format!("after {first:?} {second:?}"))
    }
}

/// The plans of the whole run, each with seeds of its own.
fn plans() -> Vec<Plan> {
    let folded = Policy::Folded { data: 4, parity: 2, failures: 1 };
    vec![
        plan(REPLICAS_1, 1, false, false),
        plan(REPLICAS_1, 1, true, false),
        plan(REPLICAS_2, 3, true, true),
        plan(REPLICAS_3, 3, true, true),
        plan(EC_2_1, 4, true, true),
        plan(EC_4_2, 6, true, true),
        Plan { members: true, ..plan(REPLICAS_2, 3, true, false) },
        Plan { members: true, ..plan(EC_2_1, 3, false, false) },
        Plan { other: Some(REPLICAS_3), ..plan(REPLICAS_2, 4, true, true) },
        Plan { other: Some(EC_4_2), ..plan(folded, 6, true, true) },
        Plan { upgrade: true, ..plan(REPLICAS_2, 2, true, false) },
    ]
}

/// Plans take turns with where their blocks are and how much of the map is kept in memory. What is
/// wide needs room for more pages.
fn spread(plan: Plan, turn: u64) -> Plan {
    let few_pages = (turn / 3).is_multiple_of(2);
    let page_cache_bytes = if few_pages { FEW_PAGES_BYTES } else { plan.page_cache_bytes };
    let plan = Plan { page_cache_bytes, ..plan };
    match turn % 3 {
        0 => plan,
        1 => Plan { spread: Spread::Rising, disk_blocks: 768, ..plan },
        _ => Plan { spread: Spread::Tall, disk_blocks: 768, ..plan },
    }
}

/// The plans in turn with ever new seeds, until there are `states` states in all,
/// and `cell_states` in each cell that occurs.
fn explore_until(
    mut coverage: Coverage,
    states: usize,
    cell_states: u64,
    first_seed: u64,
) -> Result<Coverage, String> {
    for round in 0.. {
        for (at, plan) in plans().into_iter().enumerate() {
            let plan = spread(plan, round + at as u64);
            if coverage.states() >= states && coverage.thin(cell_states).is_empty() {
                return Ok(coverage);
            }
            let seed = first_seed + round * 32 + at as u64;
            let run = AssertUnwindSafe(|| explore(plan, seed, 400, &mut coverage));
            catch_unwind(run).map_err(|_| format!("{plan:?}, seed {seed}: an assertion"))??;
        }
    }
    Ok(coverage)
}

/// So little that no path through a map stays in memory.
const FEW_PAGES_BYTES: usize = 8192;
const STATES_MIN: usize = 100_000;
const CELL_STATES_MIN: u64 = 200;
const HEIGHT_STATES_MIN: u64 = 1000;
const RISES_MIN: u64 = 20;

#[test]
fn no_crash_loses_a_flushed_write_or_shows_an_older_or_a_mixed_one() {
    let threads: Vec<_> = [1000, 30_000]
        .map(|seed| {
            let (states, cell_states) = (STATES_MIN / 2, CELL_STATES_MIN / 2);
            let explore = move || explore_until(Coverage::default(), states, cell_states, seed);
            std::thread::spawn(explore)
        })
        .into_iter()
        .collect();
    let mut all = Coverage::default();
    for thread in threads {
        match thread.join().expect("a thread that ends") {
            Ok(coverage) => all.join(coverage),
            Err(why) => panic!("{why}"),
        }
    }
    // A cell that only one of them has seen may be thin.
    let all = match explore_until(all, STATES_MIN, CELL_STATES_MIN, 60_000) {
        Ok(all) => all,
        Err(why) => panic!("{why}"),
    };
    eprintln!("{all}");
    assert!(all.states() >= STATES_MIN);
    for height in 1..=3 {
        assert!(all.height(height) >= HEIGHT_STATES_MIN, "too few maps of {height} levels");
    }
    for height in 2..=3 {
        assert!(all.rises(height) >= RISES_MIN, "too few maps rose to {height} levels");
    }
    assert_eq!(all.thin(CELL_STATES_MIN), []);
    all.assert_faults();
}

/// The first seed at which a fault of the engine is noticed.
fn caught(mutation: Option<Mutation>, seeds: std::ops::Range<u64>) -> Option<String> {
    let plans = [
        plan(REPLICAS_1, 1, true, false),
        plan(REPLICAS_2, 3, true, true),
        plan(EC_2_1, 4, false, true),
    ];
    for seed in seeds {
        for plan in plans {
            let outcome = catch_unwind(|| {
                set_mutation(mutation);
                explore(plan, seed, 250, &mut Coverage::default())
            });
            set_mutation(None);
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Some(why),
                Err(_) => return Some(format!("{}, seed {seed}: an assertion", plan.policy)),
            }
        }
    }
    None
}

#[test]
fn every_named_fault_of_the_engine_is_noticed() {
    let missed: Vec<_> = Mutation::ALL
        .into_iter()
        .filter(|&mutation| {
            let why = caught(Some(mutation), 100..140);
            eprintln!("{mutation:?}: {}", why.as_deref().unwrap_or("NOT NOTICED"));
            why.is_none()
        })
        .collect();
    assert_eq!(missed, []);
    assert_eq!(caught(None, 100..106), None, "without a fault");
}
