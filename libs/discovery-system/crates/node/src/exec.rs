//! Other programs, by argument arrays, each with a deadline.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Tried};

const OUTPUT_MAX_BYTES: u64 = 4 << 20;
const SHOWN_CHARACTERS: usize = 400;
const POLL: Duration = Duration::from_millis(10);

/// What a program wrote to its standard output.
pub type Output = String;

/// Runs a program to its end. Standard input is empty.
///
/// # Errors
/// When it cannot be started, ends with another code than 0, or does not end in time (it is
/// killed).
pub fn run(program: &str, args: &[&str], deadline: Duration) -> Result<Output, Failure> {
    run_with_input(program, args, "", deadline)
}

/// [`run`] with a text on the standard input.
///
/// # Errors
/// As `run`.
pub fn run_with_input(
    program: &str,
    args: &[&str],
    input: &str,
    deadline: Duration,
) -> Result<Output, Failure> {
    let mut command = Command::new(program);
    command.args(args);
    run_command(command, input, deadline)
}

/// Runs a prepared command to its end, as [`run`] does.
///
/// # Errors
/// As `run`.
pub fn run_command(
    mut command: Command,
    input: &str,
    deadline: Duration,
) -> Result<Output, Failure> {
    let shown = describe(&command);
    let end = Instant::now() + deadline;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().tried(|| shown.clone())?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    if let Some(mut stdin) = stdin {
        // A program that does not read its input says why by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = wait(&mut child, end)
        .tried(|| shown.clone())?
        .ok_or_else(|| Failure(format!("{shown}: did not end in {} s", deadline.as_secs())))?;
    let stdout = joined(stdout);
    let stderr = joined(stderr);
    if status.success() {
        return Ok(stdout);
    }
    let told = if stderr.trim().is_empty() { &stdout } else { &stderr };
    Err(Failure(format!("{shown}: ended with {}: {}", status, tail(told))))
}

/// Waits until the deadline; a child that lives then is killed and `None` is the answer.
///
/// # Errors
/// Those of the system calls.
pub fn wait(child: &mut Child, end: Instant) -> std::io::Result<Option<std::process::ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// The program and its arguments, for people.
#[must_use]
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ").chars().take(SHOWN_CHARACTERS).collect()
}

/// The end of what a program said, on one line.
#[must_use]
pub fn tail(text: &str) -> String {
    let line: Vec<_> = text.split_whitespace().collect();
    let line = line.join(" ");
    let skipped = line.chars().count().saturating_sub(SHOWN_CHARACTERS);
    line.chars().skip(skipped).collect()
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = stream.by_ref().take(OUTPUT_MAX_BYTES).read_to_end(&mut kept);
        // What is too much is read all the same, or the program would wait for ever.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        kept
    })
}

fn joined(reader: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::run;

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn arguments_are_never_a_shell_string() {
        assert_eq!(run("printf", &["%s", "$(id) ;`"], LONG).as_deref(), Ok("$(id) ;`"));
    }

    #[test]
    fn a_failure_names_the_program_and_the_end_of_its_errors() {
        let failure = run("sh", &["-c", "echo told >&2; exit 3"], LONG).unwrap_err().to_string();
        assert!(failure.contains("sh -c") && failure.contains('3'), "{failure}");
        assert!(failure.ends_with("told"), "{failure}");
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let failure = run("sleep", &["600"], Duration::from_millis(50)).unwrap_err().to_string();
        assert!(failure.contains("did not end"), "{failure}");
    }
}
