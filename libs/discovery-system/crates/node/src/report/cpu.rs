use std::collections::BTreeMap;

use serde::Serialize;

use crate::word::word;

const SOCKETS_MAX: usize = 64;
const COUNT_MAX: u32 = 65_536;

#[derive(Debug, Serialize)]
pub struct Cpu {
    architecture: &'static str,
    sockets: Vec<Socket>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Socket {
    model: String,
    cores: u32,
    threads: u32,
}

/// Reads `/proc/cpuinfo`: one paragraph a thread. A machine that names no sockets has one.
pub fn cpu(text: &str) -> Cpu {
    let mut sockets: BTreeMap<u32, Socket> = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let mut pairs = paragraph.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
        };
        if field("processor").is_none() {
            continue;
        }
        let number = |name: &str| field(name).and_then(|value| value.parse::<u32>().ok());
        let socket = sockets.entry(number("physical id").unwrap_or(0)).or_insert_with(|| Socket {
            model: field("model name").and_then(word).unwrap_or_else(|| "unnamed".to_owned()),
            cores: number("cpu cores").unwrap_or(0).min(COUNT_MAX),
            threads: 0,
        });
        socket.threads = (socket.threads + 1).min(COUNT_MAX);
    }
    let mut sockets: Vec<_> = sockets.into_values().take(SOCKETS_MAX).collect();
    for socket in &mut sockets {
        if socket.cores == 0 {
            socket.cores = socket.threads;
        }
    }
    if sockets.is_empty() {
        sockets.push(Socket { model: "unnamed".to_owned(), cores: 1, threads: 1 });
    }
    let architecture = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
    Cpu { architecture, sockets }
}

#[cfg(test)]
mod tests {
    use super::{Socket, cpu};

    #[test]
    fn threads_are_counted_by_socket() {
        let thread = |socket| {
            format!("processor\t: 0\nmodel name\t: Xeon\nphysical id\t: {socket}\ncpu cores\t: 1\n")
        };
        let text = [0, 0, 1, 1].map(thread).join("\n");
        let socket = Socket { model: "Xeon".to_owned(), cores: 1, threads: 2 };
        assert_eq!(cpu(&text).sockets, [socket.clone(), socket]);
    }

    #[test]
    fn a_machine_that_tells_nothing_has_one_socket() {
        assert_eq!(cpu("").sockets.len(), 1);
    }
}
