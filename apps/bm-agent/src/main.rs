//! `purlin-bm-agent` tells the deployment server how an installed system does: it reads /proc and
//! /sys, says it in `node_exporter`'s words, and pushes that every 15 seconds over HTTPS.
mod backoff;
mod collect;
mod config;
mod error;
mod exposition;
mod push;
mod scrape;
mod source;

use backoff::{Backoff, chance};
use collect::Collector;
use collect::space::SpaceOfMounts;
use config::{Configuration, Push};
use error::Failure;
use push::Pusher;
use source::Source;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::{Builder, sleep};

const USAGE: &str = "usage: purlin-bm-agent [--config FILE] [--token FILE]   run
       purlin-bm-agent --once                            write the metrics and end
       purlin-bm-agent --version";
const CONFIGURATION: &str = "/etc/purlin/bm-agent.toml";

/// What the words on the command line ask for.
#[derive(Debug, PartialEq)]
enum Command {
    Run { configuration: PathBuf, token: Option<PathBuf> },
    Once,
    Version,
}

fn main() -> ExitCode {
    let outcome = read_words(std::env::args().skip(1)).and_then(|command| match command {
        Command::Run { configuration, token } => run(&configuration, token),
        Command::Once => {
            print!("{}", collector().collect());
            Ok(())
        }
        Command::Version => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure @ Failure::Usage(_)) => {
            eprintln!("purlin-bm-agent: {failure}\n{USAGE}");
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("purlin-bm-agent: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn read_words(mut words: impl Iterator<Item = String>) -> Result<Command, Failure> {
    let mut configuration = PathBuf::from(CONFIGURATION);
    let mut token = None;
    while let Some(word) = words.next() {
        let mut file = || {
            let missing = || Failure::Usage(format!("{word} needs the path of a file"));
            words.next().map(PathBuf::from).ok_or_else(missing)
        };
        match &*word {
            "--config" => configuration = file()?,
            "--token" => token = Some(file()?),
            "--once" => return Ok(Command::Once),
            "--version" => return Ok(Command::Version),
            _ => return Err(Failure::Usage(format!("{word}: no such option"))),
        }
    }
    Ok(Command::Run { configuration, token })
}

fn collector() -> Collector {
    let root = Path::new("/");
    Collector::new(Source::below(root), SpaceOfMounts::of_kernel(root.to_owned()))
}

/// Runs until the process is ended from outside. `token` is a file that takes the place of the
/// configured one, as where systemd hands it over.
fn run(configuration: &Path, token: Option<PathBuf>) -> Result<(), Failure> {
    let Configuration { push, scrape } = config::read_configuration(configuration)?;
    let push = push.map(|push| match token {
        Some(token_file) => Push { token_file, ..push },
        None => push,
    });
    let answering = scrape.map(|scrape| listen(scrape.listen)).transpose()?;
    match (push, answering) {
        (Some(push), _) => push_for_ever(&push),
        (None, Some(answering)) => {
            let _ = answering.join();
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

fn listen(address: SocketAddr) -> Result<std::thread::JoinHandle<()>, Failure> {
    let refuse = |source| Failure::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(refuse)?;
    let mut collector = collector();
    Builder::new()
        .name("scrape".into())
        .spawn(move || scrape::answer(&listener, || collector.collect()))
        .map_err(refuse)
}

/// What is sent is always the present: nothing is kept for a server that is away, since it dates
/// what it gets by its own clock.
fn push_for_ever(push: &Push) -> Result<(), Failure> {
    let pusher = Pusher::open(push)?;
    let mut collector = collector();
    let mut backoff = Backoff::default();
    let mut told = None;
    loop {
        let trouble =
            pusher.push(push, &collector.collect()).err().map(|failure| failure.to_string());
        if trouble != told {
            eprintln!("{}", trouble.as_deref().unwrap_or("metrics are pushed"));
        }
        sleep(backoff.next(trouble.is_none(), push.interval(), chance()));
        told = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, Failure> {
        read_words(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_words_it_runs_with_the_file_of_the_system() {
        let run = |configuration: &str, token: Option<&str>| Command::Run {
            configuration: configuration.into(),
            token: token.map(PathBuf::from),
        };
        assert_eq!(words("").unwrap(), run(CONFIGURATION, None));
        assert_eq!(words("--token /t --config /c").unwrap(), run("/c", Some("/t")));
        assert_eq!(words("--version").unwrap(), Command::Version);
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        for line in ["--config", "serve", "--token"] {
            assert!(matches!(words(line), Err(Failure::Usage(_))), "{line}");
        }
    }

    #[test]
    fn everything_is_told_of_the_machine_that_the_test_runs_on() {
        let text = collector().collect();
        for name in ["node_cpu_seconds_total{cpu=\"", "node_memory_MemTotal_bytes ", "node_load1 "]
        {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
        }
    }
}
