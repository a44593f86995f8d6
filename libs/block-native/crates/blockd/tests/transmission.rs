//! Requests of clients over real sockets, on raw files, with each port.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use support::{Client, PORTS, Random, RawServer, request, wait_until, word};

const SIZE: u64 = 16 << 20;
const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const ZEROES: u16 = 6;
const STATUS: u16 = 7;
const FUA: u16 = 1;

fn write(client: &mut Client, cookie: u64, offset: u64, bytes: &[u8], flags: u16) {
    let length = u32::try_from(bytes.len()).unwrap();
    client.request(WRITE, flags, cookie, offset, length);
    client.socket.write_all(bytes).unwrap();
}

fn read(client: &mut Client, offset: u64, length: u32) -> Vec<u8> {
    client.request(READ, 0, 9, offset, length);
    assert_eq!(client.simple(), (0, 9));
    client.take(length as usize)
}

#[test]
fn what_was_written_is_read_whatever_the_size_and_however_it_arrives() {
    for port in PORTS {
        let server = RawServer::start(port, SIZE);
        let mut client = server.connect().enter(false);
        let mut random = Random(1);
        let mut model = vec![0; usize::try_from(SIZE).unwrap()];
        for round in 0..60u64 {
            let blocks = 1 + random.below(if round % 10 == 0 { 600 } else { 8 });
            let offset = random.below(SIZE / 4096 - blocks) * 4096;
            let bytes = random.bytes(usize::try_from(blocks * 4096).unwrap());
            let start = usize::try_from(offset).unwrap();
            model[start..start + bytes.len()].copy_from_slice(&bytes);
            let mut all = request(
                WRITE,
                u16::from(round % 3 == 0),
                round,
                offset,
                u32::try_from(bytes.len()).unwrap(),
            );
            all.extend(&bytes);
            // In pieces that fall anywhere, as a network may deliver them.
            let cut = usize::try_from(random.below(all.len() as u64)).unwrap();
            client.socket.write_all(&all[..cut]).unwrap();
            client.socket.write_all(&all[cut..]).unwrap();
            assert_eq!(client.simple(), (0, round));
        }
        let length = u32::try_from(SIZE).unwrap();
        assert!(read(&mut client, 0, length) == model, "{port:?}");
        client.request(FLUSH, 0, 1, 0, 0);
        assert_eq!(client.simple(), (0, 1));
        let file = std::fs::read(server.path("disk.img")).unwrap();
        assert!(file == model, "{port:?}: the file differs");
    }
}

#[test]
fn many_requests_at_once_are_all_answered() {
    for port in PORTS {
        let server = RawServer::start(port, SIZE);
        let mut client = server.connect().enter(false);
        let mut bytes = Vec::new();
        // More than one connection may have under way: the rest waits in the socket.
        for cookie in 0..1000u64 {
            bytes.extend(request(WRITE, 0, cookie, cookie * 4096, 4096));
            bytes.extend(vec![u8::try_from(cookie % 251).unwrap(); 4096]);
        }
        let mut sender = client.socket.try_clone().unwrap();
        let sending = std::thread::spawn(move || sender.write_all(&bytes).unwrap());
        let mut seen: Vec<u64> = (0..1000)
            .map(|_| {
                let (error, cookie) = client.simple();
                assert_eq!(error, 0);
                cookie
            })
            .collect();
        sending.join().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        for cookie in [0u64, 1, 500, 999] {
            let found = read(&mut client, cookie * 4096, 4096);
            assert_eq!(found, vec![u8::try_from(cookie % 251).unwrap(); 4096]);
        }
    }
}

#[test]
fn bad_requests_are_answered_with_their_error_and_the_session_goes_on() {
    let server = RawServer::start(PORTS[0], SIZE);
    let mut client = server.connect().enter(false);
    let far = u64::MAX - 4095;
    let cases: [(&str, u16, u16, u64, u32, u32); 13] = [
        ("an unaligned offset", READ, 0, 1, 4096, 22),
        ("an unaligned length", READ, 0, 0, 100, 22),
        ("no length", READ, 0, 0, 0, 22),
        ("a read past the end", READ, 0, SIZE, 4096, 22),
        ("an offset that overflows", READ, 0, far, 4096, 22),
        ("a trim past the end", TRIM, 0, SIZE - 4096, 8192, 28),
        ("zeroes past the end", ZEROES, 0, SIZE, 4096, 28),
        ("an unknown request", 99, 0, 0, 4096, 22),
        ("an unknown flag", READ, 1 << 9, 0, 4096, 22),
        ("block status that was not agreed on", STATUS, 0, 0, 4096, 22),
        ("a flush of a range", FLUSH, 0, 4096, 4096, 22),
        ("a read that is too long", READ, 0, 0, 33 << 20, 22),
        ("a request of resizing", 8, 0, 0, 0, 22),
    ];
    for (cookie, (what, kind, flags, offset, length, error)) in (1..).zip(cases) {
        client.request(kind, flags, cookie, offset, length);
        assert_eq!(client.simple(), (error, cookie), "{what}");
    }
    // A write that is refused still has its bytes taken.
    write(&mut client, 77, SIZE, &[1; 4096], 0);
    assert_eq!(client.simple(), (28, 77));
    write(&mut client, 78, 0, &[2; 4096], FUA);
    assert_eq!(client.simple(), (0, 78));
    assert_eq!(read(&mut client, 0, 4096), [2; 4096]);
}

