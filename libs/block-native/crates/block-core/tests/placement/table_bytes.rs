//! Tables as bytes.

use purlin_block_core::Policy;
use purlin_block_core::placement::{Expand, Level, PlacementTable, Wanted};

use crate::support::{Random, changed, clusters, even, servers};

#[test]
fn a_table_is_read_as_it_was_written_and_no_damaged_byte_passes() {
    for (seed, table, mut random) in clusters().step_by(10) {
        let mut table = table;
        let mut next_id = 100;
        let disks = changed(&mut random, table.disks(), &mut next_id);
        let (policy, level) = (table.policy(), table.level());
        let wanted = Wanted { policy, level, disks: &disks, expand: Expand::Rebalance };
        if let Ok((next, _)) = table.replan(wanted, &even) {
            table = next;
        }
        let bytes = table.encode();
        assert_eq!(PlacementTable::decode(&bytes).unwrap(), table, "seed {seed}");
        for _ in 0..200 {
            let mut damaged = bytes.clone();
            let at = usize::try_from(random.between(0, bytes.len() as u64 - 1)).unwrap();
            damaged[at] ^= 1 << random.between(0, 7);
            let error = PlacementTable::decode(&damaged).unwrap_err();
            assert_eq!(error.code(), "PUR_BLOCK_PLACEMENT_TABLE", "seed {seed}, byte {at}");
            assert!(PlacementTable::decode(&bytes[..at]).is_err(), "seed {seed}, {at} bytes");
        }
    }
}

#[test]
fn values_that_are_never_written_are_refused_although_their_checksum_is_right() {
    let disks = servers(3, &[100; 2]);
    let policy = Policy::Folded { data: 4, parity: 2, failures: 1 };
    let bytes = PlacementTable::new(policy, Level::Server, &disks, 1).unwrap().encode();
    let mut random = Random(11);
    for _ in 0..20_000 {
        let mut body = bytes[..bytes.len() - 4].to_vec();
        for _ in 0..random.between(1, 3) {
            let at = usize::try_from(random.between(8, body.len() as u64 - 1)).unwrap();
            body[at] = random.next().to_le_bytes()[0];
        }
        let crc = purlin_ec_core::crc32c(&body).to_le_bytes();
        body.extend(crc);
        // Either refused, or a table whose every disk is known: never a panic.
        if let Ok(table) = PlacementTable::decode(&body) {
            for (_, set) in table.placement_groups() {
                assert!(set.iter().all(|id| table.disks().iter().any(|disk| disk.id == *id)));
            }
        }
    }
}
