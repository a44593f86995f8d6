//! The process that keeps a device connected.
//!
//! ```text
//! keeping --the connection has gone--> connecting again --the kernel took one--> keeping
//! keeping --the export has another size--> the device is told --> keeping
//! keeping --its guard was killed--> another guard is started, with a keeper of its own
//! any     --the device was taken away--> ended
//! ```
//! A keeper that follows one that was killed does not have the connection over which the kernel
//! speaks. It offers one of its own, which the kernel takes where the other has gone; where it has
//! not, both are the same daemon's and end together, so that this one is watched in its place.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getppid;

use super::guard::start_guard;
use super::kernel::{Connected, NbdDevices, REQUEST_TIMEOUT};
use crate::nbd::client::negotiate;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_millis(200);
/// The kernel looks at a connection that has gone at once; so often it is offered another one.
const OFFERS_MAX: usize = 50;
/// How often it is asked how large the export is: NBD has no message that tells a client.
const LOOK_PERIOD: Duration = Duration::from_secs(3);

/// Which export becomes a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOptions {
    /// The socket it is served on.
    pub socket: PathBuf,
    /// Its name.
    pub export: String,
}

/// A device that is connected already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub number: u32,
    /// The process that connected it.
    pub process: u32,
}

struct Agreed {
    stream: UnixStream,
    size_bytes: u64,
    flags: u16,
}

/// Makes an export a device, says its number on standard output, and keeps it connected until
/// somebody takes it away; or keeps one that is `standing`.
///
/// # Errors
/// The export cannot be reached, or the kernel refuses.
pub fn keep(options: &MapOptions, standing: Option<&Standing>) -> io::Result<()> {
    let guard = getppid();
    let mut kernel = NbdDevices::open()?;
    let (standing, mut agreed) = if let Some(standing) = standing {
        let Some(agreed) = take_up(options, &mut kernel, standing) else { return Ok(()) };
        (standing.clone(), agreed)
    } else {
        let agreed = agree(options)?;
        let process = std::process::id();
        let number = kernel.connect(&agreed.as_connected(&owner_of(options, process)))?;
        let mut out = io::stdout();
        // Nobody may listen any more.
        let _ = writeln!(out, "nbd{number}").and_then(|()| out.flush());
        (Standing { number, process }, agreed)
    };
    let owner = owner_of(options, standing.process);
    loop {
        if wait_until_gone(&agreed.stream, LOOK_PERIOD)? {
            match connect_again(options, &mut kernel, &standing) {
                Some(again) => agreed = again,
                None => return Ok(()),
            }
        } else if !is_held(&standing) {
            return Ok(());
        } else if getppid() != guard {
            return start_guard(options, Some(&standing)).map(drop);
        } else if let Ok(now) = agree(options)
            && now.size_bytes != agreed.size_bytes
        {
            kernel.resize(standing.number, now.size_bytes, &owner)?;
            agreed.size_bytes = now.size_bytes;
        }
    }
}

/// Who names another may not change the device.
fn owner_of(options: &MapOptions, process: u32) -> String {
    format!("{}@{process}", options.export)
}

impl Agreed {
    fn as_connected<'a>(&'a self, owner: &'a str) -> Connected<'a> {
        let (size_bytes, flags) = (self.size_bytes, self.flags);
        Connected { socket: self.stream.as_fd(), size_bytes, flags, owner }
    }
}

fn agree(options: &MapOptions) -> io::Result<Agreed> {
    let mut stream = UnixStream::connect(&options.socket).map_err(|error| {
        let socket = options.socket.display();
        io::Error::new(error.kind(), format!("nobody serves a volume at {socket}: {error}"))
    })?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let (size_bytes, flags) = negotiate(&mut stream, &options.export)?;
    // The kernel would keep to them and give an idle device up.
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok(Agreed { stream, size_bytes, flags })
}

/// Whether the connection ends within `period`. The kernel reads from it; here only its end is
/// seen.
fn wait_until_gone(stream: &UnixStream, period: Duration) -> io::Result<bool> {
    let nanos = period.subsec_nanos().into();
    let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
    let timeout = Timespec { tv_sec: seconds, tv_nsec: nanos };
    let mut watched = [PollFd::new(stream, PollFlags::empty())];
    match poll(&mut watched, Some(&timeout)) {
        Ok(_) => Ok(!watched[0].revents().is_empty()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A connection to watch for a device that another keeper connected; `None` where it was taken
/// away.
fn take_up(options: &MapOptions, kernel: &mut NbdDevices, standing: &Standing) -> Option<Agreed> {
    let owner = owner_of(options, standing.process);
    while is_held(standing) {
        if let Ok(agreed) = agree(options)
            && kernel.reconnect(standing.number, &agreed.as_connected(&owner)).is_ok()
        {
            return Some(agreed);
        }
        std::thread::sleep(RETRY_PERIOD);
    }
    None
}

/// Tries until the device has another connection; `None` where it was taken away.
fn connect_again(
    options: &MapOptions,
    kernel: &mut NbdDevices,
    standing: &Standing,
) -> Option<Agreed> {
    let owner = owner_of(options, standing.process);
    loop {
        // A device that is being taken away has a moment to be gone.
        std::thread::sleep(RETRY_PERIOD);
        if !is_held(standing) {
            return None;
        }
        let Ok(agreed) = agree(options) else { continue };
        for _ in 0..OFFERS_MAX {
            match kernel.reconnect(standing.number, &agreed.as_connected(&owner)) {
                Ok(()) if is_taken(&agreed.stream) => return Some(agreed),
                Ok(()) => std::thread::sleep(RETRY_PERIOD),
                Err(_) => break,
            }
        }
    }
}

/// A connection that the kernel took has the kernel's timeout, and it says no other way whether it
/// did: an offer that comes before it has seen the end of the last one is passed over in silence.
fn is_taken(stream: &UnixStream) -> bool {
    stream.write_timeout().is_ok_and(|timeout| timeout == Some(REQUEST_TIMEOUT))
}

/// Whether the device is still connected by the process that was the first to keep it.
fn is_held(standing: &Standing) -> bool {
    let file = Path::new("/sys/block").join(format!("nbd{}/pid", standing.number));
    std::fs::read_to_string(file).is_ok_and(|it| it.trim() == standing.process.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_end_of_a_connection_is_seen_without_reading_from_it() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (&theirs).write_all(b"an answer").expect("written");
        let gone = |period| wait_until_gone(&ours, period).expect("watched");
        assert!(!gone(Duration::from_millis(20)), "bytes are no end");
        drop(theirs);
        assert!(gone(ANSWER_TIMEOUT));
    }

    #[test]
    fn a_server_that_says_nothing_of_the_protocol_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).expect("bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepted");
            stream.write_all(&[0x5a; 18]).expect("written");
        });
        let options = MapOptions { socket, export: "v".to_owned() };
        assert!(agree(&options).is_err_and(|error| error.to_string().contains("fixed newstyle")));
        server.join().expect("ended");
    }
}
