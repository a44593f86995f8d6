//! A disk that hangs, which is another thing than one that fails: nothing ends on it, until
//! something does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use purlin_blockd::arguments::{Command, parse};
use purlin_blockd::daemon::access::Access;
use purlin_blockd::daemon::serve::{Daemon, start_with};
use purlin_blockd::port::operation::{Completion, Handle, Operation};
use purlin_blockd::port::token::Token;
use purlin_blockd::port::{Port, PortChoice, open};
use rustix::fs::fstat;
use serde_json::{Value, json};
use support::{Client, PORTS, wait_until};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(1);
const READ: u16 = 0;
const WRITE: u16 = 1;
const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;

/// A file whose operations are held back while it hangs.
#[derive(Default)]
struct Hang {
    on: AtomicBool,
    inode: Mutex<u64>,
}

impl Hang {
    fn set(&self, file: &Path) {
        *self.inode.lock().unwrap() = fs::metadata(file).unwrap().ino();
        self.on.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.on.store(false, Ordering::SeqCst);
    }

    fn has(&self, file: &Handle) -> bool {
        self.on.load(Ordering::SeqCst)
            && fstat(file.as_fd()).unwrap().st_ino == *self.inode.lock().unwrap()
    }
}

/// A port that keeps what goes to a file that hangs.
struct HangingPort {
    inner: Box<dyn Port>,
    hang: Arc<Hang>,
    held: Vec<(Token, Operation)>,
}

impl Port for HangingPort {
    fn submit(&mut self, token: Token, operation: Operation) {
        let held = match &operation {
            Operation::Read { file, .. }
            | Operation::Write { file, .. }
            | Operation::Synchronize { file }
            | Operation::Punch { file, .. } => self.hang.has(file),
            _ => false,
        };
        if held {
            self.held.push((token, operation));
        } else {
            self.inner.submit(token, operation);
        }
    }

    fn push_out(&mut self) {
        self.inner.push_out();
    }

    fn cancel(&mut self, token: Token) {
        self.inner.cancel(token);
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        if !self.hang.on.load(Ordering::SeqCst) {
            for (token, operation) in self.held.drain(..) {
                self.inner.submit(token, operation);
            }
        }
        self.inner.wait(timeout, completions)
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}

/// Pool `p` of two disks with two copies and a volume `v`, pool `q` of one disk with `w`.
const CONFIG: &str = "\
kind: StoragePool
name: p
spec:
  redundancy: { replicas: 2 }
  disks:
    - { name: a, server: s1, path: ./a.img, sizeGiB: 0.125 }
    - { name: b, server: s2, path: ./b.img, sizeGiB: 0.125 }
---
kind: StoragePool
name: q
spec:
  redundancy: { replicas: 1 }
  disks:
    - { name: c, server: s1, path: ./c.img, sizeGiB: 0.125 }
---
kind: Volume
name: v
spec: { pool: p, sizeGiB: 0.03125 }
---
kind: Volume
name: w
spec: { pool: q, sizeGiB: 0.03125 }
";

struct Lab {
    folder: TempDir,
    daemon: Arc<Daemon>,
    hang: Arc<Hang>,
}

impl Lab {
    fn start(choice: PortChoice) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
        Self::start_in(folder, Arc::new(Hang::default()), choice)
    }

