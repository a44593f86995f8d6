//! The definition: one byte at a time. The other kernels are tested against this one.

use crate::field::{multiply, multiply_add};
use crate::shard_set::ShardSet;
use crate::table::Table;

/// Outputs are worked out in blocks of this size, so that they stay in the first cache.
const BLOCK_BYTES: usize = 4096;

pub(super) fn combine(entries: &[u8], table: &Table, sources: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for output in outputs.iter_mut() {
        output.fill(0);
    }
    add(entries, table, 0, sources, outputs);
}

pub(super) fn add(
    entries: &[u8],
    table: &Table,
    first_column: usize,
    sources: &[&[u8]],
    outputs: &mut [&mut [u8]],
) {
    let length = outputs.first().map_or(0, |output| output.len());
    for start in (0..length).step_by(BLOCK_BYTES) {
        let block = start..length.min(start + BLOCK_BYTES);
        for (row, &output) in table.order().iter().enumerate() {
            for (column, source) in (first_column..).zip(sources) {
                let coefficient = coefficient(entries, table, row, column);
                multiply_add(
                    &mut outputs[output][block.clone()],
                    coefficient,
                    &source[block.clone()],
                );
            }
        }
    }
}

pub(super) fn update(
    entries: &[u8],
    table: &Table,
    column: usize,
    old: &[u8],
    new: &[u8],
    outputs: &mut [&mut [u8]],
) {
    for (row, &output) in table.order().iter().enumerate() {
        let coefficient = coefficient(entries, table, row, column);
        for ((target, old), new) in outputs[output].iter_mut().zip(old).zip(new) {
            *target ^= multiply(coefficient, old ^ new);
        }
    }
}

pub(super) fn check(
    entries: &[u8],
    table: &Table,
    sources: &[&[u8]],
    outputs: &[&[u8]],
) -> ShardSet {
    let length = outputs.first().map_or(0, |output| output.len());
    let mut differing = ShardSet::EMPTY;
    let mut sum = [0; BLOCK_BYTES];
    for start in (0..length).step_by(BLOCK_BYTES) {
        let block = start..length.min(start + BLOCK_BYTES);
        for (row, &output) in table.order().iter().enumerate() {
            let sum = &mut sum[..block.len()];
            sum.copy_from_slice(&outputs[output][block.clone()]);
            for (column, source) in sources.iter().enumerate() {
                let coefficient = coefficient(entries, table, row, column);
                multiply_add(sum, coefficient, &source[block.clone()]);
            }
            if sum.iter().any(|&byte| byte != 0) {
                differing.insert(crate::ShardIndex(output));
            }
        }
    }
    differing
}

/// The scalar kernel's tables have one group.
fn coefficient(entries: &[u8], table: &Table, row: usize, column: usize) -> u8 {
    entries[column * table.rows() + row]
}

pub(super) fn digest(powers: &[u8], bytes: &[u8], state: &mut [u8; 64]) {
    for block in bytes.chunks(state.len()) {
        for (place, sum) in state.iter_mut().enumerate() {
            let fresh = block.get(place).copied().unwrap_or_default();
            *sum = multiply(powers[0], *sum) ^ fresh;
        }
    }
}
