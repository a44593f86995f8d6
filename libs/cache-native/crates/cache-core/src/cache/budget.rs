//! Errors of each SSD within a while: more than the budget, and it is not used any more.

use std::collections::{HashMap, VecDeque};

use purlin_block_core::Nanoseconds;
use purlin_block_core::disk::DiskHandle;

use super::options::Options;

/// When each SSD last had errors, at most as many as the budget allows and one more.
#[derive(Debug, Default)]
pub struct Budget(HashMap<DiskHandle, VecDeque<Nanoseconds>>);

impl Budget {
    /// An error now. Whether the SSD has had too many.
    pub fn spend(&mut self, ssd: DiskHandle, now: Nanoseconds, options: &Options) -> bool {
        let errors = self.0.entry(ssd).or_default();
        errors.push_back(now);
        let oldest = now.0.saturating_sub(options.errors_window.0);
        while errors.front().is_some_and(|at| at.0 < oldest)
            || errors.len() > options.errors_max + 1
        {
            errors.pop_front();
        }
        errors.len() > options.errors_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_spent_by_errors_that_follow_each_other_and_not_by_rare_ones() {
        let options = Options::default();
        let (minute, ssd) = (60_000_000_000, DiskHandle(0));
        let mut budget = Budget::default();
        assert!((0..100).all(|at| !budget.spend(ssd, Nanoseconds(at * 2 * minute), &options)));
        let mut budget = Budget::default();
        let spent: Vec<_> =
            (0..9).map(|at| budget.spend(ssd, Nanoseconds(at * minute), &options)).collect();
        assert_eq!(spent, [false, false, false, false, false, false, false, false, true]);
        assert!(!budget.spend(DiskHandle(1), Nanoseconds(0), &options), "each has its own");
    }
}
