//! A code of one geometry, and what is done with it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::EcError;
use crate::digest::Digest;
use crate::geometry::{Geometry, SHARDS_MAX, ShardIndex};
use crate::kernel::{Engine, Kernel, Store};
use crate::matrix::{Row, encoding_row};
use crate::plan::{DecodePlan, Recipe};
use crate::plan_cache::PlanCache;
use crate::shard_set::ShardSet;
use crate::shards::{SMALL_LIST, common_length, expect_count, expect_length, with_shards};
use crate::table::{Entries, Table};
use crate::technique::Technique;

/// The code of one geometry and technique on one kernel. Cheap to clone and to share between
/// threads; clones share the plans they keep.
#[derive(Debug, Clone)]
pub struct Codec {
    code: Arc<Code>,
    store: Store,
}

#[derive(Debug)]
struct Code {
    geometry: Geometry,
    technique: Technique,
    engine: Engine,
    parity_rows: Vec<Row>,
    parity_table: Table,
    digest_powers: Entries,
    plans: Mutex<PlanCache>,
}

impl Codec {
    /// The codec of `data_shards`+`parity_shards` on the kernel that [`Kernel::chosen`] gives.
    ///
    /// # Errors
    /// [`EcError::BadGeometry`]; [`EcError::NotMds`] where some loss could not be rebuilt;
    /// [`EcError::UnknownKernel`] and [`EcError::KernelUnavailable`] of the environment.
    pub fn new(
        data_shards: usize,
        parity_shards: usize,
        technique: Technique,
    ) -> Result<Self, EcError> {
        Self::on_kernel(data_shards, parity_shards, technique, Kernel::chosen()?)
    }

    fn on_kernel(
        data_shards: usize,
        parity_shards: usize,
        technique: Technique,
        kernel: Kernel,
    ) -> Result<Self, EcError> {
        let geometry = Geometry::new(data_shards, parity_shards)?;
        if !technique.is_mds(data_shards, parity_shards) {
            return Err(EcError::NotMds { technique, data_shards, parity_shards });
        }
        let engine = Engine::new(kernel)?;
        let parity_rows: Vec<Row> = (data_shards..geometry.total_shards())
            .map(|index| encoding_row(geometry, technique, ShardIndex(index)))
            .collect();
        let parity_table = Table::new(engine, &parity_rows);
        let code = Code {
            geometry,
            technique,
            engine,
            parity_rows,
            parity_table,
            digest_powers: Digest::powers(engine),
            plans: Mutex::default(),
        };
        Ok(Self { code: Arc::new(code), store: Store::default() })
    }

    /// The same code on another kernel.
    ///
    /// # Errors
    /// [`EcError::KernelUnavailable`].
    pub fn with_kernel(&self, kernel: Kernel) -> Result<Self, EcError> {
        let (k, m) = (self.geometry().data_shards(), self.geometry().parity_shards());
        Ok(Self::on_kernel(k, m, self.technique(), kernel)?.with_store(self.store))
    }

    /// The same codec with outputs of encoding and rebuilding written as `store` says.
    #[must_use]
    pub fn with_store(&self, store: Store) -> Self {
        Self { code: Arc::clone(&self.code), store }
    }

