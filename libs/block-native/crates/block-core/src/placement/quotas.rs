//! From shares to whole numbers of placement groups a disk.

use crate::placement::ground::Ground;
use crate::placement::shares::Shares;

/// How many of `groups` placement groups each disk stands in: by D'Hondt's method, under which the
/// fullest disk is as little above its share as whole numbers allow, so that it fills up last. Of
/// equal claims the one goes first that `now` has more groups, and nothing moves for nothing.
pub(super) fn quotas(ground: &Ground, shares: &Shares, groups: usize, now: &[usize]) -> Vec<usize> {
    let all = groups * ground.width;
    let whole = |disk| usize::try_from(shares.due(disk, all as u64)).unwrap_or(groups).min(groups);
    let mut quotas: Vec<usize> = (0..shares.parts.len()).map(whole).collect();
    let mut in_domain = vec![0; ground.domains];
    for (disk, &count) in quotas.iter().enumerate() {
        in_domain[ground.domain_of[disk]] += count;
    }
    let mut left = all.saturating_sub(quotas.iter().sum());
    while left > 0 {
        let open = |&disk: &usize| {
            quotas[disk] < groups && in_domain[ground.domain_of[disk]] < groups * ground.per_domain
        };
        let claim = |&one: &usize, &other: &usize| {
            let (a, b) = (shares.parts[one], shares.parts[other]);
            let left = u128::from(a) * (quotas[other] as u128 + 1);
            let right = u128::from(b) * (quotas[one] as u128 + 1);
            let held = |disk: usize| now.get(disk).copied().unwrap_or(0) > quotas[disk];
            left.cmp(&right).then(held(one).cmp(&held(other))).then(other.cmp(&one))
        };
        let Some(winner) = (0..quotas.len()).filter(open).max_by(claim) else { break };
        quotas[winner] += 1;
        in_domain[ground.domain_of[winner]] += 1;
        left -= 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Level;
    use crate::placement::shares::shares;
    use crate::placement::table::tests::disks;
    use crate::policy::Policy;

    fn of(sizes: &[(&str, u64)], groups: usize, now: &[usize]) -> Vec<usize> {
        let policy = Policy::Replicas { copies: 2 };
        let ground = Ground::new(&disks(sizes), policy, Level::Disk).unwrap();
        quotas(&ground, &shares(&ground), groups, now)
    }

    #[test]
    fn the_seats_are_all_given_and_none_above_the_number_of_groups() {
        assert_eq!(of(&[("a", 100), ("b", 100), ("c", 1000)], 64, &[]), [32, 32, 64]);
        assert_eq!(of(&[("a", 3), ("b", 2), ("c", 2)], 16, &[]), [14, 9, 9]);
    }

    #[test]
    fn of_equal_disks_those_keep_the_odd_seats_that_have_them() {
        assert_eq!(of(&[("a", 5); 3], 32, &[21, 21, 22]), [21, 21, 22]);
        assert_eq!(of(&[("a", 5); 3], 32, &[22, 21, 21]), [22, 21, 21]);
    }
}
