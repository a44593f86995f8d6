//! Arithmetic of GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), by tables of logarithms.

const POLYNOMIAL: u16 = 0x11d;
/// The order of the multiplicative group: 2 generates all 255 elements that are not 0.
const ORDER: usize = 255;

const TABLES: ([u8; 2 * ORDER], [u8; 256]) = tables();
/// `EXP[i]` is 2^i; doubled in length so that a sum of two logarithms needs no reduction.
const EXP: [u8; 2 * ORDER] = TABLES.0;
/// `LOG[a]` is the i with 2^i = a; `LOG[0]` is never read.
const LOG: [u8; 256] = TABLES.1;
/// `PRODUCTS[a][b]` is a b.
static PRODUCTS: [[u8; 256]; 256] = products();

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

#[allow(clippy::large_stack_arrays, reason = "worked out by the compiler")]
const fn products() -> [[u8; 256]; 256] {
    let mut all = [[0; 256]; 256];
    let mut a = 1;
    while a < 256 {
        let mut b = 1;
        while b < 256 {
            all[a][b] = EXP[LOG[a] as usize + LOG[b] as usize];
            b += 1;
        }
        a += 1;
    }
    all
}

/// The product of `a` and `b`.
pub(crate) fn multiply(a: u8, b: u8) -> u8 {
    PRODUCTS[usize::from(a)][usize::from(b)]
}

/// The products of `coefficient` with every byte.
pub(crate) fn product_row(coefficient: u8) -> &'static [u8; 256] {
    &PRODUCTS[usize::from(coefficient)]
}

/// The inverse of `a`; `None` for 0, which has none.
pub(crate) fn invert(a: u8) -> Option<u8> {
    (a != 0).then(|| EXP[ORDER - usize::from(LOG[usize::from(a)])])
}

/// 2^`exponent`.
pub(crate) fn power_of_two(exponent: usize) -> u8 {
    EXP[exponent % ORDER]
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

    #[test]
    fn powers_of_two_repeat_after_255() {
        assert_eq!([0, 1, 7, 8, 255, 256].map(power_of_two), [1, 2, 0x80, 0x1d, 1, 2]);
    }
}
