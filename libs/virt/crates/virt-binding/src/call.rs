//! One call: a promise that is settled exactly once, by a worker's answer or by the deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsDeferred};

use crate::deadline::{self, Expire};
use crate::failure::{CLOSED, Failure, TIMEOUT};

type Settle<T> = Box<dyn FnOnce(Env) -> napi::Result<T> + Send>;

/// A call under way.
pub struct Call<T: ToNapiValue + Send + 'static> {
    promise: Mutex<Option<JsDeferred<T, Settle<T>>>>,
    deadline_ms: u32,
}

impl<T: ToNapiValue + Send + 'static> Call<T> {
    /// Makes the promise and sets the deadline; must run on the JavaScript thread.
    pub fn begin(env: &Env, deadline_ms: u32) -> napi::Result<(Arc<Self>, Object<'_>)> {
        let (deferred, promise) = env.create_deferred::<T, Settle<T>>()?;
        let call = Arc::new(Self { promise: Mutex::new(Some(deferred)), deadline_ms });
        let at = Instant::now() + Duration::from_millis(u64::from(deadline_ms));
        let weak = Arc::downgrade(&call);
        if let Err(failure) = deadline::expire_at(at, weak) {
            call.fail(failure);
        }
        Ok((call, promise))
    }

    /// Whether nobody waits any more.
    pub fn is_settled(&self) -> bool {
        self.promise.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Settles the promise; gives the outcome back when the deadline was faster.
    pub fn settle(&self, outcome: Result<T, Failure>) -> Option<Result<T, Failure>> {
        let taken = self.promise.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(deferred) = taken else { return Some(outcome) };
        deferred.resolve(Box::new(move |env| outcome.map_err(|failure| failure.into_js(env))));
        None
    }

    /// Rejects the promise, if somebody still waits.
    pub fn fail(&self, failure: Failure) {
        drop(self.settle(Err(failure)));
    }
}

impl<T: ToNapiValue + Send + 'static> Expire for Call<T> {
    fn expire(&self) {
        let text = format!("no answer within {} ms", self.deadline_ms);
        self.fail(Failure::own(TIMEOUT, text));
    }
}

impl<T: ToNapiValue + Send + 'static> Drop for Call<T> {
    /// A promise that nobody settled would keep Node alive for ever.
    fn drop(&mut self) {
        self.fail(Failure::own(CLOSED, "the connection was closed meanwhile"));
    }
}
