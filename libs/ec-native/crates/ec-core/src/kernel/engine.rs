//! One way into all kernels: what is safe to call, whatever the processor.

#![allow(unsafe_code, reason = "calls functions that need features of the processor")]

use std::mem::MaybeUninit;

use crate::EcError;
use crate::geometry::SHARDS_MAX;
use crate::kernel::lanes::Job;
use crate::kernel::{Kernel, Store, scalar};
use crate::shard_set::ShardSet;
use crate::shards::{with_shards, with_shards_mut};
use crate::table::{Entries, Table};

#[cfg(target_arch = "aarch64")]
use crate::kernel::neon;
#[cfg(target_arch = "x86_64")]
use crate::kernel::{avx2, avx2_gfni, avx512_gfni, ssse3};

/// A kernel that this processor was found able to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Engine(Kernel);

/// Calls the function `$name` of the vector kernel with its entries.
macro_rules! dispatch {
    ($engine:expr, $entries:expr, $name:ident, $($argument:expr),*) => {
        match ($engine.0, $entries) {
            // SAFETY: an engine is made after its kernel's features were found; the arguments
            // are what the caller of this macro says they are.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx512Gfni, Entries::Affine(entries)) => unsafe {
                avx512_gfni::$name(entries, $($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx2Gfni, Entries::Affine(entries)) => unsafe {
                avx2_gfni::$name(entries, $($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Avx2, Entries::Nibbles(entries)) => unsafe {
                avx2::$name(entries, $($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Kernel::Ssse3, Entries::Nibbles(entries)) => unsafe {
                ssse3::$name(entries, $($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            (Kernel::Neon, Entries::Nibbles(entries)) => unsafe {
                neon::$name(entries, $($argument),*)
            },
            (kernel, _) => unreachable!("a table of {kernel} has the entries of {kernel}"),
        }
    };
}

/// Up to 256 pointers on the stack, set up for nothing.
struct Pointers<Pointer> {
    places: [MaybeUninit<Pointer>; SHARDS_MAX],
    count: usize,
}

impl<Pointer> Pointers<Pointer> {
    #[inline]
    fn none() -> Self {
        Self { places: [const { MaybeUninit::uninit() }; SHARDS_MAX], count: 0 }
    }

    /// Puts `pointers` into the list, where it lies: a list that is handed back gets copied.
    #[inline]
    fn gather(&mut self, pointers: impl Iterator<Item = Pointer>) -> &[Pointer] {
        self.count = 0;
        for (place, pointer) in self.places.iter_mut().zip(pointers) {
            place.write(pointer);
            self.count += 1;
        }
        self.as_slice()
    }

    fn as_slice(&self) -> &[Pointer] {
        // SAFETY: the first `count` places were written.
        unsafe { std::slice::from_raw_parts(self.places.as_ptr().cast(), self.count) }
    }
}

impl Engine {
    /// The engine of `kernel`.
    pub fn new(kernel: Kernel) -> Result<Self, EcError> {
        kernel.require()?;
        Ok(Self(kernel))
    }

    pub fn kernel(self) -> Kernel {
        self.0
    }

    /// The most rows that one pass over the sources works out.
    pub fn group_rows_max(self) -> usize {
        match self.0 {
            Kernel::Avx512Gfni => 6,
            Kernel::Avx2Gfni | Kernel::Avx2 | Kernel::Ssse3 | Kernel::Neon => 4,
            Kernel::Scalar => SHARDS_MAX,
        }
    }

    /// The coefficients in the kernel's form.
    pub fn prepare(self, coefficients: &[u8]) -> Entries {
        match self.0 {
            Kernel::Scalar => Entries::Bytes(coefficients.to_vec()),
            Kernel::Avx512Gfni | Kernel::Avx2Gfni => {
                Entries::Affine(coefficients.iter().map(|&c| affine_matrix(c)).collect())
            }
            Kernel::Avx2 | Kernel::Ssse3 | Kernel::Neon => {
                Entries::Nibbles(coefficients.iter().map(|&c| nibbles(c)).collect())
            }
        }
    }

    /// Continues the digest `state` with `bytes`; `powers` are those of [`crate::Digest`].
    pub fn digest(self, powers: &Entries, bytes: &[u8], state: &mut [u8; 64]) {
        match powers {
            Entries::Bytes(powers) => scalar::digest(powers, bytes, state),
            _ => dispatch!(self, powers, digest, bytes, state),
        }
    }
}

impl Table {
    /// Writes every output: the sum of its row's coefficients times the sources.
    ///
    /// There are as many sources as columns, as many outputs as rows, all of one length; else this
    /// panics, as the other functions do.
    #[inline]
    pub fn combine(&self, sources: &[&[u8]], outputs: &mut [&mut [u8]], store: Store) {
        if let Entries::Bytes(entries) = self.entries() {
            return scalar::combine(entries, self, sources, outputs);
        }
        let length = outputs.first().map_or(0, |output| output.len());
        let (mut from, mut to) = (Pointers::none(), Pointers::none());
        let (from, to) = (read(&mut from, sources, length), write(&mut to, outputs, length));
        let job = self.job(0, from, to, length);
        assert_eq!(sources.len(), self.columns(), "one source a column");
        // The job was made of borrows of `length` bytes each, those of outputs exclusive.
        dispatch!(self.engine(), self.entries(), combine, job, store);
    }

    /// As [`Table::combine`], with shards of `shard_bytes` (at least 1) that lie one after the
    /// other.
    #[inline]
    pub fn combine_run(
        &self,
        sources: &[u8],
        outputs: &mut [u8],
        shard_bytes: usize,
        store: Store,
    ) {
        if let Entries::Bytes(entries) = self.entries() {
            return with_shards(sources, shard_bytes, |sources| {
                with_shards_mut(outputs, shard_bytes, |outputs| {
                    scalar::combine(entries, self, sources, outputs);
                });
            });
        }
        assert_eq!(sources.len(), self.columns() * shard_bytes, "one source a column");
        assert_eq!(outputs.len(), self.rows() * shard_bytes, "one output a row");
        let (source, output) = (sources.as_ptr(), outputs.as_mut_ptr());
        let (mut from, mut to) = (Pointers::none(), Pointers::none());
        let from = from.gather((0..self.columns()).map(|at| source.wrapping_add(at * shard_bytes)));
        let to = to.gather((0..self.rows()).map(|at| output.wrapping_add(at * shard_bytes)));
        let job = self.job(0, from, to, shard_bytes);
        // The job was made of two borrows that hold the shards, that of outputs exclusive.
        dispatch!(self.engine(), self.entries(), combine, job, store);
    }

    /// Adds to every output its coefficients times `sources`, which are those of the columns from
    /// `first_column` on.
    pub fn add(&self, first_column: usize, sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
        if let Entries::Bytes(entries) = self.entries() {
            return scalar::add(entries, self, first_column, sources, outputs);
        }
        let length = outputs.first().map_or(0, |output| output.len());
        let (mut from, mut to) = (Pointers::none(), Pointers::none());
        let (from, to) = (read(&mut from, sources, length), write(&mut to, outputs, length));
        let job = self.job(first_column, from, to, length);
        let end = first_column.checked_add(sources.len());
        assert!(end.is_some_and(|end| end <= self.columns()), "a column for each source");
        // The job was made of borrows of `length` bytes each, those of outputs exclusive.
        dispatch!(self.engine(), self.entries(), add, job);
    }

    /// Adds to every output its coefficient of `column` times (`old` + `new`).
    pub fn update(&self, column: usize, old: &[u8], new: &[u8], outputs: &mut [&mut [u8]]) {
        if let Entries::Bytes(entries) = self.entries() {
            return scalar::update(entries, self, column, old, new, outputs);
        }
        let length = outputs.first().map_or(0, |output| output.len());
        let (mut from, mut to) = (Pointers::none(), Pointers::none());
        let (from, to) = (read(&mut from, &[old, new], length), write(&mut to, outputs, length));
        let job = self.job(column, from, to, length);
        assert!(column < self.columns(), "a column of the table");
        // The job was made of borrows of `length` bytes each, those of outputs exclusive.
        dispatch!(self.engine(), self.entries(), update, job);
    }

    /// Which outputs differ from the sums that [`Table::combine`] would write.
    pub fn check(&self, sources: &[&[u8]], outputs: &[&[u8]]) -> ShardSet {
        if let Entries::Bytes(entries) = self.entries() {
            return scalar::check(entries, self, sources, outputs);
        }
        let length = outputs.first().map_or(0, |output| output.len());
        let (mut from, mut to) = (Pointers::none(), Pointers::none());
        let from = read(&mut from, sources, length);
        let to = to.gather(outputs.iter().map(|output| {
            assert_eq!(output.len(), length, "outputs of one length");
            output.as_ptr().cast_mut()
        }));
        let job = self.job(0, from, to, length);
        assert_eq!(sources.len(), self.columns(), "one source a column");
        // The job was made of borrows of `length` bytes each; a check only reads.
        dispatch!(self.engine(), self.entries(), check, job)
    }

    fn job<'a>(
        &'a self,
        first_column: usize,
        sources: &'a [*const u8],
        outputs: &'a [*mut u8],
        length: usize,
    ) -> Job<'a> {
        assert_eq!(outputs.len(), self.rows(), "one output a row");
        Job { table: self, first_column, sources, outputs, length }
    }
}

#[inline]
fn read<'a>(list: &'a mut Pointers<*const u8>, shards: &[&[u8]], length: usize) -> &'a [*const u8] {
    list.gather(shards.iter().map(|shard| {
        assert_eq!(shard.len(), length, "sources of one length");
        shard.as_ptr()
    }))
}

#[inline]
fn write<'a>(
    list: &'a mut Pointers<*mut u8>,
    shards: &mut [&mut [u8]],
    length: usize,
) -> &'a [*mut u8] {
    list.gather(shards.iter_mut().map(|shard| {
        assert_eq!(shard.len(), length, "outputs of one length");
        shard.as_mut_ptr()
    }))
}

/// The 8 x 8 bit matrix of multiplication by `coefficient`, as GF2P8AFFINEQB takes it: byte 7 - i
/// of it is the row of output bit i (Intel's Software Developer's Manual, volume 2).
fn affine_matrix(coefficient: u8) -> u64 {
    let products = crate::field::product_row(coefficient);
    let mut rows = [0u8; 8];
    for input in 0..8 {
        let product = products[1 << input];
        for (output, row) in rows.iter_mut().rev().enumerate() {
            *row |= (product >> output & 1) << input;
        }
    }
    u64::from_le_bytes(rows)
}

fn nibbles(coefficient: u8) -> crate::table::Nibbles {
    let products = crate::field::product_row(coefficient);
    let halves =
        std::array::from_fn(|i| if i < 16 { products[i] } else { products[(i - 16) << 4] });
    crate::table::Nibbles(halves)
}
