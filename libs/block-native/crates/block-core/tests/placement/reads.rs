//! How reads and bytes spread.

use std::collections::BTreeMap;

use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::placement::{Level, PlacementTable};

use crate::support::servers;

#[test]
fn reads_and_bytes_spread_over_the_disks_by_their_shares() {
    for (policy, read) in
        [(Policy::Replicas { copies: 3 }, 1), (Policy::Erasure { data: 4, parity: 2 }, 4)]
    {
        let disks = servers(9, &[1000]);
        let table = PlacementTable::new(policy, Level::Disk, &disks, 5).unwrap();
        let mut reads: BTreeMap<DiskId, u32> = BTreeMap::new();
        let mut bytes: BTreeMap<DiskId, u32> = BTreeMap::new();
        for key in 0..200_000 {
            for (shard, id) in table.wanted(key).enumerate() {
                *bytes.entry(id).or_default() += 1;
                *reads.entry(id).or_default() += u32::from(shard < read);
            }
        }
        for counts in [reads, bytes] {
            let mean = f64::from(counts.values().sum::<u32>()) / disks.len() as f64;
            let largest = f64::from(*counts.values().max().unwrap());
            assert_eq!(counts.len(), disks.len());
            assert!(largest / mean < 1.05, "{policy}: {}", largest / mean);
        }
    }
}
