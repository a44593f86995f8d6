//! Seconds of every processor, from /proc/stat (proc(5)).
use crate::exposition::{Exposition, Family};
use std::collections::BTreeMap;

const SECONDS: Family =
    Family::counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
const GUEST: Family = Family::counter(
    "node_cpu_guest_seconds_total",
    "Seconds the CPUs spent in guests (VMs) for each mode.",
);

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: [&str; 2] = ["user", "nice"];
const IDLE: usize = 3;
const COLUMNS: usize = MODES.len() + GUEST_MODES.len();

/// `USER_HZ`, which Linux fixes for what programs see.
const TICKS_PER_SECOND: f64 = 100.0;

/// No machine has more processors; further lines are not looked at.
const MAXIMUM_PROCESSORS: usize = 4096;

/// By how much the kernel may take idle time back without the processor having been taken away and
/// put back, as `node_exporter` judges it.
const MAXIMUM_STEP_BACK_SECONDS: f64 = 3.0;

/// Seconds of one processor: the modes, then those of guests.
type Seconds = [f64; COLUMNS];

/// The last seconds told, so that a counter never goes back: the kernel takes back idle time that
/// it had estimated.
#[derive(Debug, Default)]
pub struct CpuClock {
    last: BTreeMap<u32, Seconds>,
}

impl CpuClock {
    /// Tells what `stat`, the text of /proc/stat, says.
    pub fn tell(&mut self, stat: &str, text: &mut Exposition) {
        let read = read_seconds(stat);
        self.last = read
            .into_iter()
            .map(|(processor, now)| (processor, onward(self.last.get(&processor), now)))
            .collect();
        text.family(SECONDS);
        for (processor, seconds) in &self.last {
            let processor = processor.to_string();
            for (mode, value) in MODES.iter().zip(seconds) {
                text.sample(SECONDS.name, &[("cpu", &processor), ("mode", mode)], *value);
            }
        }
        text.family(GUEST);
        for (processor, seconds) in &self.last {
            let processor = processor.to_string();
            for (mode, value) in GUEST_MODES.iter().zip(&seconds[MODES.len()..]) {
                text.sample(GUEST.name, &[("cpu", &processor), ("mode", mode)], *value);
            }
        }
    }
}

fn onward(last: Option<&Seconds>, now: Seconds) -> Seconds {
    match last {
        Some(last) if last[IDLE] - now[IDLE] < MAXIMUM_STEP_BACK_SECONDS => {
            std::array::from_fn(|column| last[column].max(now[column]))
        }
        _ => now,
    }
}

/// Seconds by processor. Lines that are no processor's, and columns that an old kernel has not, are
/// passed over; the line `cpu` is the sum of the others.
fn read_seconds(stat: &str) -> BTreeMap<u32, Seconds> {
    let mut found = BTreeMap::new();
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        let number = words.next().and_then(|word| word.strip_prefix("cpu"));
        let Some(processor) = number.and_then(|number| number.parse::<u32>().ok()) else {
            continue;
        };
        if found.len() == MAXIMUM_PROCESSORS {
            break;
        }
        let mut seconds = [0.0; COLUMNS];
        for (column, word) in seconds.iter_mut().zip(words) {
            *column = word.parse::<u64>().map_or(0.0, ticks_to_seconds);
        }
        found.insert(processor, seconds);
    }
    found
}

#[allow(clippy::cast_precision_loss)] // 2^53 ticks are more than two million years.
fn ticks_to_seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(clock: &mut CpuClock, stat: &str) -> String {
        let mut text = Exposition::default();
        clock.tell(stat, &mut text);
        text.finish().0
    }

    #[test]
    fn each_processor_is_told_by_mode_in_seconds_and_the_sum_is_not() {
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu3 100 2 3 4567 5 6 7 8 9 10\nintr 5\n";
        let text = told(&mut CpuClock::default(), stat);
        assert!(text.contains("node_cpu_seconds_total{cpu=\"3\",mode=\"user\"} 1\n"));
        assert!(text.contains("node_cpu_seconds_total{cpu=\"3\",mode=\"idle\"} 45.67\n"));
        assert!(text.contains("node_cpu_seconds_total{cpu=\"3\",mode=\"steal\"} 0.08\n"));
        assert!(text.contains("node_cpu_guest_seconds_total{cpu=\"3\",mode=\"nice\"} 0.1\n"));
        assert!(!text.contains("cpu=\"\""));
    }

    #[test]
    fn idle_time_that_the_kernel_takes_back_is_not_told() {
        let mut clock = CpuClock::default();
        told(&mut clock, "cpu0 1 0 0 1000 50\n");
        let text = told(&mut clock, "cpu0 2 0 0 950 60\n");
        assert!(text.contains("mode=\"idle\"} 10\n"), "{text}");
        assert!(text.contains("mode=\"user\"} 0.02\n"), "{text}");
    }

    #[test]
    fn a_processor_that_was_taken_away_and_put_back_counts_anew() {
        let mut clock = CpuClock::default();
        told(&mut clock, "cpu0 100 0 0 1000\n");
        let text = told(&mut clock, "cpu0 2 0 0 5\n");
        assert!(text.contains("mode=\"user\"} 0.02\n"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(stat in "(cpu[0-9]{0,12}( [0-9a-z.-]{0,25}){0,14}\n|.*\n){0,9}") {
            let mut clock = CpuClock::default();
            told(&mut clock, &stat);
            told(&mut clock, &stat);
        }

        #[test]
        fn no_counter_goes_back_while_idle_goes_on(
            readings in prop::collection::vec((0_u64..9000, 0_u64..9000, 0_u64..200), 2..9)
        ) {
            let mut clock = CpuClock::default();
            let mut last = 0.0;
            for (index, (user, system, idle)) in readings.iter().enumerate() {
                let idle = 1000 * (index as u64 + 1) + idle;
                told(&mut clock, &format!("cpu0 {user} 0 {system} {idle}\n"));
                prop_assert!(clock.last[&0][0] >= last);
                last = clock.last[&0][0];
            }
        }
    }
}