    /// The counts of shards.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.code.geometry
    }

    /// The technique.
    #[must_use]
    pub fn technique(&self) -> Technique {
        self.code.technique
    }

    /// The kernel it runs on.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.code.engine.kernel()
    }

    /// How outputs are written.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store
    }

    /// The coefficients of parity row `row` (0..m), one a data shard; `None` beyond.
    #[must_use]
    pub fn parity_row(&self, row: usize) -> Option<&[u8]> {
        self.code.parity_rows.get(row).map(Vec::as_slice)
    }

    /// Writes the parity of `data`: k shards in, m out, all of one length of at least 1 byte.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`] and [`EcError::WrongShardLength`]; nothing is written then.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), EcError> {
        let length = self.expect_data(data)?;
        expect_count("parity", self.geometry().parity_shards(), parity.len())?;
        expect_length("parity", parity, length)?;
        self.code.parity_table.combine(data, parity, self.store);
        Ok(())
    }

    /// Writes the parity of one stripe, whose k + m shards of `shard_bytes` lie one after the
    /// other.
    ///
    /// # Errors
    /// [`EcError::WrongStripeLength`].
    pub fn encode_stripe(&self, stripe: &mut [u8], shard_bytes: usize) -> Result<(), EcError> {
        self.expect_stripes(stripe.len(), shard_bytes, 1)?;
        self.encode_checked(stripe, shard_bytes);
        Ok(())
    }

    /// Writes the parity of stripes that lie one after the other; see [`Codec::encode_stripe`].
    ///
    /// # Errors
    /// [`EcError::WrongStripeLength`].
    pub fn encode_batch(&self, stripes: &mut [u8], shard_bytes: usize) -> Result<(), EcError> {
        self.expect_stripes(stripes.len(), shard_bytes, usize::MAX)?;
        for stripe in stripes.chunks_exact_mut(self.geometry().total_shards() * shard_bytes) {
            self.encode_checked(stripe, shard_bytes);
        }
        Ok(())
    }

    fn encode_checked(&self, stripe: &mut [u8], shard_bytes: usize) {
        let (data, parity) = stripe.split_at_mut(self.geometry().data_shards() * shard_bytes);
        self.code.parity_table.combine_run(data, parity, shard_bytes, self.store);
    }

    /// Which parity rows (0..m, not shard indices) are not those of `data`. Reads everything once
    /// and writes nothing.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`] and [`EcError::WrongShardLength`].
    pub fn verify(&self, data: &[&[u8]], parity: &[&[u8]]) -> Result<ShardSet, EcError> {
        let length = self.expect_data(data)?;
        expect_count("parity", self.geometry().parity_shards(), parity.len())?;
        expect_length("parity", parity, length)?;
        Ok(self.code.parity_table.check(data, parity))
    }

    /// As [`Codec::verify`] of one stripe whose shards lie one after the other.
    ///
    /// # Errors
    /// [`EcError::WrongStripeLength`].
    pub fn verify_stripe(&self, stripe: &[u8], shard_bytes: usize) -> Result<ShardSet, EcError> {
        self.expect_stripes(stripe.len(), shard_bytes, 1)?;
        let (data, parity) = stripe.split_at(self.geometry().data_shards() * shard_bytes);
        Ok(with_shards(data, shard_bytes, |data| {
            with_shards(parity, shard_bytes, |parity| self.code.parity_table.check(data, parity))
        }))
    }

    /// Changes the parity as data shard `index` changes from `old` to `new`, in one pass.
    ///
    /// # Errors
    /// [`EcError::WrongShardIndex`], [`EcError::WrongShardCount`], [`EcError::WrongShardLength`];
    /// nothing is written then.
    pub fn update(
        &self,
        index: ShardIndex,
        old: &[u8],
        new: &[u8],
        parity: &mut [&mut [u8]],
    ) -> Result<(), EcError> {
        self.expect_change(index, old, parity)?;
        expect_length("new", &[new], old.len())?;
        self.code.parity_table.update(index.0, old, new, parity);
        Ok(())
    }

    /// Changes the parity as data shard `index` changes by `delta`, the exclusive or of its old
    /// and new bytes.
    ///
    /// # Errors
    /// As [`Codec::update`].
    pub fn apply_delta(
        &self,
        index: ShardIndex,
        delta: &[u8],
        parity: &mut [&mut [u8]],
    ) -> Result<(), EcError> {
        self.expect_change(index, delta, parity)?;
        self.code.parity_table.add(index.0, &[delta], parity);
        Ok(())
    }

    /// Adds data shard `index` to sums that began as zeros; they are the parity when every data
    /// shard was added once, in any order.
    ///
    /// # Errors
    /// As [`Codec::update`].
    pub fn accumulate(
        &self,
        index: ShardIndex,
        shard: &[u8],
        sums: &mut [&mut [u8]],
    ) -> Result<(), EcError> {
        self.apply_delta(index, shard, sums)
    }

    /// How to make the `wanted` shards, data or parity, out of those `present`. Kept among the
    /// codec's plans by both sets, so that asking again is cheap.
    ///
    /// # Errors
    /// [`EcError::TooFewShards`]; [`EcError::WrongShardIndex`] for an index beyond the stripe or
    /// a wanted shard that is present.
    pub fn decode_plan(
        &self,
        present: &ShardSet,
        wanted: &ShardSet,
    ) -> Result<DecodePlan, EcError> {
        let lock = || self.code.plans.lock().unwrap_or_else(PoisonError::into_inner);
        // Only plans of checked sets are kept, so what is found needs no checks.
        if let Some(recipe) = lock().get(present, wanted) {
            return Ok(DecodePlan::new(recipe, self.store));
        }
        self.expect_sets(present, wanted)?;
        let Code { geometry, engine, ref parity_rows, .. } = *self.code;
        let recipe = Arc::new(Recipe::new(engine, geometry, parity_rows, present, wanted)?);
        lock().insert(*present, *wanted, Arc::clone(&recipe));
        Ok(DecodePlan::new(recipe, self.store))
    }

    /// Makes every lost shard: `shards` has one entry a place, `None` for the lost ones;
    /// `outputs` has one a lost shard, in ascending order.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`], [`EcError::WrongShardLength`], [`EcError::TooFewShards`];
    /// nothing is written then.
    pub fn reconstruct(
        &self,
        shards: &[Option<&[u8]>],
        outputs: &mut [&mut [u8]],
    ) -> Result<(), EcError> {
        let total = self.geometry().total_shards();
        expect_count("stripe", total, shards.len())?;
        let present: ShardSet = (0..total).filter(|&i| shards[i].is_some()).collect();
        let plan = self.decode_plan(&present, &ShardSet::first(total).difference(&present))?;
        if total <= SMALL_LIST {
            rebuild::<SMALL_LIST>(&plan, shards, outputs)
        } else {
            rebuild::<SHARDS_MAX>(&plan, shards, outputs)
        }
    }

    /// Makes the `lost` shards of one stripe in their places; its k + m shards of `shard_bytes`
    /// lie one after the other, and what the lost ones hold is not read.
    ///
    /// # Errors
    /// [`EcError::WrongStripeLength`], [`EcError::WrongShardIndex`], [`EcError::TooFewShards`];
    /// nothing is written then.
    pub fn reconstruct_stripe(
        &self,
        stripe: &mut [u8],
        shard_bytes: usize,
        lost: &ShardSet,
    ) -> Result<(), EcError> {
        self.expect_stripes(stripe.len(), shard_bytes, 1)?;
        let total = self.geometry().total_shards();
        let plan = self.decode_plan(&ShardSet::first(total).difference(lost), lost)?;
        if lost.is_empty() {
            return Ok(());
        }
        if total <= SMALL_LIST {
            rebuild_in_place::<SMALL_LIST>(&plan, stripe, shard_bytes, lost)
        } else {
            rebuild_in_place::<SHARDS_MAX>(&plan, stripe, shard_bytes, lost)
        }
    }

    /// The linear digest of a shard; see [`Digest`].
    #[must_use]
    pub fn digest(&self, shard: &[u8]) -> Digest {
        Digest::of(self.code.engine, &self.code.digest_powers, shard)
    }

    /// Which parity rows (0..m) have digests that are not those of the data's: what
    /// [`Codec::verify`] would say, out of k + m digests, but for what a digest does not see.
    ///
    /// # Errors
    /// [`EcError::WrongShardCount`].
    pub fn verify_digests(&self, data: &[Digest], parity: &[Digest]) -> Result<ShardSet, EcError> {
        expect_count("digest", self.geometry().data_shards(), data.len())?;
        expect_count("digest", self.geometry().parity_shards(), parity.len())?;
        let rows = self.code.parity_rows.iter().zip(parity).enumerate();
        Ok(rows
            .filter(|(_, (row, digest))| Digest::combine(row, data) != **digest)
            .map(|(place, _)| place)
            .collect())
    }

    fn expect_data(&self, data: &[&[u8]]) -> Result<usize, EcError> {
        expect_count("data", self.geometry().data_shards(), data.len())?;
        common_length("data", data)
    }

    fn expect_change(
        &self,
        index: ShardIndex,
        change: &[u8],
        parity: &[&mut [u8]],
    ) -> Result<(), EcError> {
        let data_shards = self.geometry().data_shards();
        if index.0 >= data_shards {
            return Err(wrong_index("data shard", index, data_shards));
        }
        expect_count("parity", self.geometry().parity_shards(), parity.len())?;
        let length = common_length("data", &[change])?;
        expect_length("parity", parity, length)
    }

    fn expect_stripes(&self, found: usize, shard_bytes: usize, most: usize) -> Result<(), EcError> {
        let shards = self.geometry().total_shards();
        let stripe_bytes = shards.checked_mul(shard_bytes).filter(|&bytes| bytes > 0);
        let fits = stripe_bytes.is_some_and(|bytes| {
            found.is_multiple_of(bytes) && (1..=most).contains(&(found / bytes))
        });
        if fits { Ok(()) } else { Err(EcError::WrongStripeLength { found, shards, shard_bytes }) }
    }

    fn expect_sets(&self, present: &ShardSet, wanted: &ShardSet) -> Result<(), EcError> {
        let total = self.geometry().total_shards();
        let beyond = present.union(wanted).difference(&ShardSet::first(total));
        if let Some(index) = beyond.iter().next() {
            return Err(wrong_index("shard of the stripe", index, total));
        }
        match present.intersection(wanted).iter().next() {
            None => Ok(()),
            Some(index) => Err(EcError::WrongShardIndex {
                what: "lost shard",
                index: index.0,
                expected: "what is present is not made anew; take it out of the present ones"
                    .to_owned(),
            }),
        }
    }
}

