//! Disks that come, go and fail under a daemon that serves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, File};

use serde_json::{Value, json};
use support::daemon::{Daemon, run};
use support::wait_until;

const DISK_MIB: f64 = 64.0;

/// A pool over racks of one server each, with these disks, `SERVER/NAME`, and a volume.
fn config(redundancy: &str, expand: &str, disks: &[&str]) -> String {
    let racks: Vec<Value> = ["s1", "s2", "s3", "s4", "s5"]
        .iter()
        .map(|server| json!({ "rack": format!("k-{server}"), "servers": [server] }))
        .collect();
    let rooms = json!([{ "room": "r1", "racks": racks }]);
    let datacenters = json!([{ "datacenter": "d1", "rooms": rooms }]);
    let disks: Vec<Value> = disks
        .iter()
        .map(|disk| {
            let (server, name) = disk.split_once('/').unwrap();
            let path = format!("./{name}.img");
            json!({ "name": name, "server": server, "path": path, "sizeGiB": DISK_MIB / 1024.0 })
        })
        .collect();
    let redundancy: Value = serde_json::from_str(redundancy).unwrap();
    let pool = json!({
        "redundancy": redundancy, "faultDomain": "server", "expand": expand, "disks": disks,
    });
    let documents = [
        json!({ "kind": "Topology", "name": "t", "spec": { "roots": datacenters } }),
        json!({ "kind": "StoragePool", "name": "p", "spec": pool }),
        json!({ "kind": "Volume", "name": "v", "spec": { "pool": "p", "sizeGiB": 0.03125 } }),
    ];
    documents.map(|document| document.to_string()).join("\n---\n")
}

struct Lab {
    daemon: Daemon,
    redundancy: &'static str,
    expand: &'static str,
}

impl Lab {
    /// With 16 MiB of sevens in the volume, at home.
    fn start(redundancy: &'static str, expand: &'static str, disks: &[&str]) -> Self {
        let daemon = Daemon::start(&config(redundancy, expand, disks), "v", &[]);
        let uri = daemon.uri("v", "v");
        run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 16M", "-c", "flush", &uri]);
        daemon.call("pool-checkpoint", &json!({ "pool": "p" })).unwrap();
        Self { daemon, redundancy, expand }
    }

    /// From here on the file names these disks.
    fn write(&self, disks: &[&str]) {
        let text = config(self.redundancy, self.expand, disks);
        fs::write(self.daemon.folder.path().join("config.yaml"), text).unwrap();
    }

    fn call(&self, call: &str, arguments: &Value) -> Result<Value, String> {
        let mut all = json!({ "pool": "p" });
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.daemon.call(call, &all)
    }

    fn engine(&self) -> Value {
        let status = self.daemon.call("status", &json!(null)).unwrap();
        status["pools"][0]["engine"].clone()
    }

