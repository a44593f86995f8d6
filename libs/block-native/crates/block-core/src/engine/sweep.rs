//! Taking a layer home in the order it was logged: the log is read in long runs instead of block by
//! block, and what can be overwritten in place is. All else stays for [`Core::destage_layer`],
//! which needs every block of a stripe at once.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::Core;
use super::destage::Bytes;
use super::entry::{Entry, Place};
use super::layers::LogBlock;
use super::tasks;
use crate::buffer::{BLOCK_BYTES, Buffer};
use crate::disk::IoClass;
use crate::error::BlockError;
use crate::keys::KeyMap;

/// Blocks of the log read with one operation, and with several before they go home. Clients wait
/// while so many are looked at, and while the map is changed for them.
const RUN_BLOCKS_MAX: u64 = 256;
const CHUNK_BLOCKS_MAX: u64 = 256;

/// Blocks that went home: a bit for each block of a stripe.
pub type Swept = KeyMap<u64, u64>;

/// Blocks of a stripe with their bytes.
type Found = Vec<(u8, Bytes)>;

/// A block of the log and whose it is.
#[derive(Clone, Copy)]
struct Wanted {
    stripe: u64,
    block: u8,
    logged: LogBlock,
}

/// Neighbouring blocks of a disk's log, of batches that the cycle takes home: nobody writes there.
struct Run {
    start: Place,
    blocks: u64,
    /// What is wanted of them, with its block in the run.
    wanted: Vec<(u64, Wanted)>,
}

impl Core {
    /// Overwrites in place what can be of the layer of `head` that ends at `through`; tells what
    /// that was.
    ///
    /// # Errors
    /// Those of the map.
    pub async fn sweep_layer(
        self: &Rc<Self>,
        head: u64,
        through: u64,
    ) -> Result<Swept, BlockError> {
        let mut swept = Swept::default();
        if self.policy.get().data_shards() > 1 {
            return Ok(swept);
        }
        let mut wanted = self.wanted_of(head, through).into_iter().peekable();
        while wanted.peek().is_some() {
            let runs = self.next_runs(&mut wanted);
            let found = self.read_runs(runs).await;
            let updates = self.run_jobs(found, move |core, (stripe, found)| async move {
                let bits = found.iter().fold(0, |bits, (block, _)| bits | 1_u64 << block);
                (stripe, bits, core.overwrite_swept(head, stripe, found).await)
            });
            let mut updates = updates.await;
            updates.sort_unstable_by_key(|&(stripe, _, _)| stripe);
            for (stripe, bits, update) in updates {
                let Some(entry) = update? else { continue };
                self.set_entry(head, stripe, Some(&entry)).await?;
                *swept.entry(stripe).or_default() |= bits;
            }
            self.write_pages_early().await?;
        }
        Ok(swept)
    }

    /// What the log has of stripes that the layer changes in part, in the order of the log.
    fn wanted_of(&self, head: u64, through: u64) -> Vec<Wanted> {
        let catalogue = self.catalogue.borrow();
        let layers = catalogue.heads.get(&head).map(|head| &head.layers);
        let layer = layers.and_then(|layers| layers.iter().find(|layer| layer.through == through));
        let stripes = layer.iter().flat_map(|layer| &layer.stripes);
        let parts = stripes.filter(|(_, changed)| changed.whole.is_none());
        let mut wanted: Vec<Wanted> = parts
            .flat_map(|(&stripe, changed)| {
                let logged = changed.blocks().into_iter();
                logged.filter_map(move |(block, logged)| Some((stripe, block, logged?)))
            })
            .map(|(stripe, block, logged)| Wanted { stripe, block, logged })
            .collect();
        wanted.sort_unstable_by_key(|wanted| (wanted.logged.sequence, wanted.logged.index));
        wanted
    }

    /// Runs of neighbouring batches, each on the first of its disks that can be read, as many as
    /// are read at once.
    fn next_runs(&self, all: &mut Peekable<impl Iterator<Item = Wanted>>) -> Vec<Run> {
        let (log, members) = (self.log.borrow(), self.members.borrow());
        let mut runs: Vec<Run> = Vec::new();
        let (mut last, mut blocks) = (None, 0);
        let is_next = |last: Option<u64>, blocks: u64, wanted: &Wanted| {
            blocks < CHUNK_BLOCKS_MAX || last == Some(wanted.logged.sequence)
        };
        while let Some(wanted) = all.next_if(|wanted| is_next(last, blocks, wanted)) {
            let Some(batch) = log.places(wanted.logged.sequence) else { continue };
            if last != Some(wanted.logged.sequence) {
                let usable = |place: &&Place| members.is_usable(place.disk());
                let Some(&start) = batch.places.iter().find(usable) else { continue };
                match runs.last_mut() {
                    Some(run)
                        if run.start.0 + run.blocks == start.0
                            && run.blocks + batch.blocks <= RUN_BLOCKS_MAX =>
                    {
                        run.blocks += batch.blocks;
                    }
                    _ => runs.push(Run { start, blocks: batch.blocks, wanted: Vec::new() }),
                }
                last = Some(wanted.logged.sequence);
                blocks += batch.blocks;
            }
            if let Some(run) = runs.last_mut() {
                let data = run.blocks - batch.blocks + batch.header_blocks;
                run.wanted.push((data + u64::from(wanted.logged.index), wanted));
            }
        }
        runs
    }

    /// Reads runs; gives the blocks that are what they should be, by stripe, in the order of their
    /// addresses.
    async fn read_runs(self: &Rc<Self>, runs: Vec<Run>) -> Vec<(u64, Found)> {
        let reads = runs.iter().map(|run| {
            let (core, start, blocks) = (Rc::clone(self), run.start, run.blocks);
            let blocks = usize::try_from(blocks).unwrap_or_default();
            async move { core.read(start, blocks, IoClass::Destage).await.ok() }
        });
        let buffers = tasks::all(reads.collect()).await;
        let mut stripes: BTreeMap<u64, Found> = BTreeMap::new();
        for (run, buffer) in runs.into_iter().zip(buffers) {
            let Some(slice) = buffer.map(Buffer::share) else { continue };
            for (at, Wanted { stripe, block, logged }) in run.wanted {
                let at = usize::try_from(at).unwrap_or_default();
                let bytes = slice.blocks_at(at, 1);
                debug_assert_eq!(bytes.len(), BLOCK_BYTES);
                if crc32c(bytes.as_bytes()) == logged.checksum {
                    let found = stripes.entry(stripe).or_default();
                    found.push((block, Bytes::Here(bytes, logged.checksum)));
                }
            }
        }
        for found in stripes.values_mut() {
            found.sort_unstable_by_key(|&(block, _)| block);
        }
        stripes.into_iter().collect()
    }

    /// Overwrites blocks of a stripe if its entry allows it.
    async fn overwrite_swept(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        found: Found,
    ) -> Result<Option<Entry>, BlockError> {
        let Some(root) = self.catalogue.borrow().root(head) else { return Ok(None) };
        let lookup = self.look_up(root, stripe, IoClass::Destage).await?;
        match &lookup.entry {
            Some(entry) if self.is_overwritable(&lookup, entry) => {
                self.overwrite(entry, found).await
            }
            _ => Ok(None),
        }
    }
}
