//! Where the blocks of a simulated volume are: few blocks, spread over a wide map.

/// Blocks that are neighbours in every volume: whole stripes of every policy of the simulator.
const WINDOW_BLOCKS: usize = 8;
/// Windows a rising volume has in its first leaf.
const FIRST_WINDOWS: u64 = 5;
/// Leaves below one inner page of the map.
const FAN_OUT: u64 = 63;

/// How windows are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// One after the other, in one leaf.
    Dense,
    /// The first windows in one leaf; growth adds a second and then a third level.
    Rising,
    /// Three levels from the beginning.
    Tall,
}

/// Which addresses a volume's blocks have. Between the windows nothing is ever written.
#[derive(Debug, Clone, Copy)]
pub struct Sites {
    /// How windows are spread.
    pub spread: Spread,
    /// Blocks of a stripe, at most a window and a divisor of it.
    pub stripe_blocks: u64,
    /// Blocks below one leaf of the map.
    pub leaf_blocks: u64,
}

impl Sites {
    /// The address of a block, in blocks.
    #[must_use]
    pub fn address(&self, block: usize) -> u64 {
        let (window, within) = (block / WINDOW_BLOCKS, block % WINDOW_BLOCKS);
        self.start(window as u64) + within as u64
    }

    /// Blocks that a volume must have for the first `blocks` of these.
    #[must_use]
    pub fn size_blocks(&self, blocks: usize) -> u64 {
        blocks.checked_sub(1).map_or(0, |last| self.address(last) + 1)
    }

    /// How many of `blocks`, from the first of them at `first` on, are neighbours of each other.
    #[must_use]
    pub fn run(&self, first: usize, blocks: usize) -> usize {
        match self.spread {
            Spread::Dense => blocks,
            _ => blocks.min(WINDOW_BLOCKS - first % WINDOW_BLOCKS),
        }
    }

    /// Where a window begins. Where stripes are smaller than windows, those at the end of a leaf
    /// or of an inner page reach into the next.
    fn start(&self, window: u64) -> u64 {
        let width = WINDOW_BLOCKS as u64;
        let leaf = self.leaf_blocks;
        let inner = leaf * FAN_OUT;
        let before = self.stripe_blocks.max(width / 2);
        match (self.spread, window) {
            (Spread::Dense, _) | (Spread::Rising, ..FIRST_WINDOWS) => window * width,
            (Spread::Rising, 5) | (Spread::Tall, 1) => leaf - before,
            (Spread::Rising, 6) | (Spread::Tall, 2) => 7 * leaf,
            (Spread::Rising, 7) | (Spread::Tall, 3) => inner - before,
            (Spread::Tall, 0) => 0,
            (Spread::Rising | Spread::Tall, _) => 2 * inner + (window - 4) * 5 * leaf,
        }
    }
}
