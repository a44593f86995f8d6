//! SSDs of caches in use come, go and are replaced.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use support::cached::{Cached, Promise, SMALL, Shape};
use support::daemon::Daemon;
use support::{Client, Random, wait_until};

const BLOCKS: usize = 2048;
const TWO: Shape = Shape { ssds: 2, ..SMALL };

fn exchange(cached: &Cached, call: &str, file: &str, more: &Value) -> Result<Value, String> {
    let mut words = json!({ "pool": "v", "device": cached.path(file) });
    let more = more.as_object().unwrap().clone();
    words.as_object_mut().unwrap().extend(more);
    cached.call(call, Some(words))
}

/// Begins to add an SSD; nobody waits for the answer.
fn exchange_line(cached: &Cached, file: &str) -> UnixStream {
    let mut socket = UnixStream::connect(cached.path("sockets/blockd.control.sock")).unwrap();
    let device = cached.path(file);
    let words = json!({ "pool": "v", "device": device, "sizeBytes": 4 << 20, "overwrite": true });
    let line = json!({ "version": 1, "id": 4, "call": "cache-device-add", "arguments": words });
    writeln!(socket, "{line}").unwrap();
    socket
}

#[test]
fn an_ssd_that_dies_in_use_is_replaced_and_what_is_dirty_is_on_two_again() {
    let mut cached = Cached::start(&TWO, &["--mode", "writeback"]);
    let mut promise = Promise::new(BLOCKS, 41);
    let mut rounds = 0..30;
    promise.write(&mut cached.connect(), || rounds.next().is_none());
    // What it had is gone, and reading it is an error.
    fs::OpenOptions::new().write(true).open(cached.path("ssd0.img")).unwrap().set_len(0).unwrap();
    wait_until("the dead SSD is given up", || {
        assert_eq!(promise.check(&mut cached.connect(), "from the other one"), 0);
        cached.status()["devicesInUse"] == 1
    });
    promise.write_beside(&mut cached.connect(), |_| {
        let size = json!({ "sizeBytes": 4 << 20 });
        exchange(&cached, "cache-device-add", "ssd2.img", &size).unwrap();
        exchange(&cached, "cache-device-remove", "ssd0.img", &json!({})).unwrap();
    });
    let status = cached.status();
    let names = ["ssd1.img", "ssd2.img"].map(|file| json!(cached.path(file)));
    assert_eq!((&status["devicesInUse"], &status["devices"]), (&json!(2), &json!(names)));
    assert!(status["dirtyBytes"].as_u64().unwrap() > 0);
    assert_eq!(status["mode"], "writeback");
    cached.kill();
    // The newcomer alone has everything.
    for file in ["ssd0.img", "ssd1.img"] {
        fs::remove_file(cached.path(file)).unwrap();
    }
    cached.set("--cache", &cached.path("ssd2.img").display().to_string());
    cached.serve().unwrap();
    assert_eq!(promise.check(&mut cached.connect(), "from the newcomer"), 0);
    cached.mode("writethrough").unwrap();
    cached.stop();
    promise.check_file(&cached.origin(), "on the slow device");
}

#[test]
fn an_only_ssd_is_exchanged_in_use_and_kill_9_on_the_way_loses_nothing() {
    let mut cached = Cached::start(&SMALL, &["--mode", "writeback"]);
    let mut promise = Promise::new(BLOCKS, 43);
    let refused = |call: &str, file: &str, more: &Value| exchange(&cached, call, file, more);
    assert_eq!(
        refused("cache-device-remove", "ssd0.img", &json!({})),
        Err("PUR_CACHE_SSD".to_owned())
    );
    let small = json!({ "sizeBytes": 2 << 20 });
    assert_eq!(
        refused("cache-device-add", "small.img", &small),
        Err("PUR_CACHE_REFUSED".to_owned())
    );
    fs::write(cached.path("foreign.img"), Random(1).bytes(4 << 20)).unwrap();
    let foreign = refused("cache-device-add", "foreign.img", &json!({}));
    assert_eq!(foreign, Err("PUR_CACHE_REFUSED".to_owned()));
    assert_eq!(cached.status()["devicesInUse"], 1);

    promise.write_beside(&mut cached.connect(), |_| {
        exchange(&cached, "cache-device-add", "foreign.img", &json!({ "overwrite": true }))
            .unwrap();
        exchange(&cached, "cache-device-remove", "ssd0.img", &json!({})).unwrap();
    });
    cached.kill();
    let (old, new) = (cached.path("ssd0.img"), cached.path("foreign.img"));
    cached.set("--cache", &old.display().to_string());
    assert!(cached.serve().is_err_and(|said| said.contains("bring the SSD back")));
    cached.set("--cache", &new.display().to_string());
    cached.serve().unwrap();
    assert_eq!(promise.check(&mut cached.connect(), "from the new one"), 0);

    // Killed at any moment of it, the first SSD has everything.
    for round in 1..4 {
        let mut rounds = 0..round * 5;
        promise.write(&mut cached.connect(), || rounds.next().is_none());
        let adding = exchange_line(&cached, "next.img");
        wait_until("it is on its way", || {
            let status = cached.status();
            !status["adoptedBytes"].is_null() || status["devicesInUse"] == 2
        });
        drop(adding);
        cached.kill();
        cached.serve().unwrap();
        assert_eq!(promise.check(&mut cached.connect(), "after a kill on the way"), 0);
        assert_eq!(cached.status()["devicesInUse"], 1);
    }
}

#[test]
fn the_ssd_of_a_pool_is_exchanged_under_its_volume() {
    let pool = |ssd: &str| {
        let disk = |name: &str| {
            format!("    - {{ name: {name}, server: {name}, path: ./{name}.img, sizeGiB: 0.25 }}\n")
        };
        format!(
            "kind: StoragePool\nname: p\nspec:\n  redundancy: {{ replicas: 2 }}\n  disks:\n{}{}  \
             cache:\n    devices: [{{ name: ssd, path: ./{ssd}, sizeGiB: 0.03125 }}]\n    mode: \
             writeback\n---\nkind: Volume\nname: v\nspec: {{ pool: p, sizeGiB: 0.0078125 }}\n",
            disk("a"),
            disk("b")
        )
    };
    let mut daemon = Daemon::start(&pool("one.img"), "v", &[]);
    let status = |daemon: &Daemon| daemon.call("cache-status", &json!({ "pool": "p" })).unwrap();
    let names = |daemon: &Daemon| status(daemon)["layers"][0]["devices"].clone();
    let first = names(&daemon)[0].as_str().unwrap().to_owned();
    let mut promise = Promise::new(BLOCKS, 47);
    let client = || Client::connect(&daemon.socket("v")).enter(false);
    let two = daemon.folder.path().join("two.img");
    promise.write_beside(&mut client(), |_| {
        let words = json!({ "pool": "p", "device": two, "sizeBytes": 32 << 20 });
        daemon.call("cache-device-add", &words).unwrap();
        let words = json!({ "pool": "p", "device": first });
        daemon.call("cache-device-remove", &words).unwrap();
    });
    for layer in status(&daemon)["layers"].as_array().unwrap() {
        assert_eq!((&layer["devicesInUse"], &layer["devices"]), (&json!(1), &json!([two])));
    }
    daemon.kill();
    fs::remove_file(daemon.folder.path().join("one.img")).unwrap();
    fs::write(daemon.folder.path().join("config.yaml"), pool("two.img")).unwrap();
    daemon.restart("v");
    let mut client = Client::connect(&daemon.socket("v")).enter(false);
    assert_eq!(promise.check(&mut client, "from the other SSD"), 0);
    daemon.stop();
}
