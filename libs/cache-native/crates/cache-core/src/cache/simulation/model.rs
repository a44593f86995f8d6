//! What each page may hold, whatever happened.

use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};

/// Every sector of a page says which write it is of; 0 was there from the beginning.
pub type Stamp = u32;

/// What a discarded page may have: a disk gives whatever it likes.
pub const DISCARDED: Stamp = 0xd15c_a4de;

const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone)]
struct Later {
    stamp: Stamp,
    tag: u64,
    answered: bool,
    /// Nothing has to come of it.
    is_advice: bool,
}

#[derive(Debug, Clone)]
struct Cell {
    base: Stamp,
    /// Nothing is known of it.
    torn: bool,
    later: Vec<Later>,
}

/// All pages: what a flush covers, and what was written since.
#[derive(Debug, Clone)]
pub struct Model {
    cells: Vec<Cell>,
    /// Everything that was ever written to a page.
    ever: Vec<Vec<Stamp>>,
}

impl Model {
    pub fn new(pages: usize) -> Self {
        let cell = Cell { base: 0, torn: false, later: Vec::new() };
        Self { cells: vec![cell; pages], ever: vec![vec![0]; pages] }
    }

    /// A model of what was seen.
    pub fn seen(stamps: &[Option<Stamp>]) -> Self {
        let cell = |stamp: &Option<Stamp>| Cell {
            base: stamp.unwrap_or(0),
            torn: stamp.is_none(),
            later: Vec::new(),
        };
        let ever = stamps.iter().map(|stamp| stamp.iter().copied().collect()).collect();
        Self { cells: stamps.iter().map(cell).collect(), ever }
    }

    pub fn write(&mut self, tag: u64, page: usize, stamps: &[Stamp]) {
        for (cell, &stamp) in self.cells[page..].iter_mut().zip(stamps) {
            cell.later.push(Later { stamp, tag, answered: false, is_advice: false });
        }
        for (ever, &stamp) in self.ever[page..].iter_mut().zip(stamps) {
            ever.push(stamp);
        }
    }

    /// Pages that nobody needs: they have what was there at any time, or what a disk makes of it.
    pub fn discard(&mut self, tag: u64, page: usize, count: usize) {
        for cell in &mut self.cells[page..page + count] {
            let stamp = DISCARDED;
            cell.later.push(Later { stamp, tag, answered: false, is_advice: true });
        }
        self.ever[page..page + count].iter_mut().for_each(|ever| ever.push(DISCARDED));
    }

    /// Whether a write to one of these is on its way, or failed and may have happened.
    pub fn is_busy(&self, page: usize, count: usize) -> bool {
        self.cells[page..page + count].iter().any(|c| c.later.iter().any(|l| !l.answered))
    }

    pub fn answered(&mut self, tag: u64) {
        for later in self.cells.iter_mut().flat_map(|cell| &mut cell.later) {
            later.answered |= later.tag == tag;
        }
    }

    /// The answered writes: what a flush that begins now covers.
    pub fn flush_point(&self) -> Vec<u64> {
        let later = self.cells.iter().flat_map(|cell| &cell.later);
        later.filter(|later| later.answered).map(|later| later.tag).collect()
    }

    pub fn flushed(&mut self, tags: &[u64]) {
        for cell in &mut self.cells {
            if let Some(at) =
                cell.later.iter().rposition(|later| !later.is_advice && tags.contains(&later.tag))
            {
                cell.base = cell.later[at].stamp;
                cell.torn = false;
                cell.later.drain(..=at);
            }
        }
    }

    /// Whether this was ever written there.
    pub fn was_written(&self, page: usize, found: Stamp) -> bool {
        self.ever[page].contains(&found)
    }

    /// Whether no flush covers the last write of a page, so that it may be torn.
    pub fn is_loose(&self, page: usize) -> bool {
        self.cells[page].torn || !self.cells[page].later.is_empty()
    }

    /// Whether a page may hold this. `crashed`: what no flush covers may be gone.
    pub fn check(&self, page: usize, found: Stamp, crashed: bool) -> Result<(), String> {
        let cell = &self.cells[page];
        let from = cell.later.iter().rposition(|later| later.answered && !later.is_advice);
        let since = if crashed { 0 } else { from.unwrap_or(0) };
        let later = &cell.later[since..];
        if later.iter().any(|later| later.is_advice) && self.was_written(page, found) {
            return Ok(());
        }
        let mut allowed: Vec<Stamp> = later.iter().map(|later| later.stamp).collect();
        if crashed || from.is_none() {
            allowed.push(cell.base);
        }
        if cell.torn || allowed.contains(&found) {
            return Ok(());
        }
        Err(format!("page {page}: found {found:#x}, allowed {allowed:x?}"))
    }
}

/// The bytes of a write.
pub fn stamped(stamps: &[Stamp]) -> Slice {
    let mut buffer = Buffer::zeroed(stamps.len());
    for (block, stamp) in buffer.as_bytes_mut().chunks_mut(BLOCK_BYTES).zip(stamps) {
        for sector in block.chunks_mut(SECTOR_BYTES) {
            sector[..4].copy_from_slice(&stamp.to_le_bytes());
            sector[SECTOR_BYTES - 4..].copy_from_slice(&stamp.to_le_bytes());
        }
    }
    buffer.share()
}

/// Whose write a page is of. An origin tears pages as every disk does: those are no error of the
/// cache while nothing covers them, and `None` here.
pub fn stamp_of(block: &[u8]) -> Option<Stamp> {
    let stamp = |sector: &[u8]| sector[..4].try_into().map_or(0, u32::from_le_bytes);
    let first = stamp(block);
    block.chunks(SECTOR_BYTES).all(|sector| stamp(sector) == first).then_some(first)
}
