//! Which things can fail together without any stripe losing more than it survives.

/// What every thing takes from every stripe: `losses[thing]` lists (stripe set, shards).
pub(super) struct Incidence {
    pub losses: Vec<Vec<(usize, u32)>>,
    pub sets: usize,
    /// The most shards a set may lose.
    pub tolerates: u32,
}

/// The most things that fail together and lose nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Largest {
    /// The largest set found, ascending.
    pub things: Vec<usize>,
    /// No set can have more than this; as many as `things` where the search was exhaustive.
    pub at_most: usize,
}

/// How many sets of a size lose something, of how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fatal {
    pub fatal: u64,
    pub all: u64,
}

/// Nodes a search may visit.
const NODES_MAX: u64 = 2_000_000;
/// Subsets times stripe sets that a count may look at.
const COUNT_WORK_MAX: u64 = 200_000_000;

impl Incidence {
    /// The least number of things whose loss is too much for some stripe, and such things: for one
    /// stripe it is those that hold the most of it, so it is the best over all stripes.
    pub fn smallest_fatal(&self) -> Option<Vec<usize>> {
        let mut by_set = vec![Vec::new(); self.sets];
        for (thing, losses) in self.losses.iter().enumerate() {
            for &(set, shards) in losses {
                by_set[set].push((shards, thing));
            }
        }
        let fatal = |mut things: Vec<(u32, usize)>| {
            things.sort_by_key(|&(shards, thing)| (std::cmp::Reverse(shards), thing));
            let mut lost = 0;
            let mut taken = Vec::new();
            for (shards, thing) in things {
                lost += shards;
                taken.push(thing);
                if lost > self.tolerates {
                    taken.sort_unstable();
                    return Some(taken);
                }
            }
            None
        };
        by_set.into_iter().filter_map(fatal).min_by_key(|things| (things.len(), things.clone()))
    }

    /// The largest set of things that can fail: branch and bound, exact as long as it does not
    /// visit more than two million nodes. A branch ends where even the things that take the least
    /// would not fit into what all stripes together can still lose.
    pub fn largest_survived(&self) -> Largest {
        let weight = |thing: usize| -> u64 {
            self.losses[thing].iter().map(|&(_, shards)| u64::from(shards)).sum()
        };
        let mut order: Vec<usize> = (0..self.losses.len()).collect();
        order.sort_by_key(|&thing| (weight(thing), thing));
        let weights: Vec<u64> = order.iter().map(|&thing| weight(thing)).collect();
        let budget = self.sets as u64 * u64::from(self.tolerates);
        let mut search = Search {
            incidence: self,
            order: &order,
            weights: &weights,
            lost: vec![0; self.sets],
            taken: Vec::new(),
            best: Vec::new(),
            nodes: 0,
        };
        search.descend(0, budget);
        let exhausted = search.nodes < NODES_MAX;
        let mut things = search.best;
        things.sort_unstable();
        let at_most = if exhausted { things.len() } else { fitting(&weights, budget) };
        Largest { things, at_most }
    }

    /// How many sets of `size` things are fatal; `None` where counting would take too long.
    pub fn count_fatal(&self, size: usize) -> Option<Fatal> {
        let all = binomial(self.losses.len(), size)?;
        if all.saturating_mul(self.sets as u64) > COUNT_WORK_MAX {
            return None;
        }
        let mut count = Count { incidence: self, lost: vec![0; self.sets], fatal: 0 };
        count.descend(0, size, false);
        Some(Fatal { fatal: count.fatal, all })
    }
}

/// How many of the lightest things fit into `budget`; `weights` ascend.
fn fitting(weights: &[u64], mut budget: u64) -> usize {
    let fits = |weight: &&u64| {
        let fits = **weight <= budget;
        budget = budget.saturating_sub(**weight);
        fits
    };
    weights.iter().take_while(fits).count()
}

fn binomial(n: usize, k: usize) -> Option<u64> {
    let mut result: u64 = 1;
    for i in 0..k.min(n) {
        result = result.checked_mul((n - i) as u64)? / (i as u64 + 1);
    }
    Some(if k > n { 0 } else { result })
}

