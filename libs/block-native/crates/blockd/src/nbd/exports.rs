//! What a client is told of a volume before it may use it.

use serde::{Deserialize, Serialize};

/// A metadata context a client may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Context {
    /// `base:allocation`: which extents take space, which read as zeroes.
    Allocation,
    /// `purlin:difference:SNAPSHOT`: which extents were written since that snapshot.
    Difference {
        /// The snapshot's name.
        snapshot: String,
    },
}

/// The context of the protocol itself.
const ALLOCATION: &str = "base:allocation";
/// What a difference context's name begins with.
const DIFFERENCE: &str = "purlin:difference:";

impl Context {
    /// The context's name in the protocol.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Allocation => ALLOCATION.to_owned(),
            Self::Difference { snapshot } => format!("{DIFFERENCE}{snapshot}"),
        }
    }
}

/// An export as the handshake describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The volume's name, as which the daemon knows it.
    pub volume: String,
    /// The length in bytes at this moment.
    pub size_bytes: u64,
    /// Whether writes are refused.
    pub read_only: bool,
    /// What offsets and lengths must be a multiple of.
    pub block_bytes: u32,
    /// The length the engine likes best.
    pub preferred_bytes: u32,
    /// The snapshots a difference may be asked against.
    pub snapshots: Vec<String>,
}

impl Export {
    /// The contexts that match `query`: a full name, or a namespace as `base:`, or all for an
    /// empty list (the caller passes `None`).
    #[must_use]
    pub fn contexts(&self, query: Option<&str>) -> Vec<Context> {
        let differences =
            self.snapshots.iter().map(|name| Context::Difference { snapshot: name.clone() });
        std::iter::once(Context::Allocation)
            .chain(differences)
            .filter(|context| match query {
                None => true,
                Some("base:") => *context == Context::Allocation,
                Some("purlin:" | DIFFERENCE) => *context != Context::Allocation,
                Some(name) => context.name() == name,
            })
            .collect()
    }
}

/// Where the handshake looks exports up.
pub trait Exports: Send + Sync {
    /// The export of `name`; the empty name is the default export.
    fn find(&self, name: &str) -> Option<Export>;
    /// The names a client may be told.
    fn names(&self) -> Vec<String>;
}
