//! The program itself: its configuration, its volumes, its control socket, its end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::{Daemon, PROGRAM, one_pool, run};
use support::{PATIENCE, Random};

const EXAMPLE: &str = include_str!("../../../../../examples/storage-one-host.yaml");

/// The example with small disks.
fn example() -> String {
    EXAMPLE.replace("sizeGiB: 2 }", "sizeGiB: 0.25 }").replace("sizeGiB: 4", "sizeGiB: 0.125")
}

#[test]
fn the_example_is_served_as_it_says() {
    let daemon = Daemon::start(&example(), "vol-c", &[]);
    for volume in ["vol-a", "vol-b", "vol-c"] {
        for export in ["", volume] {
            let size = run("nbdinfo", &["--size", &daemon.uri(volume, export)]);
            assert_eq!(size.trim(), "134217728", "{volume} as {export:?}");
        }
        assert_eq!(daemon.process(volume), daemon.child.id());
        let mode = fs::metadata(daemon.socket(volume)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
    }
    let listed = run("nbdinfo", &["--list", &daemon.uri("vol-a", "")]);
    assert!(listed.contains("vol-a-monday") && !listed.contains("vol-b"), "{listed}");
    let status = daemon.call("status", &json!(null)).unwrap();
    let names: Vec<&Value> =
        status["pools"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["bulk", "fast"]);
    assert_eq!(status["pools"][0]["engine"]["policy"], "4+2:1");
    daemon.stop();
}

#[test]
fn what_differs_between_snapshots_is_told_in_ranges() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let write = |command: &str| run("qemu-io", &["-f", "raw", "-c", command, &daemon.uri("v", "")]);
    let snapshot = |name: &str| {
        daemon.call("snapshot-create", &json!({ "volume": "v", "name": name })).unwrap();
    };
    write("write -P 1 0 1M");
    write("write -P 1 8M 1M");
    snapshot("one");
    write("write -P 2 8M 64k");
    write("write -P 2 16M 64k");
    snapshot("two");
    write("discard 16M 64k");
    let told = |words: Value| daemon.call("volume-extents", &words);
    let all = told(json!({ "name": "one" })).unwrap();
    let mib = 1_u64 << 20;
    assert_eq!(all["extents"], json!([[0, mib], [8 * mib, mib]]));
    assert_eq!((&all["sizeBytes"], &all["next"]), (&json!(64 * mib), &json!(null)));
    let since = told(json!({ "name": "two", "since": "one" })).unwrap();
    assert_eq!(since["extents"], json!([[8 * mib, 65_536], [16 * mib, 65_536]]));
    let later = told(json!({ "name": "two", "since": "one", "offset": 9 * mib })).unwrap();
    assert_eq!(later["extents"], json!([[16 * mib, 65_536]]));
    let volume = told(json!({ "name": "v", "since": "two" })).unwrap();
    assert_eq!(volume["extents"], json!([[16 * mib, 65_536]]));
    assert_eq!(told(json!({ "name": "two", "since": "v" })).unwrap_err(), "PUR_BLOCK_INVALID");
    assert_eq!(told(json!({ "name": "none" })).unwrap_err(), "PUR_BLOCK_NO_VOLUME");
    daemon.stop();
}

