//! What a set of disks can offer: every policy that finds its place on them.

use crate::placement::ground::Ground;
use crate::placement::shares::shares;
use crate::placement::{Level, PlacementError, TableDisk};
use crate::policy::Policy;

/// The reference's policies: standard and folded erasure coding.
const ERASURE: [Policy; 6] = [
    Policy::Erasure { data: 2, parity: 1 },
    Policy::Erasure { data: 4, parity: 2 },
    Policy::Erasure { data: 8, parity: 3 },
    Policy::Folded { data: 4, parity: 2, failures: 1 },
    Policy::Folded { data: 8, parity: 2, failures: 1 },
    Policy::Folded { data: 16, parity: 2, failures: 1 },
];
const REPLICAS_MAX: u8 = 6;

/// A policy that these disks can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The redundancy.
    pub policy: Policy,
    /// The level of the fault domains.
    pub level: Level,
    /// Fault domains there are.
    pub domains: usize,
    /// The least number of them.
    pub domains_min: usize,
    /// The most shards of a stripe in one domain.
    pub shards_per_domain: usize,
    /// Bytes that volumes can fill.
    pub usable_bytes: u64,
    /// Bytes of the disks that no stripe can use, since others are too small beside them.
    pub stranded_bytes: u64,
    /// Any so many domains can fail.
    pub survives_domains: usize,
    /// Any so many disks can fail.
    pub survives_disks: usize,
    /// Domains that can be lost and their shards still be rebuilt on those that are left.
    pub spare_domains: usize,
}

/// A policy that they cannot, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The redundancy.
    pub policy: Policy,
    /// The level of the fault domains.
    pub level: Level,
    /// What is missing.
    pub reason: PlacementError,
}

/// Every policy of the reference, 1 to 6 replicas and those `asked` for, at every level: what the
/// disks can hold, and what not.
#[must_use]
pub fn offers(disks: &[TableDisk], asked: &[Policy]) -> (Vec<Offer>, Vec<Refusal>) {
    let replicas = (1..=REPLICAS_MAX).map(|copies| Policy::Replicas { copies });
    let mut policies: Vec<Policy> = replicas.chain(ERASURE).collect();
    for &policy in asked {
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    let (mut offers, mut refusals) = (Vec::new(), Vec::new());
    for level in Level::ALL {
        for &policy in &policies {
            match offer(disks, policy, level) {
                Ok(offer) => offers.push(offer),
                Err(reason) => refusals.push(Refusal { policy, level, reason }),
            }
        }
    }
    (offers, refusals)
}

fn offer(disks: &[TableDisk], policy: Policy, level: Level) -> Result<Offer, PlacementError> {
    let ground = Ground::new(disks, policy, level)?;
    let shares = shares(&ground);
    let total: u64 = disks.iter().map(|disk| disk.capacity_bytes).sum();
    let domains_min = policy.shards().div_ceil(policy.shards_per_domain());
    Ok(Offer {
        policy,
        level,
        domains: ground.domains,
        domains_min,
        shards_per_domain: policy.shards_per_domain(),
        usable_bytes: shares.stripe_bytes * policy.data_shards() as u64,
        stranded_bytes: total - shares.parts.iter().sum::<u64>(),
        survives_domains: policy.failures(),
        survives_disks: policy.parity_shards(),
        spare_domains: spare_domains(disks, policy, level),
    })
}

/// How many domains can go, the largest first, until those left cannot hold a whole stripe.
fn spare_domains(disks: &[TableDisk], policy: Policy, level: Level) -> usize {
    let mut left = disks.to_vec();
    let mut spare = 0;
    loop {
        let count = |domain: u64| left.iter().filter(|disk| level.domain(disk) == domain).count();
        let Some(largest) = left
            .iter()
            .map(|disk| level.domain(disk))
            .max_by_key(|&domain| (count(domain), domain))
        else {
            return spare;
        };
        left.retain(|disk| level.domain(disk) != largest);
        if Ground::new(&left, policy, level).is_err() {
            return spare;
        }
        spare += 1;
    }
}
