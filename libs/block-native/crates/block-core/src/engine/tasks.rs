//! The executor of the pool and of the SSD cache: futures that wait for disks, polled when the
//! answers come. One thread, no clock, the order of everything given by the order of what comes in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;
type Ready = Arc<Mutex<VecDeque<usize>>>;

struct TaskWaker {
    task: usize,
    /// Whether it is to be polled anyway.
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.task);
        }
    }
}

struct Task {
    work: Option<Work>,
    woken: Arc<TaskWaker>,
}

/// All tasks of one pool, or of one cache.
#[derive(Default)]
pub struct Tasks {
    all: RefCell<Vec<Task>>,
    free: RefCell<Vec<usize>>,
    ready: Ready,
}

impl Tasks {
    /// Begins a task; it runs at the next [`Tasks::run`].
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let work: Option<Work> = Some(Box::pin(work));
        let mut tasks = self.all.borrow_mut();
        let task = self.free.borrow_mut().pop().unwrap_or(tasks.len());
        if let Some(slot) = tasks.get_mut(task) {
            slot.work = work;
        } else {
            let (queued, ready) = (AtomicBool::new(false), Arc::clone(&self.ready));
            tasks.push(Task { work, woken: Arc::new(TaskWaker { task, queued, ready }) });
        }
        tasks[task].woken.wake_by_ref();
    }

    /// Polls tasks until none can go on. Tells whether any could.
    pub fn run(&self) -> bool {
        let mut ran = false;
        loop {
            let next = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(task) = next else { return ran };
            ran = true;
            let (work, waker) = {
                let mut tasks = self.all.borrow_mut();
                // What wakes it from here on is another poll.
                tasks[task].woken.queued.store(false, Ordering::Release);
                (tasks[task].work.take(), Waker::from(Arc::clone(&tasks[task].woken)))
            };
            let Some(mut work) = work else { continue };
            if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.all.borrow_mut()[task].work = Some(work);
            } else {
                self.free.borrow_mut().push(task);
            }
        }
    }

    /// Drops every task where it stands.
    pub fn clear(&self) {
        let all: Vec<_> = self.all.borrow_mut().iter_mut().map(|task| task.work.take()).collect();
        drop(all);
    }
}

struct Cell1<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// A value that comes once: the giving end.
pub struct Promise<T>(Rc<RefCell<Cell1<T>>>);

/// A value that comes once: the waiting end.
pub struct Awaited<T>(Rc<RefCell<Cell1<T>>>);

/// Both ends of a value that comes once.
#[must_use]
pub fn promise<T>() -> (Promise<T>, Awaited<T>) {
    let cell = Rc::new(RefCell::new(Cell1 { value: None, waker: None }));
    (Promise(Rc::clone(&cell)), Awaited(cell))
}

impl<T> Promise<T> {
    /// Gives the value.
    pub fn keep(self, value: T) {
        let waker = {
            let mut cell = self.0.borrow_mut();
            cell.value = Some(value);
            cell.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Awaited<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut cell = self.0.borrow_mut();
        if let Some(value) = cell.value.take() {
            return Poll::Ready(value);
        }
        cell.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Something that happens again and again; waiters look again at what they wait for.
#[derive(Default)]
pub struct Bell {
    rung: Cell<u64>,
    waiters: RefCell<Vec<Waker>>,
}

impl Bell {
    /// Wakes everybody who waits.
    pub fn ring(&self) {
        self.rung.set(self.rung.get() + 1);
        for waker in self.waiters.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Waits for the next ring.
    pub fn next(&self) -> NextRing<'_> {
        NextRing { bell: self, since: self.rung.get(), waits: false }
    }

    /// Waits until `holds` gives a value; it is asked at once and again after each ring.
    pub async fn until<T>(&self, mut holds: impl FnMut() -> Option<T>) -> T {
        // A task is also polled for other things that it waits for: one waker for each ring does.
        let mut waits_since = None;
        poll_fn(|context| {
            if let Some(value) = holds() {
                return Poll::Ready(value);
            }
            let rung = self.rung.get();
            if waits_since.replace(rung) != Some(rung) {
                self.waiters.borrow_mut().push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

/// Waits for a ring of a [`Bell`].
pub struct NextRing<'a> {
    bell: &'a Bell,
    since: u64,
    waits: bool,
}

impl Future for NextRing<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.bell.rung.get() != self.since {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.waits, true) {
            self.bell.waiters.borrow_mut().push(context.waker().clone());
        }
        Poll::Pending
    }
}

/// Waits for all of a few futures; their values in their order.
pub async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut values: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(move |context| {
        let mut pending = false;
        for (future, value) in waiting.iter_mut().zip(&mut values) {
            let Some(work) = future else { continue };
            match work.as_mut().poll(context) {
                Poll::Ready(found) => (*value, *future) = (Some(found), None),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(values.drain(..).flatten().collect()) }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Once every poll of a waiting task left a waker with the bell, so that one that waited for
    /// many things was polled more often with each ring.
    #[test]
    fn a_task_that_waits_for_many_rings_is_polled_once_for_each() {
        let (tasks, bell) = (Tasks::default(), Rc::new(Bell::default()));
        let (asked, ended) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        let waiting = (0..16).map(|_| {
            let (bell, asked, ended) = (Rc::clone(&bell), Rc::clone(&asked), Rc::clone(&ended));
            async move {
                bell.until(|| {
                    asked.set(asked.get() + 1);
                    ended.get().then_some(())
                })
                .await;
            }
        });
        let (waiting, (promise, awaited)) = (waiting.collect::<Vec<_>>(), promise());
        tasks.spawn(async move {
            all(waiting).await;
            promise.keep(());
        });
        tasks.run();
        for _ in 0..10 {
            asked.set(0);
            bell.ring();
            tasks.run();
            assert_eq!((asked.get(), bell.waiters.borrow().len()), (16, 16));
        }
        ended.set(true);
        bell.ring();
        tasks.run();
        assert!(awaited.0.borrow().value.is_some());
    }
}