#[test]
fn a_pool_whose_disk_is_not_there_is_opened_on_the_others_and_never_made() {
    let config = "kind: StoragePool\nname: p\nspec:\n  redundancy: { replicas: 2 }\n  disks:\n    \
         - { name: a, server: s, path: ./a.img }\n    - { name: b, server: s, path: ./b.img }\n\
         ---\nkind: Volume\nname: v\nspec: { pool: p, sizeGiB: 0.0625 }\n";
    let made = config.replace(".img", ".img, sizeGiB: 0.25");
    let mut daemon = Daemon::start(&made, "v", &[]);
    run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 1M", &daemon.uri("v", "")]);
    daemon.kill();
    let folder = daemon.folder.path().to_path_buf();
    fs::write(folder.join("config.yaml"), config).unwrap();
    fs::rename(folder.join("b.img"), folder.join("b.away")).unwrap();
    daemon.restart("v");
    run("qemu-io", &["-f", "raw", "-c", "read -P 7 0 1M", &daemon.uri("v", "")]);
    let told = daemon.call("status", &json!(null)).unwrap();
    let states: Vec<_> = told["pools"][0]["engine"]["disks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|disk| disk["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["online", "missing"]);
    daemon.kill();
    // Without any of its disks nothing is made in their place.
    fs::rename(folder.join("a.img"), folder.join("a.away")).unwrap();
    let said = daemon.try_to_serve();
    assert!(!said.status.success(), "{said:?}");
    assert!(!folder.join("a.img").exists());
}

#[test]
fn a_second_daemon_is_refused_the_folder_and_the_disks() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let config = daemon.folder.path().join("config.yaml");
    for (folder, wanted) in
        [("sockets", "served by another process"), ("other", "in use by another")]
    {
        let sockets = daemon.folder.path().join(folder);
        let second = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(&config)
            .arg("--sockets")
            .arg(sockets)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&second.stderr);
        assert!(!second.status.success() && said.contains(wanted), "{said}");
    }
    daemon.stop();
}

#[test]
fn a_bad_file_gets_every_problem_on_a_line_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let bad =
        one_pool(64).replace("replicas: 1", "erasure: \"4+2\"").replace("pool: p,", "pool: q,");
    fs::write(&config, bad).unwrap();
    let sockets = folder.path().join("sockets");
    let served = Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(&config)
        .arg("--sockets")
        .arg(&sockets)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&served.stderr);
    assert_eq!(served.status.code(), Some(4));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("4+2 needs 6 fault domains of level disk"), "{said}");
    assert!(said.contains("Volume v: there is no pool q"), "{said}");
    assert!(!sockets.exists() && !folder.path().join("d.img").exists());
}

#[test]
fn volumes_and_snapshots_come_and_go_with_their_sockets() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let call = |call: &str, arguments: Value| daemon.call(call, &arguments);
    let new = json!({ "pool": "p", "name": "w", "sizeBytes": 8 << 20 });
    call("volume-create", new.clone()).unwrap();
    assert_eq!(call("volume-create", new).unwrap_err(), "PUR_BLOCK_NAME_TAKEN");
    let uri = daemon.uri("w", "w");
    run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 1M", "-c", "flush", &uri]);
    call("snapshot-create", json!({ "volume": "w", "name": "monday" })).unwrap();
    run("qemu-io", &["-f", "raw", "-c", "write -P 8 64k 4k", "-c", "flush", &uri]);
    // The snapshot is an export of its own, read-only, and tells what has changed since.
    let old = daemon.uri("w", "monday");
    run("qemu-io", &["-r", "-f", "raw", "-c", "read -P 7 0 1M", &old]);
    let map = run("nbdinfo", &["--map=purlin:difference:monday", &uri]);
    let changed: u64 = map
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|words| words[2] == "1")
        .map(|words| words[1].parse::<u64>().unwrap())
        .sum();
    assert!((4096..=1 << 20).contains(&changed), "{map}");
    assert!(map.lines().next().unwrap().split_whitespace().nth(1).unwrap() != "8388608", "{map}");
    call("volume-clone", json!({ "snapshot": "monday", "name": "x", "linked": true })).unwrap();
    run("qemu-io", &["-f", "raw", "-c", "read -P 7 0 1M", &daemon.uri("x", "x")]);
    assert_eq!(
        call("snapshot-delete", json!({ "name": "monday" })).unwrap_err(),
        "PUR_BLOCK_HAS_DEPENDENTS"
    );
    call("volume-grow", json!({ "name": "x", "sizeBytes": 16 << 20 })).unwrap();
    assert_eq!(run("nbdinfo", &["--size", &daemon.uri("x", "x")]).trim(), "16777216");
    call("volume-flatten", json!({ "name": "x" })).unwrap();
    call("snapshot-delete", json!({ "name": "monday" })).unwrap();
    call("volume-delete", json!({ "name": "w" })).unwrap();
    assert!(!daemon.socket("w").exists());
    assert_eq!(call("volume-delete", json!({ "name": "w" })).unwrap_err(), "PUR_BLOCK_NO_VOLUME");
    daemon.stop();
}

