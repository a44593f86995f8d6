//! Work on several things at once whose ends one task takes, one by one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;

use super::tasks::{Bell, Tasks};

/// Work under way. What it gives is kept in the order in which it ends.
pub struct InFlight<T> {
    ended: Rc<(RefCell<VecDeque<T>>, Bell)>,
    count: usize,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { ended: Rc::default(), count: 0 }
    }
}

impl<T: 'static> InFlight<T> {
    /// How much has begun and not been taken.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Begins something.
    pub fn begin(&mut self, tasks: &Tasks, work: impl Future<Output = T> + 'static) {
        let ended = Rc::clone(&self.ended);
        self.count += 1;
        tasks.spawn(async move {
            let value = work.await;
            ended.0.borrow_mut().push_back(value);
            ended.1.ring();
        });
    }

    /// Waits for the next end; `None` if nothing is under way.
    pub async fn next(&mut self) -> Option<T> {
        if self.count == 0 {
            return None;
        }
        let (ended, bell) = &*self.ended;
        let value = bell.until(|| ended.borrow_mut().pop_front()).await;
        self.count -= 1;
        Some(value)
    }

    /// What has ended already.
    pub fn ended(&mut self) -> Option<T> {
        let value = self.ended.0.borrow_mut().pop_front()?;
        self.count -= 1;
        Some(value)
    }
}
