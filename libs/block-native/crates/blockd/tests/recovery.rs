//! Recovery beside clients: a real pool and the gates of its disks, on disks of a fixed speed whose
//! time is counted and does not pass. So the shares are those of the engine and of the queue, on
//! any machine and every time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::cast_precision_loss, reason = "ratios of a few mebibytes")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use purlin_block_core::buffer::{Buffer, Slice};
use purlin_block_core::control::{
    Control, ControlAnswer, ControlOp, DiskId, DiskSpec, OpenOptions, PoolId, PoolSpec,
    RecoverySpeed,
};
use purlin_block_core::disk::{DiskFacts, DiskHandle, IoClass, Media};
use purlin_block_core::placement::Level;
use purlin_block_core::request::{Answer, Request, RequestOp, Tag, VolumeId};
use purlin_block_core::{Nanoseconds, Policy, Pool};
use purlin_blockd::disk_gate::{DiskGate, Ended};
use purlin_blockd::port::Port;
use purlin_blockd::port::operation::{Completion, Handle, Operation};
use purlin_blockd::port::token::Token;
use purlin_blockd::qos::weighted_queue::Weights;
use serde_json::{Value, json};
use support::daemon::{Daemon, run};
use support::wait_until;

const MIB: usize = 1 << 20;
const DISK_MIB: usize = 96;
const VOLUME_MIB: usize = 64;
/// What a disk does: 200 MiB a second, and a tenth of a millisecond for each operation.
const NANOS_A_BLOCK: u64 = 19_531;
const NANOS_AN_OPERATION: u64 = 100_000;

/// Disks in memory, each of which does one operation after the other.
struct VirtualDisks {
    contents: Vec<Vec<u8>>,
    free_at: Vec<u64>,
    now: u64,
    next: u64,
    under_way: BTreeMap<(u64, u64), (Token, Operation)>,
}

impl VirtualDisks {
    fn new(disks: usize) -> Self {
        Self {
            contents: vec![vec![0; DISK_MIB * MIB]; disks],
            free_at: vec![0; disks],
            now: 0,
            next: 0,
            under_way: BTreeMap::new(),
        }
    }
}

fn disk_of(token: Token) -> usize {
    let Token::Disk(DiskHandle(disk), _) = token else { panic!("{token:?} is of no disk") };
    disk as usize
}

impl Port for VirtualDisks {
    fn submit(&mut self, token: Token, operation: Operation) {
        let bytes = match &operation {
            Operation::Read { buffer, .. } => buffer.len(),
            Operation::Write { slices, .. } => slices.iter().map(Slice::len).sum(),
            _ => 0,
        };
        let free_at = &mut self.free_at[disk_of(token)];
        *free_at =
            self.now.max(*free_at) + NANOS_AN_OPERATION + bytes as u64 / 4096 * NANOS_A_BLOCK;
        self.next += 1;
        self.under_way.insert((*free_at, self.next), (token, operation));
    }

    fn push_out(&mut self) {}

    fn cancel(&mut self, _: Token) {}

    fn wait(&mut self, _: Option<Duration>, completions: &mut Vec<Completion>) -> io::Result<()> {
        let Some(((at, _), (token, mut operation))) = self.under_way.pop_first() else {
            return Ok(());
        };
        self.now = at;
        let content = &mut self.contents[disk_of(token)];
        let mut result = 0;
        match &mut operation {
            Operation::Read { offset, buffer, .. } => {
                let from = usize::try_from(*offset).unwrap();
                result = buffer.len();
                buffer.as_bytes_mut().copy_from_slice(&content[from..from + result]);
            }
            Operation::Write { offset, slices, .. } => {
                let mut to = usize::try_from(*offset).unwrap();
                for slice in slices.iter() {
                    content[to..to + slice.len()].copy_from_slice(slice.as_bytes());
                    to += slice.len();
                    result += slice.len();
                }
            }
            _ => {}
        }
        completions.push(Completion { token, operation, result: Ok(result) });
        Ok(())
    }

    fn name(&self) -> &'static str {
        "virtual"
    }
}

/// A pool of four disks with two copies of everything.
struct Lab {
    pool: Pool,
    gates: Vec<DiskGate>,
    disks: VirtualDisks,
    volume: VolumeId,
    next_tag: u64,
    /// Bytes of each request of a client that reads all the time, and where it is.
    reading: Option<usize>,
    place: u64,
    called: Vec<ControlAnswer>,
    answered: usize,
}

