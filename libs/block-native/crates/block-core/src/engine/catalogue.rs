//! Volumes and snapshots, and what each of them reads.
//!
//! A *head* is a series of versions of a volume's bytes: a tree, and layers of changes over it. A
//! snapshot is a head without layers that begins where another one was at a sequence number; as
//! soon as that one's tree has everything up to there, both share the tree.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::entry::Entry;
use super::layers::{Changed, Layer, LogBlock, Source, Whole};
use super::pages::Pointer;
use super::tree::Root;
use crate::control::{Limits, RecoverySpeed};

/// Where a head begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Tree(Root),
    /// What `head` was when record `through` was applied.
    Frozen {
        head: u64,
        through: u64,
    },
}

pub struct Head {
    pub blocks: u64,
    pub base: Base,
    pub layers: VecDeque<Layer>,
    /// Where other heads begin in this one, ascending; see [`Catalogue::find_ends`].
    pub ends: Vec<u64>,
}

/// A volume or a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub head: u64,
    pub snapshot: bool,
    pub parent: Option<u64>,
    pub time_seconds: u64,
    pub limits: Limits,
}

/// A subtree that nobody reads any more and whose blocks are still to be let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dead {
    pub pointer: Pointer,
    pub level: u8,
}

/// What a head reads for a block that no layer has.
#[derive(Debug, Clone)]
pub enum Resolved {
    Here(Source),
    Map(Root),
}

pub struct Catalogue {
    pub volumes: BTreeMap<u64, Volume>,
    pub heads: BTreeMap<u64, Head>,
    pub dead: Vec<Dead>,
    pub next_id: u64,
    pub next_disk: u16,
    pub recovery_speed: RecoverySpeed,
    /// Memory of all layers, about.
    pub layer_bytes: u64,
}

/// What a stripe of a layer takes: in the nodes of a B-tree, which are two thirds full or more, and
/// with the room that is reserved for it in a table, which may be half empty.
const STRIPE_BYTES: u64 = (size_of::<(u64, Changed)>() as u64 + 2) * 3 / 2 + 60;

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            volumes: BTreeMap::new(),
            heads: BTreeMap::new(),
            dead: Vec::new(),
            next_id: 1,
            next_disk: 0,
            recovery_speed: RecoverySpeed::Medium,
            layer_bytes: 0,
        }
    }
}

impl Catalogue {
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    pub fn by_name(&self, name: &str) -> Option<u64> {
        self.volumes.iter().find(|(_, volume)| volume.name == name).map(|(&id, _)| id)
    }

    /// The volume or snapshot a head is of.
    pub fn volume_of(&self, head: u64) -> Option<u64> {
        self.volumes.iter().find(|(_, volume)| volume.head == head).map(|(&id, _)| id)
    }

    pub fn root(&self, head: u64) -> Option<Root> {
        match self.heads.get(&head)?.base {
            Base::Tree(root) => Some(root),
            Base::Frozen { .. } => None,
        }
    }

    pub fn set_root(&mut self, head: u64, root: Root) {
        if let Some(head) = self.heads.get_mut(&head) {
            head.base = Base::Tree(root);
        }
    }

    /// What `head` reads for block `within` of `stripe`.
    pub fn resolve(&self, head: u64, stripe: u64, within: usize) -> Option<Resolved> {
        let (mut head, mut limit) = (head, u64::MAX);
        loop {
            let found = self.heads.get(&head)?;
            let layers = found.layers.iter().rev().filter(|layer| layer.through <= limit);
            for layer in layers {
                let changed = layer.stripes.get(&stripe);
                if let Some(source) = changed.and_then(|changed| changed.block(within)) {
                    return Some(Resolved::Here(source));
                }
            }
            match found.base {
                Base::Tree(root) => return Some(Resolved::Map(root)),
                Base::Frozen { head: below, through } => (head, limit) = (below, through),
            }
        }
    }

    /// Whether some layer that `head` reads has something for stripes in `first..end`, and for
    /// which stripe first.
    pub fn next_changed(&self, head: u64, first: u64, end: u64) -> Option<u64> {
        let (mut head, mut limit, mut next) = (head, u64::MAX, None::<u64>);
        loop {
            let found = self.heads.get(&head)?;
            for layer in found.layers.iter().filter(|layer| layer.through <= limit) {
                let candidate = layer.stripes.range(first..end).next().map(|(&stripe, _)| stripe);
                next = next.into_iter().chain(candidate).min();
            }
            match found.base {
                Base::Tree(_) => return next,
                Base::Frozen { head: below, through } => (head, limit) = (below, through),
            }
        }
    }

    /// The tree under all layers that `head` reads.
    pub fn lowest_root(&self, head: u64) -> Option<Root> {
        let mut head = head;
        loop {
            match self.heads.get(&head)?.base {
                Base::Tree(root) => return Some(root),
                Base::Frozen { head: below, .. } => head = below,
            }
        }
    }

    /// The layer that takes record `sequence` of `head`. Layers that a snapshot ended before it
    /// are sealed on the way, which matters when the log is replayed.
    fn open_layer(&mut self, head: u64, sequence: u64) -> Option<&mut Layer> {
        let head = self.heads.get_mut(&head)?;
        seal_at_end(head, sequence);
        if head.layers.back().is_none_or(|layer| !layer.is_open()) {
            head.layers.push_back(Layer::open());
        }
        let layer = head.layers.back_mut()?;
        layer.last = sequence;
        Some(layer)
    }

    /// After replay: layers end where other heads begin, also where no later record said so.
    pub fn seal_at_ends(&mut self) {
        for head in self.heads.values_mut() {
            seal_at_end(head, u64::MAX);
        }
    }

