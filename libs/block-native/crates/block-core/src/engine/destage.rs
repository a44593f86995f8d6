//! From the log to its home.

use std::cell::RefCell;
use std::rc::Rc;

use super::core::Core;
use super::entry::{Entry, Place};
use super::layers::{Changed, LogBlock, Whole};
use super::read_stripe::Found;
use super::tasks::promise;
use super::write_stripe::Blocks;
use crate::buffer::Slice;
use crate::disk::IoClass;
use crate::error::BlockError;

/// Stripes that go home at once, and how many are gathered before the map is changed.
const JOBS_MAX: usize = 32;
const WINDOW: usize = 512;

/// What the map says of a stripe after its job.
type Update = Result<Option<Entry>, BlockError>;

impl Core {
    /// Takes all that the layer of `head` which ends at `through` has home.
    ///
    /// # Errors
    /// Those of reading and writing stripes; what was done until then is not lost.
    pub async fn destage_layer(self: &Rc<Self>, head: u64, through: u64) -> Result<(), BlockError> {
        let mut after = None;
        loop {
            let window = self.next_window(head, through, after);
            let Some(&(last, _)) = window.last() else { return Ok(()) };
            after = Some(last);
            let updates = Rc::new(RefCell::new(Vec::new()));
            self.run_jobs(head, window, &updates).await;
            let mut updates = updates.take();
            updates.sort_by_key(|&(stripe, _)| stripe);
            for (stripe, update) in updates {
                self.set_entry(head, stripe, update?.as_ref()).await?;
            }
        }
    }

    /// The next stripes of the layer, in the order of their addresses.
    fn next_window(&self, head: u64, through: u64, after: Option<u64>) -> Vec<(u64, Changed)> {
        let catalogue = self.catalogue.borrow();
        let layers = catalogue.heads.get(&head).map(|head| &head.layers);
        let layer = layers.and_then(|layers| layers.iter().find(|layer| layer.through == through));
        let Some(layer) = layer else { return Vec::new() };
        let rest = layer.stripes.range(after.map_or(0, |after| after + 1)..);
        rest.take(WINDOW).map(|(&stripe, changed)| (stripe, changed.clone())).collect()
    }

    async fn run_jobs(
        self: &Rc<Self>,
        head: u64,
        window: Vec<(u64, Changed)>,
        updates: &Rc<RefCell<Vec<(u64, Update)>>>,
    ) {
        let queue = Rc::new(RefCell::new(window.into_iter()));
        let mut workers = Vec::new();
        for _ in 0..JOBS_MAX {
            let Some((stripe, changed)) = queue.borrow_mut().next() else { break };
            let (core, queue) = (Rc::clone(self), Rc::clone(&queue));
            let updates = Rc::clone(updates);
            let (done, ended) = promise();
            self.tasks.spawn(async move {
                let mut next = Some((stripe, changed));
                while let Some((stripe, changed)) = next {
                    let update = core.destage_stripe(head, stripe, &changed).await;
                    updates.borrow_mut().push((stripe, update));
                    next = queue.borrow_mut().next();
                }
                done.keep(());
            });
            workers.push(ended);
        }
        for ended in workers {
            ended.await;
        }
    }

    async fn destage_stripe(self: &Rc<Self>, head: u64, stripe: u64, changed: &Changed) -> Update {
        let Some(root) = self.catalogue.borrow().root(head) else { return Ok(None) };
        let lookup = self.look_up(root, stripe, IoClass::Destage).await?;
        let base = match &changed.whole {
            None => lookup.entry.clone(),
            Some(Whole::Zero) => None,
            Some(Whole::Stripe(entry)) => {
                self.young.borrow_mut().insert(entry.key());
                Some(Rc::clone(entry))
            }
        };
        if changed.blocks.is_empty() {
            return Ok(base.map(|entry| (*entry).clone()));
        }
        let young = base.as_ref().is_some_and(|e| self.young.borrow().contains(&e.key()));
        let shared = lookup.shared && !fault!(OverwriteShared);
        let in_place = changed.whole.is_none() && !shared && !young;
        match base {
            Some(entry) if in_place && self.can_overwrite(&entry) => {
                match self.overwrite(&entry, changed).await? {
                    Some(entry) => Ok(Some(entry).filter(|entry| entry.present != 0)),
                    None => self.rewrite(stripe, Some(&entry), &changed.blocks).await,
                }
            }
            base => self.rewrite(stripe, base.as_ref(), &changed.blocks).await,
        }
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
    async fn overwrite(
        self: &Rc<Self>,
        entry: &Entry,
        changed: &Changed,
    ) -> Result<Option<Entry>, BlockError> {
        let mut new = entry.clone();
        let mut runs: Vec<(usize, Vec<Slice>)> = Vec::new();
        let mut end = None;
        for (block, bytes) in self.read_changed(&changed.blocks).await? {
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
        let mut entry = self.write_stripe(stripe, &blocks, IoClass::Destage).await?;
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
enum Bytes {
    Zeros,
    Here(Slice, u32),
    Lost,
}

/// Blocks that are lost stay lost: no bytes have the checksum that the map wants of them.
pub fn poison(entry: &mut Entry, lost: u64) {
    for block in (0..64).filter(|block| lost >> block & 1 == 1) {
        entry.present |= 1 << block;
        // The checksum of the zeros that stand there, turned over.
        let zeros = crc32c::crc32c(&[0; 4096]);
        entry.set_checksum(block, !zeros);
    }
}
