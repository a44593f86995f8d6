//! The process beside a keeper, which starts another one when it was killed. A keeper does the same
//! for its guard, so that a device is left alone only where both are killed at once.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::keeper::{MapOptions, Standing};

/// What a keeper says at most before it keeps.
pub const SAID_BYTES_MAX: u64 = 4096;
/// Between a keeper that was killed and the next.
const PAUSE: Duration = Duration::from_millis(200);
/// What a process is asked to be.
const GUARD: &str = "--guard";
const KEEPER: &str = "--keep";

/// Starts a guard, which stays; what it says goes to `said`.
///
/// # Errors
/// It could not be started.
pub fn start_guard(options: &MapOptions, standing: Option<&Standing>) -> io::Result<Child> {
    start(GUARD, options, standing)
}

/// Starts a keeper and another one whenever it was killed, until the device is taken away. Says the
/// number of the device on standard output, as a keeper does.
///
/// # Errors
/// A keeper could not be started.
pub fn guard(options: &MapOptions, standing: Option<&Standing>) -> io::Result<()> {
    // What ends the terminal of who asked for the device does not end the device.
    let _ = rustix::process::setsid();
    let mut keeper = start(KEEPER, options, standing)?;
    let standing = if let Some(standing) = standing {
        standing.clone()
    } else {
        let said = said_by(&mut keeper)?;
        let mut out = io::stdout();
        // Nobody may listen any more.
        let _ = writeln!(out, "{said}").and_then(|()| out.flush());
        let number = said.strip_prefix("nbd").and_then(|number| number.parse().ok());
        let Some(number) = number else { return keeper.wait().map(drop) };
        Standing { number, process: keeper.id() }
    };
    // One that ends by itself has nothing left to keep.
    while keeper.wait()?.code().is_none() {
        std::thread::sleep(PAUSE);
        keeper = start(KEEPER, options, Some(&standing))?;
    }
    Ok(())
}

/// The first line of a process that was started here.
///
/// # Errors
/// It cannot be read.
pub fn said_by(process: &mut Child) -> io::Result<String> {
    let mut said = String::new();
    if let Some(out) = process.stdout.take() {
        BufReader::new(out.take(SAID_BYTES_MAX)).read_line(&mut said)?;
    }
    Ok(said.trim().to_owned())
}

fn start(part: &str, options: &MapOptions, standing: Option<&Standing>) -> io::Result<Child> {
    let mut command = Command::new(program()?);
    command.args(["map", part, "--socket"]).arg(&options.socket);
    command.args(["--export", &options.export]);
    if let Some(Standing { number, process }) = standing {
        command.args(["--device", &format!("nbd{number}"), "--by", &process.to_string()]);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Whoever started this waits for the end of what it can say.
        .stderr(Stdio::null())
        .spawn()
}

/// This program's file; the new one where a package has replaced it.
fn program() -> io::Result<std::path::PathBuf> {
    let own = std::env::current_exe()?;
    let replaced = own.to_string_lossy().strip_suffix(" (deleted)").map(str::to_owned);
    Ok(replaced.filter(|path| Path::new(path).exists()).map_or(own, Into::into))
}