#[test]
fn a_volume_in_use_is_not_deleted_under_its_client() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let client = support::Client::connect(&daemon.socket("v")).enter(false);
    support::wait_until("the client is counted", || {
        let status = daemon.call("status", &json!(null)).unwrap();
        status["pools"][0]["reactor"]["clients"]["v"] == json!(1)
    });
    let delete = || daemon.call("volume-delete", &json!({ "name": "v" }));
    assert_eq!(delete().unwrap_err(), "PUR_BLOCK_IN_USE");
    drop(client);
    support::wait_until("it can be deleted", || delete().is_ok());
    daemon.stop();
}

#[test]
fn limits_hold_and_can_be_lifted_in_use() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let limit = |limits: Value| {
        daemon.call("volume-limit", &json!({ "name": "v", "limits": limits })).unwrap();
    };
    limit(json!({ "iops": 100 }));
    let mut client = support::Client::connect(&daemon.socket("v")).enter(false);
    let began = Instant::now();
    for cookie in 0..300 {
        client.request(0, 0, cookie, 0, 4096);
        assert_eq!(client.simple(), (0, cookie));
        client.take(4096);
    }
    // A second's worth had gathered; the other two hundred come at a hundred a second.
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
    limit(json!({ "iops": 1 }));
    for cookie in 0..20 {
        client.request(0, 0, cookie, 0, 4096);
    }
    limit(json!({}));
    for _ in 0..20 {
        assert_eq!(client.simple().0, 0);
        client.take(4096);
    }
    daemon.stop();
}

#[test]
fn hostile_words_on_the_control_socket_are_refused_and_harm_nobody() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let mut random = Random(0x636f_6e74);
    let calls =
        ["status", "volume-create", "volume-delete", "disk-remove", "pool-policy", "nothing"];
    for round in 0..300 {
        let mut socket = UnixStream::connect(daemon.socket("blockd.control")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let call = calls[usize::try_from(random.below(6)).unwrap()];
        let number = random.next();
        let mut line = match round % 5 {
            0 => random.bytes(200),
            1 => format!("{{\"version\":{number},\"id\":1,\"call\":\"{call}\"}}").into_bytes(),
            2 => {
                let arguments =
                    json!({ "name": "../x", "pool": "q", "sizeBytes": number, "disk": number });
                json!({ "version": 1, "id": number, "call": call, "arguments": arguments })
                    .to_string()
                    .into_bytes()
            }
            3 => vec![b'['; 3000],
            _ => {
                let arguments = json!({ "pool": "p", "name": "A/B", "sizeBytes": -1 });
                json!({ "version": 1, "id": 1, "call": call, "arguments": arguments })
                    .to_string()
                    .into_bytes()
            }
        };
        if random.below(4) == 0 {
            let at = usize::try_from(random.below(line.len() as u64)).unwrap();
            line[at] ^= 1 << random.below(8);
        }
        line.retain(|byte| *byte != b'\n');
        line.push(b'\n');
        socket.write_all(&line).unwrap();
        let mut first = [0];
        assert_eq!(socket.read(&mut first).unwrap(), 1, "round {round} was answered");
        assert_eq!(first[0], b'{');
    }
    let mut endless = UnixStream::connect(daemon.socket("blockd.control")).unwrap();
    // A line that is too long ends the conversation.
    while endless.write_all(&[b'x'; 4096]).is_ok() {}
    let status = daemon.call("status", &json!(null)).unwrap();
    let volumes = status["pools"][0]["engine"]["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 1, "{volumes:?}");
    daemon.stop();
}
