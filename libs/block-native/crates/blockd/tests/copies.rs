//! Copies of volumes into other pools: how far they are, how they are stopped, and what is there
//! after a death.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::daemon::{Daemon, run};
use support::wait_until;

const MIB: u64 = 1 << 20;

/// Pool `p` with volume `v`, and pool `q`.
fn two_pools() -> String {
    let pool = |name: &str| {
        let path = format!("./{name}.img");
        let disk = json!({ "name": name, "server": "s", "path": path, "sizeGiB": 0.25 });
        let spec = json!({ "redundancy": { "replicas": 1 }, "disks": [disk] });
        json!({ "kind": "StoragePool", "name": name, "spec": spec }).to_string()
    };
    let volume = json!({ "pool": "p", "sizeGiB": 0.125 });
    let volume = json!({ "kind": "Volume", "name": "v", "spec": volume }).to_string();
    [pool("p"), pool("q"), volume].join("\n---\n")
}

/// A daemon with 64 MiB in `v`, in two parts with a hole between, and its snapshot `s`.
fn laden() -> Daemon {
    let daemon = Daemon::start(&two_pools(), "v", &[]);
    let words = ["-c", "write -P 7 0 32M", "-c", "write -P 8 64M 32M", "-c", "flush"];
    run("qemu-io", &[&["-f", "raw"], &words[..], &[&daemon.uri("v", "v")]].concat());
    daemon.call("snapshot-create", &json!({ "volume": "v", "name": "s" })).unwrap();
    daemon
}

fn clone(daemon: &Daemon, name: &str, wait: bool) -> Result<Value, String> {
    let words =
        json!({ "snapshot": "s", "name": name, "linked": false, "pool": "q", "wait": wait });
    daemon.call("volume-clone", &words)
}

/// The volumes of the second pool by their names, and how far each is copied.
fn volumes(daemon: &Daemon) -> Vec<(String, Value)> {
    let status = daemon.call("status", &json!(null)).unwrap();
    let volumes = status["pools"][1]["engine"]["volumes"].as_array().unwrap().clone();
    let named = |it: &Value| (it["name"].as_str().unwrap().to_owned(), it["copy"].clone());
    volumes.iter().map(named).collect()
}

fn names(daemon: &Daemon) -> Vec<String> {
    volumes(daemon).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_copy_is_answered_at_once_tells_how_far_it_is_and_is_served_when_it_is_whole() {
    let daemon = laden();
    assert!(clone(&daemon, "c", false).is_ok());
    let mut last = 0;
    wait_until("the copy is served", || {
        if let Some((_, copy)) = volumes(&daemon).into_iter().find(|(name, _)| name == "c")
            && !copy.is_null()
        {
            let copied = copy["copiedBytes"].as_u64().unwrap();
            assert!(copied >= last && copied <= 64 * MIB, "{copied} after {last}");
            assert!(copy["totalBytes"].as_u64().unwrap() <= 64 * MIB, "holes are not copied");
            last = copied;
        }
        daemon.socket("c").exists()
    });
    assert_eq!(volumes(&daemon), [("c".to_owned(), Value::Null)]);
    let reads = ["-c", "read -P 7 0 32M", "-c", "read -P 0 32M 32M", "-c", "read -P 8 64M 32M"];
    run("qemu-io", &[&["-f", "raw"], &reads[..], &[&daemon.uri("c", "c")]].concat());
    // One that is waited for is there when it is answered.
    assert!(clone(&daemon, "d", true).is_ok());
    assert!(daemon.socket("d").exists());
    assert_eq!(clone(&daemon, "d", true), Err("PUR_BLOCK_NAME_TAKEN".to_owned()));
    daemon.stop();
}

#[test]
fn what_a_death_cut_off_is_not_served_and_the_same_call_begins_it_again() {
    let mut daemon = laden();
    clone(&daemon, "c", false).unwrap();
    daemon.kill();
    daemon.restart("v");
    let cut_off = names(&daemon).contains(&"copying:c".to_owned());
    assert!(volumes(&daemon).iter().all(|(_, copy)| copy.is_null()), "it does not go on by itself");
    assert_ne!(daemon.socket("c").exists(), cut_off, "a part is not served as the whole");
    assert_eq!(clone(&daemon, "c", true).is_ok(), cut_off);
    assert_eq!(names(&daemon), ["c"]);
    run("qemu-io", &["-f", "raw", "-c", "read -P 8 64M 32M", &daemon.uri("c", "c")]);
    daemon.stop();
}
