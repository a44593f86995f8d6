//! SSDs in front of a pool's disks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::Client;
use support::cached::Promise;
use support::daemon::Daemon;

const BLOCKS: usize = 2048;

/// A pool of two replicas on two disks, with its cache in the mode or without, and a volume of
/// 8 MiB.
fn pool(mode: Option<&str>) -> String {
    let cache = mode.map_or(String::new(), |mode| {
        format!(
            "  cache:\n    devices: [{{ name: ssd, path: ./ssd.img, sizeGiB: 0.03125 }}]\n    \
             mode: {mode}\n"
        )
    });
    let disk = |name: &str| {
        format!("    - {{ name: {name}, server: {name}, path: ./{name}.img, sizeGiB: 0.25 }}\n")
    };
    format!(
        "kind: StoragePool\nname: p\nspec:\n  redundancy: {{ replicas: 2 }}\n  disks:\n{}{}{cache}\
         ---\nkind: Volume\nname: v\nspec: {{ pool: p, sizeGiB: 0.0078125 }}\n",
        disk("a"),
        disk("b")
    )
}

fn configure(daemon: &Daemon, mode: Option<&str>) {
    fs::write(daemon.folder.path().join("config.yaml"), pool(mode)).unwrap();
}

fn call(daemon: &Daemon, call: &str) -> Result<Value, String> {
    daemon.call(call, &json!({ "pool": "p" }))
}

fn layers(daemon: &Daemon) -> Vec<Value> {
    call(daemon, "cache-status").unwrap()["layers"].as_array().unwrap().clone()
}

fn client(daemon: &Daemon) -> Client {
    Client::connect(&daemon.socket("v")).enter(false)
}

fn write(promise: &mut Promise, daemon: &Daemon, flushes: u64) {
    let mut rounds = 0..flushes;
    promise.write(&mut client(daemon), || rounds.next().is_none());
}

#[test]
fn a_disk_that_comes_to_a_pool_in_use_is_named_as_one_without_a_cache() {
    let daemon = Daemon::start(&pool(Some("writethrough")), "v", &[]);
    let uncached = || call(&daemon, "cache-status").unwrap()["uncachedDisks"].clone();
    assert_eq!(uncached(), json!([]));
    let disk = "    - { name: c, server: c, path: ./c.img, sizeGiB: 0.25 }\n  cache:";
    let more = pool(Some("writethrough")).replacen("  cache:", disk, 1);
    fs::write(daemon.folder.path().join("config.yaml"), more).unwrap();
    daemon.call("disk-add", &json!({ "pool": "p", "disks": ["c"] })).unwrap();
    assert_eq!(uncached(), json!(["c"]));
    assert_eq!(layers(&daemon).len(), 2);
    write(&mut Promise::new(BLOCKS, 9), &daemon, 5);
    daemon.stop();
}

#[test]
fn the_caches_of_a_pool_switch_and_come_and_go_while_its_volume_is_written() {
    let daemon = Daemon::start(&pool(Some("writethrough")), "v", &[]);
    let found = layers(&daemon);
    assert_eq!(found.len(), 2);
    for (layer, name) in found.iter().zip(["a", "b"]) {
        assert_eq!((&layer["origin"], &layer["mode"]), (&json!(name), &json!("writethrough")));
        assert_eq!(layer["phase"], "running");
    }
    let mut promise = Promise::new(BLOCKS, 3);
    let mut connection = client(&daemon);
    promise.write_beside(&mut connection, |going_on| {
        for mode in ["writeback", "writethrough", "pass-through", "writeback"] {
            daemon.call("cache-mode", &json!({ "pool": "p", "mode": mode })).unwrap();
            assert!(layers(&daemon).iter().all(|layer| layer["mode"] == mode));
            going_on();
        }
        for (word, phase) in [("cache-detach", "detached"), ("cache-attach", "running")] {
            call(&daemon, word).unwrap();
            assert!(layers(&daemon).iter().all(|layer| layer["phase"] == phase));
            going_on();
        }
    });
    assert_eq!(promise.check(&mut connection, "after all switches"), 0);
    daemon.stop();
}

#[test]
fn a_pool_with_dirty_ssds_survives_kill_9_and_is_not_served_without_them() {
    let mut daemon = Daemon::start(&pool(Some("writeback")), "v", &[]);
    let mut promise = Promise::new(BLOCKS, 5);
    for round in 0..3 {
        write(&mut promise, &daemon, 20);
        daemon.kill();
        daemon.restart("v");
        let when = format!("after kill {round}");
        assert_eq!(promise.check(&mut client(&daemon), &when), 0);
    }
    write(&mut promise, &daemon, 20);
    daemon.kill();
    let (here, away) =
        (daemon.folder.path().join("ssd.img"), daemon.folder.path().join("ssd.away"));
    for without in [Some("writeback"), None] {
        fs::rename(&here, &away).unwrap();
        configure(&daemon, without);
        let tried = daemon.try_to_serve();
        assert!(!tried.status.success(), "a pool whose SSD is away serves");
        let _ = fs::remove_file(&here);
        fs::rename(&away, &here).unwrap();
    }
    configure(&daemon, Some("writeback"));
    daemon.restart("v");
    assert_eq!(promise.check(&mut client(&daemon), "with its SSD again"), 0);
    daemon.stop();
}

#[test]
fn a_disk_that_lacks_what_its_ssd_has_does_not_come_back_to_a_pool_in_use_without_it() {
    let mut daemon = Daemon::start(&pool(Some("writeback")), "v", &[]);
    let mut promise = Promise::new(BLOCKS, 11);
    write(&mut promise, &daemon, 20);
    daemon.kill();
    let path = |name: &str| daemon.folder.path().join(name);
    let (here, away) = (path("b.img"), path("b.away"));
    fs::rename(&here, &away).unwrap();
    // Nothing that could be used, and nothing that would be made.
    fs::create_dir(&here).unwrap();
    daemon.restart("v");
    assert_eq!(promise.check(&mut client(&daemon), "without the disk"), 0);
    fs::remove_dir(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    let back = daemon.call("disk-return", &json!({ "pool": "p", "disk": "b" }));
    assert_eq!(back, Err("PUR_BLOCK_DISK".to_owned()));
    daemon.kill();
    daemon.restart("v");
    assert_eq!(promise.check(&mut client(&daemon), "with its cache"), 0);
    daemon.stop();
}

#[test]
fn what_an_ssd_has_is_not_believed_after_its_pool_was_used_without_it() {
    let mut daemon = Daemon::start(&pool(Some("writethrough")), "v", &[]);
    let mut promise = Promise::new(BLOCKS, 7);
    for mode in [Some("writethrough"), None, Some("writethrough"), None, Some("writeback")] {
        configure(&daemon, mode);
        assert!(daemon.verb("stop").status.success());
        assert!(daemon.child.wait().unwrap().success());
        daemon.restart("v");
        assert_eq!(layers(&daemon).len(), if mode.is_some() { 2 } else { 0 });
        if mode.is_none() {
            assert_eq!(call(&daemon, "cache-detach"), Err("PUR_CACHE_NONE".to_owned()));
        }
        assert_eq!(promise.check(&mut client(&daemon), "before it is written"), 0);
        write(&mut promise, &daemon, 15);
        assert_eq!(promise.check(&mut client(&daemon), "when it was written"), 0);
    }
    daemon.stop();
}