impl Lab {
    fn new() -> Self {
        let nothing: Handle = Arc::new(File::open("/dev/null").unwrap().into());
        let facts = DiskFacts {
            size_bytes: (DISK_MIB * MIB) as u64,
            sector_bytes: 4096,
            media: Media::Ssd,
        };
        let spec = |number: u32| DiskSpec {
            handle: DiskHandle(number),
            name: format!("d{number}"),
            facts,
            domains: vec![format!("s{number}")],
        };
        let gate = |number: u32| {
            let weights = Weights::of(RecoverySpeed::Medium);
            DiskGate::new(DiskHandle(number), nothing.clone(), weights, number.into())
        };
        let pool = PoolSpec {
            id: PoolId([3; 16]),
            policy: Policy::Replicas { copies: 2 },
            level: Level::Server,
            log_bytes: Some(16 * MIB as u64),
            shard_bytes: None,
            force: false,
        };
        let mut lab = Self {
            pool: Pool::create(pool, (0..4).map(spec).collect(), OpenOptions::new(1)),
            gates: (0..4).map(gate).collect(),
            disks: VirtualDisks::new(4),
            volume: VolumeId(0),
            next_tag: 0,
            reading: None,
            place: 0,
            called: Vec::new(),
            answered: 0,
        };
        let size_bytes = (VOLUME_MIB * MIB) as u64;
        let made = lab.control(ControlOp::CreateVolume { name: "v".to_owned(), size_bytes });
        let ControlAnswer::Volume(volume) = made else { panic!("{made:?}") };
        lab.volume = volume;
        for at in 0..VOLUME_MIB {
            let mut bytes = Buffer::zeroed(MIB / 4096);
            bytes.as_bytes_mut().fill(u8::try_from(at).unwrap());
            let (offset, slices) = ((at * MIB) as u64, vec![bytes.share()]);
            lab.submit(RequestOp::Write { offset, slices, fua: false });
            while lab.answered <= at {
                lab.turn();
            }
        }
        lab.control(ControlOp::Checkpoint);
        lab
    }

    fn submit(&mut self, op: RequestOp) {
        self.next_tag += 1;
        self.pool.submit(Request { tag: Tag(self.next_tag), volume: self.volume, op });
    }

    /// Reads somewhere, as much as the client does.
    fn read_on(&mut self) {
        let Some(length) = self.reading else { return };
        let all = (VOLUME_MIB * MIB / length) as u64;
        self.place = (self.place * 1_103_515_245 + 12345) % (1 << 31);
        let offset = self.place / 64 % all * length as u64;
        self.submit(RequestOp::Read { offset, length });
    }

    /// Lets the pool work, and the first operation end that does.
    fn turn(&mut self) {
        let now = Nanoseconds(self.disks.now);
        self.pool.advance(now);
        while let Some(io) = self.pool.next_io() {
            self.gates[io.disk.0 as usize].submit(io, now);
        }
        self.gates.iter_mut().for_each(|gate| gate.push_out(&mut self.disks));
        while let Some(reply) = self.pool.next_control_reply() {
            self.called.push(reply.result.unwrap());
        }
        let mut again = 0;
        while let Some(reply) = self.pool.next_reply() {
            assert!(matches!(reply.result, Ok(Answer::Done | Answer::Bytes(_))), "{reply:?}");
            self.answered += 1;
            again += 1;
        }
        for _ in 0..again {
            self.read_on();
        }
        let mut completions = Vec::new();
        self.disks.wait(None, &mut completions).unwrap();
        for completion in completions {
            let Token::Disk(disk, id) = completion.token else { panic!("of no disk") };
            let now = Nanoseconds(self.disks.now);
            let gate = &mut self.gates[disk.0 as usize];
            match gate.complete(id, completion, now, &mut self.disks) {
                Ended::Done(done) => self.pool.complete(done),
                Ended::AllDone(all) => all.into_iter().for_each(|done| self.pool.complete(done)),
                Ended::Nothing | Ended::Answers => {}
            }
        }
    }

    fn control(&mut self, op: ControlOp) -> ControlAnswer {
        self.pool.control(Control { tag: Tag(0), op });
        while self.called.is_empty() {
            self.turn();
        }
        self.called.pop().unwrap()
    }

    /// Bytes that a class has moved at each gate that is left.
    fn moved(&self, class: IoClass) -> [u64; 3] {
        [0, 2, 3].map(|disk: usize| self.gates[disk].moved_bytes()[class as usize])
    }

    /// Loses the second disk under a client that keeps `depth` reads under way. Gives recovery's
    /// share of the bytes from its first mebibytes on until most of its work is done, and how much
    /// the busiest disk did for it over the mean.
    fn recover(mut self, speed: RecoverySpeed, depth: usize, length: usize) -> (f64, f64) {
        for gate in &mut self.gates {
            gate.set_weights(Weights::of(speed));
        }
        self.reading = Some(length);
        for _ in 0..depth {
            self.read_on();
        }
        self.control(ControlOp::SetAnswering { disk: DiskHandle(1), answers: false });
        self.control(ControlOp::ForgetDisk(DiskId(1)));
        let all = |lab: &Self, class| lab.moved(class).iter().sum::<u64>();
        let until = |lab: &mut Self, mebibytes: usize| {
            while all(lab, IoClass::Recovery) < (mebibytes * MIB) as u64 {
                lab.turn();
            }
            (all(lab, IoClass::Client), lab.moved(IoClass::Recovery))
        };
        // Half of the volume was on it: 32 MiB are read and written. The call is answered when some
        // of that is done.
        let (client, recovery) = until(&mut self, 12);
        let (clients, recoveries) = until(&mut self, 52);
        let each: Vec<u64> = recoveries.iter().zip(recovery).map(|(to, from)| to - from).collect();
        let sum: u64 = each.iter().sum();
        let mean = sum as f64 / each.len() as f64;
        let spread = *each.iter().max().unwrap() as f64 / mean;
        (100.0 * sum as f64 / (sum + clients - client) as f64, spread)
    }
}

