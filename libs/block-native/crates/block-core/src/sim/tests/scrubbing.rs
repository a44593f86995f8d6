//! Scrubs are pieces between cycles: they can be held, and writes go on whether they are or not.

use super::basics::{small, stamps, volume, write};
use crate::control::{ControlAnswer, ControlOp, ScrubProgress, ScrubReport};
use crate::error::BlockError;
use crate::policy::Policy;
use crate::request::VolumeId;
use crate::sim::World;

const STRIPES: u64 = 200;
/// Of a stripe of the small pools of three replicas.
const STRIPE_BLOCKS: u64 = 4;

/// A pool with many more stripes at home than one piece of a scrub reads.
fn laden() -> (World, VolumeId) {
    let mut world = small(Policy::Replicas { copies: 3 }, 3, 2048, 1);
    let id = volume(&mut world, "v", STRIPES * STRIPE_BLOCKS);
    for stripe in 0..STRIPES {
        let stamp = u32::try_from(stripe).expect("few");
        write(&mut world, id, stripe * STRIPE_BLOCKS, &[stamp; 4]);
    }
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    (world, id)
}

fn progress(world: &mut World) -> Option<ScrubProgress> {
    world.status().scrub
}

#[test]
fn a_scrub_is_held_goes_on_and_lets_the_log_be_emptied_all_the_while() {
    let (mut world, id) = laden();
    let refused = world.control(ControlOp::PauseScrub(true));
    assert!(matches!(refused, Err(BlockError::Invalid { .. })), "none runs: {refused:?}");
    let tag = world.call(ControlOp::Scrub { deep: true });
    while progress(&mut world).is_none_or(|seen| seen.report.stripes == 0) {
        world.turn();
    }
    world.control(ControlOp::PauseScrub(true)).expect("held");
    world.settle();
    let held = progress(&mut world).expect("it runs");
    assert!(held.paused && held.deep && held.report.stripes < STRIPES, "{held:?}");
    assert_eq!(held.planned_bytes, STRIPES * STRIPE_BLOCKS * 4096);
    // Several times what the log holds.
    for stripe in 0..100 {
        write(&mut world, id, stripe * STRIPE_BLOCKS, &[7; 4]);
    }
    world.settle();
    assert_eq!(progress(&mut world), Some(held), "held is held");
    assert!(world.control_answer(tag).is_none());

    world.control(ControlOp::PauseScrub(false)).expect("goes on");
    let ended = world.wait_call(tag);
    let Ok(ControlAnswer::Scrubbed(report)) = ended else { panic!("{ended:?}") };
    assert_eq!((report.stripes, report.repaired, report.lost), (STRIPES, 0, 0));
    assert!(held.walked_bytes < held.planned_bytes && progress(&mut world).is_none());
    assert_eq!(stamps(&mut world, id, 396, 8), [7, 7, 7, 7, 100, 100, 100, 100]);
}

#[test]
fn who_asks_for_the_scrub_that_runs_is_answered_with_it_and_a_deeper_one_is_refused() {
    let (mut world, _) = laden();
    let first = world.call(ControlOp::Scrub { deep: false });
    let deeper = world.control(ControlOp::Scrub { deep: true });
    assert!(matches!(deeper, Err(BlockError::Invalid { .. })), "{deeper:?}");
    let second = world.call(ControlOp::Scrub { deep: false });
    let reports = [first, second].map(|tag| match world.wait_call(tag) {
        Ok(ControlAnswer::Scrubbed(report)) => report,
        other => panic!("{other:?}"),
    });
    assert_eq!(reports[0], reports[1]);
    assert!(matches!(reports[0], ScrubReport { pages: 1.., stripes: 0, lost: 0, .. }));
}

#[test]
fn what_snapshots_share_is_read_once() {
    let (mut world, id) = laden();
    for name in ["a", "b"] {
        let op = ControlOp::Snapshot { volume: id, name: name.into(), time_seconds: 1 };
        world.control(op).expect("a snapshot");
    }
    world.control(ControlOp::Checkpoint).expect("a checkpoint");
    let ended = world.control(ControlOp::Scrub { deep: true });
    let Ok(ControlAnswer::Scrubbed(report)) = ended else { panic!("{ended:?}") };
    assert_eq!((report.stripes, report.lost), (STRIPES, 0));
}
