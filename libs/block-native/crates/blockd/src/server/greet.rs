//! The handshake on a real socket: blocking, in a short-lived thread, within one deadline, so that
//! a client that says nothing or too much holds up nobody else.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustls::ServerConfig;

use super::relay;
use crate::directory::{Directory, Offer};
use crate::nbd::exports::Exports;
use crate::nbd::handshake::{Handshake, Session, Step, TlsPolicy};
use crate::reactor::mailbox::{Mail, Travelling, share};

/// From the first byte to transmission.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a listener asks of its clients and offers them.
#[derive(Clone)]
pub struct Service {
    /// Where reactors are found.
    pub directory: Arc<Directory>,
    /// The one volume of a unix socket; `None` offers all.
    pub volume: Option<String>,
    /// Certificate and key where TLS is asked for.
    pub tls: Option<Arc<ServerConfig>>,
}

/// Greets a client and passes it to its volume's reactor. Returns when that is done; with TLS, when
/// the client has gone. `handshakes` counts those that are not in transmission, `relays` those with
/// TLS that are.
///
/// # Errors
/// The client's connection broke or it was late.
pub fn greet(
    socket: OwnedFd,
    service: &Service,
    handshakes: &AtomicUsize,
    relays: &AtomicUsize,
) -> io::Result<()> {
    handshakes.fetch_add(1, Ordering::Release);
    let relayed = negotiate(socket, service);
    if let Ok(Some(_)) = &relayed {
        relays.fetch_add(1, Ordering::Release);
    }
    handshakes.fetch_sub(1, Ordering::Release);
    let Some((tls, client, ours)) = relayed? else { return Ok(()) };
    let ended = relay::relay(tls, &client, &ours);
    relays.fetch_sub(1, Ordering::Release);
    ended
}

type Relayed = (rustls::ServerConnection, OwnedFd, OwnedFd);

/// Up to transmission. Gives what is to be relayed when there is TLS.
fn negotiate(socket: OwnedFd, service: &Service) -> io::Result<Option<Relayed>> {
    let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    let offer = Offer { directory: service.directory.clone(), volume: service.volume.clone() };
    let offer: Arc<dyn Exports> = Arc::new(offer);
    let policy = if service.tls.is_some() { TlsPolicy::Required } else { TlsPolicy::None };
    let mut handshake = Handshake::new(offer, policy);
    let mut plain = Timed { socket, deadline };
    plain.write_all(&Handshake::greeting())?;
    match (converse(&mut handshake, &mut plain)?, &service.tls) {
        (Outcome::Transmission(session), _) => {
            plain.without_deadline()?;
            adopt(service, session, plain.socket)?;
            Ok(None)
        }
        (Outcome::StartTls, Some(config)) => {
            let mut tls =
                rustls::ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            let mut stream = rustls::Stream::new(&mut tls, &mut plain);
            let Outcome::Transmission(session) = converse(&mut handshake, &mut stream)? else {
                return Ok(None);
            };
            stream.flush()?;
            plain.without_deadline()?;
            let (ours, reactors) = relay::pair()?;
            adopt(service, session, reactors)?;
            Ok(Some((tls, plain.socket, ours)))
        }
        _ => Ok(None),
    }
}

enum Outcome {
    Transmission(Session),
    StartTls,
    Closed,
}

fn converse(handshake: &mut Handshake, stream: &mut (impl Read + Write)) -> io::Result<Outcome> {
    loop {
        let mut part = vec![0; handshake.wanted_bytes()];
        stream.read_exact(&mut part)?;
        let (answer, step) = handshake.take(&part);
        stream.write_all(&answer)?;
        stream.flush()?;
        match step {
            Step::Continue => {}
            Step::StartTls => return Ok(Outcome::StartTls),
            Step::Transmission(session) => return Ok(Outcome::Transmission(session)),
            Step::Close => return Ok(Outcome::Closed),
        }
    }
}

fn adopt(service: &Service, session: Session, socket: OwnedFd) -> io::Result<()> {
    let mailbox = service
        .directory
        .mailbox(&session.export.volume)
        .ok_or_else(|| io::Error::other("the volume went away during the handshake"))?;
    let travelling = Travelling { socket: share(socket), session, pending: Vec::new() };
    mailbox.send(Mail::Adopt(travelling));
    Ok(())
}

/// A socket whose every call ends by a deadline.
struct Timed {
    socket: OwnedFd,
    deadline: Instant,
}

impl Timed {
    fn arm(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for side in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(self.socket.as_fd(), side, Some(left))?;
        }
        Ok(())
    }

    fn without_deadline(&self) -> io::Result<()> {
        for side in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(self.socket.as_fd(), side, None)?;
        }
        Ok(())
    }
}

impl Read for Timed {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.arm()?;
        Ok(rustix::io::read(&self.socket, room)?)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.arm()?;
        Ok(rustix::net::send(&self.socket, bytes, rustix::net::SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
