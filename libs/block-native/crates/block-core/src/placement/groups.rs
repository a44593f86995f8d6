//! Placement groups: sets of disks that stripes are dealt out to.

use std::collections::BTreeMap;

use crate::control::DiskId;

/// A placement group's number in its table: those of the first group of disks, then the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PgIndex(pub u32);

/// A group of disks that share their placement groups. A pool begins with one; `expand: newGroup`
/// adds others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupIndex(pub u16);

/// A shard's place in a placement group that has changed: stripes written before are still at
/// `from` until they are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The placement group.
    pub pg: PgIndex,
    /// The place in its list of disks.
    pub position: usize,
    /// The disk that stood there when the group was last settled; `None` for a further replica.
    pub from: Option<DiskId>,
    /// The disk that stands there now.
    pub to: DiskId,
}

/// The placement groups of one group of disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// How often new stripes go to this group, beside the others' weights.
    pub weight: u32,
    /// Its disks, ascending.
    pub members: Vec<DiskId>,
    /// Disks of each placement group, one list after the other.
    pub sets: Vec<DiskId>,
    /// What groups were like that are not settled, by their number in this group.
    pub previous: BTreeMap<u32, Vec<DiskId>>,
}

impl Group {
    /// The number of placement groups, a power of two.
    pub fn count(&self, width: usize) -> usize {
        self.sets.len() / width
    }

    pub fn set(&self, pg: usize, width: usize) -> &[DiskId] {
        &self.sets[pg * width..(pg + 1) * width]
    }

    /// Every placement group twice: those of the second half as those of the first. Stripes of
    /// group g belong to g or to g + count then, by one more bit of their key; nothing moves.
    pub fn split(&mut self, width: usize) {
        let count = u32::try_from(self.count(width)).unwrap_or(u32::MAX);
        self.sets.extend_from_within(..);
        let twins: Vec<_> =
            self.previous.iter().map(|(pg, set)| (pg + count, set.clone())).collect();
        self.previous.extend(twins);
    }

    /// Takes `sets` as the new places, and keeps what they were before where they differ.
    pub fn change(&mut self, sets: Vec<DiskId>, old_width: usize, width: usize) {
        for (pg, after) in (0u32..).zip(sets.chunks(width)) {
            let before = self.set(pg as usize, old_width).to_vec();
            let oldest = self.previous.entry(pg).or_insert(before);
            if oldest == after {
                self.previous.remove(&pg);
            }
        }
        self.sets = sets;
    }
}
