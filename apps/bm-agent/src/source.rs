//! Where the kernel tells how the system does.
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No file of the kernel that is read here is longer; what comes after is not looked at.
const MAXIMUM_FILE_BYTES: u64 = 4 << 20;

/// The mounted /proc and /sys, or folders like them.
#[derive(Clone, Debug)]
pub struct Source {
    proc: PathBuf,
    sys: PathBuf,
}

impl Source {
    /// Reads below `root`, which is `/` but in tests.
    pub fn below(root: &Path) -> Self {
        Self { proc: root.join("proc"), sys: root.join("sys") }
    }

    /// The text of a file below /proc; what is no UTF-8 is replaced.
    ///
    /// # Errors
    /// Those of the file system, the path in the message.
    pub fn proc(&self, path: &str) -> io::Result<String> {
        read(&self.proc.join(path))
    }

    /// A value of a file below /sys without its line end. Absent where the kernel has none or
    /// refuses to say, as it does for the carrier of an interface that is down.
    pub fn value(&self, path: &str) -> Option<String> {
        read(&self.sys.join(path)).ok().map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// Names in a folder below /sys, in order; none where there is no such folder.
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.sys.join(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAXIMUM_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
