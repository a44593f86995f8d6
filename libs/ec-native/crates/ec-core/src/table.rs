//! Coefficients made ready for a kernel.

use crate::kernel::Engine;
use crate::matrix::Row;

/// The two halves of a coefficient's products: of the 16 low nibbles, and of the 16 high ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(32))]
pub(crate) struct Nibbles(pub [u8; 32]);

/// The coefficients in the form that the kernel multiplies by.
#[derive(Debug)]
pub(crate) enum Entries {
    /// As they are.
    Bytes(Vec<u8>),
    /// As 8 x 8 bit matrices.
    Affine(Vec<u64>),
    /// As tables of nibbles.
    Nibbles(Vec<Nibbles>),
}

impl Entries {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(entries) => entries.len(),
            Self::Affine(entries) => entries.len(),
            Self::Nibbles(entries) => entries.len(),
        }
    }
}

/// Rows that are worked out in one pass over the sources. The entry of its row r and column j is
/// `entries[offset + j * rows + r]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// The first of its rows in the table's order.
    pub first: usize,
    /// How many rows it has.
    pub rows: usize,
    /// Where its entries begin.
    pub offset: usize,
}

/// The first row as a sum without products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shortcut {
    /// The first row is the sum of this many first sources (0: there is no shortcut) ...
    pub columns: usize,
    /// ... and of this many rows after it.
    pub folded_rows: usize,
}

/// A matrix of coefficients, ready for one kernel.
#[derive(Debug)]
pub(crate) struct Table {
    engine: Engine,
    columns: usize,
    /// `order[r]` is the output that row r of the table belongs to.
    order: Vec<usize>,
    shortcut: Shortcut,
    groups: Vec<Group>,
    entries: Entries,
}

impl Table {
    /// Makes the table of `rows`, which have one coefficient a source each. At least one row, at
    /// least one column.
    pub fn new(engine: Engine, rows: &[Row]) -> Self {
        let (order, shortcut) = find_shortcut(rows, engine.group_rows_max());
        let columns = rows.first().map_or(0, Vec::len);
        let groups = split(rows.len(), columns, engine.group_rows_max());
        let coefficients: Vec<u8> = groups
            .iter()
            .flat_map(|group| {
                let places = &order[group.first..group.first + group.rows];
                (0..columns).flat_map(move |column| places.iter().map(move |&p| rows[p][column]))
            })
            .collect();
        let entries = engine.prepare(&coefficients);
        assert_eq!(entries.len(), columns * rows.len(), "one entry a coefficient");
        Self { engine, columns, order, shortcut, groups, entries }
    }

    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// How many sources there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many outputs there are.
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// The output of each row.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    pub fn shortcut(&self) -> Shortcut {
        self.shortcut
    }

    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub fn entries(&self) -> &Entries {
        &self.entries
    }
}

/// Splits `rows` into as few groups of at most `rows_max` as possible, as even as possible.
fn split(rows: usize, columns: usize, rows_max: usize) -> Vec<Group> {
    let count = rows.div_ceil(rows_max);
    let mut first = 0;
    (0..count)
        .map(|place| {
            let size = rows / count + usize::from(place < rows % count);
            let group = Group { first, rows: size, offset: first * columns };
            first += size;
            group
        })
        .collect()
}

/// Finds a row that is a plain sum of the first sources, or rows whose sum is (the lost data
/// shards of a stripe whose plain parity is left: all but one of them need products), and puts
/// it first.
fn find_shortcut(rows: &[Row], rows_max: usize) -> (Vec<usize>, Shortcut) {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    if let Some((place, columns)) =
        rows.iter().enumerate().find_map(|(place, row)| Some((place, ones_then_zeros(row)?)))
    {
        order[..=place].rotate_right(1);
        return (order, Shortcut { columns, folded_rows: 0 });
    }
    let mut sum = rows.first().cloned().unwrap_or_default();
    for (place, row) in rows.iter().enumerate().skip(1).take(rows_max - 1) {
        sum.iter_mut().zip(row).for_each(|(total, value)| *total ^= value);
        if let Some(columns) = ones_then_zeros(&sum) {
            // The rows that fold must stand in the first group, which may be smaller than the
            // bound when the groups are even.
            let first_group = split(rows.len(), 1, rows_max).first().map_or(0, |group| group.rows);
            if place < first_group {
                return (order, Shortcut { columns, folded_rows: place });
            }
        }
    }
    (order, Shortcut::default())
}

/// How many ones `row` begins with, if there are any and only zeros follow.
fn ones_then_zeros(row: &[u8]) -> Option<usize> {
    let ones = row.iter().take_while(|&&value| value == 1).count();
    (ones > 0 && row[ones..].iter().all(|&value| value == 0)).then_some(ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_even_and_cover_every_row_once() {
        for rows in 1..=255 {
            for rows_max in 1..=6 {
                let groups = split(rows, 3, rows_max);
                assert_eq!(groups.len(), rows.div_ceil(rows_max));
                let mut next = 0;
                for group in &groups {
                    assert_eq!((group.first, group.offset), (next, 3 * next));
                    assert!((1..=rows_max).contains(&group.rows));
                    assert!(groups[0].rows - group.rows <= 1);
                    next += group.rows;
                }
                assert_eq!(next, rows);
            }
        }
    }

    #[test]
    fn a_row_of_ones_comes_first_and_needs_no_products() {
        let rows = [vec![1, 2, 3], vec![5, 6, 7], vec![1, 1, 1]];
        assert_eq!(
            find_shortcut(&rows, 6),
            (vec![2, 0, 1], Shortcut { columns: 3, folded_rows: 0 })
        );
    }

    #[test]
    fn rows_whose_sum_is_ones_then_zeros_are_folded() {
        let rows = [vec![7, 9, 4, 3], vec![6, 8, 4, 3], vec![1, 2, 3, 4]];
        let expected = Shortcut { columns: 2, folded_rows: 1 };
        assert_eq!(find_shortcut(&rows, 6), (vec![0, 1, 2], expected));
        assert_eq!(find_shortcut(&rows, 1).1, Shortcut::default());
        assert_eq!(find_shortcut(&rows[1..], 6).1, Shortcut::default());
    }
}
