//! A bounded queue before a few threads, each with a libvirt connection of its own, and the list of
//! what runs on them and since when.
//!
//! A connection is used by one thread alone: before 10.4 libvirt's client leaves a pointer into a
//! thread's stack behind when a second thread calls on the same connection, and the process dies of
//! it later (CVE-2024-4418; seen with 9.0 when a stopped daemon went on).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::failure::{BUSY, CLOSED, Failure};
use crate::link::Link;
use crate::threads;

/// Calls that may wait in one queue.
const QUEUE_MAX: usize = 256;

/// Work on a connection.
pub type Work = Box<dyn FnOnce(&Link) + Send>;

struct Job {
    what: String,
    begun: Instant,
    work: Work,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: Vec<(usize, String, Instant)>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Some worker threads.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

impl Pool {
    /// Starts a thread for each connection. Errors: `VIR_BUSY` when too many threads hang already.
    pub fn start(name: &str, links: Vec<Link>) -> Result<Self, Failure> {
        let pool = Self(Arc::default());
        for (index, link) in links.into_iter().enumerate() {
            let shared = Arc::clone(&pool.0);
            let started = threads::spawn(name, move || run(&shared, index, &link));
            if let Err(failure) = started {
                pool.close();
                return Err(failure);
            }
        }
        Ok(pool)
    }

    /// Queues work. Errors: `VIR_CLOSED`, and `VIR_BUSY` when the queue is full.
    pub fn submit(&self, what: String, work: Work) -> Result<(), Failure> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Failure::own(CLOSED, "the connection is closed"));
        }
        if state.queue.len() >= QUEUE_MAX {
            let text = format!("{QUEUE_MAX} calls wait already");
            return Err(Failure::own(BUSY, text));
        }
        state.queue.push_back(Job { what, begun: Instant::now(), work });
        self.0.changed.notify_one();
        Ok(())
    }

    /// Forgets what waits and lets each worker end, and close its connection, after what it does
    /// now.
    pub fn close(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        let forgotten = std::mem::take(&mut state.queue);
        self.0.changed.notify_all();
        drop(state);
        drop(forgotten);
    }

    /// The calls that run now: what, and since when.
    pub fn running(&self) -> Vec<(String, Instant)> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.iter().map(|(_, what, begun)| (what.clone(), *begun)).collect()
    }
}

fn run(shared: &Shared, index: usize, link: &Link) {
    while let Some(job) = take(shared, index) {
        // A panic must not take the worker with it; the call's own end rejects its promise.
        drop(catch_unwind(AssertUnwindSafe(|| job(link))));
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.retain(|(worker, ..)| *worker != index);
    }
}

fn take(shared: &Shared, index: usize) -> Option<Work> {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(job) = state.queue.pop_front() {
            state.running.push((index, job.what, job.begun));
            return Some(job.work);
        }
        if state.closed {
            return None;
        }
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}
