//! What a log record changes, when it is answered and when the log is replayed alike.

use std::collections::VecDeque;
use std::rc::Rc;

use super::catalogue::{Base, Catalogue, Head, Volume};
use super::core::Core;
use super::layers::{LogBlock, Whole};
use super::pages::Pointer;
use super::records::{Change, Record};
use super::tree::Root;
use crate::control::Limits;

impl Core {
    /// Applies the records of batch `sequence`, in their order.
    pub fn apply(&self, sequence: u64, records: Vec<Record>) {
        let mut index = 0;
        for record in records {
            match record {
                Record::Write { head, block, checksums } => {
                    let count = u32::try_from(checksums.len()).unwrap_or(u32::MAX);
                    let sources = (index..).zip(checksums);
                    let sources = sources
                        .map(|(index, checksum)| Some(LogBlock { sequence, index, checksum }));
                    self.apply_blocks(sequence, head, block, sources);
                    index += count;
                }
                Record::Zero { head, block, count } => {
                    self.apply_zero(sequence, head, block, count);
                }
                Record::Stripe { head, stripe, entry } => {
                    self.apply_whole(sequence, head, stripe, Whole::Stripe(Rc::new(entry)));
                }
                Record::Change(change) => self.apply_change(sequence, change),
            }
        }
    }

    fn apply_blocks(
        &self,
        sequence: u64,
        head: u64,
        block: u64,
        sources: impl Iterator<Item = Option<LogBlock>>,
    ) {
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let mut catalogue = self.catalogue.borrow_mut();
        catalogue.put_blocks(head, sequence, stripe_blocks, block, sources);
    }

    fn apply_zero(&self, sequence: u64, head: u64, block: u64, count: u64) {
        let stripe_blocks = self.geometry.get().stripe_blocks as u64;
        let (mut block, end) = (block, block + count);
        while block < end {
            let part = (stripe_blocks - block % stripe_blocks).min(end - block);
            if part == stripe_blocks {
                self.apply_whole(sequence, head, block / stripe_blocks, Whole::Zero);
            } else {
                self.apply_blocks(sequence, head, block, (0..part).map(|_| None));
            }
            block += part;
        }
    }

    fn apply_whole(&self, sequence: u64, head: u64, stripe: u64, whole: Whole) {
        let replaced = self.catalogue.borrow_mut().put_whole(head, sequence, stripe, whole);
        if let Some(Whole::Stripe(entry)) = replaced {
            self.let_go_dated(sequence, &entry.places, entry.shape.shard_blocks as u64);
        }
    }

    /// Lets go of blocks when record `sequence`, which made them useless, is not needed any more:
    /// until then replay may come by the record that needs them.
    pub fn let_go_dated(&self, sequence: u64, places: &[super::entry::Place], blocks: u64) {
        let there = places.iter().filter(|place| place.is_somewhere());
        self.dated_frees.borrow_mut().extend(there.map(|&place| (sequence, place, blocks)));
    }

    fn apply_change(&self, sequence: u64, change: Change) {
        let mut catalogue = self.catalogue.borrow_mut();
        match change {
            Change::CreateVolume { id, head, name, blocks } => {
                let height = self.geometry.get().height(blocks);
                let root = Root { pointer: Pointer::default(), height };
                let base = Base::Tree(root);
                catalogue.heads.insert(head, new_head(blocks, base));
                add_volume(&mut catalogue, id, name, head);
            }
            Change::Delete { id } => {
                catalogue.volumes.remove(&id);
                self.want_cycle();
            }
            Change::Grow { id, blocks } => {
                if let Some(head) = catalogue.volumes.get(&id).map(|volume| volume.head)
                    && let Some(head) = catalogue.heads.get_mut(&head)
                {
                    head.blocks = head.blocks.max(blocks);
                }
            }
            Change::Snapshot { id, head, of, name, time_seconds } => {
                let Some(origin) = catalogue.volumes.get(&of).map(|volume| volume.head) else {
                    return;
                };
                let blocks = catalogue.heads.get(&origin).map_or(0, |head| head.blocks);
                catalogue.seal(origin, sequence);
                let base = Base::Frozen { head: origin, through: sequence };
                catalogue.heads.insert(head, new_head(blocks, base));
                let volume = add_volume(&mut catalogue, id, name, head);
                volume.snapshot = true;
                volume.parent = Some(of);
                volume.time_seconds = time_seconds;
                catalogue.find_ends();
                self.want_cycle();
            }
            Change::Clone { id, head, of, name, linked } => {
                if self.begin_like(&mut catalogue, head, of) {
                    let volume = add_volume(&mut catalogue, id, name, head);
                    volume.parent = linked.then_some(of);
                }
            }
            Change::Rollback { id, head, snapshot } => {
                if self.begin_like(&mut catalogue, head, snapshot)
                    && let Some(volume) = catalogue.volumes.get_mut(&id)
                {
                    volume.head = head;
                    self.want_cycle();
                }
            }
            Change::Flatten { id } => {
                if let Some(volume) = catalogue.volumes.get_mut(&id) {
                    volume.parent = None;
                }
            }
            Change::SetLimits { id, limits } => {
                if let Some(volume) = catalogue.volumes.get_mut(&id) {
                    volume.limits = limits;
                }
            }
            Change::SetRecoverySpeed(speed) => catalogue.recovery_speed = speed,
            Change::SetPolicy(policy) => {
                self.policy.set(policy);
                self.change_table();
                self.wanted.rebuild.set(true);
                self.want_cycle();
            }
        }
    }

    /// A new head that reads what volume `of` reads now. Snapshots have no layers, so the base is
    /// all there is to it.
    fn begin_like(&self, catalogue: &mut Catalogue, head: u64, of: u64) -> bool {
        let origin = catalogue.volumes.get(&of).map(|volume| volume.head);
        let Some(origin) = origin.and_then(|origin| catalogue.heads.get(&origin)) else {
            return false;
        };
        let (blocks, base) = (origin.blocks, origin.base);
        if let Base::Tree(root) = base {
            self.pages.borrow_mut().add_reference(root.pointer.key());
        }
        catalogue.heads.insert(head, new_head(blocks, base));
        catalogue.find_ends();
        true
    }
}

fn new_head(blocks: u64, base: Base) -> Head {
    Head { blocks, base, layers: VecDeque::new(), ends: Vec::new() }
}

fn add_volume(catalogue: &mut Catalogue, id: u64, name: String, head: u64) -> &mut Volume {
    catalogue.next_id = catalogue.next_id.max(id + 1).max(head + 1);
    catalogue.volumes.entry(id).or_insert(Volume {
        name,
        head,
        snapshot: false,
        parent: None,
        time_seconds: 0,
        limits: Limits::default(),
    })
}
