//! Calling a daemon: what the program's own verbs do.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::protocol::{Answer, Call, Request, VERSION};
use crate::daemon::sockets::CONTROL;

/// For one call.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// Calls the daemon that serves the folder `sockets`.
///
/// # Errors
/// It cannot be reached, or what it answers: the sentence with its code.
pub fn call(sockets: &Path, call: Call) -> io::Result<Value> {
    let path = sockets.join(format!("{CONTROL}.sock"));
    let mut socket = UnixStream::connect(&path).map_err(|error| {
        let message = format!("no daemon answers at {}: {error}", path.display());
        io::Error::new(error.kind(), message)
    })?;
    socket.set_read_timeout(Some(CALL_TIMEOUT))?;
    let mut line = serde_json::to_vec(&Request { version: VERSION, id: 1, call })?;
    line.push(b'\n');
    socket.write_all(&line)?;
    let mut text = String::new();
    BufReader::new(socket).read_line(&mut text)?;
    let answer: Answer = serde_json::from_str(&text)?;
    match (answer.result, answer.error) {
        (Some(result), _) => Ok(result),
        (None, Some(error)) => Err(io::Error::other(format!("{} ({})", error.message, error.code))),
        (None, None) => Err(io::Error::other("the daemon answered nothing")),
    }
}
