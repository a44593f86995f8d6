//! A cached device: clients, kills, modes switched under a writer, and damage to its SSD.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use support::cached::{Cached, Promise, SMALL, Shape, copy_files};
use support::daemon::run;
use support::{Random, wait_until};

const MODES: [&str; 2] = ["writethrough", "writeback"];
const SMALL_BLOCKS: usize = 2048;

fn fio(cached: &Cached, more: &[&str]) {
    let uri = format!("--uri={}", cached.uri());
    let mut words =
        vec!["--name=t", "--ioengine=nbd", &uri, "--thread", "--bs=4k", "--verify=crc32c"];
    words.extend(["--verify_fatal=1", "--verify_state_save=0", "--randrepeat=1", "--size=8m"]);
    words.push("--output-format=terse");
    words.extend(more);
    run("fio", &words);
}

#[test]
fn clients_of_other_people_are_served_in_every_mode_on_either_port() {
    for port in ["best", "threads"] {
        let cached = Cached::start(&SMALL, &["--port", port]);
        assert_eq!(cached.status()["mode"], "writethrough");
        for mode in ["writeback", "pass-through", "writethrough"] {
            cached.mode(mode).unwrap();
            assert_eq!(cached.status()["mode"], mode);
            fio(&cached, &["--rw=randwrite", "--iodepth=16", "--do_verify=1"]);
            let steps = ["write -P 1 0 1M", "write -z 64k 64k", "discard 256k 64k", "flush"];
            let reads = ["write -f -P 2 512 512", "read -P 0 64k 64k", "read -P 2 512 512"];
            let words: Vec<&str> = steps.iter().chain(&reads).flat_map(|it| ["-c", it]).collect();
            let uri = cached.uri();
            let said = run("qemu-io", &[&["-f", "raw"], &words[..], &[&uri]].concat());
            assert!(!said.contains("verification failed"), "{mode}: {said}");
        }
        let status = cached.status();
        assert!(status["cachedBytes"].as_u64().unwrap() > 1 << 20, "{status}");
        assert_eq!((&status["dirtyBytes"], &status["lostBytes"]), (&json!(0), &json!(0)));
    }
}

#[test]
fn what_a_client_trims_is_given_back_by_the_slow_device_in_every_mode() {
    /// What a file system takes to know where the rest is.
    const SLACK: u64 = 64 << 10;
    let cached = Cached::start(&SMALL, &[]);
    let taken = || fs::metadata(cached.path("origin.img")).unwrap().blocks() * 512;
    for mode in ["writeback", "pass-through", "writethrough"] {
        cached.mode(mode).unwrap();
        let qemu_io = |steps: &[&str]| {
            let words: Vec<&str> = steps.iter().flat_map(|step| ["-c", step]).collect();
            run("qemu-io", &[&["-f", "raw"], &words[..], &[&cached.uri()]].concat())
        };
        qemu_io(&["write -P 7 1M 4M", "flush"]);
        // In writeback some of it has not come there yet.
        qemu_io(&["discard 1M 3M", "flush"]);
        wait_until("only what is left takes space", || {
            let dirty = cached.status()["dirtyBytes"].as_u64().unwrap();
            dirty == 0 && taken() < SLACK + (1 << 20)
        });
        let said = qemu_io(&["read -P 0 1M 3M", "read -P 7 4M 1M"]);
        assert!(!said.contains("verification failed"), "{mode}: {said}");
        qemu_io(&["discard 4M 1M", "flush"]);
        wait_until("nothing takes space", || taken() < SLACK);
    }
}

#[test]
fn reads_that_hit_do_not_reach_the_slow_device() {
    let cached = Cached::start(&SMALL, &[]);
    let mut promise = Promise::new(256, 5);
    let mut client = cached.connect();
    let mut rounds = 0..60;
    promise.write(&mut client, || rounds.next().is_none());
    for _ in 0..4 {
        assert_eq!(promise.check(&mut client, "while it serves"), 0);
    }
    let before = cached.status()["missedPages"].as_u64().unwrap();
    assert_eq!(promise.check(&mut client, "when all is cached"), 0);
    let missed = cached.status()["missedPages"].as_u64().unwrap() - before;
    assert!(missed < 26, "of 256 blocks {missed} were read from the slow device");
}