    fn names(&self) -> Vec<String> {
        let disks = self.engine()["disks"].as_array().unwrap().clone();
        disks.iter().map(|disk| disk["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything in the volume is as it was, and any `servers` servers may fail.
    fn assert_safe(&self, servers: u64) {
        let explained = self.call("pool-explain", &json!({})).unwrap();
        let placed = explained["placed"].as_array().unwrap();
        assert_eq!(placed.len(), 1, "no stripe is short: {explained}");
        let levels = placed[0]["survival"].as_array().unwrap();
        let at = levels.iter().find(|level| level["level"] == "server").unwrap();
        assert_eq!(at["any"], servers, "{explained}");
        let uri = self.daemon.uri("v", "v");
        run("qemu-io", &["-f", "raw", "-c", "read -P 7 0 16M", &uri]);
    }

    /// What moved and the least, told for people.
    fn told(&self, what: &str) -> (u64, u64) {
        let moving = &self.engine()["moving"];
        eprintln!("{what}: {moving}");
        let sum = |bytes: &Value| -> u64 {
            bytes.as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum()
        };
        (sum(&moving["movedBytes"]), sum(&moving["leastBytes"]))
    }

    fn settle(&self) {
        wait_until("nothing is left to move", || {
            let moving = self.engine()["moving"].clone();
            moving["rebalance"] == "idle" && {
                let explained = self.call("pool-explain", &json!({})).unwrap();
                explained["misplacedBytes"] == 0
                    && explained["homelessBytes"] == 0
                    && explained["lostBytes"] == 0
            }
        });
    }
}

#[test]
fn disks_are_added_replaced_evacuated_and_removed_while_volumes_are_served() {
    let lab = Lab::start("{\"erasure\":\"2+1\"}", "rebalance", &["s1/a", "s2/b", "s3/c"]);
    lab.assert_safe(1);
    assert_eq!(lab.call("disk-add", &json!({ "disks": ["d"] })).unwrap_err(), "PUR_BLOCK_NO_DISK");
    lab.write(&["s1/a", "s2/b", "s3/c", "s4/d"]);
    lab.call("disk-add", &json!({ "disks": ["d"] })).unwrap();
    let twice = lab.call("disk-add", &json!({ "disks": ["d"] }));
    assert_eq!(twice.unwrap_err(), "PUR_BLOCK_INVALID");
    lab.settle();
    let (moved, least) = lab.told("2+1, a fourth disk");
    assert!(moved > 0 && moved * 10 <= least * 13, "{moved} moved, {least} would be the least");
    lab.assert_safe(1);

    lab.write(&["s1/a", "s2/b", "s3/c", "s4/d", "s2/e"]);
    lab.call("disk-replace", &json!({ "disk": "b", "by": "e" })).unwrap();
    assert_eq!(lab.names(), ["a", "c", "d", "e"]);
    let (moved, least) = lab.told("2+1, b replaced by e beside it");
    assert!(moved > 0 && moved <= least + least / 20, "{moved} moved, least {least}");
    let beyond = &lab.engine()["moving"]["movedBytes"];
    assert_eq!((&beyond["rack"], &beyond["room"]), (&json!(0), &json!(0)));
    lab.assert_safe(1);

    lab.call("disk-evacuate", &json!({ "disk": "d", "on": true })).unwrap();
    let evacuated = lab.engine()["disks"][2].clone();
    assert_eq!((&evacuated["state"], &evacuated["usedBytes"]), (&json!("leaving"), &json!(0)));
    lab.assert_safe(1);
    lab.call("disk-evacuate", &json!({ "disk": "d", "on": false })).unwrap();
    lab.call("pool-rebalance", &json!({})).unwrap();
    assert!(lab.engine()["disks"][2]["usedBytes"].as_u64().unwrap() > 0);
    lab.call("disk-remove", &json!({ "disk": "d" })).unwrap();
    assert_eq!(lab.names(), ["a", "c", "e"]);
    lab.assert_safe(1);
    let refused = lab.call("disk-remove", &json!({ "disk": "a" }));
    assert_eq!(refused.unwrap_err(), "PUR_BLOCK_INVALID");
    // The file is what a new process goes by.
    lab.write(&["s1/a", "s3/c", "s2/e"]);
    lab.daemon.call("upgrade", &json!({})).unwrap();
    assert_eq!(lab.names(), ["a", "c", "e"]);
    lab.assert_safe(1);
    assert!(lab.daemon.verb("stop").status.success());
}

#[test]
fn a_disk_in_maintenance_gets_no_operation_and_nothing_moves_because_of_it() {
    let lab = Lab::start("{\"replicas\":2}", "rebalance", &["s1/a", "s2/b", "s3/c"]);
    lab.call("disk-maintenance", &json!({ "disk": "b", "on": true })).unwrap();
    let moved_of_b = || {
        let status = lab.daemon.call("status", &json!(null)).unwrap();
        status["pools"][0]["reactor"]["movedBytes"]["b"].clone()
    };
    let before = moved_of_b();
    let uri = lab.daemon.uri("v", "v");
    run("qemu-io", &["-f", "raw", "-c", "read -P 7 0 16M", &uri]);
    run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 1M", "-c", "flush", &uri]);
    lab.call("pool-checkpoint", &json!({})).unwrap();
    assert_eq!(moved_of_b(), before);
    assert_eq!(lab.told("in maintenance").0, 0);
    let refused = lab.call("disk-maintenance", &json!({ "disk": "c", "on": true }));
    assert_eq!(refused.unwrap_err(), "PUR_BLOCK_INVALID");
    lab.call("disk-maintenance", &json!({ "disk": "b", "on": false })).unwrap();
    wait_until("b is used again", || lab.engine()["disks"][1]["state"] == "online");
    lab.assert_safe(1);
    lab.daemon.stop();
}

#[test]
fn a_new_group_moves_nothing_and_a_paused_rebalance_neither() {
    let lab = Lab::start("{\"replicas\":2}", "newGroup", &["s1/a", "s2/b"]);
    lab.write(&["s1/a", "s2/b", "s3/c", "s4/d"]);
    lab.call("disk-add", &json!({ "disks": ["c", "d"] })).unwrap();
    lab.settle();
    assert_eq!(lab.told("a new group").0, 0);
    lab.assert_safe(1);
    lab.call("pool-rebalance-pause", &json!({ "on": true })).unwrap();
    assert_eq!(lab.engine()["moving"]["rebalance"], "held");
    lab.call("pool-rebalance-pause", &json!({ "on": false })).unwrap();
    lab.daemon.stop();
}

#[test]
fn a_pool_whose_disk_fails_holds_up_no_other_pool() {
    let one = support::daemon::one_pool(64);
    let two = one
        .replace("name: p\n", "name: q\n")
        .replace("pool: p,", "pool: q,")
        .replace("name: v\n", "name: w\n")
        .replace("./d.img", "./e.img");
    let daemon = Daemon::start(&format!("{one}\n---\n{two}"), "w", &[]);
    for volume in ["v", "w"] {
        let uri = daemon.uri(volume, volume);
        run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 4M", "-c", "flush", &uri]);
    }
    daemon.call("pool-checkpoint", &json!({ "pool": "p" })).unwrap();
    // Nothing is where the first pool's blocks were: reads end with an error.
    File::options()
        .write(true)
        .open(daemon.folder.path().join("d.img"))
        .unwrap()
        .set_len(0)
        .unwrap();
    let mut broken = support::Client::connect(&daemon.socket("v")).enter(false);
    broken.request(0, 0, 1, 0, 4096);
    assert_ne!(broken.simple().0, 0, "a read of what is gone is an error");
    let uri = daemon.uri("w", "w");
    run("qemu-io", &["-f", "raw", "-c", "read -P 7 0 4M", "-c", "write -P 8 0 4M", &uri]);
    daemon.call("snapshot-create", &json!({ "volume": "w", "name": "s" })).unwrap();
    let status = daemon.call("status", &json!(null)).unwrap();
    assert_eq!(status["pools"][1]["state"]["phase"], "running");
}

#[test]
fn a_successor_that_cannot_bring_a_volume_about_takes_over_nothing() {
    let lab = Lab::start("{\"replicas\":2}", "rebalance", &["s1/a", "s2/b"]);
    lab.daemon.call("snapshot-create", &json!({ "volume": "v", "name": "s" })).unwrap();
    let file = lab.daemon.folder.path().join("config.yaml");
    let good = fs::read_to_string(&file).unwrap();
    let wrong = json!({ "kind": "Volume", "name": "s", "spec": { "pool": "p", "sizeGiB": 1 } });
    fs::write(&file, format!("{good}\n---\n{wrong}")).unwrap();
    let mut client = support::Client::connect(&lab.daemon.socket("v")).enter(false);
    let old = lab.daemon.process("v");
    let failed = lab.daemon.call("upgrade", &json!({}));
    assert_eq!(failed.unwrap_err(), "PUR_BLOCK_UPGRADE");
    assert_eq!(lab.daemon.process("v"), old);
    // The client that was there before goes on.
    client.request(0, 0, 1, 0, 4096);
    assert_eq!(client.simple(), (0, 1));
    assert_eq!(client.take(4096), [7; 4096]);
    lab.daemon.stop();
}

#[test]
fn a_scrub_tells_how_far_it_is_is_held_and_goes_on() {
    let lab = Lab::start("{\"replicas\":2}", "rebalance", &["s1/a", "s2/b", "s3/c"]);
    assert_eq!(lab.engine()["scrub"], Value::Null);
    let none = lab.call("pool-scrub-pause", &json!({ "on": true })).unwrap_err();
    assert_eq!(none, "PUR_BLOCK_INVALID", "no scrub runs");
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| lab.call("pool-scrub", &json!({ "deep": true })).unwrap());
        // It may end before it can be held.
        wait_until("a scrub is held", || {
            let held = lab.call("pool-scrub-pause", &json!({ "on": true })).is_ok();
            held || ended.is_finished()
        });
        let scrub = lab.engine()["scrub"].clone();
        if !scrub.is_null() {
            assert_eq!((&scrub["paused"], &scrub["deep"]), (&json!(true), &json!(true)), "{scrub}");
            assert_eq!(scrub["plannedBytes"], 32 << 20, "{scrub}");
            assert!(scrub["walkedBytes"].as_u64() <= scrub["plannedBytes"].as_u64(), "{scrub}");
            lab.call("pool-scrub-pause", &json!({ "on": false })).unwrap();
        }
        let report = ended.join().unwrap();
        assert_eq!((&report["lost"], &report["repaired"]), (&json!(0), &json!(0)), "{report}");
        assert!(report["stripes"].as_u64() > Some(0), "{report}");
    });
}
