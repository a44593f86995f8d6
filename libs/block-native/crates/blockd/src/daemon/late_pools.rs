//! Pools that open later than the others: a disk that hangs while its pool is opened holds up
//! nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pool_thread::{PoolState, PoolThread};
use super::serve::{Daemon, End, START_TIMEOUT, ServeError};
use crate::plan::{ServePlan, VolumePlan};

/// How long the first pool that serves waits for others: what opens as fast is served with it.
const SLOWER_POOLS_TIMEOUT: Duration = Duration::from_secs(1);
/// How often pools that start are looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(2);
/// How often who waits for a pool that opens late looks whether there is a daemon.
const LATE_LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Waits until a pool serves or has failed, and a little for those that are as fast.
pub(super) fn wait_for_first(pools: &[PoolThread]) {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut first = None;
    while pools.iter().any(|pool| pool.state() == PoolState::Starting) {
        if pools.iter().any(|pool| pool.state() != PoolState::Starting) {
            first.get_or_insert_with(Instant::now);
        }
        let late = first.is_some_and(|first| first.elapsed() >= SLOWER_POOLS_TIMEOUT);
        if late || Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(LOOK_PERIOD);
    }
}

/// Whether a volume, or what it begins as, is in one of `pools`.
pub(super) fn is_of(volume: &VolumePlan, pools: &[String]) -> bool {
    let source = volume.source.as_ref().map(|source| &source.pool);
    pools.contains(&volume.pool) || source.is_some_and(|pool| pools.contains(pool))
}

impl Daemon {
    /// # Errors
    /// No pool serves, and none will.
    pub(super) fn refuse_without_pools(&self) -> Result<(), ServeError> {
        let hopeless =
            |pool: &PoolThread| !matches!(pool.state(), PoolState::Running | PoolState::Starting);
        let none = !self.pools.is_empty() && self.pools.iter().all(hopeless);
        if none { Err(ServeError::NoPool) } else { Ok(()) }
    }

    pub(super) fn starting(&self) -> Vec<String> {
        let starting = self.pools.iter().filter(|pool| pool.state() == PoolState::Starting);
        starting.map(|pool| pool.plan.name.clone()).collect()
    }

    /// Serves pools that open later than the others, each for itself.
    pub(super) fn follow(self: &Arc<Self>, plan: &ServePlan, late: Vec<String>) {
        for name in late {
            let (daemon, plan) = (Arc::downgrade(self), plan.clone());
            let thread = std::thread::Builder::new().name(format!("late-{name}"));
            let followed = thread.spawn(move || {
                let state = || {
                    let daemon = daemon.upgrade()?;
                    let pool = daemon.pools.iter().find(|pool| pool.plan.name == name)?;
                    Some(pool.wait_started(LATE_LOOK_PERIOD))
                };
                while state() == Some(PoolState::Starting) {}
                if let Some(daemon) = daemon.upgrade() {
                    daemon.serve_late(&plan, &name);
                }
            });
            if let Err(error) = followed {
                eprintln!("purlin-blockd: nobody waits for a pool that opens late: {error}");
            }
        }
    }

    fn serve_late(self: &Arc<Self>, plan: &ServePlan, pool: &str) {
        let _changing = self.change();
        if self.end() != End::None {
            return;
        }
        let starting = self.starting();
        let own = |volume: &VolumePlan| {
            is_of(volume, std::slice::from_ref(&pool.to_owned())) && !is_of(volume, &starting)
        };
        let mut troubles = Vec::new();
        troubles.extend(self.bring_about(plan, own).err().map(|error| error.to_string()));
        troubles.extend(self.match_sockets().err().map(|error| format!("sockets: {error}")));
        for trouble in troubles {
            eprintln!("purlin-blockd: pool {pool}, which opened late: {trouble}");
        }
    }
}
