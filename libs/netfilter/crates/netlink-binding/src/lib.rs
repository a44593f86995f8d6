//! Netlink sockets for Node, and a device that frames come in from. This layer knows the frame of a
//! netlink message (length, type, sequence) and nothing of what is inside; TypeScript writes and
//! reads that.
//!
//! ```text
//! JavaScript                       thread pool of Node           kernel
//! socket.request(bytes) ---------> exchange.rs: send, ---------> sendmsg
//!   Promise<Answer> <------------- receive until the end <------ recv, poll up to the deadline
//! socket.listen(callback) -------> listener.rs: own thread <---- messages of groups
//! ```
//!
//! Failures cross as values (`errno` and what was tried): TypeScript gives them their codes.

mod exchange;
mod listener;
mod socket;
mod tap;

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{AsyncTask, Function, Uint8Array};
use napi_derive::napi;

use crate::exchange::{Exchange, Until};
use crate::listener::{Arrival, Listener};
use crate::socket::RawSocket;
use crate::tap::Tap;

/// What answered a request.
#[napi(object)]
pub struct NetlinkAnswer {
    /// The answering messages one after the other, without those of earlier requests.
    pub messages: Uint8Array,
    /// 0, or the error number of the call that failed: `ETIMEDOUT` where the deadline passed,
    /// `ENOBUFS` where answers were lost, `EMSGSIZE` where the request was too long.
    pub errno: i32,
    /// What failed: `send`, `receive`, `buffer`; empty where nothing did.
    pub failed: String,
}

/// A socket, or why there is none.
#[napi(object)]
pub struct OpenFailure {
    /// The error number.
    pub errno: i32,
    /// The call that failed.
    pub failed: String,
}

/// A netlink socket of the network namespace of the thread that made it.
#[napi]
pub struct NetlinkSocket {
    // Behind locks, so that no method needs the value for itself: Node may close a socket while
    // another call on it has not ended.
    shared: Mutex<Option<Arc<Mutex<RawSocket>>>>,
    port_id: u32,
    failure: Option<(i32, &'static str)>,
    groups: Vec<u32>,
    listener: Mutex<Option<Listener>>,
}

#[napi]
impl NetlinkSocket {
    /// Opens a socket of a netlink protocol (12: netfilter) whose receive buffer has at least this
    /// size where the caller may ask for it, and joins groups. Ask `failure` whether it is open.
    #[napi(constructor)]
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
    pub fn new(protocol: i32, receive_buffer_bytes: u32, groups: Vec<u32>) -> Self {
        match RawSocket::open(protocol, receive_buffer_bytes, &groups) {
            Ok(socket) => Self {
                port_id: socket.port_id(),
                shared: Mutex::new(Some(Arc::new(Mutex::new(socket)))),
                failure: None,
                groups,
                listener: Mutex::new(None),
            },
            Err(failure) => Self {
                shared: Mutex::new(None),
                port_id: 0,
                failure: Some(failure),
                groups,
                listener: Mutex::new(None),
            },
        }
    }

    /// Why the socket is not open, or null.
    #[napi(getter)]
    #[must_use]
    pub fn failure(&self) -> Option<OpenFailure> {
        self.failure.map(|(errno, failed)| OpenFailure { errno, failed: failed.to_owned() })
    }

    /// The kernel's number of this socket; notifications name the port of who made a change.
    #[napi(getter)]
    #[must_use]
    pub fn port_id(&self) -> u32 {
        self.port_id
    }