#[test]
fn an_nbd_server_can_be_the_slow_device_and_its_end_is_an_error() {
    let mut cached = Cached::prepare(&SMALL, &[]);
    let socket = cached.path("slow.sock");
    let mut server = Command::new("nbdkit")
        .args(["--foreground", "--exit-with-parent", "--unix", socket.to_str().unwrap()])
        .args(["memory", "8M"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("nbdkit serves", || socket.exists());
    cached.set("--origin", &format!("nbd+unix:///?socket={}", socket.display()));
    cached.serve().unwrap();
    let mut promise = Promise::new(SMALL_BLOCKS, 6);
    let mut client = cached.connect();
    let mut rounds = 0..40;
    for mode in ["writeback", "writethrough"] {
        cached.mode(mode).unwrap();
        promise.write(&mut client, || rounds.next().is_none());
        assert_eq!(promise.check(&mut client, mode), 0);
    }
    cached.call("cache-detach", Some(json!({ "pool": "v" }))).unwrap();
    assert_eq!(promise.check(&mut client, "detached"), 0);
    server.kill().unwrap();
    server.wait().unwrap();
    client.request(0, 0, 1, 0, 4096);
    assert_ne!(client.simple().0, 0);
    cached.set("--origin", "nbds://host/");
    cached.kill();
    assert!(cached.serve().is_err_and(|said| said.contains("TLS")));
}

#[test]
fn kill_9_under_a_writer_loses_nothing_that_was_flushed_in_either_mode() {
    for mode in MODES {
        let mut cached = Cached::start(&SMALL, &["--mode", mode]);
        let mut promise = Promise::new(SMALL_BLOCKS, 11);
        for round in 0..8u64 {
            let mut client = cached.connect();
            let flushes = AtomicU64::new(0);
            let wanted = 5 + Random(round).below(40);
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    promise.write(&mut client, || {
                        flushes.fetch_add(1, Ordering::Relaxed);
                        false
                    })
                });
                wait_until("the writer flushes", || flushes.load(Ordering::Relaxed) > wanted);
                cached.kill();
                assert!(writer.join().unwrap() >= wanted);
            });
            cached.serve().unwrap();
            let when = format!("{mode}, kill {round}");
            assert_eq!(promise.check(&mut cached.connect(), &when), 0, "{when}");
        }
        // Without its cache the device has the same.
        cached.call("cache-detach", Some(json!({ "pool": "v" }))).unwrap();
        cached.stop();
        promise.check_file(&cached.origin(), mode);
    }
}

#[test]
fn fio_verifies_after_kill_9_what_it_had_written_and_flushed() {
    for mode in MODES {
        let mut cached = Cached::start(&SMALL, &["--mode", mode]);
        for round in 0..3 {
            let seed = format!("--randseed={round}");
            fio(&cached, &["--rw=randwrite", "--iodepth=16", &seed, "--do_verify=0"]);
            // fio's engine sends no flush at its end, and a client of QEMU none without a write.
            let mut client = cached.connect();
            client.request(3, 0, 1, 0, 0);
            assert_eq!(client.simple(), (0, 1));
            cached.kill();
            cached.serve().unwrap();
            fio(&cached, &["--rw=randwrite", "--iodepth=16", &seed, "--verify_only=1"]);
        }
        assert_eq!(cached.status()["lostBytes"], 0);
    }
}

#[test]
fn modes_switch_and_the_ssd_comes_and_goes_while_a_writer_goes_on() {
    let mut cached = Cached::start(&SMALL, &[]);
    let mut promise = Promise::new(SMALL_BLOCKS, 17);
    let mut client = cached.connect();
    let flushes = promise.write_beside(&mut client, |going_on| {
        for _ in 0..4 {
            for mode in ["writeback", "pass-through", "writeback", "writethrough"] {
                cached.mode(mode).unwrap();
                assert_eq!(cached.status()["mode"], mode);
                going_on();
            }
            for (call, phase) in [("cache-detach", "detached"), ("cache-attach", "running")] {
                cached.call(call, Some(json!({ "pool": "v" }))).unwrap();
                assert_eq!(cached.status()["phase"], phase);
                let again = cached.call(call, Some(json!({ "pool": "v" })));
                assert_eq!(again, Err("PUR_CACHE_STATE".to_owned()));
                going_on();
            }
        }
    });
    assert!(flushes > 40, "{flushes}");
    assert_eq!(promise.check(&mut client, "after all switches"), 0);
    cached.mode("pass-through").unwrap();
    cached.stop();
    promise.check_file(&cached.origin(), "the device alone");
}

