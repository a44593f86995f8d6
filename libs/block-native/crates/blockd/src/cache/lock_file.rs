//! What has to survive the SSDs of one cache, in a file of its own beside the daemon's state.
//!
//! Whoever opens the origin without its cache can look here: `dirty` says that the origin lacks
//! what an SSD has.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use purlin_cache_core::cache::Lock;
use serde::{Deserialize, Serialize};

/// The version of the file.
const VERSION: u32 = 1;

/// The file's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockWords {
    version: u32,
    /// The cached device, for people.
    pub origin: String,
    /// Its size in blocks of 4096 bytes when it was attached.
    pub origin_blocks: u64,
    /// What tells the origin from others: 32 hexadecimal digits.
    pub origin_id: String,
    /// The cache's name: a UUID.
    pub cache_id: String,
    /// The SSDs, for people.
    pub devices: Vec<String>,
    /// Where the cache begins on each SSD, in blocks.
    pub first_block: u64,
    /// How many blocks of each SSD it may use.
    pub blocks: u64,
    epoch: u64,
    dirty: bool,
}

/// The lock of a cache that is attached.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    words: LockWords,
}

impl LockWords {
    /// A lock of a cache that was never attached.
    #[must_use]
    pub fn new(origin: String, origin_blocks: u64, devices: Vec<String>) -> Self {
        Self {
            version: VERSION,
            origin,
            origin_blocks,
            origin_id: String::new(),
            cache_id: String::new(),
            devices,
            first_block: 0,
            blocks: 0,
            epoch: 0,
            dirty: false,
        }
    }
}

impl LockFile {
    /// Reads a lock; `None` if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or was not written by this program: it is never guessed at.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let words: LockWords = serde_json::from_slice(&text)?;
        if words.version != VERSION {
            let message = format!("the lock is of version {} and not {VERSION}", words.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(Some(Self { path: path.to_owned(), words }))
    }

    /// A lock that is not written yet.
    #[must_use]
    pub fn new(path: &Path, words: LockWords) -> Self {
        Self { path: path.to_owned(), words }
    }

    /// What it says.
    #[must_use]
    pub fn words(&self) -> &LockWords {
        &self.words
    }

    /// What the cache wants to know of it.
    #[must_use]
    pub fn lock(&self) -> Lock {
        Lock { epoch: self.words.epoch, dirty: self.words.dirty }
    }

    /// The SSDs are others now; the next store says so.
    pub fn set_devices(&mut self, devices: Vec<String>) {
        self.words.devices = devices;
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the lock; it is durable when this returns.
    ///
    /// # Errors
    /// What the system says; the old lock is there then.
    pub fn store(&mut self, lock: Lock) -> io::Result<()> {
        let words = LockWords { epoch: lock.epoch, dirty: lock.dirty, ..self.words.clone() };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&words)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(folder)?.sync_all()?;
        self.words = words;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_stored_is_read_again_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locks/v.json");
        assert!(LockFile::read(&path).unwrap().is_none());
        let mut file = LockFile::new(&path, LockWords::new("o".to_owned(), 9, Vec::new()));
        let lock = Lock { epoch: 7, dirty: true };
        file.store(lock).unwrap();
        assert_eq!(LockFile::read(&path).unwrap().unwrap().lock(), lock);
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [&text[..text.len() / 2], &text.replace("dirty", "wet"), ""] {
            fs::write(&path, damaged).unwrap();
            assert!(LockFile::read(&path).is_err());
        }
        fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
        assert!(LockFile::read(&path).is_err());
    }
}
