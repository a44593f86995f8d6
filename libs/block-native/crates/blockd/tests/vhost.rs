//! Volumes as disks of machines: the driver of `support/front_end.rs` on a daemon of its own
//! process, through kills and upgrades.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/front_end.rs"]
mod front_end;
mod support;

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use front_end::{
    DISCARD, FLUSH, FrontEnd, IDENTIFY, READ, SLOTS, WRITE, WRITE_ZEROES, halves, receive,
    sealed_memory, send, words,
};
use purlin_blockd::vhost::protocol::{CONFIG_CHANGED, Head, feature};
use rustix::event::Timespec;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use serde_json::json;
use support::daemon::{Daemon, one_pool};
use support::{Client, Random, wait_until};

const VOLUME_MIB: u32 = 64;
const SECTORS: u64 = (VOLUME_MIB as u64) << 11;
const DONE: u8 = 0;
const FAILED: u8 = 1;
const UNSUPPORTED: u8 = 2;

fn serve(more: &[&str]) -> Daemon {
    let mut options = vec!["--vhost"];
    options.extend(more);
    // This socket comes after the one for NBD.
    Daemon::start(&one_pool(VOLUME_MIB), "v.vhost", &options)
}

fn machine(daemon: &Daemon, queues: u16) -> FrontEnd {
    FrontEnd::connect(&daemon.socket("v.vhost"), queues)
}

/// What NBD finds of the same volume.
fn by_nbd(daemon: &Daemon, offset: u64, bytes: u32) -> Vec<u8> {
    let mut client = Client::connect(&daemon.socket("v")).enter(false);
    client.request(0, 0, 7, offset, bytes);
    assert_eq!(client.simple(), (0, 7));
    client.take(bytes as usize)
}

#[test]
fn a_machine_reads_what_it_wrote_in_sectors_of_any_size_on_either_port() {
    for port in ["best", "threads"] {
        let daemon = serve(&["--port", port]);
        let mut machine = machine(&daemon, 2);
        let mut model = vec![0u8; 1 << 20];
        let mut random = Random(11);
        for round in 0..200u64 {
            let queue = usize::try_from(round % 2).unwrap();
            // One in two is of whole blocks, the others begin and end anywhere.
            let (sector, sectors) = if random.below(2) == 0 {
                (random.below(240) * 8, (1 + random.below(2)) * 8)
            } else {
                (random.below(1900), 1 + random.below(20))
            };
            let at = usize::try_from(sector * 512).unwrap();
            let bytes = random.bytes(usize::try_from(sectors * 512).unwrap());
            let room = &mut model[at..at + bytes.len()];
            match random.below(4) {
                0 => {
                    let sectors = u32::try_from(sectors).unwrap();
                    let zeroed = machine.ranges(queue, WRITE_ZEROES, &[(sector, sectors)], 1);
                    assert_eq!(zeroed, DONE);
                    room.fill(0);
                }
                1 => {
                    let length = u32::try_from(bytes.len()).unwrap();
                    assert!(machine.read(queue, sector, length) == room, "{port}, {round}");
                }
                _ => {
                    assert_eq!(machine.write(queue, sector, &bytes), DONE);
                    room.copy_from_slice(&bytes);
                }
            }
        }
        assert_eq!(machine.run(0, FLUSH, 0, 0), DONE);
        assert!(by_nbd(&daemon, 0, 1 << 20) == model, "{port}: NBD finds something else");
        assert_eq!(machine.ranges(1, DISCARD, &[(0, 1024), (1030, 5)], 0), DONE);
        model[..1024 * 512].fill(0);
        assert!(by_nbd(&daemon, 0, 1 << 20) == model, "{port}: a discard took too much");
        assert_eq!(machine.run(0, IDENTIFY, 0, 20), DONE);
        let mut name = [0; 20];
        machine.memory.read(FrontEnd::carried(0, 0), &mut name).unwrap();
        assert_eq!(&name[..2], b"v\0");
        daemon.stop();
    }
}

