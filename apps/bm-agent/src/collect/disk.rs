//! What disks have read and written, from /proc/diskstats (Documentation/admin-guide/iostats.rst).
use crate::exposition::{Exposition, Family};

const BYTES_PER_SECTOR: f64 = 512.0;
const SECONDS_PER_MS: f64 = 0.001;

/// No machine has more; further lines are not looked at.
const MAXIMUM_DISKS: usize = 1024;

/// The columns behind the name, in the kernel's order, and what one of each is worth.
const COLUMNS: [(Family, f64); 17] = [
    (counter("node_disk_reads_completed_total", "Reads completed successfully."), 1.0),
    (counter("node_disk_reads_merged_total", "Reads merged."), 1.0),
    (counter("node_disk_read_bytes_total", "Bytes read successfully."), BYTES_PER_SECTOR),
    (counter("node_disk_read_time_seconds_total", "Seconds spent by all reads."), SECONDS_PER_MS),
    (counter("node_disk_writes_completed_total", "Writes completed successfully."), 1.0),
    (counter("node_disk_writes_merged_total", "Writes merged."), 1.0),
    (counter("node_disk_written_bytes_total", "Bytes written successfully."), BYTES_PER_SECTOR),
    (counter("node_disk_write_time_seconds_total", "Seconds spent by all writes."), SECONDS_PER_MS),
    (Family::gauge("node_disk_io_now", "I/Os currently in progress."), 1.0),
    (counter("node_disk_io_time_seconds_total", "Seconds spent doing I/Os."), SECONDS_PER_MS),
    (
        counter("node_disk_io_time_weighted_seconds_total", "Weighted seconds spent doing I/Os."),
        SECONDS_PER_MS,
    ),
    (counter("node_disk_discards_completed_total", "Discards completed successfully."), 1.0),
    (counter("node_disk_discards_merged_total", "Discards merged."), 1.0),
    (counter("node_disk_discarded_sectors_total", "Sectors discarded successfully."), 1.0),
    (
        counter("node_disk_discard_time_seconds_total", "Seconds spent by all discards."),
        SECONDS_PER_MS,
    ),
    (counter("node_disk_flush_requests_total", "Flush requests completed successfully."), 1.0),
    (
        counter(
            "node_disk_flush_requests_time_seconds_total",
            "Seconds spent by all flush requests.",
        ),
        SECONDS_PER_MS,
    ),
];

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family::counter(name, help)
}

/// Tells what `diskstats`, the text of /proc/diskstats, says. Partitions, RAM disks, loop devices
/// and floppies are left out, as `node_exporter` does without options.
pub fn tell(diskstats: &str, text: &mut Exposition) {
    let disks: Vec<(&str, Vec<u64>)> =
        diskstats.lines().filter_map(read_line).take(MAXIMUM_DISKS).collect();
    for (column, (family, unit)) in COLUMNS.iter().enumerate() {
        let mut begun = false;
        for (disk, numbers) in &disks {
            // Kernels before 4.18 count no discards, those before 5.5 no flushes.
            let Some(number) = numbers.get(column) else { continue };
            if !begun {
                text.family(*family);
                begun = true;
            }
            text.sample(family.name, &[("device", disk)], scaled(*number, *unit));
        }
    }
}

fn read_line(line: &str) -> Option<(&str, Vec<u64>)> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let disk = words.next().filter(|name| !is_left_out(name))?;
    let numbers =
        words.take(COLUMNS.len()).map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    // Fewer are the four columns of a partition in Linux 2.6.
    (numbers.len() >= 11).then_some((disk, numbers))
}

/// `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
fn is_left_out(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    if ["ram", "zram", "loop", "fd"].contains(&stem) || is_nvme_partition(stem) {
        return true;
    }
    let letter = stem.as_bytes().last().is_some_and(u8::is_ascii_lowercase);
    letter && ["hd", "sd", "vd", "xvd"].contains(&&stem[..stem.len() - 1])
}

/// `^nvme\d+n\d+p$`
fn is_nvme_partition(stem: &str) -> bool {
    let inner = stem.strip_prefix("nvme").and_then(|rest| rest.strip_suffix('p'));
    let numbers = inner.and_then(|rest| rest.split_once('n'));
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(disk, namespace)| digits(disk) && digits(namespace))
}

#[allow(clippy::cast_precision_loss)] // Counters below 2^53 are exact.
fn scaled(number: u64, unit: f64) -> f64 {
    if unit < 1.0 { number as f64 / (1.0 / unit).round() } else { number as f64 * unit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(diskstats: &str) -> String {
        let mut text = Exposition::default();
        tell(diskstats, &mut text);
        text.finish().0
    }

    #[test]
    fn sectors_become_bytes_and_milliseconds_seconds() {
        let text = told(" 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
        assert!(text.contains("node_disk_read_bytes_total{device=\"vda\"} 1536\n"));
        assert!(text.contains("node_disk_written_bytes_total{device=\"vda\"} 3584\n"));
        assert!(text.contains("node_disk_write_time_seconds_total{device=\"vda\"} 0.008\n"));
        assert!(text.contains("node_disk_io_now{device=\"vda\"} 9\n"));
        assert!(text.contains("node_disk_discarded_sectors_total{device=\"vda\"} 14\n"));
        assert!(text.contains("flush_requests_time_seconds_total{device=\"vda\"} 0.017\n"));
    }

    #[test]
    fn an_old_kernel_without_discards_is_told_without_them() {
        let text = told("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
        assert!(text.contains("node_disk_io_time_weighted_seconds_total{device=\"sda\"} 0.011\n"));
        assert!(!text.contains("discard"));
    }

    #[test]
    fn partitions_and_devices_without_a_disk_are_left_out() {
        for name in ["sda1", "vdb12", "xvda3", "hdz9", "nvme0n1p2", "ram0", "zram1", "loop7", "fd0"]
        {
            assert!(is_left_out(name), "{name}");
        }
        for name in ["sda", "nvme0n1", "dm-0", "md127", "sdab1", "mmcblk0p1", "sr0", "nvmexn1p1"] {
            assert!(!is_left_out(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(
            diskstats in "([0-9 ]{0,6}[a-zé0-9\"]{0,6}( [0-9]{0,22}){0,20}\n|.*\n){0,9}"
        ) {
            told(&diskstats);
        }
    }
}
