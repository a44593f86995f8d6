//! fio verifies what it wrote before the daemon was killed, on the real daemon.
//!
//! fio's saved state tells how many writes were sent and which of the last ones, as many as its
//! depth, were answered. With several in flight one may stay unanswered while more than that many
//! others come and go; fio takes it for answered and finds "bad magic header 0" where it never
//! was. It ends at the first write that fails, so that it does not name the others either. So what
//! a check may ask for is here: everything at depth 1, and at every depth what ended with a flush.
//! What was answered at depth 16 is shown by `kill_9_loses_nothing_that_was_answered`, which knows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::Random;
use support::daemon::{Daemon, one_pool};

/// Mebibytes of each half of the volume: one that is written and flushed, and one that is being
/// written when the daemon is killed.
const HALF_MIB: u64 = 32;

struct Lab {
    daemon: Daemon,
    random: Random,
}

/// A job: what to write, in which order, how many at a time.
#[derive(Clone, Copy)]
struct Job {
    /// Its state is kept under this name.
    name: &'static str,
    offset_mib: u64,
    size_mib: u64,
    depth: u64,
    seed: u64,
}

impl Lab {
    fn fio(&self, job: Job, more: &[&str]) -> Child {
        let Job { name, offset_mib, size_mib, depth, seed } = job;
        let uri = self.daemon.uri("v", "v");
        Command::new("fio")
            .args(["--ioengine=nbd", "--thread", "--rw=randwrite", "--bs=4k"])
            .arg(format!("--name={name}"))
            .args(["--verify=crc32c", "--output-format=terse"])
            .arg(format!("--uri={uri}"))
            .arg(format!("--offset={offset_mib}M"))
            .arg(format!("--size={size_mib}M"))
            .arg(format!("--iodepth={depth}"))
            .arg(format!("--randseed={seed}"))
            .args(more)
            .current_dir(self.daemon.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("fio: {error}; ./purlin test installs it"))
    }

    /// Writes, flushes, and ends well.
    fn write_flushed(&self, job: Job) {
        let writer = self.fio(job, &["--do_verify=0", "--end_fsync=1", "--verify_state_save=0"]);
        let (succeeded, said) = end(writer);
        assert!(succeeded, "{said}");
    }

    /// Writes until the daemon is killed. The offsets of the writes that failed.
    fn write_killed(&mut self, job: Job) -> HashSet<u64> {
        let log = self.daemon.folder.path().join("d.img");
        let before = written_blocks(&log);
        let mut writer = self.fio(job, &["--do_verify=0", "--verify_state_save=1"]);
        // Not before something was written, and at no fixed time after that.
        let deadline = Instant::now() + support::PATIENCE;
        while written_blocks(&log) == before && writer.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "fio writes nothing");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(self.random.below(120)));
        self.daemon.kill();
        let (_, said) = end(writer);
        self.daemon.restart("v");
        offsets(&said, "write offset=")
    }

    /// Reads what a job wrote, as far as fio knows that it did. The offsets it finds wrong.
    fn verify(&self, job: Job, more: &[&str]) -> (bool, HashSet<u64>, String) {
        let (succeeded, said) = end(self.fio(
            job,
            &[&["--verify_only", "--verify_fatal=0", "--verify_state_save=0"], more].concat(),
        ));
        let wrong = said.lines().filter(|line| line.contains("verify: bad"));
        let wrong = wrong.flat_map(|line| offsets(line, " offset ")).collect();
        (succeeded, wrong, said)
    }
}

/// What changes whenever a file is written.
fn written_blocks(file: &std::path::Path) -> std::time::SystemTime {
    file.metadata().unwrap().modified().unwrap()
}

fn end(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The numbers that stand behind a word.
fn offsets(text: &str, word: &str) -> HashSet<u64> {
    let behind = text.split(word).skip(1);
    behind
        .filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect()
}

/// Rounds of: write and flush one half; write the other and kill the daemon meanwhile; verify both.
fn rounds(count: u64, port: &str) {
    let daemon = Daemon::start(&one_pool(64), "v", &["--port", port]);
    let mut lab = Lab { daemon, random: Random(7) };
    let mut killed = 0;
    for round in 0..count {
        let depth = if round % 2 == 0 { 1 } else { 16 };
        let size_mib = 1 + lab.random.below(4);
        let offset_mib = lab.random.below(HALF_MIB - size_mib);
        let flushed = Job { name: "flushed", offset_mib, size_mib, depth: 16, seed: 100 + round };
        lab.write_flushed(flushed);
        let (offset_mib, size_mib) = (HALF_MIB, HALF_MIB);
        let open = Job { name: "open", offset_mib, size_mib, depth, seed: 1000 + round };
        let failed = lab.write_killed(open);
        killed += u64::from(!failed.is_empty());
        let what = format!("{port}, round {round}, depth {depth}");
        let (succeeded, _, said) = lab.verify(flushed, &[]);
        assert!(succeeded, "{what}: what was flushed: {said}");
        let state = lab.daemon.folder.path().join("local-open-0-verify.state");
        // Without it fio had written everything before the kill.
        if state.exists() {
            if depth == 1 {
                let (_, wrong, said) = lab.verify(open, &["--verify_state_load=1"]);
                assert!(wrong.is_empty(), "{what}: answered and lost: {wrong:?}: {said}");
            }
            std::fs::remove_file(state).unwrap();
        }
    }
    assert!(killed * 2 >= count, "{killed} of {count} kills came while fio wrote");
    lab.daemon.stop();
}

#[test]
fn fio_finds_all_it_wrote_before_the_daemon_was_killed() {
    rounds(4, "best");
}

/// Minutes: `./purlin test --long`.
#[test]
#[ignore = "takes minutes"]
fn fio_finds_all_it_wrote_before_each_of_twenty_four_kills_on_either_port() {
    rounds(24, "best");
    rounds(24, "threads");
}
