//! Taking what is on disks away.

mod overwrite;
mod sanitize;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::clean;
use crate::console::say;
use crate::exec::run;
use crate::failure::Failure;
use crate::http::Client;
use crate::identity::find;
use crate::order::{DiskIdentity, Erasure};

const DISCARD_DEADLINE: Duration = Duration::from_mins(30);
const PROGRESS: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);

/// Erases disks, side by side, after all of them have been compared with what was meant. Tells
/// `erasing` at the start and each minute, `erased` at the end. May run again.
///
/// # Errors
/// The disk that could not be erased, and why.
pub fn erase(
    client: &Client,
    url: &str,
    how: Erasure,
    disks: &[DiskIdentity],
) -> Result<(), Failure> {
    clean::stop_layers();
    let paths: Result<Vec<PathBuf>, Failure> = disks.iter().map(find).collect();
    let paths = paths?;
    let tell = |step: &str, message: &str| -> Result<(), Failure> {
        say(&format!("{step} {message}"));
        let body = serde_json::json!({ "message": message }).to_string();
        Ok(client.post(&format!("{url}/event/{step}"), &body)?)
    };
    tell("erasing", &format!("{} disks", paths.len()))?;
    let progress: Vec<_> = paths.iter().map(|_| Progress::default()).collect();
    let outcomes: Vec<Result<(), Failure>> = thread::scope(|scope| {
        let workers: Vec<_> = paths
            .iter()
            .zip(&progress)
            .map(|(path, progress)| scope.spawn(|| erase_disk(path, how, progress)))
            .collect();
        let mut told = Instant::now();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(POLL);
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                if let Err(refused) = tell("erasing", &shown(disks, &progress)) {
                    // The server wants this no more; what is erased stays erased.
                    progress.iter().for_each(Progress::stop);
                    say(&format!("erasure stopped: {refused}"));
                }
            }
        }
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|end| end.unwrap_or_else(|_| Err(Failure::new("the worker died")))).collect()
    });
    for (disk, outcome) in disks.iter().zip(outcomes) {
        outcome.map_err(|failure| Failure(format!("erasing disk {}: {failure}", disk.link)))?;
    }
    tell("erased", &format!("{} disks", paths.len()))
}

fn erase_disk(disk: &Path, how: Erasure, progress: &Progress) -> Result<(), Failure> {
    clean::clean(disk)?;
    match how {
        Erasure::Quick => discard(disk),
        Erasure::Full => {
            if let Some(way) = sanitize::sanitize(disk)? {
                say(&format!("{} was erased by itself ({way})", disk.display()));
                clean::settle();
            } else {
                overwrite::overwrite(disk, progress)?;
            }
            // Whatever pattern a disk leaves, it must not look used.
            clean::clean(disk)
        }
    }
}

/// A disk that can forget its blocks does; one that refuses has lost its tables all the same.
fn discard(disk: &Path) -> Result<(), Failure> {
    if can_discard(disk) {
        let name = disk.to_string_lossy();
        if let Err(refused) = run("blkdiscard", &["--force", &name], DISCARD_DEADLINE) {
            say(&format!("no discard: {refused}"));
        }
        clean::clean(disk)?;
    }
    Ok(())
}

fn can_discard(disk: &Path) -> bool {
    let name = disk.file_name().unwrap_or_default();
    let path = Path::new("/sys/class/block").join(name).join("queue/discard_max_bytes");
    fs::read_to_string(path).is_ok_and(|limit| limit.trim() != "0")
}

/// How far a disk is, for the thread that tells.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicU64,
}

impl Progress {
    fn set(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.stopped.store(1, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) != 0
    }

    fn percent(&self) -> u64 {
        let total = self.total.load(Ordering::Relaxed).max(1);
        (self.done.load(Ordering::Relaxed).min(total) / (total / 100).max(1)).min(100)
    }
}

fn shown(disks: &[DiskIdentity], progress: &[Progress]) -> String {
    let parts = disks.iter().zip(progress);
    let parts: Vec<_> =
        parts.map(|(disk, progress)| format!("{} {} %", disk.link, progress.percent())).collect();
    parts.join(", ").chars().take(900).collect()
}
