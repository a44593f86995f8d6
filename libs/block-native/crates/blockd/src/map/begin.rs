//! Starting a keeper.

use std::io;

use super::guard::{said_by, start_guard};
use super::keeper::MapOptions;

/// Starts a keeper with its guard, which stay, and gives the name of its device as soon as it is
/// there, such as `nbd0`. The keeper has a deadline for each of its steps until then.
///
/// # Errors
/// What the keeper said, or it could not be started.
pub fn map(options: &MapOptions) -> io::Result<String> {
    let mut guard = start_guard(options, None)?;
    let said = said_by(&mut guard)?;
    if said.starts_with("nbd") {
        return Ok(said);
    }
    guard.wait()?;
    let said = if said.is_empty() { "its keeper ended without a word" } else { &said };
    Err(io::Error::other(said.to_owned()))
}
