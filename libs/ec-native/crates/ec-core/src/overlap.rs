//! Buffers that share bytes, which a caller outside Rust can hand in.

use crate::EcError;

/// Refuses buffers that share bytes, by their addresses; empty ones share none. Safe Rust cannot
/// make such a list out of exclusive borrows, so only a binding needs to ask.
///
/// Sorts places on the heap, so it costs about n log n for n buffers.
///
/// # Errors
/// [`EcError::Overlap`] with the places of two that overlap.
pub fn refuse_overlaps(buffers: &[(usize, usize)]) -> Result<(), EcError> {
    let mut places: Vec<usize> = (0..buffers.len()).filter(|&i| buffers[i].1 > 0).collect();
    places.sort_unstable_by_key(|&place| buffers[place].0);
    for pair in places.windows(2) {
        let ((address, bytes), (next, _)) = (buffers[pair[0]], buffers[pair[1]]);
        if next - address < bytes {
            let (first, second) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            return Err(EcError::Overlap { first, second });
        }
    }
    Ok(())
}

/// Whether any two of `buffers` share bytes; see [`refuse_overlaps`].
#[must_use]
pub fn overlaps(buffers: &[&[u8]]) -> bool {
    let spans: Vec<(usize, usize)> =
        buffers.iter().map(|buffer| (buffer.as_ptr().addr(), buffer.len())).collect();
    refuse_overlaps(&spans).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_empty_buffers_do_not_overlap() {
        let bytes = [0; 64];
        assert!(!overlaps(&[]));
        assert!(!overlaps(&[&bytes[16..], &bytes[..16], &bytes[8..8], &bytes[..0]]));
    }

    #[test]
    fn one_byte_in_common_is_found_whatever_the_order() {
        let bytes = [0; 64];
        assert!(overlaps(&[&bytes[..17], &bytes[16..]]));
        assert!(overlaps(&[&bytes[16..], &bytes[40..41]]));
        let spans = [(1000, 10), (0, 100), (99, 1)];
        assert_eq!(refuse_overlaps(&spans), Err(EcError::Overlap { first: 1, second: 2 }));
    }

    #[test]
    fn the_same_buffer_twice_overlaps() {
        let bytes = [0; 4];
        assert!(overlaps(&[&bytes, &bytes]));
    }
}
