//! What can be wrong with a disk, in a run and in what a crash leaves.

use std::collections::BTreeSet;

use super::run::Run;
use crate::sim::{Random, SimDisk};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The whole disk is away.
    Gone,
    /// A bit turned over.
    Rot,
    /// A block cannot be read.
    BadBlock,
    /// An operation is answered with an error and not carried out.
    Failed,
    /// A write is answered well and not carried out.
    LostWrite,
    /// A write is answered well and lands beside its place.
    Misdirected,
}

impl Fault {
    pub const ALL: [Self; 6] =
        [Self::Gone, Self::Rot, Self::BadBlock, Self::Failed, Self::LostWrite, Self::Misdirected];
}

/// Gives one of the disks that may have faults one, while the pool runs.
pub fn hurt_live(run: &mut Run) {
    if run.faulty.is_empty() {
        return;
    }
    let at = run.faulty[run.random.below(run.faulty.len())];
    let block = run.random.below(run.plan.disk_blocks);
    let disk = &mut run.world.disks[at];
    let fault = match run.random.below(5) {
        0 => {
            disk.rot(block, run.random.below(4096 * 8));
            Fault::Rot
        }
        1 => {
            disk.make_bad(block);
            Fault::BadBlock
        }
        2 => {
            disk.fail_next(1);
            Fault::Failed
        }
        3 => {
            disk.lose_writes(1);
            Fault::LostWrite
        }
        _ => {
            disk.misdirect_writes(1);
            Fault::Misdirected
        }
    };
    run.faults.insert(fault);
}

/// Faults of the disks that may have some, beside what a crash left of them.
pub fn hurt(run: &Run, disks: &mut [SimDisk], random: &mut Random) -> BTreeSet<Fault> {
    let mut faults = run.faults.clone();
    for &disk in &run.faulty {
        let disk = &mut disks[disk];
        match random.below(4) {
            0 => {
                disk.set_gone(true);
            }
            1 => {
                for _ in 0..8 {
                    let block = random.below(run.plan.disk_blocks);
                    disk.rot(block, random.below(4096 * 8));
                }
                faults.insert(Fault::Rot);
            }
            2 => {
                for _ in 0..4 {
                    disk.make_bad(random.below(run.plan.disk_blocks));
                }
                faults.insert(Fault::BadBlock);
            }
            _ => {}
        }
        if disk.is_gone() {
            faults.insert(Fault::Gone);
        }
    }
    faults
}
