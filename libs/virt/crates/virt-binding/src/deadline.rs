//! One thread that rejects calls whose deadline passes, wherever their worker is stuck.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use crate::failure::Failure;
use crate::threads;

/// Something that is given up at a time.
pub trait Expire: Send + Sync {
    /// Called once when the time has come, unless the thing was dropped before.
    fn expire(&self);
}

struct Entry {
    at: Instant,
    what: Weak<dyn Expire>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    /// The earliest is the greatest, since the heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

/// Entries from which ended calls are swept out before a new one is taken.
const SWEEP_FROM: usize = 1024;

#[derive(Default)]
struct Watch {
    entries: Mutex<BinaryHeap<Entry>>,
    changed: Condvar,
}

static WATCH: OnceLock<Result<&'static Watch, Failure>> = OnceLock::new();

/// Calls `expire` at `at`. Errors: `VIR_FAULT` when the watching thread could not be started.
pub fn expire_at(at: Instant, what: Weak<dyn Expire>) -> Result<(), Failure> {
    let watch = WATCH.get_or_init(start).clone()?;
    let mut entries = watch.entries.lock().unwrap_or_else(PoisonError::into_inner);
    if entries.len() >= SWEEP_FROM {
        entries.retain(|entry| entry.what.strong_count() > 0);
    }
    entries.push(Entry { at, what });
    watch.changed.notify_one();
    Ok(())
}

fn start() -> Result<&'static Watch, Failure> {
    let watch: &'static Watch = Box::leak(Box::default());
    threads::standing("purlin-virt-due", move || run(watch))?;
    Ok(watch)
}

fn run(watch: &Watch) {
    let mut entries = watch.entries.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let now = Instant::now();
        let wait = match entries.peek() {
            None => None,
            Some(first) if first.at > now => Some(first.at - now),
            Some(_) => {
                let due = entries.pop().and_then(|entry| entry.what.upgrade());
                drop(entries);
                if let Some(call) = due {
                    call.expire();
                }
                entries = watch.entries.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
        };
        entries = match wait {
            None => watch.changed.wait(entries).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let woken = watch.changed.wait_timeout(entries, time);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}
