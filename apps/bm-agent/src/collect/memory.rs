//! Memory, from /proc/meminfo (proc(5)): every line that the kernel has.
use crate::exposition::{Exposition, Kind};

/// No kernel has more lines; further ones are not looked at.
const MAXIMUM_LINES: usize = 256;

/// Tells what `meminfo`, the text of /proc/meminfo, says.
pub fn tell(meminfo: &str, text: &mut Exposition) {
    for line in meminfo.lines().take(MAXIMUM_LINES) {
        if let Some((name, value)) = read_line(line) {
            let help = format!("Memory information field {}.", name.trim_end_matches("_bytes"));
            let name = format!("node_memory_{name}");
            text.begin(&name, Kind::Gauge, &help);
            text.sample(&name, &[], value);
        }
    }
}

/// `Active(anon): 5 kB` becomes `Active_anon_bytes` and 5120, a number without a unit keeps its
/// name.
fn read_line(line: &str) -> Option<(String, f64)> {
    let (field, rest) = line.split_once(':')?;
    if field.is_empty() || !field.bytes().all(|b| b.is_ascii_alphanumeric() || b"_()".contains(&b))
    {
        return None;
    }
    let name = field.replace('(', "_").replace(')', "");
    let mut words = rest.split_ascii_whitespace();
    let number = words.next()?.parse::<u64>().ok()?;
    match words.next() {
        Some("kB") => Some((format!("{name}_bytes"), exact(number.checked_mul(1024)?))),
        None => Some((name, exact(number))),
        Some(_) => None,
    }
}

#[allow(clippy::cast_precision_loss)] // Below 2^53 bytes nothing is lost.
fn exact(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(meminfo: &str) -> String {
        let mut text = Exposition::default();
        tell(meminfo, &mut text);
        text.finish().0
    }

    #[test]
    fn kibibytes_become_bytes_and_counts_stay_counts() {
        let text = told("MemTotal:       2 kB\nActive(anon): 5 kB\nHugePages_Total:  7\n");
        assert!(text.contains("\nnode_memory_MemTotal_bytes 2048\n"));
        assert!(text.contains("\nnode_memory_Active_anon_bytes 5120\n"));
        assert!(text.contains("\nnode_memory_HugePages_Total 7\n"));
        assert!(text.contains("# TYPE node_memory_MemTotal_bytes gauge\n"));
    }

    #[test]
    fn lines_that_are_no_field_are_passed_over() {
        assert_eq!(told("x\nA B: 5 kB\n: 5 kB\nA: kB\nB: 5 MB\nC: 18446744073709551615 kB\n"), "");
    }

    proptest! {
        #[test]
        fn any_text_is_read(
            meminfo in "([A-Za-z()_ {}\"]{0,9}:? *[0-9]{0,22} ?(kB|MB)?\n|.*\n){0,9}"
        ) {
            for line in told(&meminfo).lines().filter(|line| !line.starts_with('#')) {
                prop_assert!(line.starts_with("node_memory_"), "{}", line);
                prop_assert_eq!(line.split(' ').count(), 2);
            }
        }
    }
}