#[test]
fn what_cannot_be_done_is_said_and_harms_nothing() {
    let daemon = serve(&[]);
    let mut machine = machine(&daemon, 1);
    assert_eq!(machine.write(0, 0, &[7; 4096]), DONE);
    assert_eq!(machine.run(0, READ, SECTORS, 512), FAILED);
    assert_eq!(machine.run(0, READ, SECTORS - 1, 1024), FAILED);
    assert_eq!(machine.run(0, READ, u64::MAX, 512), FAILED);
    assert_eq!(machine.run(0, WRITE, u64::MAX / 512, 512), FAILED);
    assert_eq!(machine.run(0, READ, 0, 100), FAILED);
    assert_eq!(machine.run(0, READ, 0, 0), FAILED);
    assert_eq!(machine.run(0, 99, 0, 512), UNSUPPORTED);
    assert_eq!(machine.ranges(0, DISCARD, &[(0, 8)], 1), UNSUPPORTED);
    assert_eq!(machine.ranges(0, WRITE_ZEROES, &[(0, 8)], 2), UNSUPPORTED);
    assert_eq!(machine.ranges(0, WRITE_ZEROES, &[(0, 8), (8, 8)], 0), FAILED);
    assert_eq!(machine.ranges(0, DISCARD, &[(SECTORS - 1, 2)], 0), FAILED);
    assert_eq!(machine.ranges(0, DISCARD, &[(u64::MAX, 2)], 0), FAILED);
    assert_eq!(machine.read(0, 0, 4096), vec![7; 4096]);
    daemon.stop();
}

/// What a block of the model may hold: the version that was answered last, and one under way.
#[derive(Default, Clone, Copy)]
struct Block {
    answered: u64,
    sent: u64,
}

/// Writes of whole blocks by all slots of two queues, each slot its own block at a time. Between
/// them are reads, which are answered before writes that were begun earlier: so what is in flight
/// is no run of the queue.
struct Writer {
    model: HashMap<u64, Block>,
    flying: HashMap<(usize, u16), (u64, u64)>,
    version: u64,
    random: Random,
}

const BLOCKS: u64 = 2048;
/// A read under way has no block of the model.
const A_READ: (u64, u64) = (u64::MAX, 0);

impl Writer {
    fn new(seed: u64) -> Self {
        let (model, flying) = (HashMap::new(), HashMap::new());
        Self { model, flying, version: 0, random: Random(seed) }
    }

    /// Puts a write into every slot that has none.
    fn fill(&mut self, machine: &mut FrontEnd) {
        for queue in 0..machine.queues.len() {
            for slot in 0..SLOTS {
                if self.flying.contains_key(&(queue, slot)) {
                    continue;
                }
                let block = self.random.below(BLOCKS);
                if self.random.below(3) == 0 {
                    machine.put(queue, slot, READ, block * 8, 4096);
                    self.flying.insert((queue, slot), A_READ);
                    continue;
                }
                if self.flying.values().any(|(other, _)| *other == block) {
                    continue;
                }
                self.version += 1;
                let bytes = self.version.to_le_bytes().repeat(512);
                machine.memory.write(FrontEnd::carried(queue, slot), &bytes).unwrap();
                machine.put(queue, slot, WRITE, block * 8, 4096);
                self.model.entry(block).or_default().sent = self.version;
                self.flying.insert((queue, slot), (block, self.version));
            }
            machine.kick(queue);
        }
    }

    fn take(&mut self, machine: &mut FrontEnd, queue: usize) {
        let answer = machine.answer(queue);
        self.note(queue, answer);
    }

    fn note(&mut self, queue: usize, (slot, status): (u16, u8)) {
        assert_eq!(status, DONE);
        let (block, version) = self.flying.remove(&(queue, slot)).expect("answered once");
        if let Some(known) = self.model.get_mut(&block) {
            known.answered = version;
        }
    }

    /// Takes what was answered before the daemon went, without waiting.
    fn take_all_there_is(&mut self, machine: &mut FrontEnd) {
        for queue in 0..machine.queues.len() {
            while let Some(answer) = machine.answer_within(queue, &Timespec::default()) {
                self.note(queue, answer);
            }
        }
    }

    fn drain(&mut self, machine: &mut FrontEnd) {
        for queue in 0..machine.queues.len() {
            while self.flying.keys().any(|(of, _)| *of == queue) {
                self.take(machine, queue);
            }
        }
    }

