//! The queue before a disk: one line per class, the next of them picked by weighted probability.
//!
//! A class that has requests is picked with a probability in proportion to its weight divided by
//! the bytes of the request at its head. That is a race of clocks without memory, each of which
//! takes `bytes / weight` on average: whatever the sizes of the requests, a class gets bytes in
//! proportion to its weight as long as all have requests. A large request is less likely to go
//! next than a small one of the same class, and never starves: its chance is the same each time.
//! (The documentation of `ZSphere`, "Storage Pool Recovery QoS": the weighted priority queue.)

use std::collections::VecDeque;

use purlin_block_core::control::RecoverySpeed;
use purlin_block_core::disk::IoClass;

const CLASSES: usize = IoClass::ALL.len();
/// What a request without bytes counts as, and the least any does.
const COST_BYTES_MIN: u64 = 4096;

/// The weight of each class, in the order of [`IoClass::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights([u32; CLASSES]);

impl Weights {
    /// Clients against recovery: 63 to 7, 63 to 63 and 63 to 128, so that recovery has 10 %, 50 %
    /// and 67 % of the bytes where both want all of a disk. Destage keeps the log from filling up
    /// and counts as much as the clients it works for.
    #[must_use]
    pub const fn of(speed: RecoverySpeed) -> Self {
        let recovery = match speed {
            RecoverySpeed::Low => 7,
            RecoverySpeed::Medium => 63,
            RecoverySpeed::High => 128,
        };
        Self([63, 63, recovery, 5, 5, 5])
    }
}

/// Requests that wait for one disk.
pub struct WeightedQueue<T> {
    lines: [VecDeque<(u64, T)>; CLASSES],
    weights: Weights,
    random: u64,
    waiting: usize,
}

impl<T> WeightedQueue<T> {
    /// An empty queue; `seed` decides its picks.
    #[must_use]
    pub fn new(weights: Weights, seed: u64) -> Self {
        let lines = std::array::from_fn(|_| VecDeque::new());
        Self { lines, weights, random: seed, waiting: 0 }
    }

    /// Other weights, from the next pick on.
    pub fn set_weights(&mut self, weights: Weights) {
        self.weights = weights;
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Puts a request of `bytes` bytes at the end of its class's line.
    pub fn push(&mut self, class: IoClass, bytes: u64, request: T) {
        self.lines[class as usize].push_back((bytes.max(COST_BYTES_MIN), request));
        self.waiting += 1;
    }

    /// Takes the next request.
    pub fn pop(&mut self) -> Option<T> {
        let line = self.pick()?;
        self.waiting -= 1;
        self.lines[line].pop_front().map(|(_, request)| request)
    }

    /// Picks a line: the shares are in 2^-40 of a weight a byte, so that 4 GiB still counts.
    fn pick(&mut self) -> Option<usize> {
        let shares: [u64; CLASSES] = std::array::from_fn(|line| {
            self.lines[line]
                .front()
                .map_or(0, |(bytes, _)| ((u64::from(self.weights.0[line]) << 40) / bytes).max(1))
        });
        let total: u64 = shares.iter().sum();
        let mut point = self.draw().checked_rem(total)?;
        shares.iter().position(|&share| {
            let here = point < share;
            point = point.saturating_sub(share);
            here
        })
    }

    /// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recovery's share of the bytes in per cent when both classes always wait, with requests of
    /// the given sizes in turn.
    fn share(speed: RecoverySpeed, client: &[u64], recovery: &[u64], start: u64) -> u64 {
        let mut queue = WeightedQueue::new(Weights::of(speed), start);
        let mut lines = [
            (IoClass::Client, client.iter().cycle(), 0),
            (IoClass::Recovery, recovery.iter().cycle(), 0),
        ];
        for (class, sizes, _) in &mut lines {
            let bytes = *sizes.next().unwrap();
            queue.push(*class, bytes, (*class, bytes));
        }
        for _ in 0..200_000 {
            let (class, bytes) = queue.pop().unwrap();
            let (_, sizes, moved) = lines.iter_mut().find(|line| line.0 == class).unwrap();
            *moved += bytes;
            let next = *sizes.next().unwrap();
            queue.push(class, next, (class, next));
        }
        lines[1].2 * 100 / (lines[0].2 + lines[1].2)
    }

    #[test]
    fn recovery_gets_its_share_of_the_bytes_whatever_the_sizes() {
        const KIB: u64 = 1024;
        let sizes: [(&[u64], &[u64]); 4] = [
            (&[4 * KIB], &[4 * KIB]),
            (&[4 * KIB], &[1024 * KIB]),
            (&[256 * KIB], &[16 * KIB]),
            (&[4 * KIB, 64 * KIB, 8 * KIB], &[16 * KIB, 512 * KIB]),
        ];
        let speeds = [
            (RecoverySpeed::Low, 10, 5),
            (RecoverySpeed::Medium, 50, 7),
            (RecoverySpeed::High, 67, 7),
        ];
        for (seed, (client, recovery)) in (1..).zip(sizes) {
            for (speed, wanted, tolerance) in speeds {
                let found = share(speed, client, recovery, seed);
                println!("{speed:?}, client {client:?}, recovery {recovery:?}: {found} %");
                assert!(found.abs_diff(wanted) <= tolerance, "{speed:?}: {found} %");
            }
        }
    }

    #[test]
    fn a_class_alone_gets_the_whole_disk_in_order() {
        let mut queue = WeightedQueue::new(Weights::of(RecoverySpeed::Low), 1);
        for number in 0..100 {
            queue.push(IoClass::Scrub, 4096, number);
        }
        let all: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert!(queue.is_empty());
    }

    #[test]
    fn no_class_starves() {
        let mut queue = WeightedQueue::new(Weights::of(RecoverySpeed::High), 7);
        for class in IoClass::ALL {
            queue.push(class, 1 << 20, class);
        }
        let mut seen = std::collections::HashSet::new();
        for _ in 0..2000 {
            let class = queue.pop().unwrap();
            seen.insert(class);
            queue.push(class, 1 << 20, class);
        }
        assert_eq!(seen.len(), IoClass::ALL.len());
    }

    #[test]
    fn a_small_request_goes_before_a_large_one_of_the_same_weight() {
        let mut queue = WeightedQueue::new(Weights::of(RecoverySpeed::Medium), 3);
        let mut first_small = 0;
        for _ in 0..1000 {
            queue.push(IoClass::Client, 4096, true);
            queue.push(IoClass::Recovery, 64 * 4096, false);
            first_small += u32::from(queue.pop().unwrap());
            queue.pop();
        }
        assert!((960..=1000).contains(&first_small), "{first_small} of 1000");
    }

    #[test]
    fn new_weights_hold_from_the_next_pick_on() {
        let mut queue = WeightedQueue::new(Weights::of(RecoverySpeed::Low), 5);
        queue.push(IoClass::Client, 4096, IoClass::Client);
        queue.set_weights(Weights::of(RecoverySpeed::High));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.pop(), Some(IoClass::Client));
        assert_eq!(queue.pop(), None);
    }
}