    /// Sends messages and gives what answers. `one`: sent as one; the answer is whole after the
    /// message with `last_sequence` that ends it (an error, an acknowledgement, the end of a dump).
    /// `batch`: sent as one; the answer is what the kernel has queued when the sending returns,
    /// because it works a batch off before that. `each`: one after the other, each answered as a
    /// message of its own.
    #[napi(
        ts_args_type = "messages: Uint8Array, firstSequence: number, lastSequence: number, way: 'one' | 'batch' | 'each', deadlineMs: number",
        ts_return_type = "Promise<NetlinkAnswer>"
    )]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
    #[must_use]
    pub fn request(
        &self,
        messages: Uint8Array,
        first_sequence: u32,
        last_sequence: u32,
        way: String,
        deadline_ms: u32,
    ) -> AsyncTask<Exchange> {
        let until = match way.as_str() {
            "batch" => Until::Drained,
            "each" => Until::Each,
            _ => Until::Ended(last_sequence),
        };
        AsyncTask::new(Exchange::new(
            lock(&self.shared).clone(),
            messages.to_vec(),
            first_sequence,
            until,
            deadline_ms,
        ))
    }

    /// Calls back with messages as they come, from now until `close`; it does not keep Node alive.
    /// No request may follow. False where no thread could be started.
    ///
    /// # Errors
    /// Where Node gives no function that a thread may call.
    #[napi]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
    pub fn listen(&self, on_messages: Function<Arrival, ()>) -> napi::Result<bool> {
        let Some(shared) = lock(&self.shared).take() else { return Ok(false) };
        let listener = Listener::start(shared, &on_messages)?;
        let is_listening = listener.is_some();
        *lock(&self.listener) = listener;
        Ok(is_listening)
    }

    /// Leaves the groups for a while, or joins them again: what is sent to them meanwhile costs its
    /// sender nothing and is not heard. False where the socket does not listen, or cannot.
    #[napi]
    pub fn hear(&self, is_on: bool) -> bool {
        lock(&self.listener).as_ref().is_some_and(|listener| {
            let ear = listener.ear();
            let done = if is_on { ear.join(&self.groups) } else { ear.leave(&self.groups) };
            done.is_ok()
        })
    }

    /// Ends listening and closes the socket once no request uses it.
    #[napi]
    pub fn close(&self) {
        lock(&self.shared).take();
        let listener = lock(&self.listener).take();
        drop(listener);
    }
}

/// A network device of the network namespace of the thread that made it. Frames come in from it as
/// they are sent here; what goes out to it is dropped. It goes with `close`, or with the process.
#[napi]
pub struct TapDevice {
    // Behind a lock, so that no method needs the value for itself.
    tap: Mutex<Option<Tap>>,
    failure: Option<(i32, &'static str)>,
}

#[napi]
impl TapDevice {
    /// Makes a device of this name, at most 15 letters; `%d` is a number that is free. Ask
    /// `failure` whether it is there.
    #[napi(constructor)]
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
    pub fn new(pattern: String) -> Self {
        match Tap::open(&pattern) {
            Ok(tap) => Self { tap: Mutex::new(Some(tap)), failure: None },
            Err(failure) => Self { tap: Mutex::new(None), failure: Some(failure) },
        }
    }

    /// Why there is no device, or null.
    #[napi(getter)]
    #[must_use]
    pub fn failure(&self) -> Option<OpenFailure> {
        self.failure.map(|(errno, failed)| OpenFailure { errno, failed: failed.to_owned() })
    }

    /// The device's name; empty where there is none.
    #[napi(getter)]
    #[must_use]
    pub fn name(&self) -> String {
        lock(&self.tap).as_ref().map_or_else(String::new, |tap| tap.name().to_owned())
    }

    /// Lets a frame come in, without waiting; gives 0 or an error number (`EIO`: the device is
    /// down).
    #[napi]
    #[allow(clippy::needless_pass_by_value, reason = "Node-API arguments are owned")]
    pub fn send(&self, frame: Uint8Array) -> i32 {
        let mut tap = lock(&self.tap);
        let sent = tap.as_mut().map_or(Err((libc::EBADF, "write")), |tap| tap.send(&frame));
        sent.err().map_or(0, |(errno, _)| errno)
    }

    /// Takes the device away.
    #[napi]
    pub fn close(&self) {
        lock(&self.tap).take();
    }
}

/// Locks a value; a thread that panicked while it held the lock leaves it usable.
fn lock<Value>(shared: &Mutex<Value>) -> std::sync::MutexGuard<'_, Value> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
