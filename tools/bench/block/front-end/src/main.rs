//! Loads a disk by vhost-user as a guest's driver would, and prints what it took as one line of
//! JSON: `front-end SOCKET read|write BLOCK_BYTES DEPTH VOLUME_BYTES SECONDS`. Reads and writes are
//! uniform over the volume. It sleeps while nothing is answered, as fio's NBD client does.

mod driver;
mod memory;
mod session;

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use driver::{DEPTH_MAX, Driver};

struct Load {
    socket: PathBuf,
    writes: bool,
    block_bytes: u32,
    depth: u16,
    blocks: u64,
    length: Duration,
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let Some(load) = read_words(&words) else {
        eprintln!("front-end SOCKET read|write BLOCK_BYTES DEPTH VOLUME_BYTES SECONDS");
        return ExitCode::from(2);
    };
    match run(&load) {
        Ok((took, latencies)) => {
            println!("{}", report(took, latencies));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("front-end: {}: {error}", load.socket.display());
            ExitCode::FAILURE
        }
    }
}

fn read_words(words: &[String]) -> Option<Load> {
    let [socket, kind, block_bytes, depth, volume_bytes, seconds] = words else { return None };
    let block_bytes: u32 = block_bytes.parse().ok()?;
    let volume_bytes: u64 = volume_bytes.parse().ok()?;
    let load = Load {
        socket: socket.into(),
        writes: kind == "write",
        block_bytes,
        depth: depth.parse().ok()?,
        blocks: volume_bytes.checked_div(block_bytes.into())?,
        length: Duration::from_secs(seconds.parse().ok()?),
    };
    let fits = (1..=DEPTH_MAX).contains(&load.depth) && load.blocks > 0;
    (fits && ["read", "write"].contains(&kind.as_str())).then_some(load)
}

/// How long it ran, and how long each request took.
fn run(load: &Load) -> io::Result<(Duration, Vec<Duration>)> {
    let mut driver = Driver::connect(&load.socket, load.block_bytes)?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let bytes: Vec<u8> = (0..load.block_bytes).map(|_| random.next().to_le_bytes()[0]).collect();
    for slot in 0..load.depth {
        driver.memory.write(driver.carried(slot), &bytes);
    }
    let start = Instant::now();
    let mut begun = vec![start; load.depth.into()];
    let mut latencies = Vec::new();
    let mut under_way = 0;
    let mut free: Vec<u16> = (0..load.depth).collect();
    loop {
        let now = Instant::now();
        let is_over = now - start >= load.length;
        while let Some(slot) = free.pop_if(|_| !is_over) {
            let offset = random.next() % load.blocks * u64::from(load.block_bytes);
            // No two writes are the same.
            driver.memory.write(driver.carried(slot), &random.next().to_le_bytes());
            driver.put(slot, load.writes, offset);
            begun[usize::from(slot)] = now;
            under_way += 1;
        }
        driver.submit()?;
        if under_way == 0 {
            return Ok((now - start, latencies));
        }
        driver.wait()?;
        let now = Instant::now();
        while let Some((slot, went_well)) = driver.take() {
            if !went_well {
                return Err(io::Error::other("a request was answered with an error"));
            }
            latencies.push(now - begun[usize::from(slot)]);
            free.push(slot);
            under_way -= 1;
        }
    }
}

fn report(took: Duration, mut latencies: Vec<Duration>) -> String {
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(latencies.len() * part / 100).map_or(0, in_nanoseconds);
    let largest = latencies.last().map_or(0, in_nanoseconds);
    format!(
        "{{\"requests\":{},\"tookNs\":{},\"p50Ns\":{},\"p99Ns\":{},\"largestNs\":{largest}}}",
        latencies.len(),
        took.as_nanos(),
        at(50),
        at(99),
    )
}

fn in_nanoseconds(time: &Duration) -> u128 {
    time.as_nanos()
}

/// G. Marsaglia, "Xorshift RNGs", 2003.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