    fn check(&self, machine: &mut FrontEnd) {
        for (block, known) in &self.model {
            let bytes = machine.read(0, block * 8, 4096);
            let found = u64::from_le_bytes(*bytes.first_chunk().unwrap());
            assert!(bytes == found.to_le_bytes().repeat(512), "block {block} is mixed");
            assert_eq!((found, known.sent), (known.answered, known.answered), "block {block}");
        }
    }
}

#[test]
fn kill_9_with_requests_in_flight_loses_none_and_answers_each_once() {
    let mut daemon = serve(&[]);
    let mut machine = machine(&daemon, 2);
    let mut writer = Writer::new(5);
    let mut made_good = 0;
    for round in 0..12u64 {
        for _ in 0..round * 7 {
            writer.fill(&mut machine);
            writer.take(&mut machine, usize::try_from(round % 2).unwrap());
        }
        writer.fill(&mut machine);
        daemon.kill();
        writer.take_all_there_is(&mut machine);
        // The same slots are filled while nobody serves; the notes tell the two apart.
        writer.fill(&mut machine);
        made_good += writer.flying.len();
        daemon.restart("v.vhost");
        machine.reconnect();
        writer.drain(&mut machine);
        writer.check(&mut machine);
    }
    assert!(made_good > 100, "only {made_good} requests were in flight at a kill");
    let left = Timespec::default();
    assert_eq!(machine.answer_within(0, &left).or(machine.answer_within(1, &left)), None);
    daemon.stop();
}

#[test]
fn a_planned_upgrade_goes_on_with_the_same_connection_and_a_failed_one_too() {
    let daemon = serve(&[]);
    let mut machine = machine(&daemon, 2);
    let mut writer = Writer::new(9);
    for round in 0..4 {
        writer.fill(&mut machine);
        let call = if round % 2 == 0 {
            let before = daemon.process("v.vhost");
            let upgraded = daemon.call("upgrade", &json!({}));
            wait_until("another process serves", || daemon.process("v.vhost") != before);
            upgraded.map(drop)
        } else {
            daemon.call("upgrade", &json!({ "program": "/bin/false" })).map(drop)
        };
        assert_eq!(call.is_ok(), round % 2 == 0, "{call:?}");
        for turn in 0..100 {
            writer.take(&mut machine, turn % 2);
            writer.fill(&mut machine);
        }
    }
    writer.drain(&mut machine);
    writer.check(&mut machine);
    assert_eq!(machine.ask(1), feature::OFFERED);
    daemon.verb("stop");
}

#[test]
fn a_machine_is_told_that_its_volume_grew() {
    let daemon = serve(&[]);
    let mut machine = machine(&daemon, 1);
    let size = |machine: &FrontEnd| {
        let mut ask = halves(&[0, 60, 0]);
        ask.extend([0; 60]);
        send(&machine.socket, 24, 0, &ask, &[]);
        let (_, payload, _) = receive(&machine.socket).unwrap();
        u64::from_le_bytes(*payload[12..].first_chunk().unwrap())
    };
    assert_eq!(size(&machine), SECTORS);
    let larger = json!({ "pool": "p", "name": "v", "sizeBytes": 128u64 << 20 });
    daemon.call("volume-grow", &larger).unwrap();
    let mut notice = [0; 12];
    machine.notices.read_exact(&mut notice).unwrap();
    let expected = Head { request: CONFIG_CHANGED, flags: 1, payload_bytes: 0 };
    assert_eq!(Head::parse(&notice), expected);
    assert_eq!(size(&machine), SECTORS * 2);
    assert_eq!(machine.write(0, SECTORS * 2 - 8, &[3; 4096]), DONE);
    daemon.stop();
}

#[test]
fn a_queue_that_stops_says_where_it_is_and_goes_on_from_there() {
    let daemon = serve(&[]);
    let mut machine = machine(&daemon, 1);
    for round in 1..=5u32 {
        for _ in 0..3 {
            assert_eq!(machine.write(0, 0, &[1; 512]), DONE);
        }
        assert_eq!(machine.end_queue(0), round * 3);
        machine.begin_queue(0);
    }
    // Other memory means other mappings, under the same queues.
    machine.set_memory();
    assert_eq!(machine.write(0, 8, &[9; 4096]), DONE);
    assert_eq!(machine.read(0, 8, 4096), vec![9; 4096]);
    daemon.stop();
}

