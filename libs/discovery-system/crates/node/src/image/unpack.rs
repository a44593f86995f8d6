//! The archive of a root file system: downloaded, checked and unpacked in one pass.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};

use crate::console::say;
use crate::exec::wait;
use crate::failure::{Failure, Tried};

const CHUNK_BYTES: usize = 1 << 18;
const PROGRESS: Duration = Duration::from_secs(5);
/// The programs end soon after their input does; what they wrote must reach the disk.
const END_DEADLINE: Duration = Duration::from_mins(10);

/// Unpacks an archive (tar, in anything that `zstd` knows by its first bytes) into `root`. The sum
/// is of the bytes as they came; one that differs fails the step, and what was unpacked by then is
/// never started, because no boot loader is there yet.
///
/// # Errors
/// When the archive breaks off, cannot be unpacked, or is not the one that was meant.
pub fn unpack(mut archive: impl Read, sha256: &str, root: &Path) -> Result<(), Failure> {
    let mut decompressor = Command::new("zstd")
        .args(["--decompress", "--stdout", "--quiet", "--force", "--long=31"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .tried(|| "zstd".to_owned())?;
    let stdout = decompressor.stdout.take().ok_or_else(|| Failure::new("zstd has no output"))?;
    let mut extractor = Command::new("tar")
        .args(["--extract", "--numeric-owner", "--same-owner", "--preserve-permissions"])
        .args(["--xattrs", "--xattrs-include=*", "--acls", "--selinux", "--directory"])
        .arg(root)
        .stdin(stdout)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .tried(|| "tar".to_owned())?;
    let mut input = decompressor.stdin.take().ok_or_else(|| Failure::new("zstd has no input"))?;
    let copied = copy(&mut archive, &mut input);
    drop(input);
    let end = Instant::now() + END_DEADLINE;
    let decompressed = wait(&mut decompressor, end).tried(|| "zstd".to_owned())?;
    let extracted = wait(&mut extractor, end).tried(|| "tar".to_owned())?;

    let found = copied?;
    if !found.eq_ignore_ascii_case(sha256) {
        return Err(Failure(format!(
            "the archive is not the one that was meant: its SHA-256 is {found}, expected {sha256}"
        )));
    }
    for (program, status) in [("zstd", decompressed), ("tar", extracted)] {
        if !status.is_some_and(|status| status.success()) {
            let seen = status.map_or_else(|| "no end".to_owned(), |status| status.to_string());
            return Err(Failure(format!("{program} could not unpack the archive: {seen}")));
        }
    }
    Ok(())
}

/// Copies to the end and gives the sum. A reader that gave up (a broken archive) is told by its own
/// end; the sum of the rest still says whose fault it is.
fn copy(archive: &mut impl Read, input: &mut impl Write) -> Result<String, Failure> {
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total: u64 = 0;
    let mut is_taken = true;
    let mut told = Instant::now();
    loop {
        let count = archive.read(&mut chunk).tried(|| format!("after {total} bytes"))?;
        if count == 0 {
            break;
        }
        context.update(&chunk[..count]);
        total += count as u64;
        if is_taken {
            match input.write_all(&chunk[..count]) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => is_taken = false,
                other => other.tried(|| "handing the archive to zstd".to_owned())?,
            }
        }
        if told.elapsed() > PROGRESS {
            say(&format!("unpacked {} MB of the archive", total / 1_000_000));
            told = Instant::now();
        }
    }
    let mut text = String::new();
    for byte in context.finish().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::copy;

    /// FIPS 180-2, appendix B.1.
    const SUM_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_sum_is_of_the_bytes_as_they_came() {
        let mut written = Vec::new();
        assert_eq!(copy(&mut &b"abc"[..], &mut written).as_deref(), Ok(SUM_OF_ABC));
        assert_eq!(written, b"abc");
    }

    #[test]
    fn a_reader_that_gave_up_does_not_hide_a_wrong_sum() {
        struct GaveUp;
        impl std::io::Write for GaveUp {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert_eq!(copy(&mut &b"abc"[..], &mut GaveUp).as_deref(), Ok(SUM_OF_ABC));
    }
}
