//! The moves that bring placement groups to their new seats.

use crate::placement::TableDisk;
use crate::placement::ground::Ground;
use crate::placement::movement::Distance;
use crate::placement::pairs::Pairs;

/// The sets of a group on their way. Disks are numbers: those of the ground, then those that are
/// not on it any more, then one that stands for a place without a disk.
pub(super) struct Moves<'a> {
    ground: &'a Ground,
    strangers: &'a [TableDisk],
    /// Of every number; 0 beyond the ground.
    quotas: Vec<usize>,
    counts: Vec<usize>,
    sets: Vec<usize>,
    pairs: Pairs,
    /// Where each number stands, as indices of `sets`.
    places: Vec<Vec<usize>>,
}

impl<'a> Moves<'a> {
    pub fn new(ground: &'a Ground, strangers: &'a [TableDisk], mut quotas: Vec<usize>) -> Self {
        let numbers = ground.disks.len() + strangers.len() + 1;
        quotas.resize(numbers, 0);
        let pairs = Pairs::of(&[], ground.width, &quotas);
        let (counts, places) = (vec![0; numbers], vec![Vec::new(); numbers]);
        Self { ground, strangers, quotas, counts, sets: Vec::new(), pairs, places }
    }

    /// Changes `sets` until every disk has its seats and no set breaks a rule, and answers them.
    pub fn run(&mut self, sets: &[usize]) -> Vec<usize> {
        self.sets = sets.to_vec();
        self.pairs = Pairs::of(sets, self.ground.width, &self.quotas);
        for (place, &disk) in sets.iter().enumerate() {
            self.counts[disk] += 1;
            self.places[disk].push(place);
        }
        self.mend_broken_sets();
        for distance in Distance::ALL {
            self.settle_over(distance);
        }
        self.settle_by_detours();
        self.fill_what_is_left();
        self.sets.clone()
    }

    /// Moves what the fault domains do not allow where it is: after a change of the topology, of
    /// the level, or from folded to standard.
    fn mend_broken_sets(&mut self) {
        let width = self.ground.width;
        for start in (0..self.sets.len()).step_by(width) {
            while let Some(place) = self.broken_place(start) {
                let Some(to) = self.best_for(place) else { break };
                self.replace(place, to);
            }
        }
    }

    /// A place of the set at `start` whose domain has too many shards: that of the disk with the
    /// most seats too many.
    fn broken_place(&self, start: usize) -> Option<usize> {
        let set = &self.sets[start..start + self.ground.width];
        let domain = |disk: usize| self.ground.domain_of.get(disk);
        let too_many = |&place: &usize| {
            let own = domain(self.sets[place]);
            let in_domain = set.iter().filter(|&&other| domain(other) == own).count();
            own.is_some() && in_domain > self.ground.per_domain
        };
        (start..start + set.len()).filter(too_many).max_by_key(|&place| {
            let disk = self.sets[place];
            (self.counts[disk].cast_signed() - self.quotas[disk].cast_signed(), place)
        })
    }

    /// Moves over one distance alone, from disks with seats too many to disks with seats too few:
    /// one to each in turn, so that the sets that few can take are not left for the end.
    fn settle_over(&mut self, distance: Distance) {
        for from in 0..self.counts.len() {
            let near: Vec<usize> = (0..self.ground.disks.len())
                .filter(|&to| self.distance(from, to) == distance)
                .collect();
            while self.excess(from) > 0 {
                let before = self.excess(from);
                for &to in &near {
                    if self.excess(from) > 0
                        && self.excess(to) < 0
                        && let Some(place) = self.best_place(from, to)
                    {
                        self.replace(place, to);
                    }
                }
                if self.excess(from) == before {
                    break;
                }
            }
        }
    }