struct Search<'a> {
    incidence: &'a Incidence,
    order: &'a [usize],
    weights: &'a [u64],
    lost: Vec<u32>,
    taken: Vec<usize>,
    best: Vec<usize>,
    nodes: u64,
}

impl Search<'_> {
    fn descend(&mut self, from: usize, budget: u64) {
        self.nodes += 1;
        if self.taken.len() > self.best.len() {
            self.best.clone_from(&self.taken);
        }
        let possible = self.taken.len() + fitting(&self.weights[from..], budget);
        if possible <= self.best.len() || self.nodes >= NODES_MAX || from == self.order.len() {
            return;
        }
        let thing = self.order[from];
        let losses = &self.incidence.losses[thing];
        let fits =
            |&(set, shards): &(usize, u32)| self.lost[set] + shards <= self.incidence.tolerates;
        if losses.iter().all(fits) {
            for &(set, shards) in losses {
                self.lost[set] += shards;
            }
            self.taken.push(thing);
            self.descend(from + 1, budget.saturating_sub(self.weights[from]));
            self.taken.pop();
            for &(set, shards) in losses {
                self.lost[set] -= shards;
            }
        }
        self.descend(from + 1, budget);
    }
}

struct Count<'a> {
    incidence: &'a Incidence,
    lost: Vec<u32>,
    fatal: u64,
}

impl Count<'_> {
    /// Takes `left` more things from `from` on; `fatal` is what is taken already.
    fn descend(&mut self, from: usize, left: usize, fatal: bool) {
        let things = self.incidence.losses.len();
        if fatal {
            self.fatal += binomial(things - from, left).unwrap_or(u64::MAX);
            return;
        }
        if left == 0 {
            return;
        }
        for thing in from..=things.saturating_sub(left) {
            let Some(losses) = self.incidence.losses.get(thing) else { return };
            let mut over = false;
            for &(set, shards) in losses {
                self.lost[set] += shards;
                over |= self.lost[set] > self.incidence.tolerates;
            }
            self.descend(thing + 1, left - 1, over);
            for &(set, shards) in losses {
                self.lost[set] -= shards;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::random::Random;

    /// Sets of three of eight things, each losing one of them at most.
    fn chance(seed: u64) -> Incidence {
        let mut random = Random::new(seed);
        let mut losses = vec![Vec::new(); 8];
        for set in 0..6 {
            let mut members = std::collections::BTreeSet::new();
            while members.len() < 3 {
                members.insert(random.below(8));
            }
            for thing in members {
                losses[thing].push((set, 1 + u32::try_from(random.below(2)).unwrap()));
            }
        }
        Incidence { losses, sets: 6, tolerates: 2 }
    }

    fn survives(incidence: &Incidence, subset: u32) -> bool {
        let mut lost = vec![0; incidence.sets];
        for (thing, losses) in incidence.losses.iter().enumerate() {
            for &(set, shards) in losses.iter().filter(|_| subset >> thing & 1 == 1) {
                lost[set] += shards;
            }
        }
        lost.iter().all(|&shards| shards <= incidence.tolerates)
    }

    #[test]
    fn the_search_finds_what_trying_every_subset_finds() {
        for seed in 0..200 {
            let incidence = chance(seed);
            let good: Vec<u32> = (0..256).filter(|&subset| survives(&incidence, subset)).collect();
            let largest = good.iter().map(|subset| subset.count_ones() as usize).max().unwrap();
            let found = incidence.largest_survived();
            assert_eq!((found.things.len(), found.at_most), (largest, largest), "seed {seed}");
            let smallest = (0..256u32)
                .filter(|subset| !good.contains(subset))
                .map(|subset| subset.count_ones() as usize)
                .min();
            let fatal = incidence.smallest_fatal().map(|things| things.len());
            assert_eq!(fatal, smallest, "seed {seed}");
            for size in 1..5 {
                let of_size = |subset: &u32| subset.count_ones() as usize == size;
                let all = (0..256u32).filter(of_size).count() as u64;
                let fatal =
                    all - good.iter().copied().filter(|subset| of_size(subset)).count() as u64;
                assert_eq!(incidence.count_fatal(size), Some(Fatal { fatal, all }), "seed {seed}");
            }
        }
    }
}
