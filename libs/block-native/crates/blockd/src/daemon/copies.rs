//! Copies into other pools that are under way: how far each is, and how it is stopped.
//!
//! ```text
//! copying --all is durable, the marker is deleted--> rests --its socket is there--> ended
//! copying --stop, or a failure--> rests: its marker stays, and the volume is not served
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use purlin_block_core::BlockError;

use crate::plan::VolumePlan;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are in the other pool.
    pub copied_bytes: u64,
    /// Bytes that there are to copy: what was written, without holes.
    pub total_bytes: u64,
}

/// A copy that was begun.
pub struct Copy {
    /// What it makes.
    pub plan: VolumePlan,
    total_bytes: AtomicU64,
    copied_bytes: AtomicU64,
    stops: AtomicBool,
    end: Mutex<End>,
    ended: Condvar,
}

#[derive(Default)]
struct End {
    /// Nothing is read or written for it any more.
    rests: bool,
    /// What has become of it, known when the volume is served.
    outcome: Option<Result<(), BlockError>>,
}

impl Copy {
    fn new(plan: VolumePlan) -> Self {
        Self {
            plan,
            total_bytes: AtomicU64::new(0),
            copied_bytes: AtomicU64::new(0),
            stops: AtomicBool::new(false),
            end: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            copied_bytes: self.copied_bytes.load(Ordering::Relaxed),
            total_bytes: self.total_bytes.load(Ordering::Relaxed),
        }
    }

    /// Notes that there is so much more to copy.
    pub fn expect(&self, bytes: u64) {
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that so much more was copied.
    pub fn advance(&self, bytes: u64) {
        self.copied_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether it shall go no further.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.stops.load(Ordering::Acquire)
    }

    /// Notes that nothing is read or written for it any more.
    pub fn rest(&self) {
        self.end().rests = true;
        self.ended.notify_all();
    }

    /// Notes what has become of it, for whoever waits.
    pub fn end_with(&self, outcome: Result<(), BlockError>) {
        self.end().outcome = Some(outcome);
        self.ended.notify_all();
    }

    /// Waits until the volume is served, at most `timeout`.
    ///
    /// # Errors
    /// Why it failed, or that it has not ended.
    pub fn wait(&self, timeout: Duration) -> Result<(), BlockError> {
        let open = |end: &mut End| end.outcome.is_none();
        let waited = self.ended.wait_timeout_while(self.end(), timeout, open);
        let (end, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let late = || BlockError::Closed { reason: "the copy has not ended yet".to_owned() };
        end.outcome.clone().unwrap_or_else(|| Err(late()))
    }

    fn stop(&self, timeout: Duration) {
        self.stops.store(true, Ordering::Release);
        // One that does not rest within its requests' deadline has a pool that hangs.
        drop(self.ended.wait_timeout_while(self.end(), timeout, |end| !end.rests));
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The copies of a daemon that have not ended, by the names of the volumes they make.
#[derive(Default)]
pub struct Copies {
    running: Mutex<BTreeMap<String, Arc<Copy>>>,
}

impl Copies {
    /// Begins one.
    pub fn begin(&self, plan: VolumePlan) -> Arc<Copy> {
        let name = plan.name.clone();
        let copy = Arc::new(Copy::new(plan));
        self.running().insert(name, Arc::clone(&copy));
        copy
    }

    /// The one that makes a volume.
    #[must_use]
    pub fn of(&self, volume: &str) -> Option<Arc<Copy>> {
        self.running().get(volume).cloned()
    }

    /// The volume that is made out of a snapshot.
    #[must_use]
    pub fn reader_of(&self, snapshot: &str) -> Option<String> {
        let running = self.running();
        let reads = |copy: &Arc<Copy>| {
            copy.plan.source.as_ref().is_some_and(|source| source.snapshot == snapshot)
        };
        running.iter().find(|(_, copy)| reads(copy)).map(|(name, _)| name.clone())
    }

    /// Forgets one that has ended.
    pub fn forget(&self, copy: &Arc<Copy>) {
        let mut running = self.running();
        if running.get(&copy.plan.name).is_some_and(|found| Arc::ptr_eq(found, copy)) {
            running.remove(&copy.plan.name);
        }
    }

    /// Stops the one that makes a volume, and waits until nothing of it is under way.
    pub fn stop(&self, volume: &str, timeout: Duration) {
        if let Some(copy) = self.of(volume) {
            copy.stop(timeout);
            self.forget(&copy);
        }
    }

    /// Stops all of them. Gives what they were to make.
    pub fn stop_all(&self, timeout: Duration) -> Vec<VolumePlan> {
        let running: Vec<Arc<Copy>> = self.running().values().cloned().collect();
        for copy in &running {
            copy.stops.store(true, Ordering::Release);
        }
        let stopped = running.iter().map(|copy| {
            copy.stop(timeout);
            self.forget(copy);
            copy.plan.clone()
        });
        stopped.collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Copy>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
