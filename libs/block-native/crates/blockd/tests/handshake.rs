//! The haggling: what is agreed on, and what a hostile client can do, which is nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use purlin_blockd::nbd::exports::{Context, Export, Exports};
use purlin_blockd::nbd::handshake::{Handshake, Session, Step, TlsPolicy};
use support::{Random, word};

struct One;

impl Exports for One {
    fn find(&self, name: &str) -> Option<Export> {
        (name.is_empty() || name == "v").then(|| Export {
            volume: "v".to_owned(),
            size_bytes: 1 << 30,
            read_only: false,
            block_bytes: 4096,
            preferred_bytes: 65536,
            snapshots: vec!["monday".to_owned()],
        })
    }

    fn names(&self) -> Vec<String> {
        vec!["v".to_owned()]
    }
}

fn begun(tls: TlsPolicy) -> Handshake {
    let mut handshake = Handshake::new(Arc::new(One), tls);
    assert_eq!(handshake.take(&3u32.to_be_bytes()), (vec![], Step::Continue));
    handshake
}

/// Sends an option; the types of the replies, and the step.
fn send(handshake: &mut Handshake, option: u32, body: &[u8]) -> (Vec<u32>, Step) {
    let (bytes, step) = send_raw(handshake, option, body);
    let (mut types, mut at) = (Vec::new(), 0);
    while at + 20 <= bytes.len() {
        assert_eq!(word(&bytes, at + 8), option);
        types.push(word(&bytes, at + 12));
        at += 20 + word(&bytes, at + 16) as usize;
    }
    (types, step)
}

fn send_raw(handshake: &mut Handshake, option: u32, body: &[u8]) -> (Vec<u8>, Step) {
    let mut head = b"IHAVEOPT".to_vec();
    head.extend(option.to_be_bytes());
    head.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    let (out, step) = handshake.take(&head);
    if body.is_empty() || step == Step::Close { (out, step) } else { handshake.take(body) }
}

fn name_of(name: &str) -> Vec<u8> {
    let mut body = u32::try_from(name.len()).unwrap().to_be_bytes().to_vec();
    body.extend(name.as_bytes());
    body
}

fn go(name: &str, properties: &[u16]) -> Vec<u8> {
    let mut body = name_of(name);
    body.extend(u16::try_from(properties.len()).unwrap().to_be_bytes());
    body.extend(properties.iter().flat_map(|property| property.to_be_bytes()));
    body
}

fn contexts(name: &str, queries: &[&str]) -> Vec<u8> {
    let mut body = name_of(name);
    body.extend(u32::try_from(queries.len()).unwrap().to_be_bytes());
    body.extend(queries.iter().flat_map(|query| name_of(query)));
    body
}

fn entered(step: Step) -> Session {
    match step {
        Step::Transmission(session) => session,
        other => panic!("{other:?} is no transmission"),
    }
}

#[test]
fn go_enters_the_default_export_and_the_named_one() {
    for name in ["", "v"] {
        let mut handshake = begun(TlsPolicy::None);
        let (types, step) = send(&mut handshake, 7, &go(name, &[1, 2, 3]));
        assert_eq!(types, [3, 3, 3, 3, 1]);
        let session = entered(step);
        assert_eq!((session.export.volume.as_str(), session.structured), ("v", false));
    }
}

#[test]
fn an_unknown_export_is_refused_and_another_may_be_tried() {
    let mut handshake = begun(TlsPolicy::None);
    assert_eq!(send(&mut handshake, 7, &go("w", &[])), (vec![0x8000_0006], Step::Continue));
    assert_eq!(send(&mut handshake, 3, &[]), (vec![2, 1], Step::Continue));
    entered(send(&mut handshake, 7, &go("v", &[])).1);
}

#[test]
fn the_old_way_of_entering_is_understood_with_and_without_its_zeroes() {
    for (flags, bytes) in [(3u32, 10), (1, 134)] {
        let mut handshake = Handshake::new(Arc::new(One), TlsPolicy::None);
        handshake.take(&flags.to_be_bytes());
        let (out, step) = send_raw(&mut handshake, 1, b"v");
        assert_eq!(out.len(), bytes);
        entered(step);
        let mut handshake = begun(TlsPolicy::None);
        assert_eq!(send_raw(&mut handshake, 1, b"w"), (vec![], Step::Close));
    }
}

#[test]
fn contexts_are_listed_and_chosen_for_the_export_that_is_entered() {
    let mut handshake = begun(TlsPolicy::None);
    let refused = send(&mut handshake, 10, &contexts("v", &["base:allocation"]));
    assert_eq!(refused.0, [0x8000_0003], "structured replies come first");
    send(&mut handshake, 8, &[]);
    assert_eq!(send(&mut handshake, 9, &contexts("v", &[])).0, [4, 4, 1]);
    assert_eq!(send(&mut handshake, 9, &contexts("v", &["base:"])).0, [4, 1]);
    assert_eq!(send(&mut handshake, 9, &contexts("v", &["purlin:"])).0, [4, 1]);
    let wanted = ["base:allocation", "purlin:difference:monday", "purlin:difference:tuesday"];
    assert_eq!(send(&mut handshake, 10, &contexts("v", &wanted)).0, [4, 4, 1]);
    let session = entered(send(&mut handshake, 7, &go("v", &[])).1);
    let difference = Context::Difference { snapshot: "monday".to_owned() };
    assert_eq!(session.contexts, [Context::Allocation, difference]);

    let mut handshake = begun(TlsPolicy::None);
    send(&mut handshake, 8, &[]);
    send(&mut handshake, 10, &contexts("v", &["base:allocation"]));
    let other = entered(send(&mut handshake, 7, &go("", &[])).1);
    assert_eq!(other.contexts, [], "they were chosen for another name");
}

