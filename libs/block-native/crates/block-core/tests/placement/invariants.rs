//! What holds for every table through any changes, over clusters from fixed seeds.

use purlin_block_core::placement::{Expand, PlacementTable, Wanted};

use crate::support::{GIB, assert_sound, changed, clusters, even, table_used};

const CHANGES: u64 = 6;

#[test]
fn domains_stay_distinct_disks_fill_evenly_and_little_moves_through_any_changes() {
    let (mut tables, mut worst_use, mut worst_move) = (0, 1.0_f64, 0.0_f64);
    let (mut moved, mut least) = (0, 0);
    for (seed, mut table, mut random) in clusters() {
        assert_sound(&table, &format!("seed {seed}"));
        worst_use = worst_use.min(table_used(&table));
        let mut next_id = 100;
        for change in 0..CHANGES {
            let title = format!("seed {seed}, change {change}");
            let disks = changed(&mut random, table.disks(), &mut next_id);
            let (policy, level) = (table.policy(), table.level());
            let wanted = Wanted { policy, level, disks: &disks, expand: Expand::Rebalance };
            let Ok((next, movement)) = table.replan(wanted, &even) else { continue };
            assert_sound(&next, &title);
            // Each disk has a whole number of seats, so up to one of them is no disk's fault.
            let rounding = disks.len() as u64 * GIB;
            let over = movement.moved().saturating_sub(rounding) as f64 / movement.least() as f64;
            worst_move = worst_move.max(over);
            worst_use = worst_use.min(table_used(&next));
            assert!(movement.moved() <= movement.stored_bytes, "{title}");
            moved += movement.moved();
            least += movement.least();
            tables += 1;
            table = next;
        }
    }
    let overall = moved as f64 / least as f64;
    println!(
        "{tables} changes: used >= {worst_use:.3}, moved {overall:.3} <= {worst_move:.3} x least"
    );
    assert!(tables > 400, "{tables}");
    assert!(worst_use >= 0.95, "{worst_use}");
    assert!(overall <= 1.05, "{overall}");
    assert!(worst_move <= 1.5, "{worst_move}");
}

#[test]
fn the_same_disks_in_any_order_give_the_same_table() {
    for (seed, table, _) in clusters().step_by(5) {
        let mut disks = table.disks().to_vec();
        disks.reverse();
        let again = PlacementTable::new(table.policy(), table.level(), &disks, seed).unwrap();
        assert_eq!(again, table, "seed {seed}");
    }
}
