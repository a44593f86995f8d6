//! How a write that changes part of a stripe makes the new parity.

use crate::EcError;
use crate::geometry::Geometry;
use crate::shard_set::ShardSet;

/// A way to make the new parity of a stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteMethod {
    /// All data is new: encode, read nothing.
    Full,
    /// Read the old bytes of what changes and the old parity, and change the parity by the
    /// difference.
    Delta,
    /// Read the data that does not change (or rebuild it), and encode.
    Reconstruct,
}

/// A method with what it reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WritePlan {
    /// The method.
    pub method: WriteMethod,
    /// The shards to read that are not cached.
    pub reads: ShardSet,
    /// The data shards that do not change, are lost and must be rebuilt for the encoding, out of
    /// what is read and cached; only with [`WriteMethod::Reconstruct`].
    pub rebuilds: ShardSet,
    /// The shards to write: the changed data and the parity, without the lost ones.
    pub writes: ShardSet,
}

/// Chooses the method with the fewest reads; between equals the one with the fewest shards to go
/// through in memory. All of them write the same shards. Pure.
///
/// `changed` are the data shards that get new bytes over the range in question, `cached` the
/// shards whose old bytes over that range are at hand, `lost` those that cannot be read or
/// written.
///
/// # Errors
/// [`EcError::WrongShardIndex`] if `changed` has a shard that is no data shard, or a set has one
/// beyond the stripe; [`EcError::TooFewShards`] where no method is possible.
pub fn write_plan(
    geometry: Geometry,
    changed: &ShardSet,
    cached: &ShardSet,
    lost: &ShardSet,
) -> Result<WritePlan, EcError> {
    let data = ShardSet::first(geometry.data_shards());
    let all = ShardSet::first(geometry.total_shards());
    refuse(changed, &data, "data shard")?;
    refuse(&cached.union(lost), &all, "shard of the stripe")?;

    let parity = all.difference(&data).difference(lost);
    let writes =
        if changed.is_empty() { ShardSet::EMPTY } else { changed.difference(lost).union(&parity) };
    let plan = |method, reads, rebuilds| WritePlan { method, reads, rebuilds, writes };
    if changed.is_empty() {
        return Ok(plan(WriteMethod::Delta, ShardSet::EMPTY, ShardSet::EMPTY));
    }
    if *changed == data {
        return Ok(plan(WriteMethod::Full, ShardSet::EMPTY, ShardSet::EMPTY));
    }

    let at_hand = |set: &ShardSet| set.difference(cached).intersection(lost).is_empty();
    let old = changed.union(&parity);
    let delta = at_hand(&old).then(|| {
        // Every changed shard is read twice (old and new), and every parity shard for each.
        let passes = changed.len() * (2 + parity.len());
        (plan(WriteMethod::Delta, old.difference(cached), ShardSet::EMPTY), passes)
    });
    let unchanged = data.difference(changed);
    let reconstruct = if at_hand(&unchanged) {
        let reads = unchanged.difference(cached);
        Some((plan(WriteMethod::Reconstruct, reads, ShardSet::EMPTY), geometry.data_shards()))
    } else {
        degraded(geometry, &unchanged, cached, lost).map(|(reads, rebuilds)| {
            // Rebuilding goes through k shards before the encoding does.
            (plan(WriteMethod::Reconstruct, reads, rebuilds), 2 * geometry.data_shards())
        })
    };
    let cost = |(plan, passes): &(WritePlan, usize)| (plan.reads.len(), *passes);
    [delta, reconstruct].into_iter().flatten().min_by_key(cost).map(|(plan, _)| plan).ok_or_else(
        || EcError::TooFewShards {
            needed: geometry.data_shards(),
            found: all.difference(lost).union(cached).len(),
        },
    )
}

/// What to read and to rebuild where unchanged data is lost: k shards in all, those first that
/// are cached, then those that the encoding needs anyway.
fn degraded(
    geometry: Geometry,
    unchanged: &ShardSet,
    cached: &ShardSet,
    lost: &ShardSet,
) -> Option<(ShardSet, ShardSet)> {
    let all = ShardSet::first(geometry.total_shards());
    let readable = all.difference(lost).difference(cached);
    let wanted = unchanged.intersection(&readable);
    let others = readable.difference(unchanged);
    let at_hand = cached.len() + wanted.len();
    let further = geometry.data_shards().saturating_sub(at_hand);
    if further > others.len() {
        return None;
    }
    let reads = wanted.union(&others.iter().take(further).collect());
    Some((reads, unchanged.intersection(lost).difference(cached)))
}