    fn start_in(folder: TempDir, hang: Arc<Hang>, choice: PortChoice) -> Self {
        let config = folder.path().join("config.yaml");
        let own = Arc::clone(&hang);
        let open_port = move || -> io::Result<Box<dyn Port>> {
            let (inner, hang) = (open(choice)?, Arc::clone(&own));
            Ok(Box::new(HangingPort { inner, hang, held: Vec::new() }))
        };
        let access = Access { open_port: Arc::new(open_port), patience: PATIENCE };
        let sockets = folder.path().join("sockets");
        let words = ["serve", "--config", path(&config), "--sockets", path(&sockets)];
        let Ok(Command::Serve { options, .. }) = parse(words.map(Into::into)) else { panic!() };
        let daemon = start_with(options, None, &access).unwrap();
        let lab = Self { folder, daemon, hang };
        if !lab.hang.on.load(Ordering::SeqCst) {
            wait_until("all is served", || ["v", "w"].iter().all(|it| lab.serves(it)));
        }
        lab
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn serves(&self, volume: &str) -> bool {
        UnixStream::connect(self.path(&format!("sockets/{volume}.sock"))).is_ok()
    }

    fn client(&self, volume: &str) -> Client {
        Client::connect(&self.path(&format!("sockets/{volume}.sock"))).enter(false)
    }

    fn call(&self, call: &str, arguments: &Value) -> Value {
        let mut answer = self.answer(call, arguments);
        assert_eq!(answer.get("error"), None, "{call}");
        answer["result"].take()
    }

    fn answer(&self, call: &str, arguments: &Value) -> Value {
        let mut socket = UnixStream::connect(self.path("sockets/blockd.control.sock")).unwrap();
        let request = json!({ "version": 1, "id": 3, "call": call, "arguments": arguments });
        writeln!(socket, "{request}").unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The volumes of the first pool.
    fn volumes(&self) -> Vec<String> {
        let pool = self.call("status", &json!(null))["pools"][0].take();
        let volumes = pool["engine"]["volumes"].as_array().unwrap();
        volumes.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The first pool, and the state of one of its disks.
    fn disk(&self, name: &str) -> (Value, String) {
        let pool = self.call("status", &json!(null))["pools"][0].take();
        let disks = pool["engine"]["disks"].as_array().unwrap().clone();
        let found = disks.iter().find(|disk| disk["name"] == name).unwrap();
        let state = found["state"].as_str().unwrap().to_owned();
        (pool, state)
    }

    /// Waits until a disk is away because it hangs, or until it is back with all it should have.
    fn wait_for(&self, name: &str, away: bool) {
        let (wanted, silent) =
            if away { ("missing", json!([name])) } else { ("online", json!([])) };
        wait_until("the disk is noticed", || {
            let (pool, state) = self.disk(name);
            let whole = away || pool["engine"]["shortStripes"] == 0;
            state == wanted && pool["reactor"]["silentDisks"] == silent && whole
        });
        if !away {
            self.call("pool-checkpoint", &json!({ "pool": "p" }));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.hang.end();
        let _ = self.daemon.shut_down();
    }
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn write(client: &mut Client, offset: u64, bytes: &[u8]) {
    client.request(WRITE, 0, 1, offset, u32::try_from(bytes.len()).unwrap());
    client.socket.write_all(bytes).unwrap();
    assert_eq!(client.simple(), (0, 1));
}

/// Asks for some blocks all over a volume at once, and looks at every byte of the answers.
fn read_all(client: &mut Client, filled: u64, wanted: impl Fn(u64) -> u8) {
    let blocks = filled / BLOCK;
    let step = blocks / 128;
    for at in 0..128 {
        let block = at * step;
        client.request(READ, 0, block, block * BLOCK, 4096);
    }
    for _ in 0..128 {
        let (error, block) = client.simple();
        assert_eq!(error, 0, "block {block}");
        assert_eq!(client.take(4096), [wanted(block); 4096], "block {block}");
    }
}

/// Writes and reads one block after the other; what all but one in a hundred took at most.
fn p99(client: &mut Client) -> Duration {
    let mut took: Vec<Duration> = Vec::new();
    for at in 0..300 {
        let start = Instant::now();
        let offset = at * 16 % 512 * BLOCK;
        if at % 2 == 0 {
            write(client, offset, &[9; 4096]);
        } else {
            client.request(READ, 0, 1, offset, 4096);
            assert_eq!(client.simple(), (0, 1));
            client.take(4096);
        }
        took.push(start.elapsed());
    }
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

#[test]
fn a_disk_that_hangs_is_done_without_holds_up_no_other_pool_and_is_taken_back() {
    for port in PORTS {
        let lab = Lab::start(port);
        let (mut v, mut w) = (lab.client("v"), lab.client("w"));
        for at in 0..16 {
            write(&mut v, at * MIB, &vec![7; 1 << 20]);
            write(&mut w, at * MIB, &vec![7; 1 << 20]);
        }
        lab.call("pool-checkpoint", &json!({ "pool": "p" }));
        let before = p99(&mut w);

        lab.hang.set(&lab.path("a.img"));
        // Each is answered: those of the disk that hangs by the other one, once it is done without.
        let reader = {
            let mut other = lab.client("v");
            std::thread::spawn(move || read_all(&mut other, 16 * MIB, |_| 7))
        };
        // While it hangs, and while the pool does not know yet, the other pool and the control
        // socket answer.
        let meanwhile = p99(&mut w);
        lab.call("snapshot-create", &json!({ "volume": "w", "name": "s" }));
        lab.wait_for("a", true);
        reader.join().unwrap();
        let after = p99(&mut w);
        eprintln!(
            "{port:?}: p99 of the other pool {before:?}, while a disk hangs {meanwhile:?} and \
             {after:?}"
        );
        // The pool takes writes without it, and its own calls.
        write(&mut v, 0, &vec![8; 1 << 20]);
        lab.call("snapshot-create", &json!({ "volume": "v", "name": "t" }));
        lab.call("pool-checkpoint", &json!({ "pool": "p" }));

        lab.hang.end();
        lab.wait_for("a", false);
        // What was written meanwhile is on it: now the other one hangs.
        lab.hang.set(&lab.path("b.img"));
        let newest = |block| if block < MIB / BLOCK { 8 } else { 7 };
        read_all(&mut v, 16 * MIB, newest);
        write(&mut v, 0, &vec![6; 1 << 20]);
        lab.wait_for("b", true);
        lab.hang.end();
        lab.wait_for("b", false);
        read_all(&mut v, 16 * MIB, |block| if block < MIB / BLOCK { 6 } else { 7 });
    }
}

/// A pool without redundancy has nobody else to ask: its requests wait, and are answered when the
/// disk answers.
#[test]
fn a_pool_without_redundancy_waits_for_its_disk_and_says_so() {
    let lab = Lab::start(PORTS[0]);
    let (mut v, mut w) = (lab.client("v"), lab.client("w"));
    write(&mut w, 0, &[7; 4096]);
    lab.call("pool-checkpoint", &json!({ "pool": "q" }));
    lab.hang.set(&lab.path("c.img"));
    w.request(READ, 0, 5, 0, 4096);
    wait_until("the disk is noticed", || {
        let pool = lab.call("status", &json!(null))["pools"][1].take();
        pool["reactor"]["silentDisks"] == json!(["c"])
    });
    write(&mut v, 0, &[7; 4096]);
    lab.hang.end();
    // Whoever asks wakes the pool's thread, as the kernel does where a disk ends something.
    lab.call("status", &json!(null));
    assert_eq!(w.simple(), (0, 5));
    assert_eq!(w.take(4096), [7; 4096]);
    wait_until("the disk is back", || {
        let pool = lab.call("status", &json!(null))["pools"][1].take();
        pool["reactor"]["silentDisks"] == json!([])
    });
}

/// A daemon used to open no socket before all pools were open, so that one whose disk hung kept all
/// volumes away until its operations timed out.
#[test]
fn a_pool_whose_disk_hangs_while_it_opens_holds_up_no_other_and_is_served_when_it_has_opened() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.yaml"), CONFIG).unwrap();
    let mut lab = Lab::start_in(folder, Arc::new(Hang::default()), PORTS[0]);
    write(&mut lab.client("w"), 0, &[7; 4096]);
    assert!(lab.daemon.shut_down().is_empty());
    let folder = std::mem::replace(&mut lab.folder, tempfile::tempdir().unwrap());
    drop(lab);

    let hang = Arc::new(Hang::default());
    hang.set(&folder.path().join("c.img"));
    let lab = Lab::start_in(folder, hang, PORTS[0]);
    let mut v = lab.client("v");
    write(&mut v, 0, &[7; 4096]);
    lab.call("snapshot-create", &json!({ "volume": "v", "name": "s" }));
    assert!(!lab.serves("w"));
    let state = || lab.call("status", &json!(null))["pools"][1]["state"]["phase"].take();
    assert_eq!(state(), "starting");

    lab.hang.end();
    wait_until("the pool is served", || state() == "running" && lab.serves("w"));
    let mut w = lab.client("w");
    w.request(READ, 0, 5, 0, 4096);
    assert_eq!(w.simple(), (0, 5));
    assert_eq!(w.take(4096), [7; 4096]);
}

/// A copy out of the second pool that stands still, since the disk there hangs.
fn copying(lab: &Lab) {
    let mut w = lab.client("w");
    for at in 0..16 {
        write(&mut w, at * MIB, &vec![7; 1 << 20]);
    }
    drop(w);
    lab.call("snapshot-create", &json!({ "volume": "w", "name": "s" }));
    lab.call("pool-checkpoint", &json!({ "pool": "q" }));
    lab.hang.set(&lab.path("c.img"));
    let words =
        json!({ "snapshot": "s", "name": "c", "linked": false, "pool": "p", "wait": false });
    lab.call("volume-clone", &words);
    assert_eq!(lab.volumes(), ["v", "copying:c", "c"]);
    assert!(!lab.serves("c"));
}

#[test]
fn a_copy_that_stands_still_holds_up_no_other_change_and_is_stopped_by_deleting_what_it_makes() {
    let lab = Lab::start(PORTS[0]);
    copying(&lab);
    lab.call("volume-create", &json!({ "pool": "p", "name": "e", "sizeBytes": MIB }));
    for (call, words) in [
        ("snapshot-delete", json!({ "name": "s" })),
        ("snapshot-create", json!({ "volume": "c", "name": "t" })),
    ] {
        let code = lab.answer(call, &words)["error"]["code"].take();
        assert_eq!(code, "PUR_BLOCK_IN_USE", "{call}");
    }
    let copy = lab.daemon.copies.of("c").unwrap();
    std::thread::scope(|threads| {
        let deleted = threads.spawn(|| lab.call("volume-delete", &json!({ "name": "c" })));
        wait_until("the copy is told to stop", || copy.stops());
        lab.hang.end();
        // Whoever asks wakes the pool's thread.
        wait_until("it is deleted", || {
            lab.call("status", &json!(null));
            deleted.is_finished()
        });
    });
    assert_eq!(lab.volumes(), ["v", "e"]);
    assert!(lab.daemon.copies.of("c").is_none());
}

#[test]
fn what_a_copy_that_was_cut_off_has_left_is_not_served_and_begun_again_by_the_same_call() {
    let lab = Lab::start(PORTS[0]);
    copying(&lab);
    let copy = lab.daemon.copies.of("c").unwrap();
    lab.daemon.copies.stop_all(Duration::ZERO);
    lab.hang.end();
    wait_until("it has ended", || {
        lab.call("status", &json!(null));
        copy.wait(Duration::ZERO).is_err_and(|error| error.to_string().contains("stopped"))
    });
    assert_eq!(lab.volumes(), ["v", "copying:c", "c"]);
    assert!(!lab.serves("c"), "a part is not served as the whole");
    let words = json!({ "snapshot": "s", "name": "c", "linked": false, "pool": "p" });
    lab.call("volume-clone", &words);
    assert_eq!(lab.volumes(), ["v", "c"]);
    read_all(&mut lab.client("c"), 16 * MIB, |_| 7);
}
