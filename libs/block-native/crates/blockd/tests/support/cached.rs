//! A cached device served by a process of its own, and a writer that knows what it was promised.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::daemon::PROGRAM;
use super::{Client, PATIENCE, Random, request, wait_until};

const BLOCK: usize = 4096;

/// How a device is served.
pub struct Shape {
    pub origin_bytes: u64,
    pub ssd_mib: u64,
    pub ssds: usize,
}

/// 2048 blocks behind 1024 of SSD.
pub const SMALL: Shape = Shape { origin_bytes: 8 << 20, ssd_mib: 4, ssds: 1 };

pub struct Cached {
    pub folder: TempDir,
    pub child: Option<Child>,
    words: Vec<String>,
}

impl Cached {
    /// Files for a device of zeroes and its SSDs; nothing serves yet.
    pub fn prepare(shape: &Shape, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |file: &str| folder.path().join(file).display().to_string();
        let origin = fs::File::create(at("origin.img")).unwrap();
        origin.set_len(shape.origin_bytes).unwrap();
        let ssds: Vec<String> = (0..shape.ssds).map(|n| at(&format!("ssd{n}.img"))).collect();
        let mib = shape.ssd_mib.to_string();
        let (origin, sockets, locks) = (at("origin.img"), at("sockets"), at("locks"));
        let mut words: Vec<String> =
            ["cache-serve", "--origin", &origin, "--cache", &ssds.join(","), "--name", "v"]
                .map(str::to_owned)
                .to_vec();
        words.extend(
            ["--size-mib", &mib, "--sockets", &sockets, "--locks", &locks].map(str::to_owned),
        );
        words.extend(more.iter().map(|&word| word.to_owned()));
        Self { folder, child: None, words }
    }

    pub fn start(shape: &Shape, more: &[&str]) -> Self {
        let mut cached = Self::prepare(shape, more);
        cached.serve().unwrap();
        cached
    }

    /// Another value of an option, from the next start on.
    pub fn set(&mut self, option: &str, value: &str) {
        match self.words.iter().position(|word| word == option) {
            Some(at) => value.clone_into(&mut self.words[at + 1]),
            None => self.words.extend([option, value].map(str::to_owned)),
        }
    }

