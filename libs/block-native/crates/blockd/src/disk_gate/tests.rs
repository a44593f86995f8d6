//! Writes that go to the disk as one end as one, each for whom it was.

use std::fs::File;
use std::io;

use purlin_block_core::buffer::BLOCK_BYTES;
use purlin_block_core::control::RecoverySpeed;

use super::*;

/// A port that keeps what it is given.
#[derive(Default)]
struct Kept(Vec<(Token, Operation)>);

impl Port for Kept {
    fn submit(&mut self, token: Token, operation: Operation) {
        self.0.push((token, operation));
    }

    fn push_out(&mut self) {}

    fn cancel(&mut self, _: Token) {}

    fn wait(&mut self, _: Option<Duration>, _: &mut Vec<Completion>) -> io::Result<()> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "kept"
    }
}

/// A gate that has given three neighbouring blocks to its port, as one write.
fn joined() -> (DiskGate, Kept) {
    let nothing: Handle = Arc::new(File::open("/dev/null").unwrap().into());
    let weights = Weights::of(RecoverySpeed::Medium);
    let (mut gate, mut port) = (DiskGate::new(DiskHandle(0), nothing, weights, 1), Kept::default());
    for block in [2, 0, 1] {
        let slices = vec![Buffer::zeroed(1).share()];
        let op = DiskOp::Write { at: block * BLOCK_BYTES as u64, slices, fua: false };
        let io = DiskIo { id: IoId(block), disk: DiskHandle(0), class: IoClass::Client, op };
        gate.submit(io, Nanoseconds(1));
    }
    gate.push_out(&mut port);
    assert_eq!(port.0.len(), 1);
    (gate, port)
}

/// What the gate says when the port's operation ends so.
fn end(gate: &mut DiskGate, port: &mut Kept, result: Result<usize, i32>, at: u64) -> Ended {
    let (token, operation) = port.0.remove(0);
    let Token::Disk(_, id) = token else { panic!("{token:?} is of no disk") };
    let completion = Completion { token, operation, result };
    gate.complete(id, completion, Nanoseconds(at), port)
}

fn results(ended: Ended) -> Vec<(u64, bool)> {
    let Ended::AllDone(all) = ended else { panic!("not all of them have ended") };
    let mut all: Vec<_> = all.iter().map(|done| (done.id.0, done.result.is_ok())).collect();
    all.sort_unstable();
    all
}

#[test]
fn writes_that_went_to_the_disk_as_one_are_all_done_when_it_is() {
    let (mut gate, mut port) = joined();
    // A part of it first: the rest goes on.
    let some = end(&mut gate, &mut port, Ok(BLOCK_BYTES), 2);
    assert!(matches!(some, Ended::Nothing) && port.0.len() == 1);
    let ended = end(&mut gate, &mut port, Ok(2 * BLOCK_BYTES), 3);
    assert_eq!(results(ended), [(0, true), (1, true), (2, true)]);
    assert!(gate.is_idle());
    assert_eq!(gate.moved_bytes()[IoClass::Client as usize], 3 * BLOCK_BYTES as u64);
}

#[test]
fn writes_that_went_to_the_disk_as_one_fail_together() {
    let (mut gate, mut port) = joined();
    let ended = end(&mut gate, &mut port, Err(libc::EIO), 2);
    assert_eq!(results(ended), [(0, false), (1, false), (2, false)]);
    assert!(gate.is_idle());
}

#[test]
fn a_disk_that_was_set_aside_answers_again_when_its_joined_write_has_ended() {
    let (mut gate, mut port) = joined();
    drop(gate.expire(Nanoseconds(nanoseconds(PATIENCE) + 2)));
    assert_eq!(gate.set_aside().len(), 3);
    let ended = end(&mut gate, &mut port, Ok(3 * BLOCK_BYTES), nanoseconds(PATIENCE) + 3);
    assert!(matches!(ended, Ended::Answers));
    assert_eq!(gate.answering(), Answering::Yes);
}
