//! `probe`: what a test guest needs and a small shell lacks. Echo servers on many ports, and an
//! asker that puts many questions at once. One thread, no waiting but in `poll`.
//!
//! ```text
//! probe serve [TCPPORT...] [-u UDPPORT...]
//! probe ask MS [--source4 ADDRESS] [--source6 ADDRESS] < QUESTIONS
//! probe frames DEVICE < FRAMES
//! ```
//! A question a line: `ID tcp|udp|icmp ADDRESS PORT`. An answer a line, in the same order:
//! `ID yes MICROSECONDS` or `ID no`; then `sent N received M`, the packets of all questions
//! together. "yes" means that the other side's bytes came back. `frames` sends raw frames and shows
//! those that come (`frames.rs`). Exit codes: 0 done, 1 the system refused, 2 usage.

mod arguments;
mod ask;
mod echo_request;
mod frames;
mod question;
mod serve;
mod socket;

use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

use arguments::Command;

/// Why the program ends early.
enum Failure {
    Usage(String),
    System(io::Error),
}

fn main() -> ExitCode {
    let outcome = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Serve { tcp_ports, udp_ports }) => serve::serve(&tcp_ports, &udp_ports),
        Ok(Command::Frames { device }) => frames::carry(&device),
        Ok(Command::Ask(options)) => return report(answer(&options)),
        Err(message) => return report(Err(Failure::Usage(message))),
    };
    report(outcome.map_err(Failure::System))
}

fn report(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::System(error)) => {
            eprintln!("probe: {error}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            eprintln!("probe: {message}\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}

fn answer(options: &ask::Options) -> Result<(), Failure> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(Failure::System)?;
    let questions = question::parse_all(&text).map_err(Failure::Usage)?;
    let answers = ask::ask(&questions, options).map_err(Failure::System)?;
    write_answers(&questions, &answers).map_err(Failure::System)
}

fn write_answers(questions: &[question::Question], answers: &ask::Answers) -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    for (question, round_trip) in questions.iter().zip(&answers.round_trips) {
        match round_trip {
            Some(time) => writeln!(output, "{} yes {}", question.id, time.as_micros())?,
            None => writeln!(output, "{} no", question.id)?,
        }
    }
    writeln!(output, "sent {} received {}", answers.sent, answers.received)?;
    output.flush()
}
