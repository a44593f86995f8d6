//! Everything that is told, in `node_exporter`'s words. Each part reads a file of the kernel and
//! gives samples; the reading of its text is a function of its own, total for any text.
pub mod bonding;
pub mod cpu;
pub mod disk;
pub mod filesystem;
pub mod memory;
pub mod network;
pub mod space;
pub mod system;

use crate::exposition::{Exposition, Family, MAXIMUM_BYTES};
use crate::source::Source;
use cpu::CpuClock;
use space::SpaceOfMounts;
use std::io;

const BUILD: Family =
    Family::gauge("purlin_bm_agent_build_info", "Version of the agent; the value is 1.");
const SUCCESS: Family =
    Family::gauge("node_scrape_collector_success", "node_exporter: Whether a collector succeeded.");

/// What reads everything; it remembers what must not go back between two readings.
pub struct Collector {
    source: Source,
    cpu: CpuClock,
    spaces: SpaceOfMounts,
}

impl Collector {
    /// Reads from `source`, and asks for the space of mounts through `spaces`.
    pub fn new(source: Source, spaces: SpaceOfMounts) -> Self {
        Self { source, cpu: CpuClock::default(), spaces }
    }

    /// The whole text, at most 1 MiB. A part that cannot be read is told as such, and the others
    /// are there.
    pub fn collect(&mut self) -> String {
        let mut text = Exposition::default();
        text.family(BUILD);
        text.sample(BUILD.name, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        let Self { source, cpu, spaces } = self;
        let outcomes: [(&str, io::Result<()>); 7] = [
            ("cpu", source.proc("stat").map(|stat| cpu.tell(&stat, &mut text))),
            ("meminfo", source.proc("meminfo").map(|read| memory::tell(&read, &mut text))),
            ("filesystem", filesystem::collect(source, spaces, &mut text)),
            ("diskstats", source.proc("diskstats").map(|read| disk::tell(&read, &mut text))),
            ("netdev", network::collect(source, &mut text)),
            ("bonding", bonding::collect(source, &mut text)),
            ("system", system::collect(source, &mut text)),
        ];
        text.family(SUCCESS);
        for (name, outcome) in &outcomes {
            let success = if outcome.is_ok() { 1.0 } else { 0.0 };
            text.sample(SUCCESS.name, &[("collector", name)], success);
        }
        let (text, left_out) = text.finish();
        if left_out > 0 {
            eprintln!("{left_out} lines did not fit into {MAXIMUM_BYTES} bytes and are not told");
        }
        text
    }
}
