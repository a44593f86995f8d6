//! The control socket: one JSON object a line, each way.
//!
//! ```text
//! > {"version":1,"id":7,"call":"volume-grow","arguments":{"name":"a","sizeBytes":8192}}
//! < {"version":1,"id":7,"result":{}}
//! < {"version":1,"id":7,"error":{"code":"PUR_BLOCK_NAME_TAKEN","message":"the name a is taken …"}}
//! ```
//! Version 1 stays as it is but for calls, arguments and fields of results that are added; a
//! request of another version is refused by name. A line is at most 64 KiB; calls of one
//! connection are answered in their order.

mod calls;
pub mod client;
mod disks;
mod explain;
pub mod protocol;
mod status;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::daemon::serve::Daemon;
use protocol::{Answer, Call, Failure, LINE_BYTES_MAX, Request, VERSION};
use serde_json::Value;

/// Callers at the same time.
const CALLERS_MAX: usize = 32;
static CALLERS: AtomicUsize = AtomicUsize::new(0);

/// What a call does: its result or why not.
pub type Perform<'a> = &'a dyn Fn(Call) -> Result<Value, Failure>;

/// Serves one caller of the daemon until it hangs up.
pub fn serve_control(daemon: &Arc<Daemon>, client: OwnedFd) {
    serve_callers(client, &|call| calls::perform(daemon, call));
}

/// Serves one caller until it hangs up; `perform` does what it asks.
pub fn serve_callers(client: OwnedFd, perform: Perform<'_>) {
    if CALLERS.fetch_add(1, Ordering::Relaxed) < CALLERS_MAX {
        // A caller that breaks off is its own matter.
        let _ = converse(perform, UnixStream::from(client));
    }
    CALLERS.fetch_sub(1, Ordering::Relaxed);
}

fn converse(perform: Perform<'_>, client: UnixStream) -> io::Result<()> {
    let mut answers = client.try_clone()?;
    let mut lines = BufReader::new(client);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            // The end, or a line without one: what would follow cannot be found.
            return Ok(());
        }
        let mut text = serde_json::to_vec(&answer(perform, &line)).map_err(io::Error::other)?;
        text.push(b'\n');
        answers.write_all(&text)?;
    }
}

fn answer(perform: Perform<'_>, line: &[u8]) -> Answer {
    match protocol::read(line) {
        Err((id, failure)) => Answer { version: VERSION, id, result: None, error: Some(failure) },
        Ok(Request { id, call, .. }) => match perform(call) {
            Ok(result) => Answer { version: VERSION, id, result: Some(result), error: None },
            Err(failure) => Answer { version: VERSION, id, result: None, error: Some(failure) },
        },
    }
}

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}