#[test]
fn what_is_no_request_ends_its_own_connection_alone() {
    let server = RawServer::start(PORTS[0], SIZE);
    let mut good = server.connect().enter(false);
    let mut mad = server.connect().enter(false);
    mad.socket.write_all(&[0xff; 28]).unwrap();
    assert!(mad.is_closed());
    let mut greedy = server.connect().enter(false);
    greedy.request(WRITE, 0, 1, 0, u32::MAX);
    assert!(greedy.is_closed());
    assert_eq!(read(&mut good, 0, 4096), [0; 4096]);
    good.request(DISCONNECT, 0, 0, 0, 0);
    assert!(good.is_closed());
}

#[test]
fn a_client_that_reads_nothing_holds_up_nobody_and_is_bounded() {
    for port in PORTS {
        let server = RawServer::start(port, 64 << 20);
        let mut deaf = server.connect().enter(false);
        let mut sender = deaf.socket.try_clone().unwrap();
        // 4 GiB of replies are asked for and none is taken.
        let asking = std::thread::spawn(move || {
            for cookie in 0..128u64 {
                if sender.write_all(&request(READ, 0, cookie, 0, 32 << 20)).is_err() {
                    return;
                }
            }
        });
        let mut other = server.connect().enter(false);
        for _ in 0..50 {
            assert_eq!(read(&mut other, 4096, 4096), [0; 4096]);
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kib < 1 << 20, "{port:?}: {kib} KiB are held");
        // It gets what it asked for as soon as it reads.
        let (error, _) = deaf.simple();
        assert_eq!(error, 0);
        deaf.take(32 << 20);
        drop(deaf);
        asking.join().unwrap();
    }
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_write_leaves_nothing_behind() {
    for port in PORTS {
        let server = RawServer::start(port, SIZE);
        for _ in 0..20 {
            let mut client = server.connect().enter(false);
            client.request(WRITE, 0, 1, 0, 1 << 20);
            client.socket.write_all(&[7; 10_000]).unwrap();
        }
        let mut client = server.connect().enter(false);
        assert_eq!(read(&mut client, 0, 4096), [0; 4096]);
        let count = || {
            let report = server
                .mailbox
                .ask(support::PATIENCE, purlin_blockd::reactor::mailbox::Mail::Report)
                .unwrap();
            report.connections.iter().map(|(_, count)| *count).sum::<usize>()
        };
        wait_until("the connections of those that left end", || count() == 1);
    }
}

#[test]
fn structured_replies_carry_offset_and_bytes_or_the_error() {
    let server = RawServer::start(PORTS[0], SIZE);
    let mut client = server.connect().enter(true);
    client.request(READ, 0, 5, 8192, 4096);
    let head = client.take(28);
    assert_eq!((word(&head, 0), word(&head, 4)), (0x668e_33ef, 0x0001_0001));
    assert_eq!((word(&head, 16), word(&head, 24)), (4096 + 8, 8192));
    assert_eq!(client.take(4096), [0; 4096]);
    client.request(READ, 0, 6, SIZE, 4096);
    let head = client.take(26);
    assert_eq!((word(&head, 4), word(&head, 16), word(&head, 20)), (0x0001_8001, 6, 22));
}

#[test]
fn zeroes_and_trim_read_as_zeroes() {
    for port in PORTS {
        let server = RawServer::start(port, SIZE);
        let mut client = server.connect().enter(false);
        write(&mut client, 1, 0, &vec![9; 4 << 20], 0);
        assert_eq!(client.simple(), (0, 1));
        client.request(ZEROES, FUA, 2, 4096, 3 << 20);
        assert_eq!(client.simple(), (0, 2));
        client.request(TRIM, 0, 3, 0, 4096);
        assert_eq!(client.simple(), (0, 3));
        let found = read(&mut client, 0, 4 << 20);
        assert!(found[..4096 + (3 << 20)].iter().all(|byte| *byte == 0));
        assert!(found[4096 + (3 << 20)..].iter().all(|byte| *byte == 9));
    }
}
