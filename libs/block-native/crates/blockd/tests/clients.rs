//! Other people's clients: libnbd's tools, QEMU's, fio's; kills and upgrades under them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use support::Random;
use support::daemon::{Daemon, one_pool, run};

fn fio_words<'a>(uri: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["--name=t", "--ioengine=nbd", uri, "--thread", "--output-format=terse"];
    words.extend(more);
    words
}

#[test]
fn what_nbdcopy_brings_in_comes_out_again_on_either_port() {
    for port in ["best", "threads"] {
        let daemon = Daemon::start(&one_pool(64), "v", &["--port", port]);
        let (input, output) =
            (daemon.folder.path().join("in.img"), daemon.folder.path().join("out.img"));
        let mut bytes = Random(3).bytes(24 << 20);
        bytes[5 << 20..9 << 20].fill(0);
        bytes.resize(64 << 20, 0);
        fs::write(&input, &bytes).unwrap();
        let uri = daemon.uri("v", "v");
        run("nbdcopy", &["--flush", input.to_str().unwrap(), &uri]);
        let map = run("nbdinfo", &["--map", &uri]);
        assert!(map.contains("hole"), "{map}");
        run("nbdcopy", &[&uri, output.to_str().unwrap()]);
        assert!(fs::read(&output).unwrap() == bytes, "{port}: what came out differs");
        run("qemu-img", &["compare", "-f", "raw", "-F", "raw", input.to_str().unwrap(), &uri]);
        daemon.stop();
    }
}

#[test]
fn qemu_s_client_writes_zeroes_trims_and_reads_with_smaller_sectors() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let uri = daemon.uri("v", "v");
    let steps = [
        "write -P 1 0 8M",
        "write -z 1M 1M",
        "discard 2M 1M",
        "write -P 2 512 512",
        "flush",
        "read -P 1 0 512",
        "read -P 2 512 512",
        "read -P 1 1024 1047552",
        "read -P 0 1M 2M",
        "read -P 1 3M 5M",
        "write -f -P 3 8M 64k",
        "read -P 3 8M 64k",
    ];
    let words: Vec<&str> = steps.iter().flat_map(|step| ["-c", step]).collect();
    let mut all = vec!["-f", "raw"];
    all.extend(&words);
    all.push(&uri);
    let said = run("qemu-io", &all);
    assert!(!said.contains("verification failed"), "{said}");
    daemon.stop();
}

const BLOCKS: u64 = 4096;

/// What a block may hold: the version that was answered last, or one that was sent since.
#[derive(Default)]
struct Block {
    answered: u64,
    sent: Vec<u64>,
}

fn block_of(version: u64) -> Vec<u8> {
    version.to_le_bytes().repeat(512)
}

/// Writes random blocks, 16 at a time, until the connection breaks or `count` are answered.
fn write_until(
    socket: &std::path::Path,
    model: &mut HashMap<u64, Block>,
    next: &mut u64,
    count: u64,
) {
    let mut client = support::Client::connect(socket).enter(false);
    let mut random = Random(*next);
    let mut flying: HashMap<u64, u64> = HashMap::new();
    let mut answered = 0;
    while answered < count {
        while flying.len() < 16 {
            let block = random.below(BLOCKS);
            // Two writes of a block at a time may end either way round.
            if flying.values().any(|other| *other == block) {
                continue;
            }
            *next += 1;
            model.entry(block).or_default().sent.push(*next);
            flying.insert(*next, block);
            let mut bytes = support::request(1, 0, *next, block * 4096, 4096);
            bytes.extend(block_of(*next));
            client.socket.write_all(&bytes).unwrap();
        }
        let (error, cookie) = client.simple();
        assert_eq!(error, 0);
        let block = flying.remove(&cookie).unwrap();
        let known = model.get_mut(&block).unwrap();
        known.answered = cookie;
        known.sent.retain(|version| *version > cookie);
        answered += 1;
    }
}

