//! Faults in the engine itself, switched on by name in tests alone, to prove that the simulator
//! notices them.

use std::cell::Cell;

/// A named fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// Blocks are overwritten at home before their log record is durable.
    DestageBeforeLogFlush,
    /// The superblock is written before what it points to is durable.
    SuperblockBeforePages,
    /// A snapshot shares a tree and does not count it.
    ForgetSnapshotReference,
    /// A flush is answered without flushing.
    FlushAnsweredEarly,
    /// Replay takes batches although one before them is missing.
    ReplayPastGap,
    /// Replay takes a batch whose data does not have its checksums.
    ReplayTornBatch,
    /// What a checkpoint lets go of is free before the superblocks are written.
    FreeBeforeCommit,
    /// A batch is written to one disk, whatever the policy says.
    OneLogCopy,
    /// Reads take what the disk gives without comparing checksums.
    TrustDisks,
    /// Blocks that a snapshot shares are overwritten in place.
    OverwriteShared,
    /// Opening goes on in the old epoch, so that dropped batches come back.
    KeepEpoch,
    /// A trimmed block goes home as if nothing had happened to it.
    ForgetTrim,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::DestageBeforeLogFlush,
        Self::SuperblockBeforePages,
        Self::ForgetSnapshotReference,
        Self::FlushAnsweredEarly,
        Self::ReplayPastGap,
        Self::ReplayTornBatch,
        Self::FreeBeforeCommit,
        Self::OneLogCopy,
        Self::TrustDisks,
        Self::OverwriteShared,
        Self::KeepEpoch,
        Self::ForgetTrim,
    ];
}

thread_local! {
    static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
}

/// Switches a fault on in this thread, or all off.
pub fn set_mutation(mutation: Option<Mutation>) {
    ACTIVE.set(mutation);
}

/// Whether the fault is switched on.
#[must_use]
pub fn is_active(mutation: Mutation) -> bool {
    ACTIVE.get() == Some(mutation)
}

thread_local! {
    static FORMAT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Has pools of this thread written in an older on-disk format, to test the upgrade.
pub fn set_format(format: Option<u32>) {
    FORMAT.set(format);
}

/// The older format that is to be written, if any.
#[must_use]
pub fn format() -> Option<u32> {
    FORMAT.get()
}