    /// Where no set lets a disk replace another directly, a third one can make room: from, by way
    /// of others, to. Every step is a move, so the shortest ways are taken.
    fn settle_by_detours(&mut self) {
        for turn in 0..self.sets.len() {
            let starts: Vec<usize> =
                (0..self.counts.len()).filter(|&disk| self.excess(disk) > 0).collect();
            let Some(way) = starts.into_iter().find_map(|start| self.way_from(start, turn)) else {
                return;
            };
            for step in way.windows(2) {
                let Some(place) = self.best_place(step[0], step[1]) else { return };
                self.replace(place, step[1]);
            }
        }
    }

    /// A shortest chain of replacements from `start` to a disk with seats too few. With another
    /// `turn` it goes by way of other disks: each of them is written once for it and read once.
    fn way_from(&self, start: usize, turn: usize) -> Option<Vec<usize>> {
        let disks = self.ground.disks.len();
        let mut came_from = vec![None; self.counts.len()];
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(disk) = queue.pop_front() {
            for next in (0..disks).map(|at| (at + turn) % disks) {
                let fresh = next != start && came_from[next].is_none();
                if !fresh || self.best_place(disk, next).is_none() {
                    continue;
                }
                came_from[next] = Some(disk);
                if self.excess(next) < 0 {
                    let mut way = vec![next];
                    while let Some(before) = way.last().and_then(|&last| came_from[last]) {
                        way.push(before);
                    }
                    way.reverse();
                    return Some(way);
                }
                queue.push_back(next);
            }
        }
        None
    }

    /// A place of a disk that is gone, or of none, has to be filled even where that takes a seat
    /// too many.
    fn fill_what_is_left(&mut self) {
        for place in 0..self.sets.len() {
            if self.sets[place] < self.ground.disks.len() {
                continue;
            }
            if let Some(to) = self.best_for(place) {
                self.replace(place, to);
            }
        }
    }

    /// The disk that may best take `place`: the one furthest below its seats, of those the nearest.
    fn best_for(&self, place: usize) -> Option<usize> {
        let (set, position) = self.set_of(place);
        let candidates = 0..self.ground.disks.len();
        candidates.filter(|&to| self.ground.may_replace(set, position, to)).min_by_key(|&to| {
            // Parts of a seat count, so that disks of unequal size come out even.
            let fill = (self.counts[to] + 1) * 1024 / self.quotas[to].max(1);
            (fill, self.distance(self.sets[place], to), to)
        })
    }

    /// The place where `to` may best take over from `from`: the one after which disks meet most
    /// evenly.
    fn best_place(&self, from: usize, to: usize) -> Option<usize> {
        let fits = |&place: &usize| {
            let (set, position) = self.set_of(place);
            self.ground.may_replace(set, position, to)
        };
        self.places[from].iter().copied().filter(fits).min_by_key(|&place| {
            let (set, _) = self.set_of(place);
            (self.pairs.cost(set.iter().copied(), from, to), place)
        })
    }

    fn replace(&mut self, place: usize, to: usize) {
        let from = std::mem::replace(&mut self.sets[place], to);
        self.counts[from] -= 1;
        self.counts[to] += 1;
        self.places[from].retain(|&other| other != place);
        self.places[to].push(place);
        let start = place - place % self.ground.width;
        self.pairs.replaced(&self.sets[start..start + self.ground.width], from, to);
    }

    fn set_of(&self, place: usize) -> (&[usize], usize) {
        let position = place % self.ground.width;
        let start = place - position;
        (&self.sets[start..start + self.ground.width], position)
    }

    /// Seats too many; below 0, too few.
    fn excess(&self, disk: usize) -> isize {
        self.counts[disk].cast_signed() - self.quotas[disk].cast_signed()
    }

    fn distance(&self, one: usize, other: usize) -> Distance {
        match (self.disk(one), self.disk(other)) {
            (Some(one), Some(other)) => Distance::between(&one.location, &other.location),
            _ => Distance::Across,
        }
    }

    fn disk(&self, number: usize) -> Option<&TableDisk> {
        let beyond = || self.strangers.get(number - self.ground.disks.len());
        self.ground.disks.get(number).or_else(beyond)
    }
}
