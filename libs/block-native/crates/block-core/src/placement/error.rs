use crate::control::DiskId;
use crate::placement::Level;
use crate::policy::Policy;

/// Why something cannot be placed. [`PlacementError::code`] is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The topology breaks a limit or names something twice.
    #[error("{path}: {reason}")]
    Topology {
        /// The field, such as `roots[0].rooms[2].racks`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are fewer fault domains, or less room in them, than a stripe needs.
    #[error("{policy} over {level}s needs {needed} of them, and these disks stand in {found}")]
    TooFewDomains {
        /// As asked.
        policy: Policy,
        /// As asked.
        level: Level,
        /// The least number.
        needed: usize,
        /// Those there are.
        found: usize,
    },
    /// There are enough domains, but too few disks in them.
    #[error(
        "{policy} over {level}s needs {needed} disks of which a {level} counts at most \
         {per_domain}, and there are {found}"
    )]
    TooFewDisks {
        /// As asked.
        policy: Policy,
        /// As asked.
        level: Level,
        /// Shards of a stripe, each on a disk of its own.
        needed: usize,
        /// Disks, where a domain counts no more than `per_domain`.
        found: usize,
        /// The most shards of a stripe in one domain.
        per_domain: usize,
    },
    /// A folded policy whose domains are single disks.
    #[error(
        "{policy} puts several shards into one fault domain, which must not be one disk; take \
         the server, the rack or the room as the fault domain, or a policy without :B"
    )]
    FoldedDisks {
        /// As asked.
        policy: Policy,
    },
    /// The stripes of one policy cannot become those of the other.
    #[error(
        "{from} cannot become {to}: the number of replicas can change, and a folded policy can \
         become another one of the same K+M; make a new pool and copy"
    )]
    Conversion {
        /// As it is.
        from: Policy,
        /// As asked.
        to: Policy,
    },
    /// A disk without capacity, one named twice, or more disks than a table names.
    #[error("disk {}: {reason}", disk.0)]
    Disk {
        /// Which.
        disk: DiskId,
        /// What is wrong.
        reason: &'static str,
    },
    /// Bytes that are no table.
    #[error("the placement table cannot be read: {reason}")]
    Table {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl PlacementError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Topology { .. } => "PUR_BLOCK_TOPOLOGY",
            Self::Table { .. } => "PUR_BLOCK_PLACEMENT_TABLE",
            _ => "PUR_BLOCK_PLACEMENT",
        }
    }
}