fn refuse(set: &ShardSet, permitted: &ShardSet, what: &'static str) -> Result<(), EcError> {
    match set.difference(permitted).iter().next() {
        None => Ok(()),
        Some(index) => Err(EcError::WrongShardIndex {
            what,
            index: index.0,
            expected: format!("those are 0..{}", permitted.len()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(indices: &[usize]) -> ShardSet {
        indices.iter().copied().collect()
    }

    fn chosen(changed: &[usize], cached: &[usize], lost: &[usize]) -> WritePlan {
        let geometry = Geometry::new(8, 3).unwrap();
        write_plan(geometry, &set(changed), &set(cached), &set(lost)).unwrap()
    }

    #[test]
    fn a_write_of_all_data_reads_nothing() {
        let plan = chosen(&[0, 1, 2, 3, 4, 5, 6, 7], &[], &[9]);
        assert_eq!(plan.method, WriteMethod::Full);
        assert_eq!(plan.reads, ShardSet::EMPTY);
        assert_eq!(plan.writes, set(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 10]));
    }

    #[test]
    fn a_write_of_one_shard_reads_it_and_the_parity() {
        let plan = chosen(&[5], &[], &[]);
        assert_eq!(plan.method, WriteMethod::Delta);
        assert_eq!(plan.reads, set(&[5, 8, 9, 10]));
        assert_eq!(plan.writes, set(&[5, 8, 9, 10]));
    }

    #[test]
    fn a_write_of_most_shards_reads_the_others() {
        let plan = chosen(&[0, 1, 2, 3, 4, 5], &[], &[]);
        assert_eq!(plan.method, WriteMethod::Reconstruct);
        assert_eq!(plan.reads, set(&[6, 7]));
    }

    #[test]
    fn what_is_cached_turns_the_choice() {
        assert_eq!(chosen(&[0, 1], &[2, 3, 4, 5, 6, 7], &[]).method, WriteMethod::Reconstruct);
        let plan = chosen(&[0, 1, 2, 3, 4, 5], &[0, 1, 2, 3, 4, 5, 8, 9, 10], &[]);
        assert_eq!((plan.method, plan.reads), (WriteMethod::Delta, ShardSet::EMPTY));
    }

    #[test]
    fn with_equal_reads_the_one_with_less_to_go_through_is_taken() {
        // Nothing need be read either way: 5 passes against 8, then 25 against 8.
        let all: Vec<usize> = (0..11).collect();
        assert_eq!(chosen(&[0], &all, &[]).method, WriteMethod::Delta);
        assert_eq!(chosen(&[0, 1, 2, 3, 4], &all, &[]).method, WriteMethod::Reconstruct);
    }

    #[test]
    fn a_lost_old_shard_forbids_the_delta_and_a_lost_parity_shard_is_left_out() {
        let plan = chosen(&[5], &[], &[5]);
        assert_eq!(plan.method, WriteMethod::Reconstruct);
        assert_eq!(plan.reads, set(&[0, 1, 2, 3, 4, 6, 7]));
        assert_eq!(plan.writes, set(&[8, 9, 10]));
        let plan = chosen(&[5], &[], &[9]);
        assert_eq!((plan.method, plan.reads), (WriteMethod::Delta, set(&[5, 8, 10])));
    }

    #[test]
    fn lost_unchanged_data_is_rebuilt_out_of_k_shards() {
        let plan = chosen(&[5], &[2], &[5, 6]);
        assert_eq!(plan.method, WriteMethod::Reconstruct);
        assert_eq!(plan.rebuilds, set(&[6]));
        assert_eq!(plan.reads, set(&[0, 1, 3, 4, 7, 8, 9]));
    }

    #[test]
    fn more_losses_than_parity_leave_no_method_unless_enough_is_cached() {
        let geometry = Geometry::new(8, 3).unwrap();
        let lost = set(&[0, 1, 2, 3]);
        let answer = write_plan(geometry, &set(&[0]), &set(&[]), &lost);
        assert_eq!(answer, Err(EcError::TooFewShards { needed: 8, found: 7 }));
        assert!(write_plan(geometry, &set(&[0]), &set(&[1]), &lost).is_ok());
    }

    #[test]
    fn parity_among_the_changed_and_shards_beyond_the_stripe_are_refused() {
        let geometry = Geometry::new(8, 3).unwrap();
        for (changed, cached, lost) in
            [(set(&[8]), set(&[]), set(&[])), (set(&[0]), set(&[11]), set(&[]))]
        {
            let answer = write_plan(geometry, &changed, &cached, &lost);
            assert!(matches!(answer, Err(EcError::WrongShardIndex { .. })));
        }
    }

    #[test]
    fn nothing_changed_reads_and_writes_nothing() {
        let plan = chosen(&[], &[], &[]);
        assert_eq!((plan.reads, plan.writes), (ShardSet::EMPTY, ShardSet::EMPTY));
    }
}
