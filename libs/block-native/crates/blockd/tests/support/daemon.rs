//! A daemon of its own process, and other people's clients of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::wait_until;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_purlin-blockd");

pub struct Daemon {
    pub folder: TempDir,
    pub child: Child,
    options: Vec<String>,
}

/// One pool of one disk, and a volume `v` of so many mebibytes.
pub fn one_pool(volume_mib: u32) -> String {
    let size = f64::from(volume_mib) / 1024.0;
    format!(
        "kind: StoragePool\nname: p\nspec:\n  redundancy: {{ replicas: 1 }}\n  disks:\n    \
         - {{ name: d, server: s, path: ./d.img, sizeGiB: 0.5 }}\n---\n\
         kind: Volume\nname: v\nspec: {{ pool: p, sizeGiB: {size} }}\n"
    )
}

impl Daemon {
    /// Serves a configuration; returns when `socket` is there.
    pub fn start(config: &str, socket: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), config).unwrap();
        let options: Vec<String> = options.iter().map(|&word| word.to_owned()).collect();
        let child = spawn(folder.path(), &options);
        let daemon = Self { folder, child, options };
        daemon.wait_served(socket);
        daemon
    }

    pub fn wait_served(&self, socket: &str) {
        let path = self.socket(socket);
        wait_until("the daemon serves", || UnixStream::connect(&path).is_ok());
        // Pools open each for itself.
        wait_until("no pool is starting", || {
            let status = self.call("status", &json!(null)).unwrap();
            let pools = status["pools"].as_array().unwrap();
            pools.iter().all(|pool| pool["state"]["phase"] != "starting")
        });
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after it was killed or has ended.
    pub fn restart(&mut self, socket: &str) {
        self.child = spawn(self.folder.path(), &self.options);
        self.wait_served(socket);
    }

    pub fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("sockets/{name}.sock"))
    }

    pub fn uri(&self, volume: &str, export: &str) -> String {
        format!("nbd+unix:///{export}?socket={}", self.socket(volume).display())
    }

    pub fn process(&self, volume: &str) -> u32 {
        let file = self.folder.path().join(format!("sockets/{volume}.pid"));
        fs::read_to_string(file).unwrap().trim().parse().unwrap()
    }

    /// Calls the control socket. The error's code is the error.
    pub fn call(&self, call: &str, arguments: &Value) -> Result<Value, String> {
        let mut socket = UnixStream::connect(self.socket("blockd.control")).unwrap();
        let request = json!({ "version": 1, "id": 3, "call": call, "arguments": arguments });
        writeln!(socket, "{request}").unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&answer["version"], &answer["id"]), (&json!(1), &json!(3)));
        match answer.get("error") {
            Some(error) => Err(error["code"].as_str().unwrap().to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    pub fn verb(&self, verb: &str) -> Output {
        let sockets = self.folder.path().join("sockets");
        Command::new(PROGRAM).arg(verb).arg("--sockets").arg(sockets).output().unwrap()
    }

    /// Tries to serve its configuration, to the end.
    pub fn try_to_serve(&self) -> Output {
        let folder = self.folder.path();
        Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(folder.join("config.yaml"))
            .arg("--sockets")
            .arg(folder.join("sockets"))
            .output()
            .unwrap()
    }

    /// Ends it and waits for that.
    pub fn stop(mut self) {
        assert!(self.verb("stop").status.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // After an upgrade there is a process that is not the child; it knows its folder.
        let folder = self.folder.path().to_string_lossy().into_owned();
        let file = self.folder.path().join("sockets/blockd.control.pid");
        let heir = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i32>().ok());
        let words = |id: i32| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        if let Some(id) = heir.filter(|id| words(*id).contains(&folder))
            && let Some(process) = Pid::from_raw(id)
        {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

fn spawn(folder: &Path, options: &[String]) -> Child {
    Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(folder.join("config.yaml"))
        .arg("--sockets")
        .arg(folder.join("sockets"))
        .args(options)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a program of other people; what it said when it failed is the failure.
pub fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| {
        panic!("{program}: {error}; ./purlin test installs it");
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {said}{errors}");
    said
}
