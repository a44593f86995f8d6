//! The echo servers: every byte that comes on a TCP port and every UDP datagram goes back. Sockets
//! are bound to `[::]`, which takes IPv4 too (`net.ipv6.bindv6only` is 0 in a fresh network
//! namespace), or to `0.0.0.0` without IPv6.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};

use crate::socket;

/// The most TCP connections at a time; what comes beyond is closed at once.
const CONNECTIONS_MAX: usize = 2048;
const BUFFER_SIZE_BYTES: usize = 2048;
const OTHER_OPEN_FILES: usize = 64;

/// Serves until the process is killed. Errors: a port cannot be bound.
pub(crate) fn serve(tcp_ports: &[u16], udp_ports: &[u16]) -> io::Result<()> {
    socket::allow_open_files(
        CONNECTIONS_MAX + tcp_ports.len() + udp_ports.len() + OTHER_OPEN_FILES,
    )?;
    let mut server = Server { listeners: Vec::new(), udp: Vec::new(), connections: Vec::new() };
    for &port in tcp_ports {
        let listener = bind("tcp", port, |address| TcpListener::bind((address, port)))?;
        listener.set_nonblocking(true)?;
        server.listeners.push(listener);
    }
    for &port in udp_ports {
        let udp = bind("udp", port, |address| UdpSocket::bind((address, port)))?;
        udp.set_nonblocking(true)?;
        server.udp.push(udp);
    }
    loop {
        server.turn()?;
    }
}

fn bind<T>(kind: &str, port: u16, open: impl Fn(IpAddr) -> io::Result<T>) -> io::Result<T> {
    open(Ipv6Addr::UNSPECIFIED.into())
        .or_else(|error| match error.raw_os_error() {
            Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL) => open(Ipv4Addr::UNSPECIFIED.into()),
            _ => Err(error),
        })
        .map_err(|error| io::Error::new(error.kind(), format!("{kind} port {port}: {error}")))
}

struct Server {
    listeners: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes that came and could not be sent back yet; nothing is read while there are any.
    pending: Vec<u8>,
}

impl Server {
    fn turn(&mut self) -> io::Result<()> {
        let mut watched: Vec<libc::pollfd> = Vec::new();
        watched.extend(self.listeners.iter().map(|listener| socket::watch(listener, libc::POLLIN)));
        watched.extend(self.udp.iter().map(|udp| socket::watch(udp, libc::POLLIN)));
        watched.extend(self.connections.iter().map(Connection::watch));
        socket::poll(&mut watched, None)?;

        let mut ready = watched.iter().map(|watched| watched.revents != 0);
        let accepted: Vec<&TcpListener> = self
            .listeners
            .iter()
            .zip(&mut ready)
            .filter_map(|(l, is_ready)| is_ready.then_some(l))
            .collect();
        for (udp, _) in self.udp.iter().zip(&mut ready).filter(|(_, is_ready)| *is_ready) {
            echo_datagram(udp);
        }
        self.connections
            .retain_mut(|connection| !ready.next().unwrap_or(false) || connection.echo().is_ok());
        for listener in accepted {
            // A client may have gone between `poll` and `accept`: then there is nothing to serve.
            if let Ok((stream, _)) = listener.accept()
                && self.connections.len() < CONNECTIONS_MAX
                && stream.set_nonblocking(true).is_ok()
            {
                self.connections.push(Connection { stream, pending: Vec::new() });
            }
        }
        Ok(())
    }
}

impl Connection {
    fn watch(&self) -> libc::pollfd {
        let events = if self.pending.is_empty() { libc::POLLIN } else { libc::POLLOUT };
        socket::watch(&self.stream, events)
    }

    /// Sends back what came. An error means that the connection is over.
    fn echo(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            let mut buffer = [0; BUFFER_SIZE_BYTES];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(size) => self.pending.extend_from_slice(&buffer[..size]),
                Err(error) => return over_unless_blocked(error),
            }
        }
        match self.stream.write(&self.pending) {
            Ok(size) => {
                self.pending.drain(..size);
                Ok(())
            }
            Err(error) => over_unless_blocked(error),
        }
    }
}

fn over_unless_blocked(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) }
}

fn echo_datagram(udp: &UdpSocket) {
    let mut buffer = [0; BUFFER_SIZE_BYTES];
    if let Ok((size, sender)) = udp.recv_from(&mut buffer) {
        // A datagram may be lost anywhere; the asker sends again.
        let _ = udp.send_to(&buffer[..size], sender);
    }
}
