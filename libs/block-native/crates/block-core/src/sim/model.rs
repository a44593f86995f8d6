//! What a pool's volumes may hold, whatever happened.

use std::collections::BTreeMap;

use super::sites::Sites;
use super::world::World;
use crate::buffer::{BLOCK_BYTES, Buffer, Slice};
use crate::error::BlockError;
use crate::request::VolumeId;

const SECTOR_BYTES: usize = 512;

/// What is written: every sector of a block says which write it is of. 0 is a hole.
pub type Stamp = u32;

/// A write that a flush has not covered yet.
#[derive(Debug, Clone)]
struct Later {
    stamp: Stamp,
    tag: u64,
    answered: bool,
}

/// One block: what it may be, and what was written since.
#[derive(Debug, Clone, Default)]
struct Cell {
    base: Vec<Stamp>,
    later: Vec<Later>,
}

impl Cell {
    fn of(stamp: Stamp) -> Self {
        Self { base: vec![stamp], later: Vec::new() }
    }

    /// What a reader may see: the last answered write, or one that is on its way.
    fn live(&self) -> Vec<Stamp> {
        match self.later.iter().rposition(|later| later.answered) {
            Some(at) => self.later[at..].iter().map(|later| later.stamp).collect(),
            None => self.base.iter().copied().chain(self.later.iter().map(|l| l.stamp)).collect(),
        }
    }

    /// What may be there after a crash: what a flush covered, or anything newer.
    fn crashed(&self) -> Vec<Stamp> {
        self.base.iter().copied().chain(self.later.iter().map(|later| later.stamp)).collect()
    }
}

/// A volume or a snapshot.
#[derive(Debug, Clone)]
pub struct Content {
    /// In the pool; 0 before it is known.
    pub id: u64,
    /// Which volume it is a snapshot of.
    pub snapshot_of: Option<String>,
    cells: Vec<Cell>,
    sites: Sites,
    /// What it may also be as long as the call that makes it is not answered: without writes
    /// that no flush covers.
    loose: Vec<Vec<Stamp>>,
}

/// All volumes of a pool, by name. A call on its way leaves several possibilities of one name.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// What is there.
    pub volumes: BTreeMap<String, Content>,
    /// What a call on its way may have made of one name; `None` is "not there".
    pub pending: Option<(String, Option<Content>)>,
}

/// What was found wrong.
pub type Wrong = String;

impl Model {
    /// A new volume of zeros.
    #[must_use]
    pub fn empty(sites: Sites, blocks: usize) -> Content {
        let cells = vec![Cell::of(0); blocks];
        Content { id: 0, snapshot_of: None, cells, sites, loose: Vec::new() }
    }

    /// Another one with what this one holds now, as a snapshot or a clone has it.
    ///
    /// # Panics
    /// If there is no such volume.
    #[must_use]
    pub fn copy(&self, name: &str, snapshot_of: Option<String>) -> Content {
        let loose = self.volumes[name].cells.iter().map(Cell::crashed).collect();
        let cells = self.volumes[name].cells.iter();
        let cells = cells.map(|cell| Cell { base: cell.live(), later: Vec::new() }).collect();
        let sites = self.volumes[name].sites;
        Content { id: 0, snapshot_of, cells, sites, loose }
    }

    /// A call on its way may make this of a name.
    pub fn begin(&mut self, name: &str, content: Option<Content>) {
        self.pending = Some((name.to_string(), content));
    }

    /// The call on its way was answered.
    pub fn end(&mut self, done: bool, id: Option<u64>) {
        let Some((name, content)) = self.pending.take().filter(|_| done) else { return };
        match content {
            Some(mut content) => {
                content.id = id.unwrap_or(content.id);
                content.loose.clear();
                self.volumes.insert(name, content);
            }
            None => drop(self.volumes.remove(&name)),
        }
    }

    /// A write (or a trim, stamp 0) is on its way.
    pub fn write(&mut self, name: &str, tag: u64, first: usize, stamps: &[Stamp]) {
        let Some(volume) = self.volumes.get_mut(name) else { return };
        for (cell, &stamp) in volume.cells[first..].iter_mut().zip(stamps) {
            cell.later.push(Later { stamp, tag, answered: false });
        }
    }

    /// A write was answered. One that failed may have happened and may not.
    pub fn answered(&mut self, name: &str, tag: u64, done: bool) {
        let Some(volume) = self.volumes.get_mut(name) else { return };
        for later in volume.cells.iter_mut().flat_map(|cell| &mut cell.later) {
            if later.tag == tag {
                later.answered |= done;
            }
        }
    }

    /// Whether a write to one of these blocks is on its way.
    #[must_use]
    pub fn is_busy(&self, name: &str, first: usize, count: usize) -> bool {
        let cells = self.volumes.get(name).map_or(&[][..], |volume| &volume.cells);
        cells.iter().skip(first).take(count).any(|cell| cell.later.iter().any(|l| !l.answered))
    }

    /// What a flush that is submitted now will cover: every answered write.
    #[must_use]
    pub fn flush_point(&self) -> BTreeMap<String, Vec<u64>> {
        let each = self.volumes.iter().map(|(name, volume)| {
            let later = volume.cells.iter().flat_map(|cell| &cell.later);
            (name.clone(), later.filter(|later| later.answered).map(|later| later.tag).collect())
        });
        each.collect()
    }

