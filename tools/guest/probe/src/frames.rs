//! Raw frames on one device: each line of standard input, in hexadecimal, is sent as it is, and
//! each frame that comes in is written as such a line. Ends with its input.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use crate::socket;

/// Of longer frames only the head is written.
const SHOWN_SIZE_BYTES: usize = 128;
const CHUNK_SIZE_BYTES: usize = 8192;
/// Frames that one turn takes from the device, so that the input has its turn too.
const TURN_FRAMES_MAX: usize = 256;
/// How long a full sending queue is waited for before the next try.
const QUEUE_WAIT: Duration = Duration::from_millis(1);
const QUEUE_TRIES_MAX: usize = 5_000;

/// Carries frames until the input ends. Errors: no such device, no right to raw frames, a line that
/// is no frame.
pub(crate) fn carry(device: &str) -> io::Result<()> {
    let wire = socket::open_device(device)
        .map_err(|error| io::Error::new(error.kind(), format!("device {device}: {error}")))?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut pending = Vec::new();
    loop {
        let mut watched = [socket::watch(&input, libc::POLLIN), socket::watch(&wire, libc::POLLIN)];
        socket::poll(&mut watched, None)?;
        if watched[1].revents != 0 {
            write_received(&wire, &mut output)?;
        }
        if watched[0].revents != 0 {
            let mut chunk = [0; CHUNK_SIZE_BYTES];
            let size = input.read(&mut chunk)?;
            if size == 0 {
                return Ok(());
            }
            pending.extend_from_slice(&chunk[..size]);
            send_lines(&wire, &mut pending)?;
        }
    }
}

fn write_received(wire: &OwnedFd, output: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; SHOWN_SIZE_BYTES];
    for _ in 0..TURN_FRAMES_MAX {
        let Some(size) = socket::receive_frame(wire, &mut buffer)? else { break };
        output.write_all(to_hex(&buffer[..size]).as_bytes())?;
    }
    output.flush()
}

/// Sends every whole line and leaves what follows the last one.
fn send_lines(wire: &impl AsRawFd, pending: &mut Vec<u8>) -> io::Result<()> {
    let Some(last) = pending.iter().rposition(|&byte| byte == b'\n') else { return Ok(()) };
    for line in pending[..last].split(|&byte| byte == b'\n') {
        let frame = from_hex(line).ok_or_else(|| {
            let shown = String::from_utf8_lossy(line);
            io::Error::new(io::ErrorKind::InvalidData, format!("{shown:?}: no frame"))
        })?;
        send(wire, &frame)?;
    }
    pending.drain(..=last);
    Ok(())
}

fn send(wire: &impl AsRawFd, frame: &[u8]) -> io::Result<()> {
    for _ in 0..QUEUE_TRIES_MAX {
        match socket::send_frame(wire, frame) {
            Err(error) if is_queue_full(&error) => {
                socket::poll(&mut [socket::watch(wire, libc::POLLOUT)], Some(QUEUE_WAIT))?;
            }
            other => return other,
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn is_queue_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EAGAIN))
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let mut line: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
    line.push('\n');
    line
}

fn from_hex(line: &[u8]) -> Option<Vec<u8>> {
    if line.is_empty() || !line.len().is_multiple_of(2) {
        return None;
    }
    line.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_written_in_hexadecimal_reads_back_the_same() {
        let frame: Vec<u8> = (0..=255).collect();
        let line = to_hex(&frame);
        assert!(line.starts_with("000102") && line.ends_with("feff\n"));
        assert_eq!(from_hex(line.trim_end().as_bytes()), Some(frame));
    }

    #[test]
    fn what_is_not_whole_bytes_is_no_frame() {
        for line in ["", "0", "0g", "001"] {
            assert_eq!(from_hex(line.as_bytes()), None, "{line:?}");
        }
    }
}