/// Damage to an SSD: what is done to its file.
enum Damage {
    Blocks(std::ops::Range<u64>),
    CutTo(u64),
}

fn damages(blocks: u64) -> Vec<Damage> {
    let mut all: Vec<Damage> = (0..4).map(|block| Damage::Blocks(block..block + 1)).collect();
    all.extend([0..2, 2..4, 4..64, 0..64, 64..blocks, 0..blocks].map(Damage::Blocks));
    all.extend((4..64).step_by(6).map(|block| Damage::Blocks(block..block + 6)));
    all.extend((64..blocks).step_by(320).map(|block| Damage::Blocks(block..block + 40)));
    all.extend([0, 1, 3, 10, 40, blocks / 2, blocks - 1].map(Damage::CutTo));
    all
}

#[test]
fn damage_anywhere_on_the_ssd_is_right_bytes_or_a_clear_error() {
    let blocks = SMALL.ssd_mib << 8;
    for mode in MODES {
        let mut source = Cached::start(&SMALL, &["--mode", mode]);
        let mut promise = Promise::new(SMALL_BLOCKS, 23);
        let mut rounds = 0..60;
        promise.write(&mut source.connect(), || rounds.next().is_none());
        assert_eq!(promise.check(&mut source.connect(), "before the damage"), 0);
        source.kill();
        let (mut refused, mut failed, mut whole) = (0, 0, 0);
        for (number, damage) in damages(blocks).into_iter().enumerate() {
            let mut cached = Cached::prepare(&SMALL, &[]);
            copy_files(source.folder.path(), cached.folder.path());
            let ssd = fs::OpenOptions::new().write(true).open(cached.path("ssd0.img")).unwrap();
            let what = match damage {
                Damage::Blocks(range) => {
                    let count = usize::try_from(range.end - range.start).unwrap() * 4096;
                    let noise = Random(number as u64).bytes(count);
                    ssd.write_all_at(&noise, range.start * 4096).unwrap();
                    format!("{mode}: noise in blocks {range:?}")
                }
                Damage::CutTo(length) => {
                    ssd.set_len(length * 4096).unwrap();
                    format!("{mode}: cut to {length} blocks")
                }
            };
            if let Err(said) = cached.serve() {
                assert_eq!(mode, "writeback", "{what}: a clean cache is not needed: {said}");
                assert!(said.contains("must not be used without its cache"), "{what}: {said}");
                // What is refused stays as it was.
                let lock = fs::read_to_string(cached.path("locks/v.json")).unwrap();
                assert!(lock.contains("true"));
                refused += 1;
            } else {
                let errors = promise.check(&mut cached.connect(), &what);
                let lost = cached.status()["lostBytes"].as_u64().unwrap();
                assert_eq!(lost, errors as u64 * 4096, "{what}");
                if errors > 0 {
                    assert_eq!(mode, "writeback", "{what}");
                    failed += 1;
                } else {
                    whole += 1;
                }
            }
        }
        eprintln!("{mode}: {whole} whole, {failed} with lost blocks, {refused} refused");
        assert!(whole > 0);
        assert_eq!(refused > 0 && failed > 0, mode == "writeback");
    }
}

#[test]
fn of_two_ssds_one_may_be_damaged_or_gone_though_all_is_dirty() {
    let two = Shape { ssds: 2, ..SMALL };
    let mut cached = Cached::start(&two, &["--mode", "writeback"]);
    let mut promise = Promise::new(SMALL_BLOCKS, 29);
    for (number, file) in ["ssd0.img", "ssd1.img"].into_iter().enumerate() {
        let mut rounds = 0..30;
        promise.write(&mut cached.connect(), || rounds.next().is_none());
        cached.kill();
        let path = cached.path(file);
        let noise = Random(number as u64).bytes(4 << 20);
        fs::OpenOptions::new().write(true).open(&path).unwrap().write_all(&noise).unwrap();
        cached.serve().unwrap();
        assert_eq!(promise.check(&mut cached.connect(), file), 0);
        // Both take part again.
        for call in ["cache-detach", "cache-attach"] {
            cached.call(call, Some(json!({ "pool": "v" }))).unwrap();
        }
        cached.mode("writeback").unwrap();
        assert_eq!(cached.status()["devicesInUse"], 2);
    }
}

