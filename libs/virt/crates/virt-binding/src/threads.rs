//! Threads of this addon, counted: a thread that hangs in libvirt cannot be ended, so their number
//! has a bound and a new connection is refused at it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::{BUSY, FAULT, Failure};

/// Threads at most, over all connections of the process; the two standing ones are not counted.
const THREADS_MAX: usize = 64;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Takes one off the count however the thread ends.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts a counted thread. Errors: `VIR_BUSY` at the bound.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    if RUNNING.fetch_add(1, Ordering::SeqCst) >= THREADS_MAX {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        let text = format!("{THREADS_MAX} threads wait for libvirt already; no more are started");
        return Err(Failure::own(BUSY, text));
    }
    let counted = Counted;
    standing(name, move || {
        let _counted = counted;
        work();
    })
}

/// Starts a thread that lives as long as the process.
pub fn standing(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(|_| ())
        .map_err(|error| Failure::own(FAULT, format!("no thread could be started: {error}")))
}
