//! The plans of a codec that were used last.

use std::sync::Arc;

use crate::plan::Recipe;
use crate::shard_set::ShardSet;

/// How many plans a codec keeps: more sets of losses than a pool has at one time. The largest
/// plan, of 128+128, is half a MiB; that of 16+2 some hundred bytes.
const PLANS_MAX: usize = 64;

/// Plans by what is present and what is wanted, the one used last first.
#[derive(Debug, Default)]
pub(crate) struct PlanCache {
    plans: Vec<(ShardSet, ShardSet, Arc<Recipe>)>,
}

impl PlanCache {
    /// The plan for `present` and `wanted`, which is now the one used last.
    pub fn get(&mut self, present: &ShardSet, wanted: &ShardSet) -> Option<Arc<Recipe>> {
        let place = self.plans.iter().position(|(p, w, _)| p == present && w == wanted)?;
        if place > 0 {
            self.plans[..=place].rotate_right(1);
        }
        self.plans.first().map(|(_, _, recipe)| Arc::clone(recipe))
    }

    /// Keeps a plan, and drops the one that was not used for longest if there are too many.
    pub fn insert(&mut self, present: ShardSet, wanted: ShardSet, recipe: Arc<Recipe>) {
        self.plans.truncate(PLANS_MAX - 1);
        self.plans.insert(0, (present, wanted, recipe));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.plans.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Engine, Kernel};
    use crate::{Geometry, Technique};

    fn recipe(present: &ShardSet, wanted: &ShardSet) -> Arc<Recipe> {
        let geometry = Geometry::new(1, 255).unwrap();
        let row = |i| crate::matrix::encoding_row(geometry, Technique::Cauchy, i);
        let rows: Vec<_> = (1..256).map(|i| row(crate::ShardIndex(i))).collect();
        let engine = Engine::new(Kernel::Scalar).unwrap();
        Arc::new(Recipe::new(engine, geometry, &rows, present, wanted).unwrap())
    }

    #[test]
    fn the_plan_not_used_for_longest_goes_first() {
        let wanted = ShardSet::first(1);
        let present = |i: usize| ShardSet::from([i + 1]);
        let mut cache = PlanCache::default();
        for i in 0..PLANS_MAX {
            cache.insert(present(i), wanted, recipe(&present(i), &wanted));
        }
        assert!(cache.get(&present(0), &wanted).is_some());
        cache.insert(present(200), wanted, recipe(&present(200), &wanted));
        assert_eq!(cache.len(), PLANS_MAX);
        assert!(cache.get(&present(0), &wanted).is_some());
        assert!(cache.get(&present(200), &wanted).is_some());
        assert!(cache.get(&present(1), &wanted).is_none());
        assert!(cache.get(&present(2), &ShardSet::EMPTY).is_none());
    }
}
