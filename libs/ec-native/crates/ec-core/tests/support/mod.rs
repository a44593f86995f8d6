//! What the tests of the codec have in common.

#![allow(dead_code, reason = "every test file takes what it needs")]

use purlin_ec_core::{Codec, Kernel, ShardSet, Technique};

/// The codes of the reference product's policies (a folded one has the code of the plain one),
/// and 10+4.
pub const POLICIES: [(usize, usize); 6] = [(2, 1), (4, 2), (8, 3), (8, 2), (16, 2), (10, 4)];

/// The little-endian numbers of splitmix64, so that a failure repeats; the golden vectors have
/// their data from the same one.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(count).collect()
    }
}

/// Shards of a stripe, each at a place of its own alignment in memory of its own.
pub struct Shards {
    memory: Vec<Vec<u8>>,
    starts: Vec<usize>,
    length: usize,
}

impl Shards {
    /// `count` shards of `length` bytes from `noise`, off their alignment by `offset(i)`.
    pub fn new(
        noise: &mut Noise,
        count: usize,
        length: usize,
        offset: impl Fn(usize) -> usize,
    ) -> Self {
        let memory = (0..count).map(|i| noise.bytes(length + offset(i) + 1)).collect();
        Self { memory, starts: (0..count).map(offset).collect(), length }
    }

    pub fn zeros(count: usize, length: usize) -> Self {
        Self { memory: vec![vec![0; length]; count], starts: vec![0; count], length }
    }

    pub fn slices(&self) -> Vec<&[u8]> {
        let places = self.memory.iter().zip(&self.starts);
        places.map(|(bytes, &start)| &bytes[start..start + self.length]).collect()
    }

    pub fn slices_mut(&mut self) -> Vec<&mut [u8]> {
        let places = self.memory.iter_mut().zip(&self.starts);
        places.map(|(bytes, &start)| &mut bytes[start..start + self.length]).collect()
    }

    /// Their bytes, and what lies before and behind them.
    pub fn memory(&self) -> &[Vec<u8>] {
        &self.memory
    }
}

pub fn codec(k: usize, m: usize, technique: Technique) -> Codec {
    Codec::new(k, m, technique).unwrap()
}

/// The same codec on every kernel of this processor, the scalar one last.
pub fn on_every_kernel(codec: &Codec) -> Vec<Codec> {
    Kernel::available().into_iter().map(|kernel| codec.with_kernel(kernel).unwrap()).collect()
}

/// A whole stripe: data from `noise` with its parity, as scalar arithmetic makes it.
pub fn stripe(codec: &Codec, noise: &mut Noise, length: usize) -> Vec<Vec<u8>> {
    let geometry = codec.geometry();
    let mut shards: Vec<Vec<u8>> =
        (0..geometry.data_shards()).map(|_| noise.bytes(length)).collect();
    let mut parity = vec![vec![0; length]; geometry.parity_shards()];
    let data: Vec<&[u8]> = shards.iter().map(Vec::as_slice).collect();
    let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    codec.with_kernel(Kernel::Scalar).unwrap().encode(&data, &mut outputs).unwrap();
    shards.extend(parity);
    shards
}

/// Rebuilds the `lost` shards of `stripe` and compares them with what they were.
pub fn assert_rebuilds(codec: &Codec, stripe: &[Vec<u8>], lost: &ShardSet) {
    let present = ShardSet::first(stripe.len()).difference(lost);
    let plan = codec.decode_plan(&present, lost).unwrap();
    let sources: Vec<&[u8]> = plan.sources().iter().map(|s| stripe[s.0].as_slice()).collect();
    let mut rebuilt = vec![vec![0xa5; stripe[0].len()]; lost.len()];
    let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(Vec::as_mut_slice).collect();
    plan.reconstruct(&sources, &mut outputs).unwrap();
    for (index, bytes) in plan.wanted().iter().zip(&rebuilt) {
        let (geometry, technique) = (codec.geometry(), codec.technique());
        assert!(*bytes == stripe[index.0], "{geometry} {technique}: {index} of lost {lost:?}");
    }
}

/// Every set of up to `size_max` of `count` shards.
pub fn subsets(count: usize, size_max: usize) -> impl Iterator<Item = ShardSet> {
    (0..1u32 << count)
        .filter(move |mask| mask.count_ones() as usize <= size_max)
        .map(move |mask| (0..count).filter(|i| mask >> i & 1 == 1).collect())
}

/// The field by its definition, so that the tests do not lean on the crate's tables.
pub fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1d };
        b >>= 1;
    }
    product
}
