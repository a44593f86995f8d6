//! How fast dirty pages go home: a controller on the dirty share.
//!
//! A PI controller: its output, 0 to 1, is the effort. Effort is how many pages a round has, how
//! many requests of it are on their way at once, and how short the pause before the next is. Half
//! of the limit is the set point: below it dirty pages stay, because they may be written again.

use purlin_block_core::Nanoseconds;

/// Pages of one round at most; a round ends with a flush of the origin.
pub const ROUND_PAGES_MAX: u64 = 1024;
/// Turns of one round at the same time, at most.
const WIDTH_MAX: f64 = 4.0;
const PAUSE_MAX_NANOSECONDS: f64 = 100_000_000.0;
const PROPORTIONAL: f64 = 1.0;
/// Effort a second for an error of one.
const INTEGRAL_PER_SECOND: f64 = 0.2;
/// What is done where nobody else wants the origin.
const IDLE_EFFORT: f64 = 0.5;

/// One round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    /// Pages it has at most.
    pub pages: u64,
    /// Turns at the same time.
    pub width: usize,
    /// How long after it the next may begin.
    pub pause: Nanoseconds,
}

/// What the controller sees.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// Dirty pages that can be read.
    pub dirty: u64,
    /// How many there may be.
    pub limit: u64,
    /// Nothing shall stay dirty.
    pub draining: bool,
    /// No client asks for anything.
    pub idle: bool,
    /// If it is known.
    pub now: Option<Nanoseconds>,
}

/// The controller.
#[derive(Debug, Default)]
pub struct Pace {
    integral: f64,
    looked: Option<Nanoseconds>,
    next: Nanoseconds,
}

impl Pace {
    /// The next round, if it is time for one.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of pages, and efforts between 0 and 1"
    )]
    pub fn round(&mut self, sight: Sight) -> Option<Round> {
        let Sight { dirty, limit, draining, idle, now } = sight;
        if dirty == 0 {
            self.integral = 0.0;
            return None;
        }
        let half = (limit as f64 / 2.0).max(1.0);
        let error = ((dirty as f64 - half) / half).clamp(-1.0, 1.0);
        if let Some(now) = now {
            let before = self.looked.replace(now).unwrap_or(now);
            let seconds = now.0.saturating_sub(before.0) as f64 / 1e9;
            let more = INTEGRAL_PER_SECOND * error * seconds.min(1.0);
            self.integral = (self.integral + more).clamp(0.0, 1.0);
        }
        let wanted = (PROPORTIONAL * error + self.integral).clamp(0.0, 1.0);
        let effort = match (draining, idle) {
            (true, _) => 1.0,
            (false, true) => wanted.max(IDLE_EFFORT),
            (false, false) => wanted,
        };
        if effort <= 0.0 || now.is_some_and(|now| now < self.next) {
            return None;
        }
        let pause = Nanoseconds((PAUSE_MAX_NANOSECONDS * (1.0 - effort)) as u64);
        let pages = ((ROUND_PAGES_MAX as f64 * effort) as u64).max(1);
        let width = 1 + ((WIDTH_MAX - 1.0) * effort) as usize;
        Some(Round { pages, width, pause })
    }

    /// A round has ended.
    pub fn ended(&mut self, round: Round, now: Option<Nanoseconds>) {
        if let Some(now) = now {
            self.next = Nanoseconds(now.0 + round.pause.0);
        }
    }

    /// When the next round may begin.
    pub fn next(&self) -> Nanoseconds {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGHT: Sight =
        Sight { dirty: 0, limit: 10_000, draining: false, idle: false, now: Some(Nanoseconds(0)) };

    #[test]
    fn what_may_be_written_again_soon_stays_below_half_of_the_limit() {
        let mut pace = Pace::default();
        assert_eq!(pace.round(Sight { dirty: 5000, ..SIGHT }), None);
        assert!(pace.round(Sight { dirty: 5000, idle: true, ..SIGHT }).is_some());
        assert!(pace.round(Sight { dirty: 5000, draining: true, ..SIGHT }).is_some());
        assert_eq!(pace.round(Sight { draining: true, ..SIGHT }), None, "nothing is dirty");
    }

    #[test]
    fn at_the_limit_rounds_are_as_large_as_they_can_be_and_follow_without_a_pause() {
        let round = Pace::default().round(Sight { dirty: 10_000, ..SIGHT });
        let full = Round { pages: ROUND_PAGES_MAX, width: 4, pause: Nanoseconds(0) };
        assert_eq!(round, Some(full));
    }

    /// A disk of 200 pages a round and 20 ms a round, and clients that write at a steady rate.
    fn dirty_after(seconds: u64, pages_per_second: u64) -> Vec<u64> {
        let mut pace = Pace::default();
        let (mut dirty, mut seen, mut busy_until) = (0u64, Vec::new(), 0);
        let mut under_way: Option<Round> = None;
        for now in (0..seconds * 1000).map(|millisecond| millisecond * 1_000_000) {
            dirty += pages_per_second * (now / 1_000_000 + 1) / 1000;
            dirty -= pages_per_second * (now / 1_000_000) / 1000;
            let at = Some(Nanoseconds(now));
            if now < busy_until {
                continue;
            }
            if let Some(round) = under_way.take() {
                dirty -= round.pages.min(dirty);
                pace.ended(round, at);
            }
            under_way = pace.round(Sight { dirty, now: at, ..SIGHT });
            busy_until = now + if under_way.is_some() { 20_000_000 } else { 0 };
            seen.push(dirty);
        }
        seen
    }

    #[test]
    fn under_a_steady_load_the_dirty_share_settles_between_the_set_point_and_the_limit() {
        for load in [500, 2000, 6000] {
            let seen = dirty_after(240, load);
            let late = &seen[seen.len() * 3 / 4..];
            let (least, most) = (late.iter().min(), late.iter().max());
            assert!(least > Some(&3000) && most < Some(&9900), "{load}: {least:?} to {most:?}");
        }
    }
}
