//! The parity by its definition, sharing nothing with the library that is measured.

use purlin_ec_core::Technique;

/// The polynomial of the field without its highest term: 0x11d.
const REDUCTION: u8 = 0x1d;

/// The product of two elements, bit by bit.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= REDUCTION;
        }
        b >>= 1;
    }
    product
}

fn power(base: u8, exponent: usize) -> u8 {
    (0..exponent).fold(1, |product, _| multiply(product, base))
}

/// The coefficient of data shard `column` in parity row `row`: `gf_gen_rs_matrix` and
/// `gf_gen_cauchy1_matrix` of ISA-L (`erasure_code/ec_base.c`).
fn coefficient(technique: Technique, k: usize, row: usize, column: usize) -> u8 {
    match technique {
        Technique::ReedSolVan => power(power(2, row), column),
        Technique::Cauchy => {
            let sum = u8::try_from((k + row) ^ column).unwrap_or_default();
            // The order of the field's group is 255, so the 254th power is the inverse.
            power(sum, 254)
        }
    }
}

/// The m parity shards of `data`, k shards of `size` bytes one after the other.
pub fn parity(technique: Technique, k: usize, m: usize, data: &[u8], size: usize) -> Vec<u8> {
    let mut parity = vec![0; m * size];
    for (row, sum) in parity.chunks_exact_mut(size).enumerate() {
        for (column, shard) in data.chunks_exact(size).enumerate() {
            let coefficient = coefficient(technique, k, row, column);
            let products: [u8; 256] =
                std::array::from_fn(|byte| multiply(coefficient, byte.to_le_bytes()[0]));
            for (byte, &from) in sum.iter_mut().zip(shard) {
                *byte ^= products[usize::from(from)];
            }
        }
    }
    parity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_gives_the_field_and_the_rows_of_the_vandermonde_matrix() {
        assert_eq!(multiply(0x80, 2), 0x1d);
        assert_eq!(power(2, 255), 1);
        let rows = |row| (0..4).map(move |c| coefficient(Technique::ReedSolVan, 4, row, c));
        assert!(rows(0).eq([1, 1, 1, 1]));
        assert!(rows(1).eq([1, 2, 4, 8]));
        assert!(rows(2).eq([1, 4, 16, 64]));
    }

    #[test]
    fn a_cauchy_coefficient_is_the_inverse_of_its_row_and_column() {
        for column in 0..4 {
            let inverse = coefficient(Technique::Cauchy, 4, 1, column);
            assert_eq!(multiply(inverse, 5 ^ u8::try_from(column).unwrap_or_default()), 1);
        }
    }
}
