//! The executor: futures that wait for disks, polled when the answers come. One thread, no clock;
//! the order of everything is given by the order of what comes in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;
type Ready = Arc<Mutex<VecDeque<usize>>>;

struct TaskWaker {
    task: usize,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.task);
    }
}

/// All tasks of one cache.
#[derive(Default)]
pub struct Tasks {
    all: RefCell<Vec<Option<Work>>>,
    free: RefCell<Vec<usize>>,
    ready: Ready,
}

impl Tasks {
    /// Begins a task; it runs at the next [`Tasks::run`].
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let mut all = self.all.borrow_mut();
        let task = self.free.borrow_mut().pop().unwrap_or_else(|| {
            all.push(None);
            all.len() - 1
        });
        all[task] = Some(Box::pin(work));
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    /// Polls tasks until none can go on.
    pub fn run(&self) {
        loop {
            let next = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(task) = next else { return };
            let Some(mut work) = self.all.borrow_mut()[task].take() else { continue };
            let waker = Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&self.ready) }));
            if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.all.borrow_mut()[task] = Some(work);
            } else {
                self.free.borrow_mut().push(task);
            }
        }
    }

    /// Drops every task where it stands.
    pub fn clear(&self) {
        let all = std::mem::take(&mut *self.all.borrow_mut());
        self.free.borrow_mut().clear();
        drop(all);
    }
}

struct Once<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// A value that comes once: the giving end.
pub struct Promise<T>(Rc<RefCell<Once<T>>>);

/// A value that comes once: the waiting end.
pub struct Awaited<T>(Rc<RefCell<Once<T>>>);

/// Both ends of a value that comes once.
pub fn promise<T>() -> (Promise<T>, Awaited<T>) {
    let once = Rc::new(RefCell::new(Once { value: None, waker: None }));
    (Promise(Rc::clone(&once)), Awaited(once))
}

impl<T> Promise<T> {
    /// Gives the value.
    pub fn keep(self, value: T) {
        let mut once = self.0.borrow_mut();
        once.value = Some(value);
        if let Some(waker) = once.waker.take() {
            waker.wake();
        }
    }
}

impl<T> Future for Awaited<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut once = self.0.borrow_mut();
        if let Some(value) = once.value.take() {
            return Poll::Ready(value);
        }
        once.waker = Some(context.waker().clone());
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

    /// Waits until `holds` gives a value; it is asked again after each ring.
    pub async fn until<T>(&self, mut holds: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| {
            if let Some(value) = holds() {
                return Poll::Ready(value);
            }
            self.waiters.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Waits for all of these; their values in their order.
pub async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
    let mut values: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(move |context| {
        for (future, value) in waiting.iter_mut().zip(&mut values) {
            let Some(work) = future else { continue };
            if let Poll::Ready(found) = work.as_mut().poll(context) {
                (*value, *future) = (Some(found), None);
            }
        }
        let done = waiting.iter().all(Option::is_none);
        if done { Poll::Ready(values.drain(..).flatten().collect()) } else { Poll::Pending }
    })
    .await
}
