//! Load, start, time and name of the system.
use crate::exposition::{Exposition, Family};
use crate::source::Source;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

const LOADS: [Family; 3] = [
    Family::gauge("node_load1", "1m load average."),
    Family::gauge("node_load5", "5m load average."),
    Family::gauge("node_load15", "15m load average."),
];
const BOOT_TIME: Family = Family::gauge("node_boot_time_seconds", "Node boot time, in unixtime.");
const TIME: Family =
    Family::gauge("node_time_seconds", "System time in seconds since epoch (1970).");
const UNAME: Family =
    Family::gauge("node_uname_info", "Labeled system information as provided by uname.");
const BOOT: Family = Family::gauge(
    "purlin_bm_agent_boot_info",
    "The kernel's name for this start of the system; the value is 1.",
);

/// Tells all of them.
///
/// # Errors
/// The kernel's files cannot be read; what was read before is told.
pub fn collect(source: &Source, text: &mut Exposition) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    text.family(TIME);
    text.sample(TIME.name, &[], now.as_secs_f64());
    tell_uname(text);
    tell_loads(&source.proc("loadavg")?, text);
    if let Some(seconds) = boot_time(&source.proc("stat")?) {
        text.family(BOOT_TIME);
        text.sample(BOOT_TIME.name, &[], seconds);
    }
    let boot = source.proc("sys/kernel/random/boot_id")?;
    text.family(BOOT);
    text.sample(BOOT.name, &[("boot_id", boot.trim())], 1.0);
    Ok(())
}

fn tell_loads(loadavg: &str, text: &mut Exposition) {
    for (family, word) in LOADS.iter().zip(loadavg.split_ascii_whitespace()) {
        if let Some(load) = word.parse().ok().filter(|load: &f64| load.is_finite()) {
            text.family(*family);
            text.sample(family.name, &[], load);
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Seconds below 2^53 are exact.
fn boot_time(stat: &str) -> Option<f64> {
    let word = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    word.trim().parse::<u64>().ok().map(|seconds| seconds as f64)
}

fn tell_uname(text: &mut Exposition) {
    let uname = rustix::system::uname();
    let [domainname, machine, nodename, release, sysname, version] = [
        uname.domainname(),
        uname.machine(),
        uname.nodename(),
        uname.release(),
        uname.sysname(),
        uname.version(),
    ]
    .map(|part| part.to_string_lossy().into_owned());
    let labels = [
        ("domainname", &*domainname),
        ("machine", &machine),
        ("nodename", &nodename),
        ("release", &release),
        ("sysname", &sysname),
        ("version", &version),
    ];
    text.family(UNAME);
    text.sample(UNAME.name, &labels, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_loads_and_the_time_of_the_start_are_read() {
        let mut text = Exposition::default();
        tell_loads("0.52 1.5 2 3/400 5\n", &mut text);
        let text = text.finish().0;
        assert!(text.contains("\nnode_load1 0.52\n") && text.contains("\nnode_load15 2\n"));
        assert_eq!(boot_time("cpu 1\nbtime 1795259374\n"), Some(1_795_259_374.0));
        assert_eq!(boot_time("btime x\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(load in ".*", stat in "(btime ?.*\n|.*\n){0,4}") {
            let mut text = Exposition::default();
            tell_loads(&load, &mut text);
            boot_time(&stat);
        }
    }
}
