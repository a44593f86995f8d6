//! Starting a keeper.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::keeper::MapOptions;

/// What it says at most before it keeps.
const SAID_BYTES_MAX: u64 = 4096;

/// Starts a keeper, which stays, and gives the name of its device as soon as it is there, such as
/// `nbd0`. The keeper has a deadline for each of its steps until then.
///
/// # Errors
/// What the keeper said, or it could not be started.
pub fn map(options: &MapOptions) -> io::Result<String> {
    let mut keeper = Command::new(std::env::current_exe()?)
        .args(["map", "--keep", "--socket"])
        .arg(&options.socket)
        .args(["--export", &options.export])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Whoever started this waits for the end of what it can say.
        .stderr(Stdio::null())
        .spawn()?;
    let mut said = String::new();
    if let Some(out) = keeper.stdout.take() {
        BufReader::new(out.take(SAID_BYTES_MAX)).read_line(&mut said)?;
    }
    let said = said.trim();
    if said.starts_with("nbd") {
        return Ok(said.to_owned());
    }
    keeper.wait()?;
    let said = if said.is_empty() { "its keeper ended without a word" } else { said };
    Err(io::Error::other(said.to_owned()))
}
