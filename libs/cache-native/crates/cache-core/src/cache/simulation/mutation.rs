//! Faults in the cache itself, switched on by name, to prove that the simulator notices them.

use std::cell::Cell;

/// A named fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// The journal is written before the data it names is flushed.
    NoDataFlush,
    /// Clean content is recorded although the origin may still lose it.
    RecordUnproven,
    /// What the SSD gives is not compared with its checksum.
    TrustSsd,
    /// A replaced block is written again before the replacement is recorded.
    FreeBeforeCommit,
    /// An SSD is lost and the epoch stays.
    KeepEpoch,
    /// A dirty page that was written anew past the cache is kept until a later flush than the
    /// client's; noticed by `a_write_past_the_cache_outlives_a_crash_after_its_flush`.
    RaiseProof,
    /// A flush is answered without a commit.
    FlushAnsweredEarly,
    /// The origin is written while the metadata still has the old content as clean.
    WriteBeforeVacate,
    /// The origin is told of a discard while the metadata still has the content as clean.
    DiscardBeforeVacate,
    /// With `ordered` the origin is told of a discard while older pages are dirty.
    DiscardAtOnce,
    /// What is dirty goes home in the order of addresses alone.
    IgnoreOrder,
    /// What no metadata has as dirty is destaged.
    DestageUnrecorded,
    /// A window goes home as one write while clients write between its pages.
    JoinUnheld,
    /// Writeback is over before everything is on the origin.
    SwitchBeforeDrain,
    /// An SSD of an older epoch is opened.
    AcceptStale,
    /// Opening goes on in the generation that the crash may have left rests of.
    KeepGeneration,
    /// What a block of the journal says is taken in after the whole commit, so that the table of a
    /// half that begins meanwhile lacks it.
    TakeInLate,
    /// A new SSD is not given what was there before it came; noticed by an exchange of all that is
    /// dirty, which random runs seldom have.
    AdoptUncopied,
}

impl Mutation {
    /// Those that random runs have to notice.
    pub const ALL: [Self; 16] = [
        Self::NoDataFlush,
        Self::RecordUnproven,
        Self::TrustSsd,
        Self::FreeBeforeCommit,
        Self::KeepEpoch,
        Self::FlushAnsweredEarly,
        Self::WriteBeforeVacate,
        Self::DiscardBeforeVacate,
        Self::DiscardAtOnce,
        Self::IgnoreOrder,
        Self::DestageUnrecorded,
        Self::JoinUnheld,
        Self::SwitchBeforeDrain,
        Self::AcceptStale,
        Self::KeepGeneration,
        Self::TakeInLate,
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
pub fn is_active(mutation: Mutation) -> bool {
    ACTIVE.get() == Some(mutation)
}
