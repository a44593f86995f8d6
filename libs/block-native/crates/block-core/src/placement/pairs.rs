//! Which disks meet in placement groups, and how often: a lost disk is rebuilt from those it met.

use crate::placement::draw::Sets;
use crate::placement::ground::Ground;
use crate::placement::random::Random;

/// Above this many disks the table of meetings is not kept: it grows with the square, and with so
/// many disks chance alone spreads a rebuild.
const DISKS_MAX: usize = 1024;
const TRIALS_A_SEAT: usize = 64;
const TRIALS_MAX: usize = 400_000;
const UNIT: u64 = 1 << 40;

/// Counts of meetings, each weighed by how often the two ought to meet.
pub(super) struct Pairs {
    disks: usize,
    met: Vec<u32>,
    quotas: Vec<u64>,
}

impl Pairs {
    /// Counts the meetings of `sets`, all of `width` disks.
    pub fn of(sets: &[usize], width: usize, quotas: &[usize]) -> Self {
        let disks = if quotas.len() <= DISKS_MAX { quotas.len() } else { 0 };
        let quotas = quotas.iter().map(|&count| count.max(1) as u64).collect();
        let mut pairs = Self { disks, met: vec![0; disks * disks], quotas };
        for set in sets.chunks(width) {
            for &one in set {
                for &other in set {
                    pairs.change(one, other, 1);
                }
            }
        }
        pairs
    }

    fn change(&mut self, one: usize, other: usize, by: i32) {
        if one == other || one >= self.disks || other >= self.disks {
            return;
        }
        let count = &mut self.met[one * self.disks + other];
        *count = count.saturating_add_signed(by);
    }

    fn meetings(&self, one: usize, other: usize) -> (i64, i64) {
        if one >= self.disks || other >= self.disks {
            return (0, 0);
        }
        let weight = UNIT / (self.quotas[one] * self.quotas[other]);
        (i64::from(self.met[one * self.disks + other]), weight.cast_signed())
    }

    /// What it costs to put `enters` in the place of `leaves` beside `others`; below 0 where the
    /// meetings become more even.
    pub fn cost(&self, others: impl Iterator<Item = usize>, leaves: usize, enters: usize) -> i64 {
        let mut cost = 0;
        for other in others {
            if other == leaves || other == enters {
                continue;
            }
            let (met, weight) = self.meetings(leaves, other);
            cost -= (2 * met - 1) * weight;
            let (met, weight) = self.meetings(enters, other);
            cost += (2 * met + 1) * weight;
        }
        cost
    }

    /// Notes that `enters` took the place of `leaves` in `set`, which has it already.
    pub fn replaced(&mut self, set: &[usize], leaves: usize, enters: usize) {
        for &other in set.iter().filter(|&&other| other != enters) {
            for (disk, by) in [(leaves, -1), (enters, 1)] {
                self.change(disk, other, by);
                self.change(other, disk, by);
            }
        }
    }
}

/// Swaps disks between groups as long as that makes the meetings more even. The seats stay.
pub(super) fn even_out(ground: &Ground, sets: &mut Sets, quotas: &[usize], seed: u64) {
    let width = ground.width;
    let groups = sets.len() / width;
    if quotas.len() > DISKS_MAX || groups < 2 {
        return;
    }
    let mut pairs = Pairs::of(sets, width, quotas);
    let mut random = Random::new(seed);
    for _ in 0..(sets.len() * TRIALS_A_SEAT).min(TRIALS_MAX) {
        let (at, to) = (random.below(sets.len()), random.below(sets.len()));
        let (one, other) = (at / width * width, to / width * width);
        let (a, b) = (sets[at], sets[to]);
        let (first, second) = (&sets[one..one + width], &sets[other..other + width]);
        let fits = one != other
            && ground.may_replace(first, at - one, b)
            && ground.may_replace(second, to - other, a);
        if !fits {
            continue;
        }
        // Disks that stand in both groups meet both before and after.
        let alone = |set: &'_ [usize], rest: &'_ [usize], leaves, enters| {
            pairs.cost(set.iter().copied().filter(|disk| !rest.contains(disk)), leaves, enters)
        };
        let cost = alone(first, second, a, b) + alone(second, first, b, a);
        if cost >= 0 {
            continue;
        }
        sets[at] = b;
        pairs.replaced(&sets[one..one + width], a, b);
        sets[to] = a;
        pairs.replaced(&sets[other..other + width], b, a);
    }
}
