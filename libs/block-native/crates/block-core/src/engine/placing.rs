//! Which disks new shards, pages and batches go to, and in what shape a stripe is written.

use std::collections::BTreeSet;

use super::core::Core;
use super::entry::{Place, Shape};
use super::members::{Member, Members};
use crate::control::DiskId;
use crate::error::BlockError;
use crate::place::Placer;
use crate::policy::Policy;

/// A key for what is spread over disks without being a stripe.
pub enum Key {
    Stripe(u64),
    Page(u64),
    Batch(u64),
}

impl Key {
    fn number(&self) -> u64 {
        match self {
            Self::Stripe(number) => *number,
            Self::Page(number) => *number ^ 0x5061_6765 << 32,
            Self::Batch(number) => *number ^ 0x4261_7463 << 32,
        }
    }
}

/// How a stripe is written: its shape, and a disk for each shard or none.
pub struct Plan {
    pub shape: Shape,
    pub disks: Vec<Option<DiskId>>,
}

impl Core {
    /// Disks for a batch, best first.
    pub fn log_disks(&self, sequence: u64) -> Vec<DiskId> {
        let copies = self.policy.get().copies();
        self.choose(&self.members.borrow(), &Key::Batch(sequence), copies, 1, Member::takes_new)
    }

    /// Disks for a map page or the pool state, each with room for `blocks`.
    pub fn page_disks(&self, number: u64, blocks: u64) -> Vec<DiskId> {
        let room = |member: &Member| member.takes_new() && member.space.free_blocks() >= blocks;
        let copies = self.policy.get().copies();
        self.choose(&self.members.borrow(), &Key::Page(number), copies, 1, room)
    }

    /// How `stripe` is to be written now.
    ///
    /// # Errors
    /// [`BlockError::TooFewDisks`] and [`BlockError::NoSpace`].
    pub fn plan_stripe(
        &self,
        stripe: u64,
        room: impl Fn(&Member, u64) -> bool,
    ) -> Result<Plan, BlockError> {
        let members = self.members.borrow();
        let (policy, geometry) = (self.policy.get(), self.geometry.get());
        let key = Key::Stripe(stripe);
        let wanted = policy.shards();
        let choose_in = |shards, per_domain, blocks: u64| {
            let fits = |member: &Member| member.takes_new() && room(member, blocks);
            self.choose(&members, &key, shards, per_domain, fits)
        };
        let most = policy.shards_per_domain();
        let live = self.choose(&members, &key, wanted, most, Member::takes_new);
        let (shape, per_domain) = match policy {
            Policy::Replicas { copies } => {
                if live.is_empty() {
                    return Err(BlockError::TooFewDisks { found: 0, needed: 1 });
                }
                (geometry.shape(1, usize::from(copies) - 1), 1)
            }
            Policy::Erasure { data, parity } => {
                let (data, parity) = (usize::from(data), usize::from(parity));
                let data = data.min(live.len().saturating_sub(parity));
                if data == 0 {
                    let needed = parity + 1;
                    return Err(BlockError::TooFewDisks { found: live.len(), needed });
                }
                (geometry.shape(data, parity), 1)
            }
            Policy::Folded { data, parity, .. } => {
                let shape = geometry.shape(usize::from(data), usize::from(parity));
                let domains = self.domains(&members, Member::takes_new);
                let needed = shape.data.div_ceil(policy.shards_per_domain());
                if domains < needed {
                    return Err(BlockError::TooFewDisks { found: domains, needed });
                }
                let per_domain = policy.shards_per_domain().max(wanted.div_ceil(domains));
                (shape, per_domain)
            }
        };
        let count = if shape.is_replicated() && policy.data_shards() == 1 {
            live.len()
        } else {
            shape.shards()
        };
        let disks = choose_in(count, per_domain, shape.shard_blocks as u64);
        if disks.len() < count {
            return Err(BlockError::NoSpace);
        }
        let mut disks: Vec<_> = disks.into_iter().map(Some).collect();
        disks.resize(shape.shards(), None);
        Ok(Plan { shape, disks })
    }

    /// Fault domains that take new shards.
    pub fn live_domains(&self) -> usize {
        self.domains(&self.members.borrow(), Member::takes_new)
    }

    /// Fault domains of the members that `counts` names.
    pub fn domains(&self, members: &Members, counts: impl Fn(&Member) -> bool) -> usize {
        let level = self.table.borrow().level();
        let counted = members.iter().filter(|member| counts(member));
        let names: BTreeSet<u64> = counted.map(|member| level.domain(&member.place())).collect();
        names.len()
    }

    fn choose(
        &self,
        members: &Members,
        key: &Key,
        shards: usize,
        per_domain: usize,
        fits: impl Fn(&Member) -> bool,
    ) -> Vec<DiskId> {
        let usable = |id| members.get(id).is_some_and(&fits);
        self.table.borrow().place(key.number(), shards, per_domain, &usable)
    }

    /// Takes `blocks` on each disk, or on none.
    pub fn take_space(&self, disks: &[Option<DiskId>], blocks: u64) -> Option<Vec<Place>> {
        let mut members = self.members.borrow_mut();
        let mut places = Vec::with_capacity(disks.len());
        for disk in disks {
            let taken = match disk {
                None => Some(Place::NOWHERE),
                Some(disk) => members
                    .get_mut(*disk)
                    .and_then(|member| member.space.take(blocks))
                    .map(|block| Place::new(*disk, block)),
            };
            if let Some(place) = taken {
                places.push(place);
                continue;
            }
            for place in places.into_iter().filter(|place| place.is_somewhere()) {
                if let Some(member) = members.get_mut(place.disk()) {
                    member.space.free(place.block(), blocks);
                }
            }
            return None;
        }
        Some(places)
    }
}
