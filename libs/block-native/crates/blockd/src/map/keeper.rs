//! The process that keeps a device connected.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::kernel::{Connected, NbdDevices, REQUEST_TIMEOUT};
use crate::nbd::client::negotiate;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_millis(200);
/// The kernel looks at a connection that has gone at once; so often it is offered another one.
const OFFERS_MAX: usize = 50;

/// Which export becomes a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapOptions {
    /// The socket it is served on.
    pub socket: PathBuf,
    /// Its name.
    pub export: String,
}

struct Agreed {
    stream: UnixStream,
    size_bytes: u64,
    flags: u16,
}

/// Makes an export a device, says its number on standard output, and keeps it connected until
/// somebody takes it away.
///
/// # Errors
/// The export cannot be reached, or the kernel refuses.
pub fn keep(options: &MapOptions) -> io::Result<()> {
    // What ends the terminal of who asked for the device does not end the device.
    let _ = rustix::process::setsid();
    let owner = format!("{}@{}", options.export, std::process::id());
    let mut kernel = NbdDevices::open()?;
    let mut agreed = agree(options)?;
    let number = kernel.connect(&agreed.as_connected(&owner))?;
    let mine = who_holds(number);
    let mut out = io::stdout();
    // Nobody may listen any more.
    let _ = writeln!(out, "nbd{number}").and_then(|()| out.flush());
    loop {
        wait_until_gone(&agreed.stream)?;
        match connect_again(options, &mut kernel, number, &owner, mine.as_deref()) {
            Some(again) => agreed = again,
            None => return Ok(()),
        }
    }
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

/// The kernel reads from the connection; here only its end is seen.
fn wait_until_gone(stream: &UnixStream) -> io::Result<()> {
    loop {
        let mut watched = [PollFd::new(stream, PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) if !watched[0].revents().is_empty() => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Tries until the device has another connection; `None` where it was taken away.
fn connect_again(
    options: &MapOptions,
    kernel: &mut NbdDevices,
    number: u32,
    owner: &str,
    mine: Option<&str>,
) -> Option<Agreed> {
    loop {
        // A device that is being taken away has a moment to be gone.
        std::thread::sleep(RETRY_PERIOD);
        if who_holds(number).as_deref() != mine {
            return None;
        }
        let Ok(agreed) = agree(options) else { continue };
        for _ in 0..OFFERS_MAX {
            match kernel.reconnect(number, &agreed.as_connected(owner)) {
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

/// The process that connected the device; absent where it is not connected.
fn who_holds(number: u32) -> Option<String> {
    std::fs::read_to_string(Path::new("/sys/block").join(format!("nbd{number}/pid"))).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_end_of_a_connection_is_seen_without_reading_from_it() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        (&theirs).write_all(b"an answer").expect("written");
        let waiting = std::thread::spawn(move || wait_until_gone(&ours));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished(), "bytes are no end");
        drop(theirs);
        assert!(waiting.join().is_ok_and(|gone| gone.is_ok()));
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
