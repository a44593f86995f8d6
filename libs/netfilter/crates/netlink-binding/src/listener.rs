//! Messages of groups, from a thread of their own to one JavaScript callback that does not keep
//! Node alive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use napi::Status;
use napi::bindgen_prelude::{Function, Uint8Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::lock;
use crate::socket::{Bell, RECEIVE_BYTES, RawSocket, wait};

/// Deliveries that may wait for the JavaScript thread; more are left out and told as lost.
const DELIVERIES_WAITING_MAX: usize = 1024;
/// Bytes in one delivery: what came at once is handed over at once.
const DELIVERY_BYTES_MAX: usize = 1 << 20;

/// Messages that have come.
#[napi(object)]
pub struct Arrival {
    /// One after the other; may be empty where `lost`.
    pub messages: Uint8Array,
    /// Messages before these were lost, in the kernel's buffer or in ours.
    pub lost: bool,
    /// The socket can no longer be read, and nothing more will come.
    pub ended: bool,
}

type Callback =
    ThreadsafeFunction<Arrival, (), Arrival, Status, false, true, DELIVERIES_WAITING_MAX>;

/// A running thread; dropping it ends and joins it.
pub struct Listener {
    bell: Arc<Bell>,
    ear: RawSocket,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Must run on the JavaScript thread. `None` where no thread could be started.
    pub fn start(
        shared: Arc<Mutex<RawSocket>>,
        on_messages: &Function<Arrival, ()>,
    ) -> napi::Result<Option<Self>> {
        let callback = on_messages
            .build_threadsafe_function::<Arrival>()
            .weak::<true>()
            .max_queue_size::<DELIVERIES_WAITING_MAX>()
            .build_callback(|context| Ok(context.value))?;
        let Some(bell) = Bell::new() else { return Ok(None) };
        let Some(ear) = lock(&shared).twin() else { return Ok(None) };
        let bell = Arc::new(bell);
        let heard = Arc::clone(&bell);
        let started = std::thread::Builder::new()
            .name("netlink".to_owned())
            .spawn(move || listen(&lock(&shared), &heard, &callback));
        Ok(started.ok().map(|thread| Self { bell, ear, thread: Some(thread) }))
    }

    /// The socket that it listens on, for what the thread does not do.
    pub fn ear(&self) -> &RawSocket {
        &self.ear
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn listen(socket: &RawSocket, bell: &Bell, callback: &Callback) {
    let lost = AtomicBool::new(false);
    let mut buffer = vec![0; RECEIVE_BYTES];
    loop {
        let [readable, rung] = wait([socket.raw_fd(), bell.raw_fd()], -1);
        if rung {
            return;
        }
        if !readable {
            continue;
        }
        let mut messages = Vec::new();
        let mut ended = false;
        while messages.len() < DELIVERY_BYTES_MAX {
            match socket.receive(&mut buffer) {
                Ok(Some(length)) => messages.extend_from_slice(&buffer[..length]),
                Ok(None) => break,
                Err(libc::ENOBUFS | libc::EMSGSIZE) => lost.store(true, Ordering::Relaxed),
                Err(_) => {
                    ended = true;
                    break;
                }
            }
        }
        let arrival = Arrival {
            messages: Uint8Array::new(messages),
            lost: lost.swap(false, Ordering::Relaxed),
            ended,
        };
        let status = callback.call(arrival, ThreadsafeFunctionCallMode::NonBlocking);
        lost.fetch_or(status == Status::QueueFull, Ordering::Relaxed);
        if ended || status == Status::Closing {
            return;
        }
    }
}
