//! The first placement groups of a pool, with exactly the seats asked for.

use crate::placement::ground::Ground;
use crate::placement::random::mix;

/// Sets of disks, one a placement group, all of `width` disks, one after the other.
pub(super) type Sets = Vec<usize>;

/// Draws group after group. A group takes from each domain what is left of its seats, divided by
/// the groups that are left, rounded so that the sum is the width; within a domain the disks with
/// the most seats left go first. So no disk ever has more seats left than there are groups, and no
/// domain more than `per_domain` times as many: the last group comes out even.
pub(super) fn draw(ground: &Ground, quotas: &[usize], groups: usize, seed: u64) -> Sets {
    let mut left = quotas.to_vec();
    let mut members = vec![Vec::new(); ground.domains];
    for (disk, &domain) in ground.domain_of.iter().enumerate() {
        members[domain].push(disk);
    }
    let mut sets = Vec::with_capacity(groups * ground.width);
    for group in 0..groups {
        let remaining = groups - group;
        let taken = shards_of_domains(ground, &members, &left, remaining);
        let start = sets.len();
        for (disks, &count) in members.iter().zip(&taken) {
            let tie = |disk: usize| mix(seed ^ (group as u64) << 20 ^ disk as u64);
            let mut order = disks.clone();
            order.sort_by_key(|&disk| std::cmp::Reverse((left[disk], tie(disk))));
            sets.extend(order.into_iter().take(count));
        }
        for &disk in &sets[start..] {
            left[disk] = left[disk].saturating_sub(1);
        }
    }
    sets
}

/// How many shards of one group each domain gets.
fn shards_of_domains(
    ground: &Ground,
    members: &[Vec<usize>],
    left: &[usize],
    remaining: usize,
) -> Vec<usize> {
    let claims: Vec<usize> =
        members.iter().map(|disks| disks.iter().map(|&disk| left[disk]).sum()).collect();
    let mut taken = vec![0; ground.domains];
    for _ in 0..ground.width {
        let open = |&domain: &usize| {
            taken[domain] < ground.per_domain && taken[domain] < members[domain].len()
        };
        let rest = |&domain: &usize| {
            let used = (taken[domain] * remaining).cast_signed();
            (claims[domain].cast_signed() - used, std::cmp::Reverse(domain))
        };
        let Some(domain) = (0..ground.domains).filter(open).max_by_key(rest) else { break };
        taken[domain] += 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Level;
    use crate::placement::quotas::quotas;
    use crate::placement::shares::shares;
    use crate::placement::table::tests::disks;
    use crate::policy::Policy;

    #[test]
    fn every_disk_stands_in_as_many_groups_as_it_has_seats() {
        let policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
        let sizes =
            [("a", 300), ("a", 310), ("a", 60), ("b", 100), ("b", 170), ("c", 100), ("c", 900)];
        let ground = Ground::new(&disks(&sizes), policy, Level::Server).unwrap();
        let wanted = quotas(&ground, &shares(&ground), 128, &[]);
        let sets = draw(&ground, &wanted, 128, 7);
        let mut found = vec![0; sizes.len()];
        for set in sets.chunks(6) {
            for (position, &disk) in set.iter().enumerate() {
                found[disk] += 1;
                assert!(ground.may_replace(&swapped_out(set, position), position, disk));
            }
        }
        assert_eq!(found, wanted);
    }

    /// The set with a disk that does not exist at `position`.
    fn swapped_out(set: &[usize], position: usize) -> Vec<usize> {
        let mut set = set.to_vec();
        set[position] = usize::MAX;
        set
    }
}
