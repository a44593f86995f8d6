//! The encoding matrix, and the inverse that decoding needs.

use crate::field;
use crate::geometry::{Geometry, ShardIndex};

/// A row has one coefficient for each data shard.
pub(crate) type Row = Vec<u8>;

/// The row of shard `index` in the encoding matrix of `reed_sol_van` (ISA-L's `gf_gen_rs_matrix`):
/// a row of the identity for a data shard, and (2^p)^0, (2^p)^1, ... for parity shard p.
pub(crate) fn encoding_row(geometry: Geometry, index: ShardIndex) -> Row {
    let columns = geometry.data_shards();
    let Some(parity_index) = index.0.checked_sub(columns) else {
        let mut row = vec![0; columns];
        row[index.0] = 1;
        return row;
    };
    let generator = (0..parity_index).fold(1, |power, _| field::multiply(power, 2));
    std::iter::successors(Some(1), |power| Some(field::multiply(*power, generator)))
        .take(columns)
        .collect()
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
                let pivot_row = matrix[column].clone();
                field::multiply_add(&mut matrix[row], factor, &pivot_row);
            }
        }
    }
    Some(inverse)
}

/// The places of the first rows that are independent of those before them, as many as a row has
/// columns or fewer.
pub(crate) fn independent_rows(rows: &[Row]) -> Vec<usize> {
    let mut basis: Vec<(usize, Row)> = Vec::new();
    let mut chosen = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let mut rest = row.clone();
        for (column, basis_row) in &basis {
            let factor = rest[*column];
            field::multiply_add(&mut rest, factor, basis_row);
        }
        let pivot = rest.iter().enumerate().find(|(_, value)| **value != 0);
        let Some((column, scale)) = pivot.and_then(|(c, v)| Some((c, field::invert(*v)?))) else {
            continue;
        };
        for value in &mut rest {
            *value = field::multiply(*value, scale);
        }
        basis.push((column, rest));
        chosen.push(place);
        if chosen.len() == row.len() {
            break;
        }
    }
    chosen
}

/// The row vector `row` times `matrix`.
pub(crate) fn multiply_row(row: &[u8], matrix: &[Row]) -> Row {
    let mut product = vec![0; matrix.len()];
    for (&coefficient, matrix_row) in row.iter().zip(matrix) {
        field::multiply_add(&mut product, coefficient, matrix_row);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parity_rows_are_the_powers_of_one_two_and_four() {
        let geometry = Geometry::new(5, 3).unwrap();
        let rows: Vec<Row> = (5..8).map(|i| encoding_row(geometry, ShardIndex(i))).collect();
        assert_eq!(rows, [[1, 1, 1, 1, 1], [1, 2, 4, 8, 16], [1, 4, 16, 64, 29]]);
    }

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let geometry = Geometry::new(4, 3).unwrap();
        let rows: Vec<Row> = [6, 1, 4, 5].map(|i| encoding_row(geometry, ShardIndex(i))).into();
        let inverse = invert(rows.clone()).unwrap();
        let product: Vec<Row> = rows.iter().map(|row| multiply_row(row, &inverse)).collect();
        assert_eq!(product, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]);
    }

    #[test]
    fn a_row_that_depends_on_earlier_ones_is_passed_over() {
        let rows = [vec![1, 2, 3], vec![2, 4, 6], vec![0, 0, 5], vec![1, 2, 9], vec![0, 7, 0]];
        assert_eq!(independent_rows(&rows), [0, 2, 4]);
        assert_eq!(independent_rows(&rows[..4]), [0, 2]);
    }

    #[test]
    fn dependent_rows_have_no_inverse() {
        assert_eq!(invert(vec![vec![1, 2], vec![2, 4]]), None);
    }
}
