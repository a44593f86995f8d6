//! Arithmetic of GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), by tables of logarithms.

const POLYNOMIAL: u16 = 0x11d;
/// The order of the multiplicative group: 2 generates all 255 elements that are not 0.
const ORDER: usize = 255;

const TABLES: ([u8; 2 * ORDER], [u8; 256]) = tables();
/// `EXP[i]` is 2^i; doubled in length so that a sum of two logarithms needs no reduction.
const EXP: [u8; 2 * ORDER] = TABLES.0;
/// `LOG[a]` is the i with 2^i = a; `LOG[0]` is never read.
const LOG: [u8; 256] = TABLES.1;

#[allow(clippy::cast_possible_truncation, reason = "powers stay below 256 and exponents below 255")]
const fn tables() -> ([u8; 2 * ORDER], [u8; 256]) {
    let mut exp = [0; 2 * ORDER];
    let mut log = [0; 256];
    let mut power: u16 = 1;
    let mut i = 0;
    while i < ORDER {
        exp[i] = power as u8;
        exp[i + ORDER] = power as u8;
        log[power as usize] = i as u8;
        power <<= 1;
        if power & 0x100 != 0 {
            power ^= POLYNOMIAL;
        }
        i += 1;
    }
    (exp, log)
}

/// The product of `a` and `b`.
pub(crate) fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    EXP[usize::from(LOG[usize::from(a)]) + usize::from(LOG[usize::from(b)])]
}

/// The inverse of `a`; `None` for 0, which has none.
pub(crate) fn invert(a: u8) -> Option<u8> {
    (a != 0).then(|| EXP[ORDER - usize::from(LOG[usize::from(a)])])
}

/// Adds `coefficient` times `source` to `target`, byte by byte. Both have the same length.
pub(crate) fn multiply_add(target: &mut [u8], coefficient: u8, source: &[u8]) {
    debug_assert_eq!(target.len(), source.len());
    match coefficient {
        0 => {}
        1 => target.iter_mut().zip(source).for_each(|(t, s)| *t ^= s),
        _ => {
            let row = product_row(coefficient);
            target.iter_mut().zip(source).for_each(|(t, s)| *t ^= row[usize::from(*s)]);
        }
    }
}

fn product_row(coefficient: u8) -> [u8; 256] {
    let mut row = [0; 256];
    for (b, product) in (0..=u8::MAX).zip(row.iter_mut()) {
        *product = multiply(coefficient, b);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: shift and add, reduced by the polynomial at each step.
    fn multiply_by_definition(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            if b & 1 != 0 {
                product ^= a;
            }
            let overflows = a & 0x80 != 0;
            a <<= 1;
            if overflows {
                a ^= 0x1d;
            }
            b >>= 1;
        }
        product
    }

    #[test]
    fn every_product_equals_shift_and_add() {
        for a in 0..=u8::MAX {
            for b in 0..=u8::MAX {
                assert_eq!(multiply(a, b), multiply_by_definition(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        assert_eq!(invert(0), None);
        for a in 1..=u8::MAX {
            assert_eq!(invert(a).map(|inverse| multiply(a, inverse)), Some(1), "{a}");
        }
    }
}
