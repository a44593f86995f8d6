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

/// What changed of one stripe. Its blocks are newer than `whole`.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    pub whole: Option<Whole>,
    blocks: Few,
}

/// A changed block, small: there is one for every block in the log.
#[derive(Debug, Clone, Copy)]
struct ChangedBlock {
    sequence: u64,
    checksum: u32,
    index: u16,
    block: u8,
    is_zero: bool,
}

/// Few blocks, sorted; mostly it is one.
#[derive(Debug, Clone)]
enum Few {
    One(ChangedBlock),
    Many(Vec<ChangedBlock>),
}

const _: () = assert!(size_of::<ChangedBlock>() == 16 && size_of::<Changed>() == 40);

impl Default for Few {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Few {
    fn as_slice(&self) -> &[ChangedBlock] {
        match self {
            Self::One(block) => std::slice::from_ref(block),
            Self::Many(blocks) => blocks,
        }
    }
}

impl ChangedBlock {
    fn source(self) -> Option<LogBlock> {
        let Self { sequence, checksum, index, is_zero, .. } = self;
        (!is_zero).then_some(LogBlock { sequence, index: index.into(), checksum })
    }
}

impl Changed {
    pub fn block(&self, block: usize) -> Option<Source> {
        let block = u8::try_from(block).unwrap_or(u8::MAX);
        let blocks = self.blocks.as_slice();
        if let Ok(at) = blocks.binary_search_by_key(&block, |found| found.block) {
            return Some(blocks[at].source().map_or(Source::Zero, Source::Log));
        }
        self.whole.as_ref().map(|whole| match whole {
            Whole::Zero => Source::Zero,
            Whole::Stripe(entry) => Source::Stripe(Rc::clone(entry)),
        })
    }

    /// # Panics
    /// If a batch has more data blocks than its header can say.
    pub fn set(&mut self, block: usize, source: Option<LogBlock>) {
        let block = u8::try_from(block).unwrap_or(u8::MAX);
        let found = source.unwrap_or(LogBlock { sequence: 0, index: 0, checksum: 0 });
        let new = ChangedBlock {
            sequence: found.sequence,
            checksum: found.checksum,
            index: u16::try_from(found.index).expect("at most 65,535 data blocks in a batch"),
            block,
            is_zero: source.is_none(),
        };
        match &mut self.blocks {
            Few::One(one) if one.block == block => *one = new,
            Few::One(one) => {
                let mut both = vec![*one, new];
                both.sort_unstable_by_key(|found| found.block);
                self.blocks = Few::Many(both);
            }
            Few::Many(blocks) if blocks.is_empty() => self.blocks = Few::One(new),
            Few::Many(blocks) => match blocks.binary_search_by_key(&block, |found| found.block) {
                Ok(at) => blocks[at] = new,
                Err(at) => blocks.insert(at, new),
            },
        }
    }

    /// Takes `whole` instead of everything; gives what it replaces.
    pub fn replace(&mut self, whole: Whole) -> Option<Whole> {
        self.blocks = Few::default();
        self.whole.replace(whole)
    }

    /// The changed blocks in their order: where in the log they are, or zeros.
    pub fn blocks(&self) -> Vec<(u8, Option<LogBlock>)> {
        self.blocks.as_slice().iter().map(|found| (found.block, found.source())).collect()
    }

    /// Memory beside that of the value itself.
    pub fn heap_bytes(&self) -> u64 {
        match &self.blocks {
            Few::One(_) => 0,
            Few::Many(blocks) => (blocks.capacity() * size_of::<ChangedBlock>()) as u64,
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
    /// What the tree does not have yet.
    pub stripes: BTreeMap<u64, Changed>,
}

impl Layer {
    pub fn open() -> Self {
        Self { last: 0, through: u64::MAX, stripes: BTreeMap::new() }
    }

    pub fn is_open(&self) -> bool {
        self.through == u64::MAX
    }

    /// Puts what `later` has over what is here. Returns the stripes it replaced.
    pub fn take_over(&mut self, later: Self) -> Vec<Rc<Entry>> {
        let mut replaced = Vec::new();
        for (stripe, later) in later.stripes {
            let changed = self.stripes.entry(stripe).or_default();
            if later.whole.is_some() {
                if let Some(Whole::Stripe(entry)) = changed.whole.take() {
                    replaced.push(entry);
                }
                *changed = later;
                continue;
            }
            for (block, source) in later.blocks() {
                changed.set(usize::from(block), source);
            }
        }
        (self.last, self.through) = (later.last, later.through);
        replaced
    }
}
