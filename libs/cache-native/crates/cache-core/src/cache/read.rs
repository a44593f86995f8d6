//! A read: from the slot, from memory, or from the origin.

use std::rc::Rc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::IoClass;

use super::core::Core;
use super::fill;
use super::metadata::{Entry, Kept};
use super::{CacheError, Mode, Tag};
use purlin_block_core::tasks::all;

/// A read as it came.
pub struct Read {
    pub tag: Tag,
    pub class: IoClass,
    pub first: u64,
    pub count: usize,
}

pub async fn read(core: Rc<Core>, read: Read) {
    let Read { tag, class, first, count } = read;
    let pages = first..first + count as u64;
    let id = core.get().ranges.queue(pages.clone(), false);
    core.bell.until(|| core.get().ranges.is_first(id).then_some(())).await;
    let mut others = Vec::new();
    let admits = core.get().meet(class, first, count);
    if admits {
        let mut inner = core.get();
        let written = pages.clone().filter_map(|page| inner.access(page));
        others = written.filter(|other| !pages.contains(other)).collect();
    }
    let (result, missed) = match collect(&core, class, first, count).await {
        Ok((buffer, missed)) => (Ok(buffer), missed),
        Err(error) => (Err(error), Vec::new()),
    };
    core.reply(tag, result.map(Some));
    // Nothing waits between the end of this hold and the beginning of those of the fills.
    core.get().ranges.release(id);
    for (page, slice) in missed.into_iter().filter(|_| admits) {
        core.get().heat.miss(page);
        fill::begin(&core, page, Some(slice));
    }
    for page in others {
        fill::begin(&core, page, None);
    }
    core.bell.ring();
}

type Missed = Vec<(u64, Slice)>;

async fn collect(
    core: &Core,
    class: IoClass,
    first: u64,
    count: usize,
) -> Result<(Buffer, Missed), CacheError> {
    let mut buffer = Buffer::zeroed(count);
    let each = (0..count).map(|at| cached(core, first + at as u64)).collect();
    let mut absent = Vec::new();
    for (at, (found, bytes)) in
        all(each).await.into_iter().zip(buffer.as_bytes_mut().chunks_mut(BLOCK_BYTES)).enumerate()
    {
        match found? {
            Some(slice) => bytes.copy_from_slice(slice.as_bytes()),
            None => absent.push(at),
        }
    }
    let runs: Vec<&[usize]> = absent.chunk_by(|at, next| at + 1 == *next).collect();
    let reads = runs.iter().map(|run| core.read_origin(class, first + run[0] as u64, run.len()));
    let answers = all(reads.collect()).await;
    let mut missed = Vec::new();
    for (run, answer) in runs.iter().zip(answers) {
        let Ok(Some(found)) = answer else { return Err(CacheError::Origin) };
        let start = run[0] * BLOCK_BYTES;
        buffer.as_bytes_mut()[start..start + found.len()].copy_from_slice(found.as_bytes());
        let slice = found.share();
        let pages = run.iter().enumerate();
        missed.extend(pages.map(|(i, at)| (first + *at as u64, slice.blocks_at(i, 1))));
    }
    Ok((buffer, missed))
}

/// The page from the cache; `None` if it is to be read from the origin.
async fn cached(core: &Core, page: u64) -> Result<Option<Slice>, CacheError> {
    let found = {
        let mut inner = core.get();
        if inner.lost.contains(&page) {
            return Err(CacheError::Lost);
        }
        let found = inner.find(page);
        let skip = inner.mode == Mode::PassThrough;
        match found.filter(|(_, entry)| !skip || entry.kept == Kept::Dirty) {
            Some((slot, entry)) => {
                inner.hold(slot);
                (slot, entry)
            }
            None => return Ok(inner.memory.find(page).cloned()),
        }
    };
    let (slot, entry) = found;
    let content = core.read_slot(entry).await;
    let mut inner = core.get();
    inner.release(slot);
    if content.is_none() {
        if entry.kept == Kept::Dirty {
            inner.lose(page);
            return Err(CacheError::Lost);
        }
        if inner.entries[super::core::index(slot)] == entry {
            inner.change(slot, Entry { page, ..Entry::default() });
        }
    }
    Ok(content)
}
