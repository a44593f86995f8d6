//! A trace in memory: its requests, a page each.

use std::collections::HashMap;
use std::path::Path;

use crate::format::{Format, Requests};

/// The requests of a trace.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The page of each request; numbers far apart may have been brought nearer.
    pages: Vec<u64>,
    /// The same with pages numbered from 0 in the order of their first request.
    dense: Vec<u32>,
    /// Whether each request writes its page.
    writes: Vec<bool>,
    distinct: usize,
}

/// Why a trace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line or record is not of the format.
    #[error("{path}, {place}: {what}")]
    Bad {
        /// The file.
        path: String,
        /// `line 12` or `record 12`.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// There is no request in it.
    #[error("{path} has no request in it")]
    Empty {
        /// The file.
        path: String,
    },
}

/// Gaps in the address space are no wider than this after they were narrowed, in pages.
const GAP_MAX: u64 = 64;

impl Trace {
    /// Reads the trace in the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, a line is not of the format, or there is no request.
    pub fn read(path: &Path, format: Format) -> Result<Self, TraceError> {
        let Requests { pages, writes } = format.read(path)?;
        if pages.is_empty() {
            return Err(TraceError::Empty { path: path.display().to_string() });
        }
        Ok(Self { writes, ..Self::new(pages) })
    }

    /// The trace of reads of these pages, of which there is at least one and fewer than 2^32.
    #[must_use]
    pub fn new(pages: Vec<u64>) -> Self {
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut number = |page: &u64| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(*page).or_insert(next)
        };
        let dense = pages.iter().map(&mut number).collect();
        let distinct = numbers.len();
        let highest = pages.iter().max().copied().unwrap_or(0);
        // Numbers that are hashes leave the policy too few bits for its tags.
        let pages = if highest >= GAP_MAX * distinct as u64 { narrowed(&pages) } else { pages };
        let writes = vec![false; pages.len()];
        Self { pages, dense, writes, distinct }
    }

    /// How many requests there are.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.pages.len()
    }

    /// How many different pages are asked for.
    #[must_use]
    pub const fn distinct_pages(&self) -> usize {
        self.distinct
    }

    /// The page of each request.
    pub(crate) fn pages(&self) -> &[u64] {
        &self.pages
    }

    /// Whether each request writes its page.
    pub(crate) fn writes(&self) -> &[bool] {
        &self.writes
    }

    /// The number of the page of each request.
    pub(crate) fn dense(&self) -> &[u32] {
        &self.dense
    }

    /// Page numbers are below two to this.
    pub(crate) fn address_bits(&self) -> u32 {
        64 - self.pages.iter().max().map_or(64, |highest| highest.leading_zeros())
    }
}

/// The same pages in the same order of addresses; neighbours stay neighbours, and wide gaps between
/// them become narrow.
fn narrowed(pages: &[u64]) -> Vec<u64> {
    let mut sorted = pages.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let (mut before, mut place) = (0, 0);
    let mut places = HashMap::with_capacity(sorted.len());
    for page in sorted {
        place += (page - before).min(GAP_MAX);
        before = page;
        places.insert(page, place);
    }
    pages.iter().map(|page| places[page]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_addresses_are_brought_near_and_neighbours_stay_neighbours() {
        let trace = Trace::new(vec![u64::MAX, 5, u64::MAX - 1, 5, 6, 1 << 60]);
        let highest = 5 + 1 + 64 + 64 + 1;
        assert_eq!(trace.pages(), [highest, 5, highest - 1, 5, 6, 70]);
        assert_eq!(trace.dense(), [0, 1, 2, 1, 3, 4]);
        assert_eq!((trace.requests(), trace.distinct_pages()), (6, 5));
        assert_eq!(trace.address_bits(), 8);
    }

    #[test]
    fn near_addresses_stay_as_they_are() {
        assert_eq!(Trace::new(vec![9, 100, 9]).pages(), [9, 100, 9]);
    }
}
