//! The program `purlin-blockd`.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use purlin_blockd::arguments::{self, Command, MapPart, USAGE};
use purlin_blockd::cache;
use purlin_blockd::cache::serve::{CacheOptions, CacheServeError};
use purlin_blockd::control::client::call;
use purlin_blockd::control::protocol::Call;
use purlin_blockd::daemon::serve::{End, ServeError, ServeOptions, read_plan, start};
use purlin_blockd::map;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// How often the main thread looks whether it shall end.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// A bad command line or file, as the agent's verbs have it.
const BAD_INPUT: u8 = 4;

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("purlin-blockd: {message}\n{USAGE}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    let said = match command {
        Command::Serve { options, successor } => return serve(options, successor),
        Command::CacheServe { options } => return serve_cache(options),
        Command::Map { options, part, standing } => {
            return map_volume(&options, part, standing.as_ref());
        }
        Command::Unmap { device } => return told(map::unmap(&device).map(|()| String::new())),
        Command::Check { config } => {
            return match read_plan(&config) {
                Ok(plan) => {
                    println!("{} pools, {} volumes", plan.pools.len(), plan.volumes.len());
                    ExitCode::SUCCESS
                }
                Err(error) => bad_input(&error.to_string()),
            };
        }
        Command::Status { sockets } => call(&sockets, Call::Status),
        Command::Upgrade { sockets, program } => call(&sockets, Call::Upgrade { program }),
        Command::Stop { sockets } => call(&sockets, Call::Stop),
        Command::Version => {
            println!("purlin-blockd {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
    };
    match said {
        Ok(result) => {
            println!("{result:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("purlin-blockd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn map_volume(
    options: &map::MapOptions,
    part: MapPart,
    standing: Option<&map::Standing>,
) -> ExitCode {
    let done = match part {
        MapPart::Begin => return told(map::map(options)),
        MapPart::Guard => map::guard(options, standing),
        MapPart::Keeper => map::keep(options, standing),
    };
    // Whoever started it reads the first line, and nobody anything else.
    let Err(error) = done else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stdout(), "{error}");
    ExitCode::FAILURE
}

fn told(said: std::io::Result<String>) -> ExitCode {
    match said {
        Ok(said) if said.is_empty() => ExitCode::SUCCESS,
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("purlin-blockd: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bad_input(problems: &str) -> ExitCode {
    for problem in problems.lines() {
        eprintln!("purlin-blockd: {problem}");
    }
    ExitCode::from(BAD_INPUT)
}

/// A flag that the signals to end set.
fn asked_by_signals() -> Result<Arc<AtomicBool>, ExitCode> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        if let Err(error) = flag::register(signal, Arc::clone(&asked)) {
            eprintln!("purlin-blockd: cannot take signal {signal}: {error}");
            return Err(ExitCode::FAILURE);
        }
    }
    Ok(asked)
}

fn serve_cache(options: CacheOptions) -> ExitCode {
    let asked = match asked_by_signals() {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    let daemon = match cache::serve::start(options) {
        Ok(daemon) => daemon,
        Err(CacheServeError::Input(problem)) => return bad_input(&problem),
        Err(error) => {
            eprintln!("purlin-blockd: {error}");
            return ExitCode::FAILURE;
        }
    };
    while !daemon.is_over() && !asked.load(Ordering::Acquire) {
        std::thread::sleep(LOOK_PERIOD);
    }
    // Whoever asked for the end is answered first.
    std::thread::sleep(LOOK_PERIOD);
    if daemon.shut_down() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn serve(options: ServeOptions, successor: bool) -> ExitCode {
    let asked = match asked_by_signals() {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    let heir = successor.then(|| std::io::stdin().as_fd().try_clone_to_owned()).transpose();
    let daemon = match heir.map_err(ServeError::from).and_then(|heir| start(options, heir)) {
        Ok(daemon) => daemon,
        Err(error @ ServeError::Config(_)) => return bad_input(&error.to_string()),
        Err(error) => {
            eprintln!("purlin-blockd: {error}");
            return ExitCode::FAILURE;
        }
    };
    let count = daemon.directory.volumes().len();
    eprintln!("purlin-blockd: {count} volumes in {}", daemon.options.sockets.display());
    while daemon.end() == End::None && !asked.load(Ordering::Acquire) {
        std::thread::sleep(LOOK_PERIOD);
    }
    // Whoever asked for the end is answered first.
    std::thread::sleep(LOOK_PERIOD);
    if daemon.end() == End::Depart {
        // Clients with TLS are encrypted for here until they go.
        while daemon.listeners.relays() > 0 {
            std::thread::sleep(LOOK_PERIOD);
        }
        return ExitCode::SUCCESS;
    }
    let unclosed = daemon.shut_down();
    for pool in &unclosed {
        eprintln!("purlin-blockd: pool {pool} was not closed; its log is read at the next start");
    }
    if unclosed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