    /// A flush was answered.
    pub fn flushed(&mut self, point: &BTreeMap<String, Vec<u64>>) {
        for (name, tags) in point {
            let Some(volume) = self.volumes.get_mut(name) else { continue };
            for cell in &mut volume.cells {
                let covered = |later: &Later| later.answered && tags.contains(&later.tag);
                if let Some(at) = cell.later.iter().rposition(covered) {
                    cell.base = vec![cell.later[at].stamp];
                    cell.later.drain(..=at);
                }
            }
        }
    }

    /// What a read of `count` blocks that is submitted now may find in each.
    #[must_use]
    pub fn readable(&self, name: &str, first: usize, count: usize) -> Vec<Vec<Stamp>> {
        let cells = self.volumes.get(name).map_or(&[][..], |volume| &volume.cells);
        cells.iter().skip(first).take(count).map(Cell::live).collect()
    }

    /// Blocks of a volume.
    #[must_use]
    pub fn blocks(&self, name: &str) -> usize {
        self.volumes.get(name).map_or(0, |volume| volume.cells.len())
    }

    /// A volume with more blocks.
    #[must_use]
    pub fn grown(&self, name: &str, blocks: usize) -> Option<Content> {
        let mut content = self.volumes.get(name)?.clone();
        content.cells.resize(blocks, Cell::of(0));
        Some(content)
    }

    /// Reads everything and compares. `crashed`: unflushed writes may be gone. Returns what was
    /// seen, which is what has to stay.
    ///
    /// # Errors
    /// The first thing that is not as it may be.
    pub fn check(&self, world: &mut World, crashed: bool) -> Result<Self, Wrong> {
        let mut seen = Self::default();
        let status = world.status();
        let mut left: BTreeMap<String, u64> =
            status.volumes.iter().map(|volume| (volume.name.clone(), volume.id.0)).collect();
        for (name, content) in &self.volumes {
            let id = left.remove(name);
            let mut outcome = check_one(world, name, id, Some(content), crashed);
            if let Some((pending, other)) = self.pending.as_ref().filter(|(n, _)| n == name)
                && outcome.is_err()
            {
                outcome = check_one(world, pending, id, other.as_ref(), crashed);
            }
            seen.volumes.extend(outcome?.map(|content| (name.clone(), content)));
        }
        for (name, id) in left {
            match &self.pending {
                Some((pending, Some(content))) if *pending == name => {
                    let found = check_one(world, &name, Some(id), Some(content), crashed)?;
                    seen.volumes.extend(found.map(|content| (name.clone(), content)));
                }
                _ => return Err(format!("{name} should not be there")),
            }
        }
        Ok(seen)
    }
}

fn check_one(
    world: &mut World,
    name: &str,
    id: Option<u64>,
    content: Option<&Content>,
    crashed: bool,
) -> Result<Option<Content>, Wrong> {
    let (id, content) = match (id, content) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(format!("{name} should be gone")),
        (None, Some(_)) => return Err(format!("{name} is gone")),
        (Some(id), Some(content)) => (id, content),
    };
    let bytes = read_sites(world, VolumeId(id), content.sites, content.cells.len())
        .map_err(|error| format!("{name} cannot be read: {error}"))?;
    let mut cells = Vec::with_capacity(content.cells.len());
    for (at, (cell, block)) in content.cells.iter().zip(bytes.chunks(BLOCK_BYTES)).enumerate() {
        let found = stamp_of(block).map_err(|why| format!("{name}, block {at}: {why}"))?;
        let mut allowed = if crashed { cell.crashed() } else { cell.live() };
        if crashed && let Some(loose) = content.loose.get(at) {
            allowed.extend(loose);
        }
        if !allowed.contains(&found) {
            return Err(format!("{name}, block {at}: found {found}, allowed {allowed:?}"));
        }
        cells.push(Cell::of(found));
    }
    let snapshot_of = content.snapshot_of.clone();
    Ok(Some(Content { id, snapshot_of, cells, sites: content.sites, loose: Vec::new() }))
}

/// Reads the first `blocks` blocks of a volume's sites, one after the other.
fn read_sites(
    world: &mut World,
    volume: VolumeId,
    sites: Sites,
    blocks: usize,
) -> Result<Vec<u8>, BlockError> {
    let mut bytes = Vec::with_capacity(blocks * BLOCK_BYTES);
    let mut at = 0;
    while at < blocks {
        let count = sites.run(at, blocks - at);
        let offset = sites.address(at) * BLOCK_BYTES as u64;
        bytes.extend(world.read(volume, offset, count * BLOCK_BYTES)?);
        at += count;
    }
    Ok(bytes)
}

/// The bytes of a write.
#[must_use]
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

/// Which write each block is of.
///
/// # Errors
/// A block that is a mix of several.
pub fn stamps_in(bytes: &[u8]) -> Result<Vec<Stamp>, Wrong> {
    bytes.chunks(BLOCK_BYTES).map(stamp_of).collect()
}

fn stamp_of(block: &[u8]) -> Result<Stamp, Wrong> {
    let mut stamps = block.chunks(SECTOR_BYTES).flat_map(|sector| {
        let ends = [&sector[..4], &sector[SECTOR_BYTES - 4..]];
        ends.map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes))
    });
    let first = stamps.next().unwrap_or_default();
    match stamps.find(|&stamp| stamp != first) {
        Some(other) => Err(format!("a mix of {first} and {other}")),
        None => Ok(first),
    }
}
