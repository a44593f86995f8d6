//! From the log to its home, stripe by stripe.

use std::cell::RefCell;
use std::rc::Rc;

use purlin_ec_core::crc32c;

use super::core::Core;
use super::entry::{Entry, Place};
use super::layers::{LogBlock, Whole};
use super::read_stripe::Found;
use super::sweep::Swept;
use super::tasks::promise;
use super::tree::Lookup;
use super::write_stripe::Blocks;
use crate::buffer::Slice;
use crate::disk::IoClass;
use crate::error::BlockError;

/// Stripes that go home at once, and how many are gathered before the map is changed.
const JOBS_MAX: usize = 32;
const WINDOW: usize = 512;

/// A stripe that is to go home: what replaces it, and newer blocks of it.
type Left = (u64, Option<Whole>, Vec<(u8, Option<LogBlock>)>);
/// What the map says of a stripe after its job.
type Update = Result<Option<Entry>, BlockError>;

impl Core {
    /// Takes all that the layer of `head` which ends at `through` has home.
    ///
    /// # Errors
    /// Those of reading and writing stripes; what was done until then is not lost.
    pub async fn destage_layer(self: &Rc<Self>, head: u64, through: u64) -> Result<(), BlockError> {
        let swept = self.sweep_layer(head, through).await?;
        let mut after = None;
        loop {
            let window = self.next_window(head, through, after, &swept);
            let Some(&(last, _, _)) = window.last() else {
                // What is left there went home in place.
                if let Some(layer) = self.catalogue.borrow_mut().layer_mut(head, through) {
                    layer.stripes.clear();
                }
                return Ok(());
            };
            after = Some(last);
            let updates = self.run_jobs(window, move |core, (stripe, whole, blocks)| async move {
                (stripe, core.destage_stripe(head, stripe, whole.as_ref(), &blocks).await)
            });
            let mut updates: Vec<(u64, Update)> = updates.await;
            updates.sort_by_key(|&(stripe, _)| stripe);
            // Also where one failed: what the others took would be nobody's else.
            let mut failed = None;
            for (stripe, update) in updates {
                match update {
                    Ok(entry) => {
                        self.set_entry(head, stripe, entry.as_ref()).await?;
                        self.leave_layer(head, through, stripe, entry.as_ref());
                    }
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            self.write_pages_early().await?;
        }
    }

    /// What the tree has as `entry` is the layer's no more: a cycle that comes after one that could
    /// not end would take it home again over what has changed since, and who lets go of the head
    /// would let go of its places twice, also where a snapshot's tree shares them.
    fn leave_layer(&self, head: u64, through: u64, stripe: u64, entry: Option<&Entry>) {
        let mut catalogue = self.catalogue.borrow_mut();
        let layer = catalogue.layer_mut(head, through);
        let changed = layer.and_then(|layer| layer.stripes.remove(&stripe));
        if let Some(Whole::Stripe(whole)) = changed.and_then(|changed| changed.whole)
            && entry.is_none_or(|entry| entry.key() != whole.key())
        {
            self.let_go(&whole.places, whole.shape.shard_blocks as u64);
        }
    }

    /// Writes changed pages before the checkpoint does where they are many. They go where nothing
    /// was, so it is never too early for that.
    pub async fn write_pages_early(self: &Rc<Self>) -> Result<(), BlockError> {
        if self.pages.borrow().has_many_dirty() {
            self.write_pages().await?;
        }
        Ok(())
    }

    /// The next stripes of the layer that are not home, in the order of their addresses.
    fn next_window(&self, head: u64, through: u64, after: Option<u64>, swept: &Swept) -> Vec<Left> {
        let catalogue = self.catalogue.borrow();
        let layers = catalogue.heads.get(&head).map(|head| &head.layers);
        let layer = layers.and_then(|layers| layers.iter().find(|layer| layer.through == through));
        let Some(layer) = layer else { return Vec::new() };
        let rest = layer.stripes.range(after.map_or(0, |after| after + 1)..);
        let left = rest.filter_map(|(&stripe, changed)| {
            let mut blocks = changed.blocks();
            if let Some(home) = swept.get(&stripe) {
                blocks.retain(|(block, _)| home >> block & 1 == 0);
            }
            let is_left = changed.whole.is_some() || !blocks.is_empty();
            is_left.then(|| (stripe, changed.whole.clone(), blocks))
        });
        left.take(WINDOW).collect()
    }

    /// Does `work` for all items, some at a time; the values come in any order.
    pub async fn run_jobs<Item: 'static, Value: 'static, Work>(
        self: &Rc<Self>,
        items: Vec<Item>,
        work: impl Fn(Rc<Self>, Item) -> Work + 'static,
    ) -> Vec<Value>
    where
        Work: Future<Output = Value> + 'static,
    {
        let values = Rc::new(RefCell::new(Vec::with_capacity(items.len())));
        let queue = Rc::new(RefCell::new(items.into_iter()));
        let work = Rc::new(work);
        let mut workers = Vec::new();
        for _ in 0..JOBS_MAX {
            let Some(item) = queue.borrow_mut().next() else { break };
            let (core, queue, work) = (Rc::clone(self), Rc::clone(&queue), Rc::clone(&work));
            let values = Rc::clone(&values);
            let (done, ended) = promise();
            self.tasks.spawn(async move {
                let mut next = Some(item);
                while let Some(item) = next {
                    let value = work(Rc::clone(&core), item).await;
                    values.borrow_mut().push(value);
                    next = queue.borrow_mut().next();
                }
                done.keep(());
            });
            workers.push(ended);
        }
        for ended in workers {
            ended.await;
        }
        values.take()
    }

    async fn destage_stripe(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        whole: Option<&Whole>,
        blocks: &[(u8, Option<LogBlock>)],
    ) -> Update {
        let Some(root) = self.catalogue.borrow().root(head) else { return Ok(None) };
        let lookup = self.look_up(root, stripe, IoClass::Destage).await?;
        let base = match whole {
            None => lookup.entry.clone(),
            Some(Whole::Zero) => None,
            Some(Whole::Stripe(entry)) => {
                self.young.borrow_mut().insert(entry.key());
                Some(Rc::clone(entry))
            }
        };
        if blocks.is_empty() {
            return Ok(base.map(|entry| (*entry).clone()));
        }
        match base {
            Some(entry) if whole.is_none() && self.is_overwritable(&lookup, &entry) => {
                let found = self.read_changed(blocks).await?;
                match self.overwrite(&entry, found).await? {
                    Some(entry) => Ok(Some(entry).filter(|entry| entry.present != 0)),
                    None => self.rewrite(head, stripe, Some(&entry), blocks).await,
                }
            }
            base => self.rewrite(head, stripe, base.as_ref(), blocks).await,
        }
    }

    /// Whether blocks of a stripe of the tree may be overwritten where they are: nobody else has
    /// it, and no log record alone names it.
    pub fn is_overwritable(&self, lookup: &Lookup, entry: &Entry) -> bool {
        let shared = lookup.shared && !fault!(OverwriteShared);
        !shared && !self.young.borrow().contains(&entry.key()) && self.can_overwrite(entry)
    }

    /// Whether blocks of the stripe may be overwritten where they are: equal shards, all of them
    /// there, and as many as the policy wants.
    pub fn can_overwrite(&self, entry: &Entry) -> bool {
        entry.shape.is_replicated()
            && self.policy.get().data_shards() == 1
            && entry.places.len() == self.policy.get().shards()
            && entry.places.iter().all(|&place| {
                let members = self.members.borrow();
                place.is_somewhere()
                    && members.get(place.disk()).is_some_and(super::members::Member::takes_new)
            })
    }

    /// Writes changed blocks over the old ones, on every disk. `None` if a disk failed: then the
    /// stripe is to be written anew, and the log still has what the others have half.
    pub async fn overwrite(
        self: &Rc<Self>,
        entry: &Entry,
        changed: Vec<(u8, Bytes)>,
    ) -> Result<Option<Entry>, BlockError> {
        let mut new = entry.clone();
        let mut runs: Vec<(usize, Vec<Slice>)> = Vec::new();
        let mut end = None;
        for (block, bytes) in changed {
            let block = usize::from(block);
            let (slice, checksum) = match bytes {
                Bytes::Zeros => {
                    new.present &= !(1 << block);
                    continue;
                }
                Bytes::Lost => {
                    poison(&mut new, 1 << block);
                    continue;
                }
                Bytes::Here(slice, checksum) => (slice, checksum),
            };
            new.present |= 1 << block;
            new.set_checksum(block, checksum);
            match runs.last_mut().filter(|_| end == Some(block)) {
                Some((_, slices)) => slices.push(slice),
                None => runs.push((block, vec![slice])),
            }
            end = Some(block + 1);
        }
        for (first, slices) in runs {
            let writes = new.places.iter().map(|place| {
                let place = Place(place.0 + first as u64);
                let (core, slices) = (Rc::clone(self), slices.clone());
                async move { core.write(place, slices, IoClass::Destage).await }
            });
            let results = super::tasks::all(writes.collect()).await;
            if results.iter().any(Result::is_err) {
                return Ok(None);
            }
        }
        Ok(Some(new))
    }

    /// Writes the stripe anew: the changed blocks, and the others out of `base`.
    async fn rewrite(
        self: &Rc<Self>,
        head: u64,
        stripe: u64,
        base: Option<&Rc<Entry>>,
        changed: &[(u8, Option<LogBlock>)],
    ) -> Update {
        let count = self.geometry.get().stripe_blocks;
        let mut blocks: Blocks = vec![None; count];
        let mut kept = base.map_or(0, |entry| entry.present);
        let mut lost = 0;
        for (block, bytes) in self.read_changed(changed).await? {
            kept &= !(1 << block);
            match bytes {
                Bytes::Zeros => {}
                Bytes::Here(slice, _) => blocks[usize::from(block)] = Some(slice),
                Bytes::Lost => lost |= 1 << block,
            }
        }
        if let Some(entry) = base {
            lost |= self.read_kept(stripe, entry, kept, &mut blocks, IoClass::Destage).await?;
        }
        if blocks.iter().all(Option::is_none) && lost == 0 {
            return Ok(None);
        }
        let mut entry = self.write_stripe(Some(head), stripe, &blocks, IoClass::Destage).await?;
        poison(&mut entry, lost);
        Ok(Some(entry))
    }

    /// Reads the blocks of `kept` out of a stripe into `blocks`. Returns those that are lost for
    /// good; where disks that are missing may have them, it is an error instead.
    ///
    /// # Errors
    /// [`BlockError::Lost`].
    pub async fn read_kept(
        self: &Rc<Self>,
        stripe: u64,
        entry: &Rc<Entry>,
        kept: u64,
        blocks: &mut Blocks,
        class: IoClass,
    ) -> Result<u64, BlockError> {
        let mut lost = 0;
        let mut first = 0;
        while first < blocks.len() {
            let run = (first..blocks.len()).take_while(|&at| kept >> at & 1 == 1).count();
            if run == 0 {
                first += 1;
                continue;
            }
            let mut found = Found::default();
            if let Ok(slices) = self.read_stripe(entry, first, run, class, &mut found).await {
                let each = slices.iter().flat_map(|s| (0..s.blocks()).map(|at| s.blocks_at(at, 1)));
                for (block, slice) in blocks[first..first + run].iter_mut().zip(each) {
                    *block = Some(slice);
                }
            } else {
                for at in first..first + run {
                    match self.read_stripe(entry, at, 1, class, &mut found).await {
                        Ok(slices) => blocks[at] = slices.into_iter().next(),
                        Err(short) => {
                            if entry.places.iter().any(|&place| self.may_return(place)) {
                                let offset = stripe * blocks.len() as u64 * 4096;
                                let volume = crate::request::VolumeId(0);
                                let (found, needed) = (short.found, short.needed);
                                return Err(BlockError::Lost { volume, offset, found, needed });
                            }
                            lost |= 1 << at;
                        }
                    }
                }
            }
            first += run;
        }
        Ok(lost)
    }

    /// The bytes of changed blocks out of the log. Bytes that no disk has any more are lost for
    /// good; where a disk that is missing may have them, it is an error instead.
    async fn read_changed(
        self: &Rc<Self>,
        changed: &[(u8, Option<LogBlock>)],
    ) -> Result<Vec<(u8, Bytes)>, BlockError> {
        let mut all = Vec::with_capacity(changed.len());
        let mut at = 0;
        while at < changed.len() {
            let (block, Some(first)) = changed[at] else {
                if !fault!(ForgetTrim) {
                    all.push((changed[at].0, Bytes::Zeros));
                }
                at += 1;
                continue;
            };
            let mut run = vec![first];
            while let Some(&(next_block, Some(next))) = changed.get(at + run.len())
                && usize::from(next_block) == usize::from(block) + run.len()
                && next.sequence == first.sequence
                && next.index as usize == first.index as usize + run.len()
            {
                run.push(next);
            }
            if let Ok(buffer) = self.read_log(&run, IoClass::Destage).await {
                let slice = buffer.share();
                for (step, log_block) in run.iter().enumerate() {
                    let bytes = Bytes::Here(slice.blocks_at(step, 1), log_block.checksum);
                    all.push((changed[at + step].0, bytes));
                }
            } else {
                for (step, &log_block) in run.iter().enumerate() {
                    let bytes = self.read_log_block(log_block).await?;
                    all.push((changed[at + step].0, bytes));
                }
            }
            at += run.len();
        }
        Ok(all)
    }

    async fn read_log_block(self: &Rc<Self>, block: LogBlock) -> Result<Bytes, BlockError> {
        match self.read_log(&[block], IoClass::Destage).await {
            Ok(buffer) => Ok(Bytes::Here(buffer.share(), block.checksum)),
            Err(error) => {
                let batch = self.log.borrow().places(block.sequence).cloned();
                let places = batch.map(|batch| batch.places).unwrap_or_default();
                if places.iter().any(|&place| self.may_return(place)) {
                    return Err(error);
                }
                Ok(Bytes::Lost)
            }
        }
    }
}

/// What goes home for a block.
pub enum Bytes {
    Zeros,
    Here(Slice, u32),
    Lost,
}

/// Blocks that are lost stay lost: no bytes have the checksum that the map wants of them.
pub fn poison(entry: &mut Entry, lost: u64) {
    for block in (0..64).filter(|block| lost >> block & 1 == 1) {
        entry.present |= 1 << block;
        // The checksum of the zeros that stand there, turned over.
        let zeros = crc32c(&[0; 4096]);
        entry.set_checksum(block, !zeros);
    }
}
