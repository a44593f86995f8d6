//! Bytes of several owners that are sent as one run.

use std::ops::Range;

use purlin_block_core::buffer::Slice;

/// What is to be sent on a socket, in one call as far as it takes it.
#[derive(Default)]
pub struct Message {
    heads: Vec<u8>,
    pieces: Vec<Piece>,
    total_bytes: usize,
    sent_bytes: usize,
}

enum Piece {
    Head(Range<usize>),
    Body(Slice),
}

impl Message {
    /// Appends what `write` puts at the end of the bytes it is given.
    pub fn push_head(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let from = self.heads.len();
        write(&mut self.heads);
        let to = self.heads.len();
        self.total_bytes += to - from;
        if let Some(Piece::Head(range)) = self.pieces.last_mut() {
            range.end = to;
        } else {
            self.pieces.push(Piece::Head(from..to));
        }
    }

    /// Appends bytes without a copy.
    pub fn push_body(&mut self, slice: Slice) {
        self.total_bytes += slice.len();
        self.pieces.push(Piece::Body(slice));
    }

    /// The bytes of the whole run.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total_bytes == 0
    }

    /// Counts `bytes` as sent; whether all is.
    pub fn note_sent(&mut self, bytes: usize) -> bool {
        self.sent_bytes += bytes;
        self.sent_bytes >= self.total_bytes
    }

    /// Empties it, keeping its memory for the next use.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.pieces.clear();
        self.total_bytes = 0;
        self.sent_bytes = 0;
    }

    /// The slices that are left to be sent.
    pub fn rest(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.sent_bytes;
        self.pieces.iter().filter_map(move |piece| {
            let slice = match piece {
                Piece::Head(range) => &self.heads[range.clone()],
                Piece::Body(slice) => slice.as_bytes(),
            };
            let skipped = skip.min(slice.len());
            skip -= skipped;
            (skipped < slice.len()).then(|| &slice[skipped..])
        })
    }
}