fn wrong_index(what: &'static str, index: ShardIndex, count: usize) -> EcError {
    EcError::WrongShardIndex { what, index: index.0, expected: format!("those are 0..{count}") }
}

fn rebuild<const SHARDS: usize>(
    plan: &DecodePlan,
    shards: &[Option<&[u8]>],
    outputs: &mut [&mut [u8]],
) -> Result<(), EcError> {
    let mut list: [&[u8]; SHARDS] = [&[]; SHARDS];
    let sources = plan.sources();
    for (place, source) in list.iter_mut().zip(sources) {
        *place = shards[source.0].unwrap_or_default();
    }
    plan.reconstruct(&list[..sources.len()], outputs)
}

fn rebuild_in_place<const SHARDS: usize>(
    plan: &DecodePlan,
    stripe: &mut [u8],
    shard_bytes: usize,
    lost: &ShardSet,
) -> Result<(), EcError> {
    let mut sources: [&[u8]; SHARDS] = [&[]; SHARDS];
    let mut outputs: [&mut [u8]; SHARDS] = std::array::from_fn(|_| Default::default());
    let (mut read, mut written) = (0, 0);
    for (index, shard) in stripe.chunks_exact_mut(shard_bytes).enumerate() {
        if lost.contains(ShardIndex(index)) {
            outputs[written] = shard;
            written += 1;
        } else if plan.source_set().contains(ShardIndex(index)) {
            sources[read] = shard;
            read += 1;
        }
    }
    plan.reconstruct(&sources[..read], &mut outputs[..written])
}
