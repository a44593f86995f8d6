//! The command line.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::ask::Options;

pub(crate) const USAGE: &str = "usage: probe serve [TCPPORT...] [-u UDPPORT...]\n       \
    probe ask MS [--source4 ADDRESS] [--source6 ADDRESS] < QUESTIONS\n       \
    probe frames DEVICE < FRAMES";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Serve { tcp_ports: Vec<u16>, udp_ports: Vec<u16> },
    Ask(Options),
    Frames { device: String },
}

/// Reads the words after the program's name; the error says which word is wrong.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    match words.next().as_deref() {
        Some("serve") => parse_serve(words),
        Some("ask") => parse_ask(words),
        Some("frames") => match words.next() {
            Some(device) => Ok(Command::Frames { device }),
            None => Err("frames needs a device".to_owned()),
        },
        Some(other) => Err(format!("{other}: no such command")),
        None => Err("a command is missing".to_owned()),
    }
}

fn parse_serve(words: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut tcp_ports, mut udp_ports) = (Vec::new(), Vec::new());
    let mut ports = &mut tcp_ports;
    for word in words {
        if word == "-u" {
            ports = &mut udp_ports;
        } else {
            ports.push(value(&word, "port")?);
        }
    }
    if tcp_ports.is_empty() && udp_ports.is_empty() {
        return Err("serve needs a port".to_owned());
    }
    Ok(Command::Serve { tcp_ports, udp_ports })
}

fn parse_ask(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let wait_ms: u32 = value(&words.next().unwrap_or_default(), "number of milliseconds")?;
    let mut options = Options {
        wait: Duration::from_millis(wait_ms.into()),
        source4: Ipv4Addr::UNSPECIFIED,
        source6: Ipv6Addr::UNSPECIFIED,
    };
    while let Some(word) = words.next() {
        let address = words.next().unwrap_or_default();
        match word.as_str() {
            "--source4" => options.source4 = value(&address, "IPv4 address")?,
            "--source6" => options.source6 = value(&address, "IPv6 address")?,
            _ => return Err(format!("{word}: no such option")),
        }
    }
    Ok(Command::Ask(options))
}

fn value<T: FromStr>(word: &str, what: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?}: no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn ports_before_u_are_tcp_and_after_it_udp() {
        let expected = Command::Serve { tcp_ports: vec![22, 80], udp_ports: vec![53, 123] };
        assert_eq!(parse_line("serve 22 80 -u 53 123"), Ok(expected));
        let expected = Command::Serve { tcp_ports: vec![], udp_ports: vec![53] };
        assert_eq!(parse_line("serve -u 53"), Ok(expected));
    }

    #[test]
    fn sources_are_any_address_unless_they_are_given() {
        let any = Options {
            wait: Duration::from_millis(2500),
            source4: Ipv4Addr::UNSPECIFIED,
            source6: Ipv6Addr::UNSPECIFIED,
        };
        assert_eq!(parse_line("ask 2500"), Ok(Command::Ask(any.clone())));
        let given = Options { source4: [10, 0, 0, 9].into(), source6: Ipv6Addr::LOCALHOST, ..any };
        let line = "ask 2500 --source6 ::1 --source4 10.0.0.9";
        assert_eq!(parse_line(line), Ok(Command::Ask(given)));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (line, message) in [
            ("", "a command is missing"),
            ("listen 22", "listen: no such command"),
            ("serve", "serve needs a port"),
            ("serve -u", "serve needs a port"),
            ("serve 65536", "\"65536\": no port"),
            ("frames", "frames needs a device"),
            ("ask", "\"\": no number of milliseconds"),
            ("ask soon", "\"soon\": no number of milliseconds"),
            ("ask 10 --source4 ::1", "\"::1\": no IPv4 address"),
            ("ask 10 --source6", "\"\": no IPv6 address"),
            ("ask 10 --from ::1", "--from: no such option"),
        ] {
            assert_eq!(parse_line(line), Err(message.to_owned()), "{line}");
        }
    }
}
