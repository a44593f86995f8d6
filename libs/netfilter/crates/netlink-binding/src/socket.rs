//! The socket itself: every system call of this addon is here.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_void, socklen_t};

/// A step that failed: the error number, and what was tried.
pub type Failure = (i32, &'static str);

/// Bytes taken from the kernel at once; dumps come in parts of at most 32 KiB.
pub const RECEIVE_BYTES: usize = 64 * 1024;

/// Room that the kernel wants beside a message in the send buffer.
const SEND_OVERHEAD_BYTES: usize = 4096;

/// An open netlink socket.
pub struct RawSocket {
    fd: OwnedFd,
    port_id: u32,
    send_buffer_bytes: usize,
}

impl RawSocket {
    /// Opens, binds, joins groups. Answers carry the kernel's sentences (extended acknowledgement)
    /// and not the whole request again.
    pub fn open(protocol: i32, receive_bytes: u32, groups: &[u32]) -> Result<Self, Failure> {
        // SAFETY: a call without pointers.
        let raw = unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol)
        };
        if raw < 0 {
            return Err((last_errno(), "socket"));
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut socket = Self { fd, port_id: 0, send_buffer_bytes: 0 };
        socket.bind()?;
        // Older kernels and sockets without privilege do without these.
        let _ = socket.set(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        let _ = socket.set(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        let bytes = c_int::try_from(receive_bytes).unwrap_or(c_int::MAX);
        if socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes).is_err() {
            let _ = socket.set(libc::SOL_SOCKET, libc::SO_RCVBUF, bytes);
        }
        socket.join(groups)?;
        Ok(socket)
    }

    /// A second handle of the same socket; what it joins and leaves, the first one does.
    pub fn twin(&self) -> Option<Self> {
        let fd = self.fd.try_clone().ok()?;
        Some(Self { fd, port_id: self.port_id, send_buffer_bytes: self.send_buffer_bytes })
    }

    /// Messages of these groups come from now on.
    pub fn join(&self, groups: &[u32]) -> Result<(), Failure> {
        self.set_membership(libc::NETLINK_ADD_MEMBERSHIP, groups).map_err(|errno| (errno, "join"))
    }

    /// No more messages of these groups come; what is queued stays.
    pub fn leave(&self, groups: &[u32]) -> Result<(), Failure> {
        self.set_membership(libc::NETLINK_DROP_MEMBERSHIP, groups).map_err(|errno| (errno, "leave"))
    }

    fn set_membership(&self, name: c_int, groups: &[u32]) -> Result<(), i32> {
        groups.iter().try_for_each(|group| {
            let group = c_int::try_from(*group).unwrap_or(c_int::MAX);
            self.set(libc::SOL_NETLINK, name, group)
        })
    }

    /// The kernel's number of the socket.
    pub fn port_id(&self) -> u32 {
        self.port_id
    }

    /// The descriptor, for `poll`.
    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Sends messages as one. The kernel takes only what fits into the send buffer, so that is made
    /// large enough first, where the caller may.
    pub fn send(&mut self, messages: &[u8]) -> Result<(), Failure> {
        let wanted = messages.len() + SEND_OVERHEAD_BYTES;
        if wanted > self.send_buffer_bytes {
            let bytes = c_int::try_from(wanted).unwrap_or(c_int::MAX);
            if self.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes).is_err() {
                let _ = self.set(libc::SOL_SOCKET, libc::SO_SNDBUF, bytes);
            }
            self.send_buffer_bytes = wanted;
        }
        // SAFETY: the pointer and the length are those of one slice, which outlives the call.
        let sent = unsafe {
            libc::send(self.raw_fd(), messages.as_ptr().cast::<c_void>(), messages.len(), 0)
        };
        if sent < 0 { Err((last_errno(), "send")) } else { Ok(()) }
    }

    /// Takes what is queued, at most one datagram; `None` where nothing is.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, i32> {
        // SAFETY: the pointer and the length are those of one slice, which outlives the call.
        let received = unsafe {
            libc::recv(
                self.raw_fd(),
                buffer.as_mut_ptr().cast::<c_void>(),
                buffer.len(),
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
            )
        };
        if let Ok(length) = usize::try_from(received) {
            return if length > buffer.len() { Err(libc::EMSGSIZE) } else { Ok(Some(length)) };
        }
        match last_errno() {
            libc::EAGAIN | libc::EINTR => Ok(None),
            errno => Err(errno),
        }
    }

    fn bind(&mut self) -> Result<(), Failure> {
        // SAFETY: a structure of integers, for which zero is the documented "any".
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = u16::try_from(libc::AF_NETLINK).unwrap_or_default();
        let mut length = socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or_default();
        let pointer = (&raw mut address).cast::<libc::sockaddr>();
        // SAFETY: the pointer is that of `address`, and the length is its size.
        if unsafe { libc::bind(self.raw_fd(), pointer, length) } < 0 {
            return Err((last_errno(), "bind"));
        }
        // SAFETY: as above; the kernel writes at most `length` bytes.
        if unsafe { libc::getsockname(self.raw_fd(), pointer, &raw mut length) } < 0 {
            return Err((last_errno(), "getsockname"));
        }
        self.port_id = address.nl_pid;
        Ok(())
    }

    fn set(&self, level: c_int, name: c_int, value: c_int) -> Result<(), i32> {
        let length = socklen_t::try_from(size_of::<c_int>()).unwrap_or_default();
        let pointer = (&raw const value).cast::<c_void>();
        // SAFETY: the pointer is that of `value`, and the length is its size.
        let done = unsafe { libc::setsockopt(self.raw_fd(), level, name, pointer, length) };
        if done < 0 { Err(last_errno()) } else { Ok(()) }
    }
}

/// A counter that a waiting thread can be woken by.
pub struct Bell(OwnedFd);

impl Bell {
    /// Makes one that has not rung.
    pub fn new() -> Option<Self> {
        // SAFETY: a call without pointers.
        let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        // SAFETY: the descriptor was just made and belongs to nobody else.
        (raw >= 0).then(|| Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Wakes whoever waits, now or later.
    pub fn ring(&self) {
        let one = 1_u64;
        let pointer = (&raw const one).cast::<c_void>();
        // SAFETY: eight bytes of `one`, as an eventfd wants them.
        unsafe { libc::write(self.0.as_raw_fd(), pointer, size_of::<u64>()) };
    }

    /// The descriptor, for `poll`.
    pub fn raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Waits until one of the descriptors can be read, at most this long (-1: for ever); says which.
pub fn wait<const N: usize>(descriptors: [RawFd; N], timeout_ms: i32) -> [bool; N] {
    let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let count = libc::nfds_t::try_from(N).unwrap_or_default();
    // SAFETY: the pointer and the count are those of one array, which outlives the call.
    unsafe { libc::poll(polled.as_mut_ptr(), count, timeout_ms) };
    polled.map(|one| one.revents != 0)
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