#[test]
fn recovery_has_its_share_of_every_disk_beside_clients_that_want_all_of_it() {
    let (depth, length) = (64, 4096);
    let speeds = [
        (RecoverySpeed::Low, 10.0, 5.0),
        (RecoverySpeed::Medium, 50.0, 7.0),
        (RecoverySpeed::High, 67.0, 7.0),
    ];
    for (speed, wanted, tolerance) in speeds {
        let (share, spread) = Lab::new().recover(speed, depth, length);
        eprintln!(
            "{speed:?}: {share:.1} % (goal {wanted} ± {tolerance}), busiest disk {spread:.2} times \
             the mean"
        );
        assert!((share - wanted).abs() <= tolerance, "{share} %");
        assert!(spread <= 1.3, "{spread}");
    }
}

/// A pool of two copies on four servers, with these racks.
fn standing(level: &str, racks: &[(&str, &[&str])]) -> String {
    let racks: Vec<Value> =
        racks.iter().map(|(rack, servers)| json!({ "rack": rack, "servers": servers })).collect();
    let roots = json!([{ "datacenter": "d", "rooms": [{ "room": "r", "racks": racks }] }]);
    let disks: Vec<Value> = ["a", "b", "c", "d"]
        .iter()
        .map(|disk| {
            let (server, path) = (format!("s{disk}"), format!("./{disk}.img"));
            json!({ "name": disk, "server": server, "path": path, "sizeGiB": 0.0625 })
        })
        .collect();
    let pool = json!({ "redundancy": { "replicas": 2 }, "faultDomain": level, "disks": disks });
    let documents = [
        json!({ "kind": "Topology", "name": "t", "spec": { "roots": roots } }),
        json!({ "kind": "StoragePool", "name": "p", "spec": pool }),
        json!({ "kind": "Volume", "name": "v", "spec": { "pool": "p", "sizeGiB": 0.03125 } }),
    ];
    documents.map(|document| document.to_string()).join("\n---\n")
}

#[test]
fn another_fault_domain_of_a_standing_pool_is_in_force_in_use() {
    let pairs: [(&str, &[&str]); 2] = [("k1", &["sa", "sb"]), ("k2", &["sc", "sd"])];
    let crossed: [(&str, &[&str]); 2] = [("k1", &["sa", "sc"]), ("k2", &["sb", "sd"])];
    let single: [(&str, &[&str]); 1] = [("k1", &["sa", "sb", "sc", "sd"])];
    let daemon = Daemon::start(&standing("server", &pairs), "v", &[]);
    let file = daemon.folder.path().join("config.yaml");
    let uri = daemon.uri("v", "v");
    run("qemu-io", &["-f", "raw", "-c", "write -P 7 0 16M", "-c", "flush", &uri]);
    daemon.call("pool-checkpoint", &json!({ "pool": "p" })).unwrap();
    let stand = |level: &str, racks: &[(&str, &[&str])]| {
        fs::write(&file, standing(level, racks)).unwrap();
        daemon.call("pool-topology", &json!({ "pool": "p" }))
    };
    let engine = || daemon.call("status", &json!(null)).unwrap()["pools"][0]["engine"].take();
    // How many racks may go without a loss, once nothing is left to move.
    let racks_that_may_go = || {
        wait_until("nothing is left to move", || engine()["moving"]["rebalance"] == "idle");
        let explained = daemon.call("pool-explain", &json!({ "pool": "p" })).unwrap();
        let levels = explained["placed"][0]["survival"].as_array().unwrap().clone();
        levels.iter().find(|level| level["level"] == "rack").unwrap()["any"].clone()
    };
    assert_eq!(racks_that_may_go(), 0, "two servers of a rack share stripes");
    stand("rack", &pairs).unwrap();
    assert_eq!(engine()["faultDomain"], "rack");
    assert_eq!(racks_that_may_go(), 1);
    stand("rack", &crossed).unwrap();
    assert_eq!(racks_that_may_go(), 1);
    assert_eq!(engine()["disks"][1]["domains"], json!(["d", "r", "k2", "sb"]));
    assert!(stand("rack", &single).is_err(), "two copies in one rack");
    assert_eq!(engine()["faultDomain"], "rack");
    run("qemu-io", &["-f", "raw", "-c", "read -P 7 0 16M", &uri]);
    // What a call has made is what the next process finds.
    fs::write(&file, standing("rack", &crossed)).unwrap();
    daemon.call("upgrade", &json!({})).unwrap();
    assert_eq!(engine()["faultDomain"], "rack");
    assert_eq!(racks_that_may_go(), 1);
    assert!(daemon.verb("stop").status.success());
}
