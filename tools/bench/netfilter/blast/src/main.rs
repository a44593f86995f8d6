//! `blast DEVICE COUNT OFFSET FRAME`: sends the frame (hexadecimal) that many times from the
//! device, each with another 16-bit number at the offset (the source port, so that each begins a
//! flow of its own), and prints `CPU WALL`, nanoseconds a frame. A veth hands the frame over in the
//! sender's own context, so the CPU time is that of the whole path to where the frame ends.

use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The first number written; below are the ports that a host keeps for servers.
const FIRST: usize = 1024;
const NUMBERS: usize = 60_000;

struct Order {
    device: CString,
    count: u32,
    offset: usize,
    frame: Vec<u8>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(order) = read(&words) else {
        eprintln!("usage: blast DEVICE COUNT OFFSET FRAME");
        return ExitCode::from(2);
    };
    match blast(&order) {
        Ok((cpu, wall)) => {
            println!("{} {}", (cpu / order.count).as_nanos(), (wall / order.count).as_nanos());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("blast: {error}");
            ExitCode::from(1)
        }
    }
}

fn read(words: &[String]) -> Option<Order> {
    let [device, count, offset, frame] = words else { return None };
    let frame: Option<Vec<u8>> = (0..frame.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(frame.get(at..at + 2)?, 16).ok())
        .collect();
    let order = Order {
        device: CString::new(device.as_str()).ok()?,
        count: count.parse().ok().filter(|count| *count > 0)?,
        offset: offset.parse().ok()?,
        frame: frame?,
    };
    (order.offset + 2 <= order.frame.len()).then_some(order)
}

fn blast(order: &Order) -> io::Result<(Duration, Duration)> {
    let socket = open(&order.device)?;
    let mut frame = order.frame.clone();
    let began = Instant::now();
    let cpu = cpu_time()?;
    for turn in 0..order.count as usize {
        let number = u16::try_from(FIRST + turn % NUMBERS).unwrap_or(u16::MAX);
        frame[order.offset..order.offset + 2].copy_from_slice(&number.to_be_bytes());
        send(&socket, &frame)?;
    }
    Ok((cpu_time()?.saturating_sub(cpu), began.elapsed()))
}

/// A raw socket that sends from `device`.
fn open(device: &CString) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string that lives through the call.
    let index = unsafe { libc::if_nametoindex(device.as_ptr()) };
    let index = i32::try_from(index).unwrap_or(0);
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no pointers; protocol 0 receives nothing.
    let descriptor =
        unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was opened just now and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let family = u16::try_from(libc::AF_PACKET).unwrap_or(u16::MAX);
    // SAFETY: all zeros is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = family;
    address.sll_ifindex = index;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
    // SAFETY: the address and its length belong together and live through the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

fn send(socket: &OwnedFd, frame: &[u8]) -> io::Result<()> {
    // SAFETY: the frame lives through the call, with this length.
    let sent = unsafe { libc::send(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
    // A full queue loses a frame; the others still count, as they do on a real link.
    if sent >= 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

fn cpu_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes into `time`, which lives through the call.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Ok(Duration::new(seconds, nanoseconds))
}
