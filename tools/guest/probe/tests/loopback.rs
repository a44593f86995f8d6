//! The program against itself on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Output, Stdio};

/// Longer than any answer takes here; only what is never answered waits so long.
const WAIT_MS: &str = "700";

/// A running `probe serve`, ended with the test.
struct Served {
    program: Child,
    tcp: u16,
    udp: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

fn free_tcp_port() -> u16 {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

fn serve() -> Served {
    let tcp = free_tcp_port();
    let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port();
    let program = Command::new(env!("CARGO_BIN_EXE_probe"))
        .args(["serve", &tcp.to_string(), "-u", &udp.to_string()])
        .spawn()
        .unwrap();
    let served = Served { program, tcp, udp };
    let is_up = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        TcpStream::connect(("127.0.0.1", tcp)).is_ok()
    });
    assert!(is_up, "the server never listened");
    served
}

fn probe(arguments: &[&str], questions: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_probe"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not read: then the pipe may be closed already.
    let _ = program.stdin.take().unwrap().write_all(questions.as_bytes());
    program.wait_with_output().unwrap()
}

/// The answers as `ID yes` or `ID no`, and the line of counts.
fn ask(options: &[&str], questions: &str) -> (Vec<String>, String) {
    let output = probe(&[&["ask", WAIT_MS], options].concat(), questions);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let counts = lines.pop().unwrap();
    for line in &mut lines {
        let words: Vec<&str> = line.split(' ').collect();
        let is_answer = match words[..] {
            [_, "yes", microseconds] => microseconds.parse::<u64>().is_ok(),
            [_, "no"] => true,
            _ => false,
        };
        assert!(is_answer, "{line}");
        *line = words[..2].join(" ");
    }
    (lines, counts)
}

fn counted(counts: &str) -> (u64, u64) {
    let words: Vec<&str> = counts.split(' ').collect();
    let ["sent", sent, "received", received] = words[..] else {
        panic!("{counts}");
    };
    (sent.parse().unwrap(), received.parse().unwrap())
}

#[test]
fn served_ports_answer_on_both_families_and_others_do_not() {
    let served = serve();
    let (tcp, udp, free) = (served.tcp, served.udp, free_tcp_port());
    let questions = format!(
        "a tcp 127.0.0.1 {tcp}\nb tcp ::1 {tcp}\nc udp 127.0.0.1 {udp}\nd udp ::1 {udp}\n\
         e tcp 127.0.0.1 {free}\nf tcp ::1 {free}\ng udp 127.0.0.1 {free}\n"
    );
    let (answers, counts) = ask(&[], &questions);
    assert_eq!(answers, ["a yes", "b yes", "c yes", "d yes", "e no", "f no", "g no"]);
    let (sent, received) = counted(&counts);
    // TCP: SYN, ACK, bytes and maybe an ACK of the echo; SYN-ACK, ACK, echo. A refused SYN is
    // answered by one RST. UDP: one datagram each way; the unanswered question is repeated every
    // 250 ms.
    assert!(sent >= 2 * 3 + 2 + 2 + 3, "{counts}");
    assert!(received >= 2 * 2 + 2 + 2, "{counts}");
}

#[test]
fn a_thousand_questions_at_once_are_all_answered_in_their_order() {
    let served = serve();
    let kinds = [("tcp", served.tcp), ("udp", served.udp)];
    let questions: Vec<String> = (0..1000)
        .map(|i| (i, kinds[i % 2]))
        .map(|(i, (kind, port))| format!("q{i} {kind} 127.0.0.1 {port}\n"))
        .collect();
    let output = probe(&["ask", "20000"], &questions.concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let answered: Vec<&str> =
        text.lines().take(1000).filter_map(|l| l.split_once(" yes ")).map(|l| l.0).collect();
    assert_eq!(answered, (0..1000).map(|i| format!("q{i}")).collect::<Vec<_>>());
}

#[test]
fn questions_come_from_the_given_source() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = std::thread::spawn(move || listener.accept().unwrap().1.ip().to_string());
    let (answers, _) = ask(&["--source4", "127.0.0.9"], &format!("a tcp 127.0.0.1 {port}\n"));
    assert_eq!(peer.join().unwrap(), "127.0.0.9");
    assert_eq!(answers, ["a no"]);

    let output = probe(&["ask", WAIT_MS, "--source4", "192.0.2.1"], "a udp 127.0.0.1 9\n");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("probe: source 192.0.2.1: "), "{text}");
}

/// A ping socket needs the kernel's leave; where that is missing, the sentence names the setting.
#[test]
fn echo_requests_are_answered_or_the_missing_leave_is_named() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap();
    if range.split_whitespace().eq(["1", "0"]) {
        let output = probe(&["ask", WAIT_MS], "a icmp 127.0.0.1 0\n");
        assert!(String::from_utf8(output.stderr).unwrap().contains("net.ipv4.ping_group_range"));
        assert_eq!(output.status.code(), Some(1));
        return;
    }
    let (answers, counts) = ask(&[], "a icmp 127.0.0.1 0\nb icmp ::1 0\n");
    assert_eq!(answers, ["a yes", "b yes"]);
    assert_eq!(counts, "sent 2 received 2");
}

#[test]
fn a_slow_reader_gets_every_byte_back_and_holds_up_nobody() {
    let served = serve();
    let mut slow = TcpStream::connect(("::1", served.tcp)).unwrap();
    let mut writer = slow.try_clone().unwrap();
    let sent: Vec<u8> = (0..16_000_000u32).map(|i| i.to_le_bytes()[i as usize % 3]).collect();
    let expected = sent.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent));
    // Nothing is read yet, so the server's buffers for this client fill up.
    let (answers, _) = ask(&[], &format!("a tcp ::1 {}\n", served.tcp));
    assert_eq!(answers, ["a yes"]);
    let mut echoed = vec![0; expected.len()];
    slow.read_exact(&mut echoed).unwrap();
    writing.join().unwrap().unwrap();
    assert!(echoed == expected);
}

#[test]
fn bad_usage_is_refused_with_exit_code_2() {
    for (arguments, questions, message) in [
        (vec!["serve"], "", "serve needs a port"),
        (vec!["ask", "x"], "", "no number of milliseconds"),
        (vec!["ask", "10"], "a tcp nowhere 1\n", "line 1: \"a tcp nowhere 1\": no question"),
    ] {
        let output = probe(&arguments, questions);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(message) && text.contains("usage: probe serve"), "{text}");
        assert_eq!(output.status.code(), Some(2));
    }
}
