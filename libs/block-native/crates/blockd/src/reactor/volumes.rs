//! The volumes of a reactor as requests are checked against them, with their limits.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use purlin_block_core::Nanoseconds;
use purlin_block_core::control::VolumeStatus;
use purlin_block_core::keys::KeyMap;
use purlin_block_core::request::VolumeId;

use super::pending::Arrived;
use crate::qos::limiter::{Limiter, VolumeLimits};

/// A volume or snapshot.
#[derive(Default)]
pub struct Volume {
    /// Its size.
    pub size_bytes: u64,
    /// Whether it is a snapshot.
    pub read_only: bool,
    limiter: Limiter,
    /// Requests that wait for tokens, in order; as many as the connections' bounds allow.
    waiting: VecDeque<Arrived>,
}

/// Those of a pool.
#[derive(Default)]
pub struct Volumes {
    by_id: KeyMap<VolumeId, Volume>,
    ids: HashMap<String, VolumeId>,
    /// When the first of those that wait may go.
    next_at: Option<Nanoseconds>,
}

impl Volumes {
    /// Takes over what the engine says there is. Gives the requests that waited for volumes that
    /// are gone.
    pub fn update(&mut self, found: &[VolumeStatus]) -> Vec<Arrived> {
        self.ids = found.iter().map(|volume| (volume.name.clone(), volume.id)).collect();
        let gone = |id: &VolumeId| found.iter().all(|volume| volume.id != *id);
        let removed: Vec<VolumeId> = self.by_id.keys().filter(|id| gone(id)).copied().collect();
        let removed = removed.into_iter().filter_map(|id| self.by_id.remove(&id));
        let orphans = removed.flat_map(|volume| volume.waiting).collect();
        for volume in found {
            let known = self.by_id.entry(volume.id).or_default();
            known.size_bytes = volume.size_bytes;
            known.read_only = volume.snapshot;
        }
        orphans
    }

    /// Everything that waits, limits or not.
    pub fn release_all(&mut self) -> Vec<Arrived> {
        self.next_at = None;
        self.by_id.values_mut().flat_map(|volume| std::mem::take(&mut volume.waiting)).collect()
    }

    /// The id of a name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<VolumeId> {
        self.ids.get(name).copied()
    }

    /// A volume by its id.
    #[must_use]
    pub fn get(&self, id: VolumeId) -> Option<&Volume> {
        self.by_id.get(&id)
    }

    /// Sets the limits of a volume.
    pub fn limit(&mut self, id: VolumeId, limits: &VolumeLimits, now: Nanoseconds) {
        if let Some(volume) = self.by_id.get_mut(&id) {
            volume.limiter.set(limits, now);
            self.next_at = Some(now);
        }
    }

    /// Gives the request back if it may go now, else it waits for its turn.
    pub fn admit(&mut self, arrived: Arrived, now: Nanoseconds) -> Option<Arrived> {
        let Some(volume) = self.by_id.get_mut(&arrived.volume) else { return Some(arrived) };
        if volume.waiting.is_empty() {
            match volume.limiter.admit(arrived.cost, now) {
                Ok(()) => return Some(arrived),
                Err(wait) => note(&mut self.next_at, now, wait),
            }
        }
        volume.waiting.push_back(arrived);
        None
    }

    /// Requests that waited and may go now.
    pub fn release(&mut self, now: Nanoseconds) -> Vec<Arrived> {
        let mut released = Vec::new();
        if self.next_at.is_none_or(|at| at > now) {
            return released;
        }
        self.next_at = None;
        for volume in self.by_id.values_mut() {
            while let Some(first) = volume.waiting.front() {
                if let Err(wait) = volume.limiter.admit(first.cost, now) {
                    note(&mut self.next_at, now, wait);
                    break;
                }
                released.extend(volume.waiting.pop_front());
            }
        }
        released
    }

    /// When [`Self::release`] has something again.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanoseconds> {
        self.next_at
    }
}

fn note(next_at: &mut Option<Nanoseconds>, now: Nanoseconds, wait: Duration) {
    let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
    let at = Nanoseconds(now.0.saturating_add(nanos));
    *next_at = Some(next_at.map_or(at, |known| known.min(at)));
}