#[test]
fn where_tls_is_asked_for_nothing_else_is_answered_before_it() {
    let mut handshake = begun(TlsPolicy::Required);
    for (option, body) in [(7, go("v", &[])), (3, vec![]), (8, vec![]), (9, contexts("v", &[]))] {
        assert_eq!(send(&mut handshake, option, &body), (vec![0x8000_0005], Step::Continue));
    }
    assert_eq!(send(&mut handshake, 5, &[]), (vec![1], Step::StartTls));
    assert_eq!(send(&mut handshake, 5, &[]), (vec![0x8000_0003], Step::Continue));
    entered(send(&mut handshake, 7, &go("v", &[])).1);

    let mut handshake = begun(TlsPolicy::Required);
    assert_eq!(send_raw(&mut handshake, 1, b"v"), (vec![], Step::Close));
    let mut handshake = begun(TlsPolicy::None);
    assert_eq!(send(&mut handshake, 5, &[]).0, [0x8000_0002]);
}

#[test]
fn what_was_agreed_in_the_clear_does_not_hold_under_tls() {
    let mut handshake = begun(TlsPolicy::Required);
    send(&mut handshake, 8, &[]);
    send(&mut handshake, 5, &[]);
    assert!(!entered(send(&mut handshake, 7, &go("v", &[])).1).structured);
}

#[test]
fn lengths_that_lie_are_refused_before_their_bytes_are_read() {
    let mut handshake = begun(TlsPolicy::None);
    let mut head = b"IHAVEOPT".to_vec();
    head.extend(7u32.to_be_bytes());
    head.extend(u32::MAX.to_be_bytes());
    assert_eq!(handshake.take(&head), (vec![], Step::Close));
    assert_eq!(handshake.wanted_bytes(), 0);
    let bad: [(u32, Vec<u8>); 5] = [
        (7, vec![0xff; 6]),
        (7, vec![0, 0, 0, 1]),
        (7, [go("v", &[]), vec![0]].concat()),
        (9, [name_of("v"), vec![0, 0, 0, 9]].concat()),
        (3, vec![1]),
    ];
    for (option, body) in bad {
        let mut handshake = begun(TlsPolicy::None);
        send(&mut handshake, 8, &[]);
        assert_eq!(send(&mut handshake, option, &body), (vec![0x8000_0003], Step::Continue));
    }
}

#[test]
fn a_client_that_only_haggles_is_closed() {
    let mut handshake = begun(TlsPolicy::None);
    let steps = (0..100).map(|_| send(&mut handshake, 3, &[]).1);
    assert_eq!(steps.filter(|step| *step == Step::Continue).count(), 64);
}

#[test]
fn a_million_hostile_parts_neither_panic_nor_make_it_want_much() {
    let mut random = Random(0x6e62_6421);
    let mut entered = 0;
    for round in 0..20_000 {
        let tls = if round % 2 == 0 { TlsPolicy::None } else { TlsPolicy::Required };
        let mut handshake = begun(tls);
        for _ in 0..50 {
            let part = hostile_part(&mut random, handshake.wanted_bytes());
            let (out, step) = handshake.take(&part);
            assert!(handshake.wanted_bytes() <= 64 << 10);
            assert!(out.len() <= 1 << 20);
            match step {
                Step::Close => break,
                Step::Transmission(_) => {
                    entered += 1;
                    break;
                }
                Step::Continue | Step::StartTls => {}
            }
        }
    }
    assert!(entered > 100, "{entered} came through, so the parts were not only refused");
}

/// Mostly what could be meant, with faults in it.
fn hostile_part(random: &mut Random, wanted: usize) -> Vec<u8> {
    if random.below(20) == 0 {
        let bytes = usize::try_from(random.below(64)).unwrap();
        return random.bytes(bytes);
    }
    if wanted == 16 {
        let mut head = b"IHAVEOPT".to_vec();
        head.extend(u32::try_from(random.below(12)).unwrap().to_be_bytes());
        let length = [0, 1, 6, 7, 8, 9, 13, 64, 1 << 16][usize::try_from(random.below(9)).unwrap()];
        head.extend(u32::try_from(length).unwrap().to_be_bytes());
        return head;
    }
    let meant = match random.below(4) {
        0 => go("v", &[]),
        1 => go("", &[]),
        2 => contexts("v", &["base:"]),
        _ => b"v".to_vec(),
    };
    let mut body = random.bytes(wanted);
    let kept = meant.len().min(body.len());
    body[..kept].copy_from_slice(&meant[..kept]);
    if random.below(3) == 0 && !body.is_empty() {
        let at = usize::try_from(random.below(body.len() as u64)).unwrap();
        body[at] ^= random.next().to_le_bytes()[0];
    }
    body
}
