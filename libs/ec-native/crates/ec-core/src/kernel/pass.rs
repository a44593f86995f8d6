//! The pass over the shards that makes sums of products: to write, to add or to compare them.

#![allow(unsafe_code, reason = "vector loads and stores by address")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]
#![allow(clippy::needless_range_loop, reason = "plain counts unroll without calls")]

use crate::geometry::ShardIndex;
use crate::kernel::Store;
use crate::kernel::lanes::{Job, Lanes, in_order};
use crate::shard_set::ShardSet;
use crate::table::Shortcut;

/// What is done with the sums.
const WRITE: u8 = 0;
const STREAM: u8 = 1;
const ADD: u8 = 2;
const CHECK: u8 = 3;

/// A pass over the bytes `at..end` of every shard for the rows of one group.
struct Pass<'a, Entry, const R: usize> {
    /// The entries of the group from the first source's column on, R a column.
    entries: &'a [Entry],
    sources: &'a [*const u8],
    outputs: [*mut u8; R],
    /// How many first sources are added to the first row as they are, where there is a shortcut.
    plain: usize,
    folded_rows: usize,
    at: usize,
    end: usize,
}

/// Writes the sums.
///
/// # Safety
/// The kernel's features are there; `entries` are those of the job's table; the job is as
/// promised.
#[inline(always)]
pub(super) unsafe fn combine<L: Lanes>(entries: &[L::Entry], job: Job<'_>, store: Store) {
    let aligned = |output: &*mut u8| output.addr().is_multiple_of(64);
    // SAFETY: as the caller promised; outputs are streamed to only where they are aligned.
    unsafe {
        if store == Store::Stream && job.outputs.iter().all(aligned) {
            rows::<L, STREAM>(entries, job);
            L::fence();
        } else {
            rows::<L, WRITE>(entries, job);
        }
    }
}

/// Adds the sums to what the outputs hold.
///
/// # Safety
/// As [`combine`].
#[inline(always)]
pub(super) unsafe fn add<L: Lanes>(entries: &[L::Entry], job: Job<'_>) {
    // SAFETY: as the caller promised.
    unsafe { rows::<L, ADD>(entries, job) };
}

/// Tells which outputs differ from the sums, and writes nothing.
///
/// # Safety
/// As [`combine`].
#[inline(always)]
pub(super) unsafe fn check<L: Lanes>(entries: &[L::Entry], job: Job<'_>) -> ShardSet {
    // SAFETY: as the caller promised; in this mode the outputs are only read.
    unsafe { rows::<L, CHECK>(entries, job) }
}

/// Goes over all groups of rows; the answer is the outputs that differ, in mode `CHECK`.
#[inline(always)]
unsafe fn rows<L: Lanes, const MODE: u8>(entries: &[L::Entry], job: Job<'_>) -> ShardSet {
    let Job { table, first_column, sources, outputs, length } = job;
    let groups = table.groups();
    let block = if groups.len() > 1 { block_bytes(sources.len()) } else { length };
    let mut differing = ShardSet::EMPTY;
    let mut at = 0;
    while at < length {
        let end = length.min(at + block);
        for group in groups {
            let order = &table.order()[group.first..group.first + group.rows];
            let mut shortcut = table.shortcut();
            if MODE == ADD || group.first > 0 || (MODE == CHECK && shortcut.folded_rows > 0) {
                shortcut = Shortcut::default();
            }
            macro_rules! pass {
                ($rows:literal) => {{
                    let pass = Pass::<L::Entry, $rows> {
                        entries: &entries[group.offset + first_column * $rows..]
                            [..sources.len() * $rows],
                        sources,
                        outputs: in_order(outputs, order),
                        plain: shortcut.columns,
                        folded_rows: shortcut.folded_rows,
                        at,
                        end,
                    };
                    // SAFETY: the slice above holds an entry a source and row; the rest is as
                    // the caller promised.
                    unsafe {
                        if shortcut.columns > 0 && MODE != ADD {
                            pass.run::<L, MODE, true>()
                        } else {
                            pass.run::<L, MODE, false>()
                        }
                    }
                }};
            }
            let rows_that_differ: u32 = match group.rows {
                1 => pass!(1),
                2 => pass!(2),
                3 => pass!(3),
                4 => pass!(4),
                5 if L::ROOMY => pass!(5),
                6 if L::ROOMY => pass!(6),
                rows => unreachable!("no kernel takes {rows} rows a pass"),
            };
            if MODE == CHECK {
                for (row, &output) in order.iter().enumerate() {
                    if rows_that_differ >> row & 1 == 1 {
                        differing.insert(ShardIndex(output));
                    }
                }
            }
        }
        at = end;
    }
    differing
}

