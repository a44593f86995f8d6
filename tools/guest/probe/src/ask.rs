//! The asker: all questions at once, one socket each, until all are answered or the time is over.
//!
//! TCP connects, sends a few bytes and waits for their echo; the kernel repeats what is lost. UDP
//! and ICMP are sent again every 250 ms. An error of TCP is a "no" at once; an error of UDP or ICMP
//! (a router's "unreachable") is not, since the next packet may pass.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::echo_request::{echo_request, is_reply};
use crate::question::{Question, Transport};
use crate::socket;

const REPEAT_EVERY: Duration = Duration::from_millis(250);
/// Standard input, output and error, and some room.
const OTHER_OPEN_FILES: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// After this time what has no answer is a "no".
    pub(crate) wait: Duration,
    /// The address that questions to IPv4 are sent from; unspecified: the kernel chooses.
    pub(crate) source4: Ipv4Addr,
    /// The address that questions to IPv6 are sent from; unspecified: the kernel chooses.
    pub(crate) source6: Ipv6Addr,
}

/// One round trip a question (`None` is "no"), and the packets of all.
pub(crate) struct Answers {
    pub(crate) round_trips: Vec<Option<Duration>>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// Asks everything. Errors: no socket can be had, or a source address is not this machine's.
pub(crate) fn ask(questions: &[Question], options: &Options) -> io::Result<Answers> {
    socket::allow_open_files(questions.len() + OTHER_OPEN_FILES)?;
    let end = Instant::now() + options.wait;
    let mut attempts = Vec::with_capacity(questions.len());
    for (i, question) in questions.iter().enumerate() {
        attempts.push(Attempt::begin(i, question, options)?);
    }
    while let Some(wait) = time_to_wait(&attempts, end) {
        let open: Vec<usize> = (0..attempts.len()).filter(|&i| attempts[i].is_open()).collect();
        let mut watched: Vec<libc::pollfd> = open.iter().map(|&i| attempts[i].watch()).collect();
        socket::poll(&mut watched, Some(wait))?;
        for (&i, ready) in open.iter().zip(&watched) {
            if ready.revents != 0 {
                attempts[i].advance();
            }
            attempts[i].repeat_if_due();
        }
    }
    Ok(Answers {
        sent: attempts.iter().map(Attempt::sent).sum(),
        received: attempts.iter().map(Attempt::received).sum(),
        round_trips: attempts.into_iter().map(|attempt| attempt.round_trip).collect(),
    })
}

/// Until the next repetition or the end; `None` when there is nothing to wait for.
fn time_to_wait(attempts: &[Attempt], end: Instant) -> Option<Duration> {
    let next = attempts.iter().filter(|attempt| attempt.is_open()).map(Attempt::next_repetition);
    let next = next.min()?.unwrap_or(end).min(end);
    let now = Instant::now();
    (now < end).then(|| next.saturating_duration_since(now))
}

/// How far a question has come.
enum Stage {
    Connecting(TcpStream),
    Connected(TcpStream),
    Datagrams(Datagrams),
    Closed { sent: u64, received: u64 },
}

struct Datagrams {
    socket: UdpSocket,
    is_ping: bool,
    is_v6: bool,
    /// The number of the next packet, counted from 0.
    sequence: u16,
    last: Instant,
    sent: u64,
    received: u64,
}

struct Attempt {
    payload: Vec<u8>,
    began: Instant,
    round_trip: Option<Duration>,
    stage: Stage,
}

impl Attempt {
    fn begin(index: usize, question: &Question, options: &Options) -> io::Result<Self> {
        let target = question.target;
        let source: IpAddr =
            if target.is_ipv6() { options.source6.into() } else { options.source4.into() };
        let began = Instant::now();
        let mut attempt = Self {
            payload: format!("purlin {index}\n").into_bytes(),
            began,
            round_trip: None,
            stage: Stage::Closed { sent: 0, received: 0 },
        };
        if question.transport == Transport::Tcp {
            let (stream, connected) = socket::begin_connect(source, target)?;
            attempt.stage = Stage::Connecting(stream);
            if connected.is_err() {
                attempt.close();
            }
            return Ok(attempt);
        }
        let is_ping = question.transport == Transport::Icmp;
        let (socket, connected) =
            if is_ping { socket::open_ping(source, target)? } else { open_udp(source, target)? };
        let is_v6 = target.is_ipv6();
        let (sequence, sent, received) = (0, 0, 0);
        attempt.stage = Stage::Datagrams(Datagrams {
            socket,
            is_ping,
            is_v6,
            sequence,
            last: began,
            sent,
            received,
        });
        match connected {
            Ok(()) => attempt.send_datagram(),
            Err(_) => attempt.close(),
        }
        Ok(attempt)
    }

    fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Closed { .. })
    }

    fn watch(&self) -> libc::pollfd {
        match &self.stage {
            Stage::Connecting(stream) => socket::watch(stream, libc::POLLOUT),
            Stage::Connected(stream) => socket::watch(stream, libc::POLLIN),
            Stage::Datagrams(datagrams) => socket::watch(&datagrams.socket, libc::POLLIN),
            Stage::Closed { .. } => libc::pollfd { fd: -1, events: 0, revents: 0 },
        }
    }

    fn next_repetition(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Datagrams(datagrams) => Some(datagrams.last + REPEAT_EVERY),
            _ => None,
        }
    }

    fn repeat_if_due(&mut self) {
        if self.next_repetition().is_some_and(|due| due <= Instant::now()) {
            self.send_datagram();
        }
    }

    fn send_datagram(&mut self) {
        if let Stage::Datagrams(datagrams) = &mut self.stage {
            datagrams.send(&self.payload);
        }
    }

    /// Takes the next step after `poll` said that the socket is ready or has an error.
    fn advance(&mut self) {
        match &mut self.stage {
            Stage::Connecting(stream) => match stream.take_error() {
                Ok(None) => self.greet(),
                Ok(Some(_)) | Err(_) => self.close(),
            },
            Stage::Connected(stream) => {
                let mut buffer = [0; 64];
                match stream.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Ok(size) if size > 0 && self.payload.starts_with(&buffer[..size]) => {
                        self.answered();
                    }
                    _ => self.close(),
                }
            }
            Stage::Datagrams(datagrams) => {
                if datagrams.receive(&self.payload) {
                    self.answered();
                }
            }
            Stage::Closed { .. } => {}
        }
    }

    fn greet(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed { sent: 0, received: 0 });
        if let Stage::Connecting(mut stream) = stage {
            let written = stream.write_all(&self.payload);
            self.stage = Stage::Connected(stream);
            if written.is_err() {
                self.close();
            }
        }
    }

    fn answered(&mut self) {
        self.round_trip = Some(self.began.elapsed());
        self.close();
    }

    fn close(&mut self) {
        self.stage = Stage::Closed { sent: self.sent(), received: self.received() };
    }

    fn sent(&self) -> u64 {
        self.packets().0
    }

    fn received(&self) -> u64 {
        self.packets().1
    }

    fn packets(&self) -> (u64, u64) {
        match &self.stage {
            Stage::Connecting(stream) | Stage::Connected(stream) => {
                socket::segments(stream).unwrap_or_default()
            }
            Stage::Datagrams(datagrams) => (datagrams.sent, datagrams.received),
            Stage::Closed { sent, received } => (*sent, *received),
        }
    }
}

impl Datagrams {
    fn send(&mut self, payload: &[u8]) {
        self.last = Instant::now();
        let outcome = if self.is_ping {
            self.socket.send(&echo_request(self.is_v6, self.sequence, payload))
        } else {
            self.socket.send(payload)
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += u64::from(outcome.is_ok());
    }

    /// Reads what has come, which also takes a pending error away; true when it is the echo of
    /// `payload`.
    fn receive(&mut self, payload: &[u8]) -> bool {
        let mut buffer = [0; 256];
        let Ok(size) = self.socket.recv(&mut buffer) else {
            return false;
        };
        self.received += 1;
        let message = &buffer[..size];
        if self.is_ping { is_reply(self.is_v6, message, payload) } else { message == payload }
    }
}

fn open_udp(source: IpAddr, target: SocketAddr) -> io::Result<(UdpSocket, io::Result<()>)> {
    let socket = UdpSocket::bind((source, 0))
        .map_err(|error| io::Error::new(error.kind(), format!("source {source}: {error}")))?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(target);
    Ok((socket, connected))
}
