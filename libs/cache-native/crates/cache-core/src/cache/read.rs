//! A read: from the slot, from memory, or from the origin.

use std::ops::Range;
use std::rc::Rc;

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
use purlin_block_core::disk::IoClass;

use super::core::{Core, Inner};
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
    let (result, missed) = match collect(&core, class, first, count, admits).await {
        Ok((buffer, missed)) => (Ok(buffer), missed),
        Err(error) => (Err(error), Missed::default()),
    };
    core.reply(tag, result.map(Some));
    // Nothing waits between the end of these holds and the beginning of those of the fills.
    let near = missed.near.map(|(hold, near)| {
        core.get().ranges.release(hold);
        near
    });
    core.get().ranges.release(id);
    core.get().missed_pages += missed.pages.len() as u64;
    for (page, slice) in missed.pages.into_iter().filter(|_| admits) {
        core.get().heat.miss(page);
        fill::begin(&core, page, Some(slice));
    }
    if let Some(near) = near {
        fill::begin_near(&core, near);
    }
    for page in others {
        fill::begin(&core, page, None);
    }
    core.bell.ring();
}

/// What came from the origin.
#[derive(Default)]
struct Missed {
    pages: Vec<(u64, Slice)>,
    /// What came with it from beside, and the hold of it.
    near: Option<(u64, Vec<(u64, Slice)>)>,
}

async fn collect(
    core: &Core,
    class: IoClass,
    first: u64,
    count: usize,
    admits: bool,
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
    let mut missed = Missed::default();
    if let [run] = runs[..]
        && admits
        && let Some(found) = read_wide(core, first + run[0] as u64, run.len(), &mut missed).await
    {
        let start = run[0] * BLOCK_BYTES;
        buffer.as_bytes_mut()[start..start + found.len()].copy_from_slice(found.as_bytes());
        return Ok((buffer, missed));
    }
    let reads = runs.iter().map(|run| core.read_origin(class, first + run[0] as u64, run.len()));
    let answers = all(reads.collect()).await;
    for (run, answer) in runs.iter().zip(answers) {
        let Ok(Some(found)) = answer else { return Err(CacheError::Origin) };
        let start = run[0] * BLOCK_BYTES;
        buffer.as_bytes_mut()[start..start + found.len()].copy_from_slice(found.as_bytes());
        let slice = found.share();
        let pages = run.iter().enumerate();
        missed.pages.extend(pages.map(|(i, at)| (first + *at as u64, slice.blocks_at(i, 1))));
    }
    Ok((buffer, missed))
}

/// Reads pages of the origin with what lies beside them, where the cache has slots that nobody has
/// used yet. `None` if it has not, or if that fails.
async fn read_wide(core: &Core, first: u64, count: usize, missed: &mut Missed) -> Option<Slice> {
    let (span, hold) = core.get().widen(first..first + count as u64)?;
    let blocks = usize::try_from(span.end - span.start).ok()?;
    let Ok(Some(found)) = core.read_origin(IoClass::Client, span.start, blocks).await else {
        core.get().ranges.release(hold);
        return None;
    };
    let slice = found.share();
    let wanted = first..first + count as u64;
    let each = span.clone().enumerate().map(|(at, page)| (page, slice.blocks_at(at, 1)));
    let (pages, near) = each.partition(|(page, _)| wanted.contains(page));
    (missed.pages, missed.near) = (pages, Some((hold, near)));
    Some(slice.blocks_at(usize::try_from(first - span.start).ok()?, count))
}

impl Inner {
    /// Absent pages with those beside them that are absent too, and a hold of them, if there is
    /// room that nobody has used yet.
    fn widen(&mut self, pages: Range<u64>) -> Option<(Range<u64>, u64)> {
        let near = self.options.near_pages;
        if near == 0 || !self.has_unused_room() {
            return None;
        }
        let (start, end) = (pages.start / near * near, pages.end.next_multiple_of(near));
        let end = end.min(self.setup.origin_blocks);
        let mut span = pages;
        while span.start > start && self.is_absent(span.start - 1) {
            span.start -= 1;
        }
        while span.end < end && self.is_absent(span.end) {
            span.end += 1;
        }
        let hold = self.ranges.try_share(span.clone())?;
        Some((span, hold))
    }

    /// Whether three quarters of the slots at least are empty: the rest is for what is asked for.
    pub fn has_unused_room(&self) -> bool {
        let slots = super::core::index(self.setup.shape.slots);
        slots - self.cached_pages > slots / 4 * 3
    }
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
        if inner.entry(slot) == entry {
            inner.change(slot, Entry { page, ..Entry::default() });
        }
    }
    Ok(content)
}
