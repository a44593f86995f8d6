//! Purlin's side of the erasure coding benchmark.
//!
//! Reads lines `OP K M SIZE STRIPES MS` and answers each by one JSON object on standard output:
//! `iters`, `bytes` of data an iteration (`upd`: of the one shard), `ns` of CPU time, `ok`. What
//! else there is to say goes to standard error. Operations: `enc`, `dec` (the first data shards,
//! as many as can be lost), `rep` (the first data shard alone), `upd`, and
//! `batch`, which encodes STRIPES stripes that lie back to back in one call.
//!
//! `PURLIN_EC_TECHNIQUE` names the technique (else the default one of K and M),
//! `PURLIN_EC_KERNEL` the kernel, `PURLIN_EC_STORE=stream` asks for streaming stores. Called with
//! the word `kernels` it prints every kernel there is and whether this processor has it.

mod measure;
mod reference;
mod settings;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use purlin_bench_line::{Arena, Request, Timing, answer};
use purlin_ec_core::Kernel;

use crate::settings::Settings;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None => serve(),
        Some("kernels") => print_kernels(),
        Some(word) => Err(io::Error::other(format!("{word}: the only word there is: kernels"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("purlin-ec-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let settings = Settings::from_environment().map_err(io::Error::other)?;
    let mut kept: Option<(Request, Arena)> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let request: Request = match line.parse() {
            Ok(request) => request,
            Err(bad) => {
                eprintln!("purlin-ec-worker: {bad}");
                // A line is answered in any case, for whoever asked waits for it.
                say(&answer(NOTHING, 0, false))?;
                continue;
            }
        };
        let mut arena = match kept.take() {
            Some((before, arena)) if request.shares_arena(&before) => arena,
            _ => Arena::new(&request),
        };
        let (timing, ok) =
            measure::measure(&settings, &request, &mut arena).unwrap_or_else(|why| {
                eprintln!("purlin-ec-worker: {line}: {why}");
                (NOTHING, false)
            });
        say(&answer(timing, request.counted_bytes(), ok))?;
        kept = Some((request, arena));
    }
    Ok(())
}

/// What is said of a request that cannot be served.
const NOTHING: Timing = Timing { iters: 0, ns: 1 };

fn print_kernels() -> io::Result<()> {
    for kernel in Kernel::ALL {
        say(&format!("{kernel} {}", if kernel.is_available() { "yes" } else { "no" }))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
