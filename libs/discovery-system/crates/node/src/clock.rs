//! The wall clock. A board whose battery is empty starts in another year, where no certificate of
//! the server is valid; so the server says what time it is when it hands out the boot script, and
//! that is as much to be believed as the kernel and the authority, which come the same way.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_settime};

use crate::console::say;

/// The script was served before the kernel started: loading both takes a while.
const LOADING: Duration = Duration::from_mins(10);
/// What a clock may be behind: certificates are not judged by minutes.
const BEHIND: Duration = Duration::from_mins(1);

/// Sets the clock by the server's word where it is clearly another, and says so.
pub fn adjust(told: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let uptime = uptime_of(&fs::read_to_string("/proc/uptime").unwrap_or_default());
    let Some(wanted) = wanted(now, told, uptime) else { return };
    let Ok(seconds) = i64::try_from(wanted.as_secs()) else { return };
    match clock_settime(ClockId::Realtime, Timespec { tv_sec: seconds, tv_nsec: 0 }) {
        Ok(()) => say(&format!("clock set by the server, from {} to {seconds}", now.as_secs())),
        Err(error) => say(&format!("the clock stays at {}: {error}", now.as_secs())),
    }
}

/// The time that it is by the server's word, `None` where the clock may well be right. `told` is
/// the time at which the boot script was served. Pure.
fn wanted(now: Duration, told: Duration, uptime: Duration) -> Option<Duration> {
    let least = told.saturating_add(uptime);
    let earliest = least.saturating_sub(BEHIND);
    let latest = least.saturating_add(LOADING);
    (now < earliest || now > latest).then_some(least)
}

fn uptime_of(text: &str) -> Duration {
    let seconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    seconds.and_then(|value| Duration::try_from_secs_f64(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BEHIND, LOADING, uptime_of, wanted};

    const TOLD: Duration = Duration::from_secs(1_800_000_007);
    const UPTIME: Duration = Duration::from_secs(9);

    #[test]
    fn a_clock_of_another_year_is_set_and_one_that_is_nearly_right_is_left() {
        let due = TOLD + UPTIME;
        for wrong in [Duration::ZERO, due.saturating_sub(BEHIND * 2), due + LOADING * 2] {
            assert_eq!(wanted(wrong, TOLD, UPTIME), Some(due));
        }
        for right in [due.saturating_sub(BEHIND / 2), due, due + LOADING / 2] {
            assert_eq!(wanted(right, TOLD, UPTIME), None);
        }
    }

    #[test]
    fn the_uptime_is_read_and_nonsense_is_none() {
        assert_eq!(uptime_of("12.50 11.00\n"), Duration::from_millis(12_500));
        for text in ["", "x", "-1 0", "1e400", "NaN"] {
            assert_eq!(uptime_of(text), Duration::ZERO);
        }
    }
}
