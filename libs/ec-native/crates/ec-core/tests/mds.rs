//! The region in which every square submatrix of the parity rows is regular (MDS).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use purlin_ec_core::{Codec, EcError, Technique};
use support::{Noise, codec, multiply};

/// All products, by the definition.
fn products() -> Vec<[u8; 256]> {
    let row = |a| std::array::from_fn(|b| multiply(a, u8::try_from(b).unwrap()));
    (0..=u8::MAX).map(row).collect()
}

/// Whether the square matrix is regular, by elimination without division: a row is replaced by
/// pivot times itself plus its head times the pivot row, which changes the determinant by a
/// factor that is not 0.
fn is_regular(mut rows: Vec<Vec<u8>>, products: &[[u8; 256]]) -> bool {
    let size = rows.len();
    for column in 0..size {
        let Some(pivot) = (column..size).find(|&row| rows[row][column] != 0) else { return false };
        rows.swap(column, pivot);
        let (above, below) = rows.split_at_mut(column + 1);
        let pivot_row = &above[column];
        for row in below {
            let (head, scale) = (row[column], pivot_row[column]);
            for (value, pivot_value) in row.iter_mut().zip(pivot_row) {
                *value = products[usize::from(scale)][usize::from(*value)]
                    ^ products[usize::from(head)][usize::from(*pivot_value)];
            }
        }
    }
    true
}

fn power_of_two(exponent: usize) -> u8 {
    (0..exponent % 255).fold(1, |power, _| multiply(power, 2))
}

fn van_rows(k: usize, m: usize) -> Vec<Vec<u8>> {
    (0..m).map(|row| (0..k).map(|column| power_of_two(row * column)).collect()).collect()
}

/// The choices of `size` out of `count`, in order.
fn choices(count: usize, size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in choices(count, size - 1) {
        let next = shorter.last().map_or(0, |last| last + 1);
        all.extend((next..count).map(|place| [shorter.as_slice(), &[place]].concat()));
    }
    all
}

fn every_square_is_regular(rows: &[Vec<u8>], products: &[[u8; 256]]) -> bool {
    let columns = rows[0].len();
    (1..=rows.len().min(columns)).all(|size| {
        let row_choices = choices(rows.len(), size);
        choices(columns, size).iter().all(|chosen| {
            row_choices.iter().all(|row_choice| {
                let square = row_choice
                    .iter()
                    .map(|&row| chosen.iter().map(|&column| rows[row][column]).collect());
                is_regular(square.collect(), products)
            })
        })
    })
}

#[test]
fn reed_sol_van_is_mds_for_three_parity_shards_and_any_number_of_data_shards() {
    // 253 data shards hold every narrower code and, the coefficients being symmetric in row and
    // column, every code of up to 3 data shards.
    let rows = van_rows(253, 3);
    let products = products();
    let times = |a: u8, b: u8| products[usize::from(a)][usize::from(b)];
    assert!(rows.iter().flatten().all(|&value| value != 0));
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        for i in 0..253 {
            for j in 0..i {
                assert_ne!(times(rows[a][i], rows[b][j]), times(rows[a][j], rows[b][i]));
            }
        }
    }
    let minor = |i: usize, j: usize| times(rows[1][i], rows[2][j]) ^ times(rows[1][j], rows[2][i]);
    for i in 0..253 {
        for j in 0..i {
            let ij = minor(i, j);
            for l in 0..j {
                // The first row is ones: the determinant is the sum of the three minors below it.
                assert_ne!(ij ^ minor(j, l) ^ minor(i, l), 0, "{i} {j} {l}");
            }
        }
    }
}

#[test]
fn reed_sol_van_is_mds_up_to_21_plus_4_and_5_plus_5_and_no_further() {
    let products = products();
    for (k, m, is_mds) in [(21, 4, true), (5, 5, true), (22, 4, false), (6, 5, false)] {
        // The transposed matrix is that of m data and k parity shards.
        for (k, m) in [(k, m), (m, k)] {
            assert_eq!(every_square_is_regular(&van_rows(k, m), &products), is_mds, "{k}+{m}");
            assert_eq!(Technique::ReedSolVan.is_mds(k, m), is_mds, "{k}+{m}");
        }
    }
}

#[test]
fn the_region_has_no_holes_and_a_code_outside_it_is_refused_with_that_reason() {
    let inside = |k, m| Technique::ReedSolVan.is_mds(k, m);
    for k in 1..256 {
        for m in 1..=256 - k {
            // Leaving out a data or a parity shard leaves an MDS code.
            assert!(!inside(k, m) || k == 1 || inside(k - 1, m), "{k}+{m}");
            assert!(!inside(k, m) || m == 1 || inside(k, m - 1), "{k}+{m}");
            let technique = if inside(k, m) { Technique::ReedSolVan } else { Technique::Cauchy };
            assert_eq!(Technique::default_for(k, m), technique);
        }
    }
    let error = Codec::new(22, 4, Technique::ReedSolVan).unwrap_err();
    let (technique, data_shards, parity_shards) = (Technique::ReedSolVan, 22, 4);
    assert_eq!(error, EcError::NotMds { technique, data_shards, parity_shards });
    assert_eq!(error.code(), "PUR_EC_NOT_MDS");
    assert!(error.to_string().contains("not MDS"), "{error}");
    assert!(Codec::new(22, 4, Technique::Cauchy).is_ok());
}

#[test]
fn the_codec_has_the_coefficients_that_were_searched() {
    for (k, m) in [(253, 3), (21, 4), (5, 5), (3, 253)] {
        let codec = codec(k, m, Technique::ReedSolVan);
        for (row, expected) in van_rows(k, m).iter().enumerate() {
            assert_eq!(codec.parity_row(row), Some(expected.as_slice()), "{k}+{m}");
        }
        assert_eq!(codec.parity_row(m), None);
    }
}

#[test]
fn cauchy_is_mds_for_small_codes_and_in_ten_thousand_squares_of_the_widest() {
    let products = products();
    let rows_of = |k, m| -> Vec<Vec<u8>> {
        let codec = codec(k, m, Technique::Cauchy);
        (0..m).map(|row| codec.parity_row(row).unwrap().to_vec()).collect()
    };
    assert!(every_square_is_regular(&rows_of(10, 5), &products));
    assert!(every_square_is_regular(&rows_of(6, 8), &products));

    let mut noise = Noise(11);
    let rows = rows_of(128, 128);
    for _ in 0..10_000 {
        let size = 1 + noise.below(10);
        let mut choose = || {
            let mut places: Vec<usize> = (0..128).collect();
            (0..size).map(|_| places.swap_remove(noise.below(places.len()))).collect::<Vec<_>>()
        };
        let (chosen_rows, columns) = (choose(), choose());
        let square = chosen_rows.iter().map(|&r| columns.iter().map(|&c| rows[r][c]).collect());
        assert!(is_regular(square.collect(), &products), "{chosen_rows:?} {columns:?}");
    }
}
