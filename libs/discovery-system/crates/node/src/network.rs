//! The links of the machine, the address of the one that it was started from, and what the others
//! end at.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::console::say;
use crate::exec::run;
use crate::failure::Failure;
use crate::lldp;
use crate::report::{Neighbours, boot_nic};

const SYS: &str = "/sys";
const SHORT: Duration = Duration::from_secs(10);
/// A port of a switch that runs the spanning tree forwards after 30 s.
const LINK_WAIT: Duration = Duration::from_mins(1);
const LEASE_DEADLINE: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_millis(50);
/// Frames come every 30 s by default.
const LISTEN: Duration = Duration::from_secs(65);
const FRAME_MAX_BYTES: usize = 1600;

/// Switches every hardware link on: a link that is down has neither carrier nor neighbour.
pub fn links_up() {
    for name in link_names() {
        let set = run("busybox", &["ip", "link", "set", "dev", &name, "up"], SHORT);
        if let Err(error) = set {
            say(&format!("link {name} stays down: {error}"));
        }
    }
}

/// Waits for the link of the loader's NIC and gets an address for it by DHCP; the NIC's name.
///
/// # Errors
/// When no such NIC comes, its link stays down, or no server answers.
pub fn connect(boot_mac: Option<&str>) -> Result<String, Failure> {
    let end = Instant::now() + LINK_WAIT;
    let name = loop {
        match boot_nic(Path::new(SYS), boot_mac) {
            Some((name, true)) => break name,
            found if Instant::now() > end => {
                let wanted = boot_mac.unwrap_or("any");
                let state = if found.is_some() { "has no link" } else { "is not here" };
                let message = format!("the NIC that this system was started by ({wanted}) {state}");
                return Err(Failure(message));
            }
            _ => thread::sleep(POLL),
        }
    };
    // Nothing changes a lease of a system that lives for minutes; the client ends with the lease.
    let script = "/usr/lib/purlin/dhcp-script";
    let args = ["udhcpc", "-q", "-n", "-f", "-t", "12", "-T", "3", "-i", &name, "-s", script];
    run("busybox", &args, LEASE_DEADLINE)
        .map_err(|error| Failure(format!("no address by DHCP on {name}: {error}")))?;
    Ok(name)
}

fn link_names() -> Vec<String> {
    let folders = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let hardware = folders.filter(|entry| entry.path().join("device").exists());
    hardware.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What has been heard from the other ends so far, while a thread listens.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    heard: Arc<Mutex<Neighbours>>,
}

impl Listener {
    /// Starts to listen on all links for a little more than two rounds of announcements.
    #[must_use]
    pub fn start() -> Self {
        let listener = Self::default();
        let heard = Arc::clone(&listener.heard);
        thread::spawn(move || {
            if let Err(error) = listen(&heard) {
                say(&format!("no neighbours: {error}"));
            }
        });
        listener
    }

    /// Neighbours by the name of the link.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        self.heard.lock().map(|heard| heard.clone()).unwrap_or_default()
    }
}

fn listen(heard: &Mutex<Neighbours>) -> io::Result<()> {
    let socket = open_socket()?;
    let mut index_of = HashMap::new();
    for name in link_names() {
        // NICs drop the group's frames unless somebody asks for all groups.
        let _ = run("busybox", &["ifconfig", &name, "allmulti"], SHORT);
        let index = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?;
        if let Ok(index) = index.trim().parse::<i32>() {
            index_of.insert(index, name);
        }
    }
    let end = Instant::now() + LISTEN;
    let mut frame = [0; FRAME_MAX_BYTES];
    while Instant::now() < end {
        let Some((length, index)) = receive(&socket, &mut frame)? else { continue };
        let (Some(name), Some(neighbour)) = (index_of.get(&index), lldp::parse(&frame[..length]))
        else {
            continue;
        };
        if let Ok(mut heard) = heard.lock() {
            heard.insert(name.clone(), neighbour);
        }
    }
    Ok(())
}

/// A socket for the announcements of all links, which waits half a second at most.
fn open_socket() -> io::Result<OwnedFd> {
    let protocol = libc::c_int::from(lldp::ETHER_TYPE.to_be());
    let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes integers and gives a new descriptor or -1.
    let descriptor = check(unsafe { libc::socket(libc::AF_PACKET, flags, protocol) })?;
    // SAFETY: the descriptor was just made and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    rustix::net::sockopt::set_socket_timeout(
        &socket,
        rustix::net::sockopt::Timeout::Recv,
        Some(Duration::from_millis(500)),
    )?;
    Ok(socket)
}

/// The next frame and the number of its link; `None` where none came in time.
fn receive(socket: &OwnedFd, frame: &mut [u8]) -> io::Result<Option<(usize, i32)>> {
    // SAFETY: an all-zero sockaddr_ll is a valid value of plain integers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
    // SAFETY: the kernel writes at most as many bytes as the slice and the address have.
    let received = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            frame.as_mut_ptr().cast(),
            frame.len(),
            0,
            (&raw mut address).cast(),
            &raw mut size,
        )
    };
    let Ok(length) = usize::try_from(received) else {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        };
    };
    Ok(Some((length, address.sll_ifindex)))
}

fn check(outcome: libc::c_int) -> io::Result<libc::c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}
