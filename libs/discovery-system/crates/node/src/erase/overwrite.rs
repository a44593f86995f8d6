//! Zeros over every byte of a disk that has no better way.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Progress;
use crate::clean::size_bytes;
use crate::failure::{Failure, Tried};

const CHUNK_BYTES: usize = 4 << 20;
/// Written out now and then, so that progress is the disk's and not the memory's.
const SYNC_BYTES: u64 = 256 << 20;
const SAMPLES: u64 = 64;

/// Overwrites every byte and reads samples back.
///
/// # Errors
/// Where the disk refuses, or gives something else than zeros back.
pub fn overwrite(disk: &Path, progress: &Progress) -> Result<(), Failure> {
    let total = size_bytes(disk)?;
    let mut file =
        OpenOptions::new().write(true).open(disk).tried(|| disk.display().to_string())?;
    let zeros = vec![0; CHUNK_BYTES];
    let mut done = 0;
    let mut unsynchronized = 0;
    while done < total {
        if progress.is_stopped() {
            return Err(Failure(format!("stopped after {done} of {total} bytes")));
        }
        let count = usize::try_from(total - done).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        file.write_all(&zeros[..count]).tried(|| format!("overwriting at byte {done}"))?;
        done += count as u64;
        unsynchronized += count as u64;
        if unsynchronized >= SYNC_BYTES {
            file.sync_data().tried(|| format!("overwriting before byte {done}"))?;
            unsynchronized = 0;
        }
        progress.set(done, total);
    }
    file.sync_all().tried(|| "writing the last zeros".to_owned())?;
    check_samples(disk, total)
}

/// Reads blocks at even distances, past the memory's copy of them.
fn check_samples(disk: &Path, total: u64) -> Result<(), Failure> {
    let mut file = File::open(disk).tried(|| disk.display().to_string())?;
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    let mut block = [0; 4096];
    for sample in 0..SAMPLES {
        let at = (total / SAMPLES * sample) & !4095;
        let count = usize::try_from(total - at).unwrap_or(usize::MAX).min(block.len());
        file.seek(SeekFrom::Start(at)).tried(|| format!("reading back at byte {at}"))?;
        file.read_exact(&mut block[..count]).tried(|| format!("reading back at byte {at}"))?;
        if block[..count].iter().any(|byte| *byte != 0) {
            return Err(Failure(format!("read back at byte {at}: not what was written")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Progress, overwrite};

    #[test]
    fn every_byte_is_zero_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        for size in [5 << 20, 4096, 512] {
            fs::write(&path, vec![7_u8; size]).unwrap();
            let progress = Progress::default();
            overwrite(&path, &progress).unwrap();
            let bytes = fs::read(&path).unwrap();
            assert!(bytes.len() == size && bytes.iter().all(|byte| *byte == 0));
            assert_eq!(progress.percent(), 100);
        }
    }

    #[test]
    fn a_stopped_erasure_says_how_far_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        fs::write(&path, [7; 512]).unwrap();
        let progress = Progress::default();
        progress.stop();
        let failure = overwrite(&path, &progress).unwrap_err().to_string();
        assert!(failure.contains("stopped after 0 of 512"), "{failure}");
    }
}