#[test]
fn hostile_chains_break_their_own_queue_and_nothing_else() {
    let daemon = serve(&[]);
    let mut bystander = machine(&daemon, 1);
    assert_eq!(bystander.write(0, 64, &[5; 4096]), DONE);
    let mut random = Random(21);
    let mut hostile = machine(&daemon, 2);
    for _ in 0..60 {
        for queue in 0..2 {
            let table = FrontEnd::table(queue);
            for at in 0..128 {
                let address = match random.below(4) {
                    0 => random.next(),
                    1 => (32 << 20) - random.below(64),
                    _ => random.below(32 << 20),
                };
                let bytes = u32::try_from(match random.below(4) {
                    0 => random.below(1 << 32),
                    1 => 16 * random.below(2000),
                    _ => random.below(8192),
                });
                let flags = u16::try_from(random.below(8)).unwrap();
                let next = u16::try_from(random.below(140)).unwrap();
                hostile.descriptor(table, at, address, bytes.unwrap(), flags, next);
            }
            for _ in 0..random.below(200) {
                hostile.offer(queue, u16::try_from(random.below(130)).unwrap());
            }
            if random.below(4) == 0 {
                let index = random.bytes(2);
                hostile.memory.write(FrontEnd::available(queue) + 2, &index).unwrap();
            }
            hostile.kick(queue);
        }
        // The daemon has come to the end of what it could make of it: it answers, and hangs up.
        hostile.end_queue(0);
        hostile.end_queue(1);
        hostile = machine(&daemon, 2);
        assert_eq!(bystander.read(0, 64, 4096), vec![5; 4096]);
    }
    assert_eq!(hostile.write(1, 128, &[6; 4096]), DONE);
    daemon.stop();
}

#[test]
fn a_front_end_that_breaks_the_protocol_is_hung_up_on_alone() {
    let daemon = serve(&[]);
    let mut bystander = machine(&daemon, 1);
    let connect = || {
        let socket = UnixStream::connect(daemon.socket("v.vhost")).unwrap();
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        socket
    };
    let table = |regions: &[[u64; 4]]| {
        let mut table = halves(&[u32::try_from(regions.len()).unwrap(), 0]);
        table.extend(regions.iter().flat_map(|region| words(region)));
        table
    };
    let unsealed = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&unsealed, 1 << 20).unwrap();
    let sealed = sealed_memory(1 << 20);
    let whole = [0, 1 << 20, 0, 0];
    let (unsealed, sealed) = (unsealed.as_fd(), sealed.as_fd());
    let cases: [(u32, Vec<u8>, Vec<_>); 14] = [
        (99, vec![], vec![]),
        (2, words(&[u64::MAX]), vec![]),
        (2, vec![1], vec![]),
        (16, words(&[1 << 63]), vec![]),
        (5, table(&[whole]), vec![unsealed]),
        (5, table(&[whole]), vec![]),
        (5, table(&[[0, 2 << 20, 0, 0]]), vec![sealed]),
        (5, table(&[[0, 1 << 20, 0, u64::MAX - 5]]), vec![sealed]),
        (5, table(&[[u64::MAX - 5, 1 << 20, 0, 0]]), vec![sealed]),
        (5, table(&[whole, [4096, 4096, 0, 0]]), vec![sealed, sealed]),
        (8, halves(&[0, 3]), vec![]),
        (10, halves(&[64, 0]), vec![]),
        (12, words(&[0]), vec![sealed]),
        (32, words(&[64, 0, 1 << 40]), vec![sealed]),
    ];
    for (request, payload, descriptors) in &cases {
        let socket = connect();
        send(&socket, *request, 0, payload, descriptors);
        assert!(receive(&socket).is_none(), "message {request} {payload:?} was taken");
    }
    let mut random = Random(8);
    for _ in 0..300 {
        let socket = connect();
        for _ in 0..random.below(6) {
            let request = u32::try_from(random.below(40)).unwrap();
            let bytes = usize::try_from(random.below(60)).unwrap();
            let payload = random.bytes(bytes);
            let descriptors = if random.below(2) == 0 { vec![sealed] } else { vec![] };
            send(&socket, request, 0, &payload, &descriptors);
        }
    }
    assert_eq!(bystander.write(0, 0, &[1; 4096]), DONE);
    daemon.stop();
}
