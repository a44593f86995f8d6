//! How much each disk can hold when no stripe may use a disk or a fault domain too often.

use crate::placement::ground::Ground;

/// The largest even fill: `stripe_bytes` of each shard's place in the stripe, of which disk i
/// holds `parts[i]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shares {
    /// Bytes that one shard of every stripe takes altogether.
    pub stripe_bytes: u64,
    /// Bytes of each disk that stripes can fill; at most `stripe_bytes`.
    pub parts: Vec<u64>,
}

impl Shares {
    /// What is due to `disk` of `amount` of something that all disks share.
    pub fn due(&self, disk: usize, amount: u64) -> u64 {
        let all: u128 = self.parts.iter().copied().map(u128::from).sum();
        let due = u128::from(amount) * u128::from(self.parts[disk]) / all.max(1);
        u64::try_from(due).unwrap_or(amount)
    }
}

/// Works out the shares. A stripe has one shard on a disk at most, so a disk counts for no more
/// than `stripe_bytes` S, and a domain for no more than `per_domain` times S; S is the largest
/// number at which the disks hold `width` times S. What a larger disk has beyond that cannot be
/// used by any placement: a hash that weights disks by size promises it all the same, and fills
/// the others too early.
pub(super) fn shares(ground: &Ground) -> Shares {
    let total: u64 = ground.disks.iter().map(|disk| disk.capacity_bytes).sum();
    let (mut good, mut bad) = (0, total / ground.width as u64 + 1);
    while good + 1 < bad {
        let middle = good + (bad - good) / 2;
        let fits = held(ground, middle).iter().sum::<u128>() >= times(middle, ground.width);
        if fits { good = middle } else { bad = middle }
    }
    let stripe_bytes = good.max(1);
    let mut parts: Vec<u64> =
        ground.disks.iter().map(|disk| disk.capacity_bytes.min(stripe_bytes)).collect();
    let bound = times(stripe_bytes, ground.per_domain);
    for domain in 0..ground.domains {
        let members: Vec<usize> =
            (0..parts.len()).filter(|&disk| ground.domain_of[disk] == domain).collect();
        if members.iter().map(|&disk| u128::from(parts[disk])).sum::<u128>() > bound {
            scale_down(ground, &members, stripe_bytes, bound, &mut parts);
        }
    }
    Shares { stripe_bytes, parts }
}

fn times(bytes: u64, count: usize) -> u128 {
    u128::from(bytes) * count as u128
}

/// What the domains hold at `stripe_bytes`.
fn held(ground: &Ground, stripe_bytes: u64) -> Vec<u128> {
    let mut held = vec![0; ground.domains];
    for (disk, &domain) in ground.disks.iter().zip(&ground.domain_of) {
        held[domain] += u128::from(disk.capacity_bytes.min(stripe_bytes));
    }
    let bound = times(stripe_bytes, ground.per_domain);
    held.into_iter().map(|bytes: u128| bytes.min(bound)).collect()
}

/// Shares `bound` bytes out to the disks of a domain that could hold more, by their sizes, none
/// above `most`.
#[allow(clippy::cast_possible_truncation, reason = "no part is above `most`")]
fn scale_down(ground: &Ground, members: &[usize], most: u64, bound: u128, parts: &mut [u64]) {
    let mut by_size = members.to_vec();
    by_size.sort_by_key(|&disk| std::cmp::Reverse((ground.disks[disk].capacity_bytes, disk)));
    let mut sizes: u128 =
        members.iter().map(|&disk| u128::from(ground.disks[disk].capacity_bytes)).sum();
    let mut left = bound;
    for disk in by_size {
        let size = u128::from(ground.disks[disk].capacity_bytes);
        let part = (left * size / sizes).min(u128::from(most));
        parts[disk] = part as u64;
        left -= part;
        sizes -= size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Level;
    use crate::placement::table::tests::disks;
    use crate::policy::Policy;

    fn of(sizes: &[(&str, u64)], policy: Policy, level: Level) -> Shares {
        shares(&Ground::new(&disks(sizes), policy, level).unwrap())
    }

    #[test]
    fn a_disk_counts_for_no_more_than_a_shard_of_every_stripe() {
        let shares =
            of(&[("a", 100), ("b", 100), ("c", 1000)], Policy::Replicas { copies: 2 }, Level::Disk);
        assert_eq!(shares, Shares { stripe_bytes: 200, parts: vec![100, 100, 200] });
    }

    #[test]
    fn a_domain_counts_for_no_more_than_its_shards_and_shares_them_by_size() {
        let policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
        let sizes =
            [("a", 300), ("a", 300), ("a", 600), ("b", 100), ("b", 100), ("c", 100), ("c", 100)];
        let shares = of(&sizes, policy, Level::Server);
        assert_eq!(shares.stripe_bytes, 100);
        assert_eq!(shares.parts, [50, 50, 100, 100, 100, 100, 100]);
    }

    #[test]
    fn equal_disks_are_filled_wholly() {
        let shares = of(&[("a", 70); 10], Policy::Erasure { data: 4, parity: 2 }, Level::Disk);
        assert!(shares.parts.iter().all(|&part| part == 70));
        assert_eq!(shares.stripe_bytes, 116);
    }
}
