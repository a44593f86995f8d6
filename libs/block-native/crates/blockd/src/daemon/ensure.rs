//! Bringing volumes about in a daemon that serves, copies behind it.

use std::sync::{Arc, Weak};

use purlin_block_core::BlockError;

use super::copies::Copy;
use super::serve::Daemon;
use super::volumes::{CopyTask, ensure_volume};
use crate::plan::VolumePlan;

impl Daemon {
    /// Brings a volume about; what has to be copied for it goes on behind this, and is given. To be
    /// called while changes are held.
    ///
    /// # Errors
    /// The engine's.
    pub fn ensure(self: &Arc<Self>, plan: &VolumePlan) -> Result<Option<Arc<Copy>>, BlockError> {
        let Some(task) = ensure_volume(plan, &self.pools, &self.copies)? else {
            return Ok(self.copies.of(&plan.name));
        };
        let copy = self.copies.begin(plan.clone());
        let (daemon, own) = (Arc::downgrade(self), Arc::clone(&copy));
        let run = move || run_copy(&task, &own, &daemon);
        let begun = std::thread::Builder::new().name(format!("copy-{}", plan.name)).spawn(run);
        if let Err(error) = begun {
            self.copies.forget(&copy);
            return Err(BlockError::Closed { reason: format!("no thread for the copy: {error}") });
        }
        Ok(Some(copy))
    }
}

/// A copy's thread: what it makes is served when it is whole.
fn run_copy(task: &CopyTask, copy: &Arc<Copy>, daemon: &Weak<Daemon>) {
    let outcome = task.run(copy);
    // Who stops it may hold the changes, and waits for no more than this.
    copy.rest();
    if let (Err(error), false) = (&outcome, copy.stops()) {
        eprintln!("purlin-blockd: the copy {}: {error}", copy.plan.name);
    }
    let Some(daemon) = daemon.upgrade() else { return };
    let _changing = daemon.change();
    let stopped = || BlockError::Closed { reason: "the copy was stopped".to_owned() };
    let outcome = if copy.stops() { Err(stopped()) } else { outcome };
    daemon.copies.forget(copy);
    let served = outcome.and_then(|()| {
        daemon.ensure(&copy.plan)?;
        let socket = |error| BlockError::Closed { reason: format!("the sockets: {error}") };
        daemon.match_sockets().map_err(socket)
    });
    copy.end_with(served);
}
