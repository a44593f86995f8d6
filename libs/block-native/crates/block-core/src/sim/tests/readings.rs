//! Reads while a run goes on, and what each of them may find.

use crate::buffer::Slice;
use crate::request::{Answer, Tag};
use crate::sim::World;
use crate::sim::model::{Stamp, Wrong, stamps_in};

/// Most reads on their way.
const WAITING_MAX: usize = 4;

/// A read on its way.
struct Reading {
    tag: Tag,
    name: String,
    first: usize,
    /// By block: what was there when it was submitted, and what was written since.
    allowed: Vec<Vec<Stamp>>,
}

/// The reads of a run.
#[derive(Default)]
pub struct Readings {
    waiting: Vec<Reading>,
    /// How many found what they may.
    pub right: u64,
    /// The first that did not.
    pub wrong: Option<Wrong>,
}

impl Readings {
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    pub fn begin(&mut self, tag: Tag, name: String, first: usize, allowed: Vec<Vec<Stamp>>) {
        self.waiting.push(Reading { tag, name, first, allowed });
    }

    /// A write was submitted: those on their way may see it.
    pub fn wrote(&mut self, name: &str, first: usize, stamps: &[Stamp]) {
        for reading in self.waiting.iter_mut().filter(|reading| reading.name == name) {
            for (at, allowed) in reading.allowed.iter_mut().enumerate() {
                let written = (reading.first + at).checked_sub(first).and_then(|at| stamps.get(at));
                allowed.extend(written);
            }
        }
    }

    /// A call takes these volumes away or makes others of them: reads of them may find anything.
    pub fn forget(&mut self, names: &[String]) {
        self.waiting.retain(|reading| !names.contains(&reading.name));
    }

    /// Compares those that are answered.
    pub fn collect(&mut self, world: &mut World) {
        let (right, wrong) = (&mut self.right, &mut self.wrong);
        self.waiting.retain(|reading| {
            let Some(answer) = world.answer(reading.tag) else { return true };
            let outcome = match answer {
                Ok(Answer::Bytes(slices)) => {
                    let bytes: Vec<u8> = slices.iter().flat_map(Slice::as_bytes).copied().collect();
                    compare(&bytes, &reading.allowed)
                }
                other => Err(format!("answered with {other:?}")),
            };
            match outcome {
                Ok(()) => *right += 1,
                Err(why) if wrong.is_none() => {
                    *wrong = Some(format!("{}, read from {}: {why}", reading.name, reading.first));
                }
                Err(_) => {}
            }
            false
        });
    }
}

fn compare(bytes: &[u8], allowed: &[Vec<Stamp>]) -> Result<(), Wrong> {
    let found = stamps_in(bytes)?;
    assert_eq!(found.len(), allowed.len(), "a read of another length");
    for (at, (found, allowed)) in found.iter().zip(allowed).enumerate() {
        if !allowed.contains(found) {
            return Err(format!("block {at} of it: found {found}, allowed {allowed:?}"));
        }
    }
    Ok(())
}