#[test]
fn what_is_on_an_ssd_or_grew_under_its_cache_is_not_written_over() {
    let mut cached = Cached::prepare(&SMALL, &[]);
    fs::write(cached.path("ssd0.img"), Random(1).bytes(4 << 20)).unwrap();
    assert!(cached.serve().is_err_and(|said| said.contains("--overwrite")));
    fs::write(cached.path("ssd0.img"), vec![0; 4 << 20]).unwrap();
    cached.serve().unwrap();
    cached.stop();
    let origin = fs::OpenOptions::new().write(true).open(cached.path("origin.img")).unwrap();
    origin.set_len(SMALL.origin_bytes + 4096).unwrap();
    assert!(cached.serve().is_err_and(|said| said.contains("bytes and had")));
    fs::write(cached.path("locks/v.json"), "{").unwrap();
    assert!(cached.serve().is_err_and(|said| said.contains("the lock")));
}

#[test]
fn requests_are_recorded_as_lines_of_a_trace() {
    let cached = Cached::start(&SMALL, &[]);
    let volume = || Some(json!({ "volume": "v" }));
    cached.call("record-start", volume()).unwrap();
    let uri = cached.uri();
    run("qemu-io", &["-f", "raw", "-c", "write 8192 4096", "-c", "read 1M 64k", &uri]);
    let taken = cached.call("record-take", volume()).unwrap();
    let lines = taken["lines"].as_str().unwrap().to_owned();
    assert!(lines.contains(",w,16,4096\n") && lines.contains(",r,2048,65536\n"), "{lines}");
    cached.call("record-stop", volume()).unwrap();
    run("qemu-io", &["-f", "raw", "-c", "read 0 4096", &uri]);
    assert_eq!(cached.call("record-take", volume()).unwrap()["requests"], 0);
    let other = cached.call("record-start", Some(json!({ "volume": "w" })));
    assert_eq!(other, Err("PUR_CACHE_NONE".to_owned()));
}

#[test]
fn an_ordered_device_that_lost_its_only_ssd_is_what_it_was_at_a_flush() {
    const BLOCKS: u64 = 1536;
    const EPOCH_WRITES: u64 = 4;
    const BYTES: u32 = 4096;
    let mut cached = Cached::start(&SMALL, &["--mode", "writeback", "--ordered"]);
    let mut client = cached.connect();
    let mut write = |version: u64| {
        let offset = version % BLOCKS * u64::from(BYTES);
        client.request(1, 0, version, offset, BYTES);
        client.socket.write_all(&version.to_le_bytes().repeat(512)).unwrap();
        assert_eq!(client.simple().0, 0);
        if version.is_multiple_of(EPOCH_WRITES) {
            client.request(3, 0, version, 0, 0);
            assert_eq!(client.simple().0, 0);
        }
    };
    // Every block twice: versions that were flushed are written over while older ones go home.
    let last = 2 * BLOCKS;
    (1..=last).for_each(&mut write);
    wait_until("dirty pages go home", || cached.origin().iter().any(|byte| *byte != 0));
    cached.kill();
    fs::remove_file(cached.path("ssd0.img")).unwrap();

    let origin = cached.origin();
    let found: Vec<u64> = origin
        .chunks(BYTES as usize)
        .take(usize::try_from(BLOCKS).unwrap())
        .map(|block| {
            let version = u64::from_le_bytes(block[..8].try_into().unwrap());
            assert_eq!(block, version.to_le_bytes().repeat(512));
            version
        })
        .collect();
    // Whatever was flushed before the newest write that is there is there too.
    let newest = *found.iter().max().unwrap();
    let flushed = (newest - 1) / EPOCH_WRITES * EPOCH_WRITES;
    for version in flushed.saturating_sub(BLOCKS) + 1..=flushed {
        let there = found[usize::try_from(version % BLOCKS).unwrap()];
        assert!(there >= version, "{newest} is there, {version} is not: {there}");
    }
}
