//! libvirt's own event loop on a thread of ours. It carries keep-alive and events, so it must run
//! before the first connection is opened.

use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use virt::error::clear_error_callback;
use virt::event::{event_register_default_impl, event_run_default_impl};

use crate::failure::Failure;
use crate::threads;

static STARTED: OnceLock<Result<(), Failure>> = OnceLock::new();

/// Pause after a turn of the loop that failed, so that a lasting fault does not burn a core.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Starts the loop, once for the process. Also keeps libvirt from writing errors to standard error.
pub fn ensure() -> Result<(), Failure> {
    STARTED.get_or_init(start).clone()
}

fn start() -> Result<(), Failure> {
    clear_error_callback();
    event_register_default_impl()?;
    threads::standing("purlin-virt-events", || {
        loop {
            if event_run_default_impl().is_err() {
                sleep(PAUSE_AFTER_FAILURE);
            }
        }
    })
}
