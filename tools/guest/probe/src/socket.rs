//! The system calls that the standard library does not offer: a TCP connection that does not wait,
//! ping sockets, raw frames of a device, `poll`, the segments of a connection, the limit of open
//! files. All unsafe code of this program is here.

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Begins a TCP connection from `source` (unspecified: any address of the machine) and does not
/// wait for it. The inner result is what `connect` said at once.
pub(crate) fn begin_connect(
    source: IpAddr,
    target: SocketAddr,
) -> io::Result<(TcpStream, io::Result<()>)> {
    let socket = open(target, libc::SOCK_STREAM, 0)?;
    bind(&socket, source)?;
    let begun = match connect(&socket, target) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        other => other,
    };
    Ok((socket.into(), begun))
}

/// A ping socket: datagrams on it are ICMP echo messages. It needs no capability, but the group of
/// this process must be in `net.ipv4.ping_group_range`, for both families.
pub(crate) fn open_ping(
    source: IpAddr,
    target: SocketAddr,
) -> io::Result<(UdpSocket, io::Result<()>)> {
    let protocol = if target.is_ipv6() { libc::IPPROTO_ICMPV6 } else { libc::IPPROTO_ICMP };
    let socket = open(target, libc::SOCK_DGRAM, protocol).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            let text =
                "ping sockets are not allowed here; set net.ipv4.ping_group_range to 0 2147483647";
            return io::Error::new(error.kind(), text);
        }
        error
    })?;
    bind(&socket, source)?;
    let connected = connect(&socket, target);
    Ok((socket.into(), connected))
}

/// A socket on all frames of a device (`packet(7)`), with room for bursts.
pub(crate) fn open_device(device: &str) -> io::Result<OwnedFd> {
    let room_bytes: libc::c_int = 32 << 20;
    let name = CString::new(device)?;
    // SAFETY: the pointer is to a text that ends with 0 and lives until the call returns.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let flags = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes integers and gives a new descriptor or -1. Of protocol 0 nothing comes
    // before the socket is bound.
    let descriptor = check(unsafe { libc::socket(libc::AF_PACKET, flags, 0) })?;
    // SAFETY: the descriptor was just made and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        // SAFETY: the pointer and the size are those of one integer, which the kernel only reads.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const room_bytes).cast(),
                socket_length::<libc::c_int>(),
            )
        })?;
    }
    let address = libc::sockaddr_ll {
        sll_family: family(libc::AF_PACKET),
        sll_protocol: EVERY_PROTOCOL.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the pointer and the size name a whole socket address that lives until the call
    // returns.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            socket_length::<libc::sockaddr_ll>(),
        )
    })?;
    Ok(socket)
}

/// `ETH_P_ALL` of `linux/if_ether.h`.
const EVERY_PROTOCOL: u16 = 3;

/// Sends one whole frame, headers included.
pub(crate) fn send_frame(device: &impl AsRawFd, frame: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and size are those of one slice, which the kernel only reads.
    let sent = unsafe { libc::send(device.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The head of the next frame that came in from outside, as far as `buffer` goes; `None` where none
/// is waiting. Frames that this machine sends are passed over.
pub(crate) fn receive_frame(device: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        // SAFETY: an all-zero sockaddr_ll is a valid value of plain integers.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut size = socket_length::<libc::sockaddr_ll>();
        // SAFETY: the kernel writes at most as many bytes as the slice and the address have.
        let received = unsafe {
            libc::recvfrom(
                device.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
                (&raw mut address).cast(),
                &raw mut size,
            )
        };
        match usize::try_from(received) {
            Ok(_) if address.sll_pkttype == libc::PACKET_OUTGOING => {}
            Ok(length) => return Ok(Some(length)),
            Err(_) => {
                let error = io::Error::last_os_error();
                return if error.kind() == io::ErrorKind::WouldBlock {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        }
    }
}

fn open(target: SocketAddr, kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    let family = if target.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes integers and gives a new descriptor or -1.
    let descriptor = check(unsafe { libc::socket(family, kind | flags, protocol) })?;
    // SAFETY: the descriptor was just made and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn bind(socket: &OwnedFd, source: IpAddr) -> io::Result<()> {
    if source.is_unspecified() {
        return Ok(());
    }
    with_raw_address(SocketAddr::new(source, 0), |address, size| {
        // SAFETY: the pointer and the size name a whole socket address that lives until the call
        // returns.
        check(unsafe { libc::bind(socket.as_raw_fd(), address, size) })
    })
    .map(|_| ())
    .map_err(|error| io::Error::new(error.kind(), format!("source {source}: {error}")))
}

fn connect(socket: &OwnedFd, target: SocketAddr) -> io::Result<()> {
    with_raw_address(target, |address, size| {
        // SAFETY: the pointer and the size name a whole socket address that lives until the call
        // returns.
        check(unsafe { libc::connect(socket.as_raw_fd(), address, size) })
    })
    .map(|_| ())
}

/// Calls `call` with the address in the form of the system calls; the pointer is valid during the
/// call alone.
fn with_raw_address<T>(
    address: SocketAddr,
    call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> T,
) -> T {
    match address {
        SocketAddr::V4(address) => {
            let raw = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            };
            call((&raw const raw).cast(), socket_length::<libc::sockaddr_in>())
        }
        SocketAddr::V6(address) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            call((&raw const raw).cast(), socket_length::<libc::sockaddr_in6>())
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2 and 10")]
const fn family(family: libc::c_int) -> libc::sa_family_t {
    family as libc::sa_family_t
}

#[allow(clippy::cast_possible_truncation, reason = "socket structures have fewer than 256 bytes")]
const fn socket_length<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

/// What `poll` watches: a descriptor and the events waited for.
pub(crate) fn watch(descriptor: &impl AsRawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 }
}

/// Waits until one of the descriptors is ready or the time is over (`None`: without end).
pub(crate) fn poll(descriptors: &mut [libc::pollfd], time: Option<Duration>) -> io::Result<()> {
    let count = descriptors.len() as libc::nfds_t;
    let milliseconds =
        time.map_or(-1, |time| i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: pointer and count are those of one exclusive slice.
    match check(unsafe { libc::poll(descriptors.as_mut_ptr(), count, milliseconds) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

/// How many TCP segments the connection has sent and received, SYNs and repetitions included.
pub(crate) fn segments(stream: &TcpStream) -> io::Result<(u64, u64)> {
    // Offsets in the kernel's `struct tcp_info` (linux/tcp.h, both fields since Linux 4.2); libc's
    // ends before them.
    const SEGMENTS_OUT: usize = 136;
    const SEGMENTS_IN: usize = 140;
    let mut raw = [0u8; 144];
    let mut size = socket_length::<[u8; 144]>();
    // SAFETY: the kernel writes at most `size` bytes into `raw`, which has as many, and then
    // `size`.
    check(unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            raw.as_mut_ptr().cast(),
            &raw mut size,
        )
    })?;
    let number =
        |at: usize| u64::from(u32::from_ne_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]));
    Ok((number(SEGMENTS_OUT), number(SEGMENTS_IN)))
}

/// Allows this process `count` open files.
pub(crate) fn allow_open_files(count: usize) -> io::Result<()> {
    let wanted = count as libc::rlim_t;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to one exclusive structure of the call's type.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    if limit.rlim_cur >= wanted {
        return Ok(());
    }
    limit = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    // SAFETY: the pointer is to one structure of the call's type, which the kernel only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
        .map(|_| ())
        .map_err(|error| io::Error::new(error.kind(), format!("{count} open files: {error}")))
}

fn check(outcome: libc::c_int) -> io::Result<libc::c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}
