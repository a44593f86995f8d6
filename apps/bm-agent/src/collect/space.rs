//! How much room file systems have. Asking one whose server is gone can take for ever, so a thread
//! of its own asks, and one that does not answer in time is left behind: what it hangs on is not
//! asked again before it has come back.
use rustix::fs::StatFs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// What statfs(2) says, in bytes and files.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Space {
    /// Bytes in all.
    pub size: f64,
    /// Bytes that are free.
    pub free: f64,
    /// Bytes that are free for whoever is not root.
    pub available: f64,
    /// Files there can be.
    pub files: f64,
    /// Files there can be more.
    pub files_free: f64,
}

/// Asks one mount point.
pub type Ask = dyn Fn(&str) -> io::Result<Space> + Send + Sync;

/// How long all file systems together may take for one reading.
const DEADLINE: Duration = Duration::from_secs(2);

/// No more threads than this hang at a time; once so many do, nothing is asked.
const MAXIMUM_HANGING: usize = 8;

/// A thread that asks for one mount point after the other.
struct Asker {
    questions: Sender<String>,
    answers: Receiver<io::Result<Space>>,
}

/// Asks for mount points, each reading within a deadline.
pub struct SpaceOfMounts {
    ask: Arc<Ask>,
    deadline: Duration,
    asker: Option<Asker>,
    hanging: Vec<(String, Receiver<io::Result<Space>>)>,
}

impl SpaceOfMounts {
    /// Asks the kernel, below `root`, which is `/` but in tests.
    pub fn of_kernel(root: PathBuf) -> Self {
        let ask = move |point: &str| {
            let path = root.join(point.trim_start_matches('/'));
            Ok(space_of(&rustix::fs::statfs(&path)?))
        };
        Self::asking(Arc::new(ask), DEADLINE)
    }

    /// Asks by `ask`, `deadline` for one reading of all.
    pub fn asking(ask: Arc<Ask>, deadline: Duration) -> Self {
        Self { ask, deadline, asker: None, hanging: Vec::new() }
    }

    /// The space of each mount point, in their order; absent where it cannot be had in time.
    pub fn of(&mut self, points: &[String]) -> Vec<Option<Space>> {
        // What has answered, however late, may be asked again.
        self.hanging.retain(|(_, answers)| {
            matches!(answers.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty))
        });
        let end = Instant::now() + self.deadline;
        points.iter().map(|point| self.ask_one(point, end)).collect()
    }

    fn ask_one(&mut self, point: &str, end: Instant) -> Option<Space> {
        let hangs = self.hanging.iter().any(|(hanging, _)| hanging == point);
        if hangs || self.hanging.len() >= MAXIMUM_HANGING || Instant::now() >= end {
            return None;
        }
        let asker = match self.asker.take() {
            Some(asker) => asker,
            None => self.begin()?,
        };
        if asker.questions.send(point.to_owned()).is_err() {
            return None;
        }
        let left = end.saturating_duration_since(Instant::now());
        match asker.answers.recv_timeout(left) {
            Ok(answer) => {
                self.asker = Some(asker);
                answer.ok()
            }
            Err(RecvTimeoutError::Timeout) => {
                // Its questions end with `asker`, so the thread ends once it comes back.
                self.hanging.push((point.to_owned(), asker.answers));
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn begin(&self) -> Option<Asker> {
        let (questions, asked) = channel::<String>();
        let (tell, answers) = channel();
        let ask = Arc::clone(&self.ask);
        std::thread::Builder::new()
            .name("space".into())
            .stack_size(64 << 10)
            .spawn(move || {
                for point in asked {
                    if tell.send(ask(&point)).is_err() {
                        return;
                    }
                }
            })
            .ok()?;
        Some(Asker { questions, answers })
    }
}

#[allow(clippy::cast_precision_loss)] // Sizes below 2^53 bytes are exact.
#[allow(clippy::cast_sign_loss)] // A block's size is positive.
#[allow(clippy::cast_lossless)] // The fields' widths differ by processor.
fn space_of(found: &StatFs) -> Space {
    let block = found.f_bsize as u64 as f64;
    Space {
        size: found.f_blocks as f64 * block,
        free: found.f_bfree as f64 * block,
        available: found.f_bavail as f64 * block,
        files: found.f_files as f64,
        files_free: found.f_ffree as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn points(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_file_system_that_does_not_answer_keeps_no_other_from_being_told() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (free, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let count = Arc::clone(&asked);
        let ask = move |point: &str| {
            if point == "/dead" {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = gate.lock().unwrap().recv();
            }
            Ok(Space { size: 1.0, ..Space::default() })
        };
        // The order is such that the dead one is asked last in the first reading.
        let mut spaces = SpaceOfMounts::asking(Arc::new(ask), Duration::from_secs(2));
        let first = spaces.of(&points(&["/", "/dead"]));
        assert!(first[0].is_some() && first[1].is_none());
        let second = spaces.of(&points(&["/dead", "/", "/srv"]));
        assert!(second[0].is_none() && second[1].is_some() && second[2].is_some());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "it is not asked again while it hangs");
        drop(free);
        while !spaces.of(&points(&["/dead"]))[0].is_some_and(|space| space.size > 0.0) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn no_more_than_so_many_threads_hang() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (_free, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let ask = move |_: &str| {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = gate.lock().map(|gate| gate.recv());
            Ok(Space::default())
        };
        let mut spaces = SpaceOfMounts::asking(Arc::new(ask), Duration::from_millis(5));
        for number in 0..40 {
            assert_eq!(spaces.of(&[format!("/{number}")]), [None]);
        }
        assert!(asked.load(Ordering::SeqCst) <= MAXIMUM_HANGING);
        assert_eq!(spaces.hanging.len(), MAXIMUM_HANGING);
    }

    #[test]
    fn the_kernel_tells_the_space_of_a_folder_and_refuses_one_that_is_not_there() {
        let mut spaces = SpaceOfMounts::of_kernel(PathBuf::from("/"));
        let found = spaces.of(&points(&["/", "/proc/no/such/folder"]));
        assert!(found[0].is_some_and(|space| space.size >= space.free));
        assert_eq!(found[1], None);
    }
}