/// How much of each shard is taken before the next group of rows begins, so that the sources are
/// still in a near cache.
fn block_bytes(sources: usize) -> usize {
    (64 * 1024 / sources.max(1)).next_multiple_of(1024)
}

impl<Entry, const R: usize> Pass<'_, Entry, R> {
    /// # Safety
    /// The features are there; every source and output is valid for `end` bytes, no output
    /// overlaps with anything; `entries` has R for each source.
    #[inline(always)]
    unsafe fn run<L: Lanes<Entry = Entry>, const MODE: u8, const PLAIN: bool>(mut self) -> u32 {
        let mut differing = 0;
        // SAFETY: the steps stay before `end`.
        unsafe {
            if L::ROOMY {
                match R {
                    1..=2 => differing |= self.steps::<L, MODE, PLAIN, 8>(),
                    3..=4 => differing |= self.steps::<L, MODE, PLAIN, 4>(),
                    _ => differing |= self.steps::<L, MODE, PLAIN, 2>(),
                }
            } else {
                match R {
                    1 => differing |= self.steps::<L, MODE, PLAIN, 4>(),
                    2 => differing |= self.steps::<L, MODE, PLAIN, 2>(),
                    _ => {}
                }
            }
            differing |= self.steps::<L, MODE, PLAIN, 1>();
            if self.at < self.end {
                differing |= self.part::<L, MODE, PLAIN>();
            }
        }
        differing
    }

    /// Takes steps of U vectors as long as there are enough bytes.
    #[inline(always)]
    unsafe fn steps<L: Lanes<Entry = Entry>, const MODE: u8, const PLAIN: bool, const U: usize>(
        &mut self,
    ) -> u32 {
        let mut differing = 0;
        // SAFETY: `at + U * BYTES` stays within every shard.
        unsafe {
            while self.end - self.at >= U * L::BYTES {
                let mut sums = [[L::zero(); U]; R];
                if MODE == ADD || MODE == CHECK {
                    for row in 0..R {
                        for unit in 0..U {
                            sums[row][unit] =
                                L::load(self.outputs[row].add(self.at + unit * L::BYTES));
                        }
                    }
                }
                self.sum::<L, PLAIN, U, false>(&mut sums, 0);
                differing |= self.settle::<L, MODE, U>(&sums);
                self.at += U * L::BYTES;
            }
        }
        differing
    }

    /// Takes the last bytes, fewer than a vector has.
    #[inline(always)]
    unsafe fn part<L: Lanes<Entry = Entry>, const MODE: u8, const PLAIN: bool>(&mut self) -> u32 {
        let count = self.end - self.at;
        let mut differing = 0;
        // SAFETY: `at + count` is the end of every shard.
        unsafe {
            let mut sums = [[L::zero(); 1]; R];
            if MODE == ADD || MODE == CHECK {
                for row in 0..R {
                    sums[row][0] = L::load_part(self.outputs[row].add(self.at), count);
                }
            }
            self.sum::<L, PLAIN, 1, true>(&mut sums, count);
            for row in 0..R {
                if MODE == CHECK {
                    differing |= u32::from(!sums[row][0].is_zero()) << row;
                } else {
                    sums[row][0].store_part(self.outputs[row].add(self.at), count);
                }
            }
        }
        differing
    }

    /// Adds the products of U vectors of every source to `sums`: two sources at a time, which
    /// saves half of the additions where there is an instruction for three operands.
    #[inline(always)]
    unsafe fn sum<L: Lanes<Entry = Entry>, const PLAIN: bool, const U: usize, const PART: bool>(
        &self,
        sums: &mut [[L; U]; R],
        count: usize,
    ) {
        let columns = self.sources.len();
        let mut column = 0;
        // SAFETY: columns below `sources.len()` have a source and R entries; the bytes read are
        // those of this step.
        unsafe {
            if PLAIN {
                while column + 2 <= self.plain {
                    self.pair::<L, PLAIN, PLAIN, U, PART>(sums, column, count);
                    column += 2;
                }
                if column < self.plain {
                    self.single::<L, PLAIN, PLAIN, U, PART>(sums, column, count);
                    column += 1;
                }
            }
            while column + 2 <= columns {
                self.pair::<L, PLAIN, false, U, PART>(sums, column, count);
                column += 2;
            }
            if column < columns {
                self.single::<L, PLAIN, false, U, PART>(sums, column, count);
            }
            if PLAIN {
                for row in 1..R {
                    if row <= self.folded_rows {
                        for unit in 0..U {
                            sums[0][unit] = sums[0][unit].xor(sums[row][unit]);
                        }
                    }
                }
            }
        }
    }

    /// Adds sources `column` and `column + 1`. With `PLAIN` the first row has no products, and
    /// with `IN_FIRST` the sources themselves are added to it.
    #[inline(always)]
    unsafe fn pair<
        L: Lanes<Entry = Entry>,
        const PLAIN: bool,
        const IN_FIRST: bool,
        const U: usize,
        const PART: bool,
    >(
        &self,
        sums: &mut [[L; U]; R],
        column: usize,
        count: usize,
    ) {
        // SAFETY: as the caller promised.
        unsafe {
            let first = self.sources.get_unchecked(column).add(self.at);
            let second = self.sources.get_unchecked(column + 1).add(self.at);
            let entries = self.entries.as_ptr().add(column * R);
            for unit in 0..U {
                let (a, b) = if PART {
                    (L::load_part(first, count), L::load_part(second, count))
                } else {
                    (L::load(first.add(unit * L::BYTES)), L::load(second.add(unit * L::BYTES)))
                };
                if IN_FIRST {
                    sums[0][unit] = sums[0][unit].xor3(a, b);
                }
                for row in usize::from(PLAIN)..R {
                    let a = a.multiply(L::factor(entries.add(row)));
                    let b = b.multiply(L::factor(entries.add(R + row)));
                    sums[row][unit] = sums[row][unit].xor3(a, b);
                }
            }
        }
    }

    /// Adds source `column`; as [`Pass::pair`].
    #[inline(always)]
    unsafe fn single<
        L: Lanes<Entry = Entry>,
        const PLAIN: bool,
        const IN_FIRST: bool,
        const U: usize,
        const PART: bool,
    >(
        &self,
        sums: &mut [[L; U]; R],
        column: usize,
        count: usize,
    ) {
        // SAFETY: as the caller promised.
        unsafe {
            let first = self.sources.get_unchecked(column).add(self.at);
            let entries = self.entries.as_ptr().add(column * R);
            for unit in 0..U {
                let a = if PART {
                    L::load_part(first, count)
                } else {
                    L::load(first.add(unit * L::BYTES))
                };
                if IN_FIRST {
                    sums[0][unit] = sums[0][unit].xor(a);
                }
                for row in usize::from(PLAIN)..R {
                    let product = a.multiply(L::factor(entries.add(row)));
                    sums[row][unit] = sums[row][unit].xor(product);
                }
            }
        }
    }

    /// Writes the sums, or tells which rows are not 0.
    #[inline(always)]
    unsafe fn settle<L: Lanes, const MODE: u8, const U: usize>(&self, sums: &[[L; U]; R]) -> u32 {
        let mut differing = 0;
        // SAFETY: as the caller promised; `STREAM` is used for aligned outputs only.
        unsafe {
            for row in 0..R {
                if MODE == CHECK {
                    let mut any = sums[row][0];
                    for unit in 1..U {
                        any = any.or(sums[row][unit]);
                    }
                    differing |= u32::from(!any.is_zero()) << row;
                } else {
                    for unit in 0..U {
                        let to = self.outputs[row].add(self.at + unit * L::BYTES);
                        if MODE == STREAM {
                            sums[row][unit].stream(to);
                        } else {
                            sums[row][unit].store(to);
                        }
                    }
                }
            }
        }
        differing
    }
}
