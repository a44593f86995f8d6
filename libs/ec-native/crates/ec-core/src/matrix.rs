//! Matrices over the field: the encoding matrix, and the inverse that decoding needs.

use crate::field;
use crate::geometry::{Geometry, ShardIndex};
use crate::technique::Technique;

/// A row has one coefficient for each data shard.
pub(crate) type Row = Vec<u8>;

/// The row of shard `index` in the encoding matrix: a row of the identity for a data shard, the
/// coefficients of the technique for a parity shard.
pub(crate) fn encoding_row(geometry: Geometry, technique: Technique, index: ShardIndex) -> Row {
    let columns = geometry.data_shards();
    match index.0.checked_sub(columns) {
        None => (0..columns).map(|column| u8::from(column == index.0)).collect(),
        Some(row) => {
            (0..columns).map(|column| technique.coefficient(geometry, row, column)).collect()
        }
    }
}

/// The inverse of a square matrix by Gauss-Jordan elimination; `None` if its rows are not
/// independent.
pub(crate) fn invert(mut rows: Vec<Row>) -> Option<Vec<Row>> {
    let size = rows.len();
    let mut inverse: Vec<Row> =
        (0..size).map(|i| (0..size).map(|j| u8::from(i == j)).collect()).collect();
    for column in 0..size {
        let pivot = (column..size).find(|&row| rows[row][column] != 0)?;
        rows.swap(column, pivot);
        inverse.swap(column, pivot);
        let scale = field::invert(rows[column][column])?;
        for matrix in [&mut rows, &mut inverse] {
            for value in &mut matrix[column] {
                *value = field::multiply(*value, scale);
            }
        }
        for row in (0..size).filter(|&row| row != column) {
            let factor = rows[row][column];
            for matrix in [&mut rows, &mut inverse] {
                let pivot_row = std::mem::take(&mut matrix[column]);
                field::multiply_add(&mut matrix[row], factor, &pivot_row);
                matrix[column] = pivot_row;
            }
        }
    }
    Some(inverse)
}

/// The row vector `row` times `matrix`.
pub(crate) fn multiply_row(row: &[u8], matrix: &[Row]) -> Row {
    let mut product = vec![0; matrix.first().map_or(0, Vec::len)];
    for (&coefficient, matrix_row) in row.iter().zip(matrix) {
        field::multiply_add(&mut product, coefficient, matrix_row);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(k: usize, m: usize, technique: Technique, indices: &[usize]) -> Vec<Row> {
        let geometry = Geometry::new(k, m).unwrap();
        indices.iter().map(|&i| encoding_row(geometry, technique, ShardIndex(i))).collect()
    }

    #[test]
    fn parity_rows_of_reed_sol_van_are_the_powers_of_one_two_and_four() {
        let rows = rows(5, 3, Technique::ReedSolVan, &[5, 6, 7]);
        assert_eq!(rows, [[1, 1, 1, 1, 1], [1, 2, 4, 8, 16], [1, 4, 16, 64, 29]]);
    }

    #[test]
    fn parity_rows_of_cauchy_are_the_inverses_of_differences() {
        // 1 / (4 ^ j) and 1 / (5 ^ j) for j = 0..3; 4 times 71 is 0x11c = 1 modulo 0x11d.
        let rows = rows(4, 2, Technique::Cauchy, &[4, 5]);
        assert_eq!(rows, [[71, 167, 122, 186], [167, 71, 186, 122]]);
        for (row, place) in rows.iter().zip([4, 5]) {
            for (&coefficient, column) in row.iter().zip(0u8..) {
                assert_eq!(field::multiply(coefficient, place ^ column), 1);
            }
        }
    }

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let rows = rows(4, 3, Technique::ReedSolVan, &[6, 1, 4, 5]);
        let inverse = invert(rows.clone()).unwrap();
        let product: Vec<Row> = rows.iter().map(|row| multiply_row(row, &inverse)).collect();
        assert_eq!(product, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]);
    }

    #[test]
    fn dependent_rows_have_no_inverse() {
        assert_eq!(invert(vec![vec![1, 2], vec![2, 4]]), None);
    }
}
