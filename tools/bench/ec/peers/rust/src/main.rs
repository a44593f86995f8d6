//! Workers for the peers that cargo builds: `purlin-bench-ec-peers isal | rusty | simd`.
//! Operations: enc, dec, rep, and upd where the peer has one; matrices are Cauchy's where the peer
//! has a choice. `vectors` makes golden vectors on the input again by `rusty_erasure`.

mod isal;
mod rusty;
mod simd;
mod vectors;

use purlin_bench_line::{Arena, Request, Timing, answer};
use std::io::{BufRead, stdin};

/// What a peer made of a request: its time and whether the bytes are right; None where it has no
/// such operation.
type Outcome = Option<(Timing, bool)>;
type Measure = fn(&Request, &mut Arena) -> Outcome;

fn main() {
    let measure: Measure = match std::env::args().nth(1).as_deref() {
        Some("isal") => isal::measure,
        Some("rusty") => rusty::measure,
        Some("simd") => simd::measure,
        Some("vectors") => return vectors::remake(),
        _ => panic!("usage: purlin-bench-ec-peers isal|rusty|simd|vectors"),
    };
    let mut kept: Option<(Request, Arena)> = None;
    for line in stdin().lock().lines() {
        let request: Request = match line.expect("a line of text").parse() {
            Ok(request) => request,
            Err(bad) => {
                eprintln!("{bad}");
                continue;
            }
        };
        let mut arena = match kept.take() {
            Some((before, arena)) if request.shares_arena(&before) => arena,
            _ => Arena::new(&request),
        };
        let none = (Timing { iters: 0, ns: 1 }, true);
        let (timing, ok) = measure(&request, &mut arena).unwrap_or(none);
        println!("{}", answer(timing, request.counted_bytes(), ok));
        kept = Some((request, arena));
    }
}

/// A stripe cut into its shards.
pub struct Shards<'a> {
    pub data: Vec<&'a mut [u8]>,
    pub parity: Vec<&'a mut [u8]>,
    pub spare: Vec<&'a mut [u8]>,
}

impl<'a> Shards<'a> {
    pub fn of(request: &Request, stripe: &'a mut [u8]) -> Self {
        let mut shards = stripe.chunks_exact_mut(request.size);
        let data = shards.by_ref().take(request.k).collect();
        let parity = shards.by_ref().take(request.m).collect();
        Self { data, parity, spare: shards.collect() }
    }

    /// Whether the spare shards hold the bytes of the lost ones.
    pub fn are_rebuilt(&self, lost: usize) -> bool {
        self.data.iter().zip(&self.spare).take(lost).all(|(one, other)| one == other)
    }
}
