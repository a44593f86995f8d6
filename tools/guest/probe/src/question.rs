//! The questions: `ID tcp|udp|icmp ADDRESS PORT`, one a line.

use std::net::{IpAddr, SocketAddr};

/// The most questions of one call; each holds a socket.
pub(crate) const QUESTIONS_MAX: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    /// An echo request; the port is 0.
    Icmp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The asker's own word for it.
    pub(crate) id: String,
    pub(crate) transport: Transport,
    pub(crate) target: SocketAddr,
}

/// Reads all lines; empty ones are passed over. The error names the line, from 1.
pub(crate) fn parse_all(text: &str) -> Result<Vec<Question>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let questions: Vec<Question> = lines
        .map(|(i, line)| {
            parse(line).ok_or_else(|| format!("line {}: {line:?}: no question", i + 1))
        })
        .collect::<Result<_, _>>()?;
    if questions.len() > QUESTIONS_MAX {
        return Err(format!("{} questions; at most {QUESTIONS_MAX}", questions.len()));
    }
    Ok(questions)
}

fn parse(line: &str) -> Option<Question> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, transport, address, port] = words[..] else {
        return None;
    };
    let transport = match transport {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        "icmp" => Transport::Icmp,
        _ => return None,
    };
    let address: IpAddr = address.parse().ok()?;
    let port: u16 = port.parse().ok()?;
    let port = if transport == Transport::Icmp { 0 } else { port };
    Some(Question { id: id.to_owned(), transport, target: SocketAddr::new(address, port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_id_transport_address_and_port() {
        let questions = parse_all("a tcp 10.0.0.1 22\n\n b udp fd00::1 53\nc icmp 10.0.0.1 9\n");
        let question = |id: &str, transport, target: &str| Question {
            id: id.to_owned(),
            transport,
            target: target.parse().unwrap(),
        };
        let expected = vec![
            question("a", Transport::Tcp, "10.0.0.1:22"),
            question("b", Transport::Udp, "[fd00::1]:53"),
            question("c", Transport::Icmp, "10.0.0.1:0"),
        ];
        assert_eq!(questions, Ok(expected));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for line in
            ["a tcp 10.0.0.1", "a sctp ::1 1", "a tcp db-1 22", "a tcp ::1 65536", "a b c d e"]
        {
            let message = format!("line 2: {line:?}: no question");
            assert_eq!(parse_all(&format!("x tcp ::1 1\n{line}\n")), Err(message));
        }
    }

    #[test]
    fn more_than_4096_questions_are_refused() {
        let text = "x tcp ::1 1\n".repeat(QUESTIONS_MAX);
        assert_eq!(parse_all(&text).map(|questions| questions.len()), Ok(QUESTIONS_MAX));
        let message = "4097 questions; at most 4096".to_owned();
        assert_eq!(parse_all(&(text + "y tcp ::1 1")), Err(message));
    }
}