    /// Brings every head's `ends` up to date; to be called when a base or a head has changed.
    pub fn find_ends(&mut self) {
        let mut all: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for head in self.heads.values() {
            if let Base::Frozen { head: of, through } = head.base {
                all.entry(of).or_default().push(through);
            }
        }
        for (id, head) in &mut self.heads {
            head.ends = all.remove(id).unwrap_or_default();
            head.ends.sort_unstable();
            head.ends.dedup();
        }
    }

    /// A page was written: those who had it dirty have it clean.
    pub fn replace_pointer(&mut self, key: u64, pointer: Pointer) {
        for head in self.heads.values_mut() {
            if let Base::Tree(root) = &mut head.base
                && root.pointer.key() == key
            {
                root.pointer = pointer;
            }
        }
        for dead in self.dead.iter_mut().filter(|dead| dead.pointer.key() == key) {
            dead.pointer = pointer;
        }
    }

    pub fn seal(&mut self, head: u64, through: u64) {
        if let Some(head) = self.heads.get_mut(&head) {
            seal_at_end(head, through);
            seal(&mut head.layers, through);
        }
    }

    /// Makes one of neighbouring layers of `head` up to `through` that every reader sees together.
    /// Returns the stripes that nobody has any more, and since which record.
    pub fn merge_layers(&mut self, head: u64, through: u64) -> Vec<(u64, Rc<Entry>)> {
        let mut replaced = Vec::new();
        let Some(head) = self.heads.get_mut(&head) else { return replaced };
        let mut at = 1;
        while at < head.layers.len() && head.layers[at].through <= through {
            let (before, after) = (head.layers[at - 1].through, head.layers[at].through);
            if head.ends.iter().any(|end| (before..after).contains(end)) {
                at += 1;
                continue;
            }
            let Some(later) = head.layers.remove(at) else { break };
            let (last, earlier) = (later.last, &mut head.layers[at - 1]);
            replaced.extend(earlier.take_over(later).into_iter().map(|entry| (last, entry)));
        }
        replaced
    }

    /// The layer of `head` that ends at `through`.
    pub fn layer_mut(&mut self, head: u64, through: u64) -> Option<&mut Layer> {
        let layers = &mut self.heads.get_mut(&head)?.layers;
        layers.iter_mut().find(|layer| layer.through == through)
    }

    /// Heads that a volume has or that another head begins in.
    fn is_needed(&self, id: u64) -> bool {
        self.volumes.values().any(|volume| volume.head == id)
            || self.heads.get(&id).is_some_and(|head| !head.ends.is_empty())
    }

    /// Takes away the heads nobody needs and returns them.
    pub fn take_unneeded(&mut self) -> Vec<Head> {
        let mut taken = Vec::new();
        loop {
            self.find_ends();
            let next = self.heads.keys().copied().find(|&id| !self.is_needed(id));
            let Some(head) = next.and_then(|id| self.heads.remove(&id)) else { return taken };
            taken.push(head);
        }
    }

    /// Counts the memory of the layers anew, after some have gone home.
    pub fn count_layers(&mut self) {
        let layers = self.heads.values().flat_map(|head| &head.layers);
        let stripes = layers.flat_map(|layer| layer.stripes.values());
        self.layer_bytes = stripes.map(|changed| STRIPE_BYTES + changed.heap_bytes()).sum();
    }

    /// Puts blocks of record `sequence` into the open layer of `head`.
    pub fn put_blocks(
        &mut self,
        head: u64,
        sequence: u64,
        stripe_blocks: u64,
        first: u64,
        sources: impl Iterator<Item = Option<LogBlock>>,
    ) {
        let Some(layer) = self.open_layer(head, sequence) else { return };
        let mut added = 0;
        for (block, source) in (first..).zip(sources) {
            let within = usize::try_from(block % stripe_blocks).unwrap_or_default();
            let changed = layer.stripes.entry(block / stripe_blocks).or_insert_with(|| {
                added += STRIPE_BYTES;
                Changed::default()
            });
            let before = changed.heap_bytes();
            changed.set(within, source);
            added += changed.heap_bytes() - before;
        }
        self.layer_bytes += added;
    }

    /// Puts a whole stripe of record `sequence` into the open layer of `head`; gives the stripe it
    /// replaces there, and itself if there is no such head.
    pub fn put_whole(
        &mut self,
        head: u64,
        sequence: u64,
        stripe: u64,
        whole: Whole,
    ) -> Option<Whole> {
        let Some(layer) = self.open_layer(head, sequence) else { return Some(whole) };
        let mut added = 0;
        let changed = layer.stripes.entry(stripe).or_insert_with(|| {
            added = STRIPE_BYTES;
            Changed::default()
        });
        let replaced = changed.replace(whole);
        self.layer_bytes += added;
        replaced
    }
}

/// Ends the open layer at the first place after its records where another head begins, if that is
/// before `sequence`: those who begin there and later read it, and no layer that comes after.
fn seal_at_end(head: &mut Head, sequence: u64) {
    let last = head.layers.back().filter(|layer| layer.is_open()).map(|layer| layer.last);
    let end = last.and_then(|last| head.ends.iter().copied().find(|&end| end >= last));
    if let Some(end) = end.filter(|&end| end < sequence) {
        seal(&mut head.layers, end);
    }
}

fn seal(layers: &mut VecDeque<Layer>, through: u64) {
    if let Some(layer) = layers.back_mut().filter(|l| l.is_open() && l.last <= through) {
        if layer.stripes.is_empty() {
            layers.pop_back();
        } else {
            layer.through = through;
        }
    }
}
