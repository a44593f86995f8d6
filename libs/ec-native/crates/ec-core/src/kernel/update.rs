//! The pass that changes parity as one data shard changes.

#![allow(unsafe_code, reason = "vector loads and stores by address")]
#![allow(clippy::inline_always, reason = "the features come from the function inlined into")]
#![allow(clippy::needless_range_loop, reason = "plain counts unroll without calls")]

use crate::kernel::lanes::{Job, Lanes, in_order};

/// Adds (first source + second source) times the coefficients of the job's first column to every
/// output, in one pass a group.
///
/// # Safety
/// As [`crate::kernel::pass::combine`], but the two sources belong to one column.
#[inline(always)]
pub(super) unsafe fn update<L: Lanes>(entries: &[L::Entry], job: Job<'_>) {
    let Job { table, first_column: column, sources, outputs, length } = job;
    let &[old, new] = sources else { unreachable!("an update has two sources") };
    for group in table.groups() {
        let order = &table.order()[group.first..group.first + group.rows];
        let entries = &entries[group.offset + column * group.rows..][..group.rows];
        let shortcut = table.shortcut();
        let plain = group.first == 0 && shortcut.columns > column && shortcut.folded_rows == 0;
        macro_rules! update {
            ($rows:literal) => {{
                let outputs: [*mut u8; $rows] = in_order(outputs, order);
                // SAFETY: as the caller promised; there are as many entries as rows.
                unsafe {
                    if plain {
                        update_rows::<L, $rows, true>(entries, old, new, outputs, length);
                    } else {
                        update_rows::<L, $rows, false>(entries, old, new, outputs, length);
                    }
                }
            }};
        }
        match group.rows {
            1 => update!(1),
            2 => update!(2),
            3 => update!(3),
            4 => update!(4),
            5 if L::ROOMY => update!(5),
            6 if L::ROOMY => update!(6),
            rows => unreachable!("no kernel takes {rows} rows a pass"),
        }
    }
}

/// # Safety
/// As [`update`] for R rows; `PLAIN` where the first one's coefficient is 1.
#[inline(always)]
unsafe fn update_rows<L: Lanes, const R: usize, const PLAIN: bool>(
    entries: &[L::Entry],
    old: *const u8,
    new: *const u8,
    outputs: [*mut u8; R],
    length: usize,
) {
    let mut at = 0;
    // SAFETY: `at` and what is read and written from it on stays below `length`; there are R
    // entries.
    unsafe {
        // Read once: the stores to the outputs could be to the entries, for all that the compiler
        // knows.
        let mut factors = [L::factor(entries.as_ptr()); R];
        for row in 1..R {
            factors[row] = L::factor(entries.as_ptr().add(row));
        }
        if L::ROOMY {
            while length - at >= 4 * L::BYTES {
                step::<L, R, PLAIN, 4>(&factors, old.add(at), new.add(at), &outputs, at);
                at += 4 * L::BYTES;
            }
        }
        while length - at >= L::BYTES {
            step::<L, R, PLAIN, 1>(&factors, old.add(at), new.add(at), &outputs, at);
            at += L::BYTES;
        }
        if at < length {
            let count = length - at;
            let change = L::load_part(old.add(at), count).xor(L::load_part(new.add(at), count));
            for row in 0..R {
                let to = outputs[row].add(at);
                let sum = add::<L, PLAIN>(change, L::load_part(to, count), factors[row], row);
                sum.store_part(to, count);
            }
        }
    }
}

/// U vectors of every output.
///
/// # Safety
/// As [`update`]; `old` and `new` are where the step begins, `at` is where it begins in outputs.
#[inline(always)]
unsafe fn step<L: Lanes, const R: usize, const PLAIN: bool, const U: usize>(
    factors: &[L::Factor; R],
    old: *const u8,
    new: *const u8,
    outputs: &[*mut u8; R],
    at: usize,
) {
    // SAFETY: as the caller promised.
    unsafe {
        let mut changes = [L::zero(); U];
        for unit in 0..U {
            let place = unit * L::BYTES;
            changes[unit] = L::load(old.add(place)).xor(L::load(new.add(place)));
        }
        for row in 0..R {
            for unit in 0..U {
                let to = outputs[row].add(at + unit * L::BYTES);
                add::<L, PLAIN>(changes[unit], L::load(to), factors[row], row).store(to);
            }
        }
    }
}

/// # Safety
/// As [`update`].
#[inline(always)]
unsafe fn add<L: Lanes, const PLAIN: bool>(
    change: L,
    parity: L,
    factor: L::Factor,
    row: usize,
) -> L {
    // SAFETY: as the caller promised.
    unsafe {
        if PLAIN && row == 0 { parity.xor(change) } else { parity.xor(change.multiply(factor)) }
    }
}
