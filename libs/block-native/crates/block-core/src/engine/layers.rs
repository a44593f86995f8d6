//! What the log holds and the map does not have yet.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::entry::Entry;

/// A block in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBlock {
    pub sequence: u64,
    /// Which data block of its batch.
    pub index: u32,
    pub checksum: u32,
}

/// What is known of a block.
#[derive(Debug, Clone)]
pub enum Source {
    Zero,
    Log(LogBlock),
    /// In the shards of a stripe that is not in the map yet.
    Stripe(Rc<Entry>),
}

/// A whole stripe that replaces what is below.
#[derive(Debug, Clone)]
pub enum Whole {
    Zero,
    Stripe(Rc<Entry>),
}

/// What changed of one stripe. `blocks` are newer than `whole`; few, so a sorted list.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    pub whole: Option<Whole>,
    pub blocks: Vec<(u8, Option<LogBlock>)>,
}

impl Changed {
    pub fn block(&self, block: usize) -> Option<Source> {
        let block = u8::try_from(block).unwrap_or(u8::MAX);
        if let Ok(at) = self.blocks.binary_search_by_key(&block, |found| found.0) {
            return Some(self.blocks[at].1.map_or(Source::Zero, Source::Log));
        }
        self.whole.as_ref().map(|whole| match whole {
            Whole::Zero => Source::Zero,
            Whole::Stripe(entry) => Source::Stripe(Rc::clone(entry)),
        })
    }

    pub fn set(&mut self, block: usize, source: Option<LogBlock>) {
        let block = u8::try_from(block).unwrap_or(u8::MAX);
        match self.blocks.binary_search_by_key(&block, |found| found.0) {
            Ok(at) => self.blocks[at].1 = source,
            Err(at) => self.blocks.insert(at, (block, source)),
        }
    }
}

/// The changes of one head between two seals.
#[derive(Debug)]
pub struct Layer {
    /// The newest sequence number it holds.
    pub last: u64,
    /// The last sequence number it can hold; open ones hold whatever comes.
    pub through: u64,
    pub stripes: BTreeMap<u64, Changed>,
}

impl Layer {
    pub fn open() -> Self {
        Self { last: 0, through: u64::MAX, stripes: BTreeMap::new() }
    }

    pub fn is_open(&self) -> bool {
        self.through == u64::MAX
    }
}