#[test]
fn kill_9_loses_nothing_that_was_answered() {
    let mut daemon = Daemon::start(&one_pool(64), "v", &[]);
    let mut model = HashMap::new();
    let mut next = 0;
    for round in 0..8u64 {
        write_until(&daemon.socket("v"), &mut model, &mut next, 100 + round * 700);
        daemon.kill();
        daemon.restart("v");
        let mut client = support::Client::connect(&daemon.socket("v")).enter(false);
        for (block, known) in &mut model {
            client.request(0, 0, 1, block * 4096, 4096);
            assert_eq!(client.simple(), (0, 1), "round {round}, block {block}");
            let found = client.take(4096);
            let version = u64::from_le_bytes(found[..8].try_into().unwrap());
            assert!(found == block_of(version), "round {round}, block {block} is torn");
            let right = version == known.answered || known.sent.contains(&version);
            let wanted = (known.answered, &known.sent);
            assert!(right, "round {round}, block {block}: {version}, not of {wanted:?}");
            // What is read once stays: the others are of the past.
            *known = Block { answered: version, sent: Vec::new() };
        }
    }
    daemon.stop();
}

#[test]
fn a_planned_upgrade_shows_clients_no_error() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let uri = format!("--uri={}", daemon.uri("v", "v"));
    let job =
        ["--rw=randwrite", "--bs=16k", "--iodepth=8", "--size=64M", "--verify=crc32c", "--loops=3"];
    let writing = Command::new("fio")
        .args(fio_words(&uri, &job))
        .current_dir(daemon.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let old = daemon.process("v");
    let upgraded = daemon.call("upgrade", &json!({}));
    let new = upgraded.unwrap()["process"].as_u64().unwrap();
    assert_eq!(u64::from(daemon.process("v")), new);
    assert_ne!(u64::from(old), new);
    let output = writing.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The new one answers on the old sockets, and can be replaced as well.
    daemon.call("upgrade", &json!({})).unwrap();
    assert!(daemon.verb("stop").status.success());
}

#[test]
fn an_upgrade_to_a_program_that_is_none_leaves_all_as_it_was() {
    let daemon = Daemon::start(&one_pool(64), "v", &[]);
    let mut client = support::Client::connect(&daemon.socket("v")).enter(false);
    // One says that it could serve, and goes when it has been handed everything: the pool was
    // closed for it, and is opened again.
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("half");
    fs::write(&half, "#!/bin/sh\nprintf R >&0\nsleep 0.2\n").unwrap();
    fs::set_permissions(&half, fs::Permissions::from_mode(0o755)).unwrap();
    for program in ["/bin/true", "/nonexistent", half.to_str().unwrap()] {
        let failed = daemon.call("upgrade", &json!({ "program": program }));
        assert_eq!(failed.unwrap_err(), "PUR_BLOCK_UPGRADE");
    }
    client.request(0, 0, 1, 0, 4096);
    assert_eq!(client.simple(), (0, 1));
    assert_eq!(daemon.process("v"), daemon.child.id());
    daemon.stop();
}

#[test]
fn tcp_clients_are_served_with_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&key, &authority).unwrap();
    fs::write(file("ca-cert.pem"), authority.pem()).unwrap();
    fs::write(file("server-cert.pem"), own.pem()).unwrap();
    fs::write(file("server-key.pem"), key.serialize_pem()).unwrap();

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let (certificate, key) = (file("server-cert.pem"), file("server-key.pem"));
    let options = ["--tcp", &address, "--tls-certificate", &certificate, "--tls-key", &key];
    let daemon = Daemon::start(&one_pool(64), "v", &options);
    let tls = format!("nbds://{address}/v?tls-certificates={}", folder.path().display());
    let input = file("in.img");
    let mut bytes = Random(5).bytes(8 << 20);
    bytes.resize(64 << 20, 0);
    fs::write(&input, &bytes).unwrap();
    run("nbdcopy", &["--flush", &input, &tls]);
    let output = file("out.img");
    run("nbdcopy", &[&tls, &output]);
    assert!(fs::read(&output).unwrap() == bytes, "what came out differs");
    let plain = Command::new("nbdinfo").arg(format!("nbd://{address}/v")).output().unwrap();
    assert!(!plain.status.success(), "a client without TLS was served");
    daemon.stop();
}
