//! The worked-out way to rebuild one set of losses.

use std::sync::Arc;

use crate::EcError;
use crate::field;
use crate::geometry::{Geometry, ShardIndex};
use crate::kernel::{Engine, Store};
use crate::matrix::{Row, invert, multiply_row};
use crate::shard_set::ShardSet;
use crate::shards::{common_length, expect_count, expect_length};
use crate::table::Table;

/// How to make the wanted shards of a stripe out of others. It can be kept and shared: making it
/// costs microseconds, using it allocates nothing.
#[derive(Debug, Clone)]
pub struct DecodePlan {
    recipe: Arc<Recipe>,
    store: Store,
}

/// What the plans of one loss have in common.
#[derive(Debug)]
pub(crate) struct Recipe {
    sources: Vec<ShardIndex>,
    wanted: Vec<ShardIndex>,
    source_set: ShardSet,
    /// `None` where nothing is wanted.
    table: Option<Table>,
}

impl Recipe {
    /// Solves for `wanted` out of `present`, neither of which has indices beyond the stripe.
    ///
    /// Only the lost data shards are unknown, so only a square of their number is inverted: with
    /// L of them and as many parity rows, lost = inverse (parity + rows of the present data).
    pub fn new(
        engine: Engine,
        geometry: Geometry,
        parity_rows: &[Row],
        present: &ShardSet,
        wanted: &ShardSet,
    ) -> Result<Self, EcError> {
        let data_shards = geometry.data_shards();
        let all_data = ShardSet::first(data_shards);
        let lost: Vec<ShardIndex> = all_data.difference(present).iter().collect();
        let parity: Vec<ShardIndex> =
            present.difference(&all_data).iter().take(lost.len()).collect();
        if parity.len() < lost.len() {
            return Err(EcError::TooFewShards { needed: data_shards, found: present.len() });
        }
        let parity_row = |index: ShardIndex| &parity_rows[index.0 - data_shards];
        let sources: Vec<ShardIndex> =
            all_data.intersection(present).iter().chain(parity.iter().copied()).collect();

        let square =
            parity.iter().map(|&p| lost.iter().map(|l| parity_row(p)[l.0]).collect()).collect();
        let inverse = invert(square).expect("an MDS code: every such square has an inverse");
        // What each parity source is made of: the present data, and itself.
        let known: Vec<Row> = parity
            .iter()
            .map(|&p| {
                let coefficient = |source: &ShardIndex| {
                    parity_row(p).get(source.0).copied().unwrap_or(u8::from(*source == p))
                };
                sources.iter().map(coefficient).collect()
            })
            .collect();
        let lost_rows: Vec<Row> = inverse.iter().map(|row| multiply_row(row, &known)).collect();

        let wanted: Vec<ShardIndex> = wanted.iter().collect();
        let rows: Vec<Row> = wanted
            .iter()
            .map(|&index| {
                if index.0 < data_shards {
                    let place = lost.binary_search(&index).expect("wanted shards are lost");
                    return lost_rows[place].clone();
                }
                let coefficients = parity_row(index);
                let mut row: Row = sources
                    .iter()
                    .map(|source| coefficients.get(source.0).copied().unwrap_or_default())
                    .collect();
                for (l, lost_row) in lost.iter().zip(&lost_rows) {
                    field::multiply_add(&mut row, coefficients[l.0], lost_row);
                }
                row
            })
            .collect();
        Ok(Self::of_rows(engine, &sources, wanted, rows))
    }

    /// Leaves out the sources that no row needs.
    fn of_rows(
        engine: Engine,
        sources: &[ShardIndex],
        wanted: Vec<ShardIndex>,
        mut rows: Vec<Row>,
    ) -> Self {
        let needed: Vec<bool> =
            (0..sources.len()).map(|column| rows.iter().any(|row| row[column] != 0)).collect();
        let keep = |column: usize| needed[column];
        for row in &mut rows {
            *row = row.iter().enumerate().filter(|(c, _)| keep(*c)).map(|(_, v)| *v).collect();
        }
        let sources: Vec<ShardIndex> =
            sources.iter().enumerate().filter(|(c, _)| keep(*c)).map(|(_, s)| *s).collect();
        let source_set = sources.iter().copied().collect();
        let table = (!rows.is_empty()).then(|| Table::new(engine, &rows));
        Self { sources, wanted, source_set, table }
    }
}

impl DecodePlan {
    pub(crate) fn new(recipe: Arc<Recipe>, store: Store) -> Self {
        Self { recipe, store }
    }

    /// The shards to read, ascending: at most as many as there are data shards.
    #[must_use]
    pub fn sources(&self) -> &[ShardIndex] {
        &self.recipe.sources
    }

    /// [`DecodePlan::sources`] as a set.
    #[must_use]
    pub fn source_set(&self) -> &ShardSet {
        &self.recipe.source_set
    }

    /// The shards that are made, ascending.
    #[must_use]
    pub fn wanted(&self) -> &[ShardIndex] {
        &self.recipe.wanted
    }

    /// Makes the wanted shards: `sources` and `outputs` in the orders of [`DecodePlan::sources`]
    /// and [`DecodePlan::wanted`], all of one length of at least 1 byte.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`] and [`EcError::WrongShardLength`]; nothing is written then.
    pub fn reconstruct(&self, sources: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), EcError> {
        expect_count("source", self.recipe.sources.len(), sources.len())?;
        expect_count("output", self.recipe.wanted.len(), outputs.len())?;
        let length = common_length("source", sources)?;
        let Some(table) = &self.recipe.table else { return Ok(()) };
        expect_length("output", outputs, length)?;
        table.combine(sources, outputs, self.store);
        Ok(())
    }

    /// Adds what shard `source` contributes to every wanted shard. Outputs that began as zeros
    /// are the wanted shards when every source was added once, in any order, also as sums of
    /// sums: each site adds its own sources and only the sums travel.
    ///
    /// # Errors
    /// [`EcError::WrongShardIndex`] if the plan does not read `source`;
    /// [`EcError::WrongShardCount`] and [`EcError::WrongShardLength`].
    pub fn accumulate(
        &self,
        source: ShardIndex,
        shard: &[u8],
        outputs: &mut [&mut [u8]],
    ) -> Result<(), EcError> {
        if !self.recipe.source_set.contains(source) {
            return Err(EcError::WrongShardIndex {
                what: "source of the plan",
                index: source.0,
                expected: format!("those are {:?}", self.recipe.source_set),
            });
        }
        expect_count("output", self.recipe.wanted.len(), outputs.len())?;
        let length = common_length("source", &[shard])?;
        expect_length("output", outputs, length)?;
        if let Some(table) = &self.recipe.table {
            table.add(self.recipe.source_set.rank(source), &[shard], outputs);
        }
        Ok(())
    }
}