    /// Serves; what it says when it does not is the error.
    pub fn serve(&mut self) -> Result<(), String> {
        let log = fs::File::create(self.path("log")).unwrap();
        // What a killed daemon has left there tells nothing.
        let socket = self.path("sockets/v.sock");
        let _ = fs::remove_file(&socket);
        let spawned = Command::new(PROGRAM)
            .args(&self.words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut child = spawned.unwrap();
        let mut ended = None;
        wait_until("the cached device is served, or refused", || {
            ended = child.try_wait().unwrap();
            ended.is_some() || UnixStream::connect(&socket).is_ok()
        });
        if ended.is_some() {
            return Err(self.log());
        }
        self.child = Some(child);
        Ok(())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn uri(&self) -> String {
        format!("nbd+unix:///v?socket={}", self.path("sockets/v.sock").display())
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.path("sockets/v.sock")).enter(false)
    }

    /// Ends it with a signal nothing can be done against.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as its operator does; everything answered is durable then.
    pub fn stop(&mut self) {
        self.call("stop", None).unwrap();
        assert!(self.child.take().unwrap().wait().unwrap().success(), "{}", self.log());
    }

    /// Calls the control socket. The error's code is the error.
    pub fn call(&self, call: &str, arguments: Option<Value>) -> Result<Value, String> {
        let mut socket = UnixStream::connect(self.path("sockets/blockd.control.sock")).unwrap();
        socket.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let mut words = json!({ "version": 1, "id": 3, "call": call });
        if let Some(arguments) = arguments {
            words["arguments"] = arguments;
        }
        writeln!(socket, "{words}").unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer.get("error") {
            Some(error) => Err(error["code"].as_str().unwrap().to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    pub fn mode(&self, mode: &str) -> Result<Value, String> {
        self.call("cache-mode", Some(json!({ "pool": "v", "mode": mode })))
    }

    pub fn status(&self) -> Value {
        self.call("cache-status", Some(json!({ "pool": "v" }))).unwrap()["layers"][0].take()
    }

    pub fn origin(&self) -> Vec<u8> {
        fs::read(self.path("origin.img")).unwrap()
    }
}

impl Drop for Cached {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Which version of each block may be read: from the last that was flushed to the last that was
/// sent. Version 0 is zeroes.
pub struct Promise {
    flushed: Vec<u64>,
    sent: Vec<u64>,
    next: u64,
    random: Random,
}

/// Ends a writer, however the test goes.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What one block was read as.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Right,
    Wrong(u64),
}

impl Promise {
    pub fn new(blocks: usize, seed: u64) -> Self {
        Self { flushed: vec![0; blocks], sent: vec![0; blocks], next: 0, random: Random(seed) }
    }

    /// Writes 8 random blocks at a time, and flushes now and then, until the connection breaks or
    /// `enough` says so. Gives the number of flushes. A request that fails is a failure.
    pub fn write(&mut self, client: &mut Client, mut enough: impl FnMut() -> bool) -> u64 {
        let mut flushes = 0;
        while !enough() {
            for _ in 0..=self.random.below(6) {
                if self.write_some(client).is_none() {
                    return flushes;
                }
            }
            let answered = self.sent.clone();
            if send(client, &request(3, 0, 1, 0, 0)).is_none() || answer(client).is_none() {
                return flushes;
            }
            self.flushed = answered;
            flushes += 1;
        }
        flushes
    }

    /// Does `work` while a writer goes on, before it and after it. `work` is given what waits until
    /// the writer has gone on. Gives the number of flushes.
    pub fn write_beside(&mut self, client: &mut Client, work: impl FnOnce(&dyn Fn())) -> u64 {
        let (over, flushes) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            // Work that fails ends the writer too, which the scope waits for.
            let ending = Ending(&over);
            let writer = scope.spawn(|| {
                self.write(client, || {
                    flushes.fetch_add(1, Ordering::Relaxed);
                    over.load(Ordering::Relaxed)
                })
            });
            let going_on = || {
                let seen = flushes.load(Ordering::Relaxed);
                wait_until("the writer goes on", || flushes.load(Ordering::Relaxed) > seen + 3);
            };
            going_on();
            work(&going_on);
            going_on();
            drop(ending);
            writer.join().unwrap()
        })
    }

    fn write_some(&mut self, client: &mut Client) -> Option<()> {
        let blocks = self.sent.len() as u64;
        let mut chosen: Vec<u64> = (0..8).map(|_| self.random.below(blocks)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        for block in &chosen {
            self.next += 1;
            let number = usize::try_from(*block).unwrap();
            self.sent[number] = self.next;
            let mut bytes = request(1, 0, self.next, block * BLOCK as u64, 4096);
            bytes.extend(stamped(self.next, *block));
            send(client, &bytes)?;
        }
        chosen.iter().try_for_each(|_| answer(client))
    }

    /// What `bytes` of block `number` are.
    pub fn judge(&self, number: usize, bytes: &[u8]) -> Found {
        let version = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        let whole = match version {
            0 => bytes.iter().all(|byte| *byte == 0),
            _ => bytes == stamped(version, number as u64),
        };
        let promised = self.flushed[number]..=self.sent[number];
        if whole && promised.contains(&version) { Found::Right } else { Found::Wrong(version) }
    }

    /// Reads everything. What was read holds from now on, as after a crash it must. Gives how many
    /// blocks were an error; one with other bytes than promised is a failure.
    pub fn check(&mut self, client: &mut Client, when: &str) -> usize {
        let mut errors = 0;
        let blocks = self.sent.len();
        for first in (0..blocks).step_by(16) {
            for block in first..blocks.min(first + 16) {
                let message = request(0, 0, block as u64, (block * BLOCK) as u64, 4096);
                send(client, &message).unwrap();
            }
            for _ in first..blocks.min(first + 16) {
                let (error, cookie) = client.simple();
                if error != 0 {
                    errors += 1;
                    continue;
                }
                let bytes = client.take(BLOCK);
                let number = usize::try_from(cookie).unwrap();
                assert_eq!(self.judge(number, &bytes), Found::Right, "{when}: block {number}");
                self.settle(number, &bytes);
            }
        }
        errors
    }

    /// As [`Self::check`], of a whole file.
    pub fn check_file(&self, bytes: &[u8], when: &str) {
        for (number, block) in bytes.chunks(BLOCK).enumerate() {
            assert_eq!(self.judge(number, block), Found::Right, "{when}: block {number}");
        }
    }

    fn settle(&mut self, number: usize, bytes: &[u8]) {
        let version = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        self.flushed[number] = version;
        self.sent[number] = version;
    }
}

fn stamped(version: u64, block: u64) -> Vec<u8> {
    [version.to_le_bytes(), block.to_le_bytes()].concat().repeat(BLOCK / 16)
}

fn send(client: &mut Client, bytes: &[u8]) -> Option<()> {
    client.socket.write_all(bytes).ok()
}

/// The answer to a write or a flush; `None` if the connection broke.
fn answer(client: &mut Client) -> Option<()> {
    let mut head = [0; 16];
    std::io::Read::read_exact(&mut client.socket, &mut head).ok()?;
    assert_eq!(super::word(&head, 0), 0x6744_6698);
    assert_eq!(super::word(&head, 4), 0, "a request failed");
    Some(())
}

/// Copies what a device and its SSD are, without what serves them.
pub fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::create_dir_all(to.join("locks")).unwrap();
    fs::copy(from.join("locks/v.json"), to.join("locks/v.json")).unwrap();
}
