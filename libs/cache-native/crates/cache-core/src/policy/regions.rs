//! How often pages of a region come back: a byte for each eight pages of the cache.
//!
//! A region is 128 KiB of the address space. Regions share bytes by hash; a shared byte blurs the
//! score of both, nothing more.

use super::class::REGION_LEVELS;

/// Pages of a region.
const REGION_PAGES: u64 = 32;
/// Pages of the cache for each score.
const PAGES_PER_SCORE: usize = 8;
/// A score before anything was seen there: half the pages come back.
const SCORE_START: u8 = 64;
/// Each arrival takes, and each return gives, one part in so many of the way to the end.
const STEP: u8 = 8;
/// Scores from which a level begins.
const LEVEL_STARTS: [u8; REGION_LEVELS as usize - 1] = [16, 48, 90];

/// The scores of all regions.
#[derive(Debug)]
pub struct Regions {
    scores: Vec<u8>,
}

impl Regions {
    pub fn new(capacity_pages: usize) -> Self {
        Self { scores: vec![SCORE_START; capacity_pages.div_ceil(PAGES_PER_SCORE).max(16)] }
    }

    fn score(&mut self, page: u64) -> &mut u8 {
        let hash = (page / REGION_PAGES).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = u128::from((hash ^ hash >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9));
        #[allow(clippy::cast_possible_truncation, reason = "below the number of scores")]
        let at = ((hash * self.scores.len() as u128) >> 64) as usize;
        &mut self.scores[at]
    }

    /// A page arrives of which nothing is known. The level of its region before that, 0 to 3.
    pub fn arrive(&mut self, page: u64) -> u8 {
        let score = self.score(page);
        let level = LEVEL_STARTS.iter().filter(|start| *score >= **start).count();
        *score -= *score / STEP;
        u8::try_from(level).unwrap_or(0)
    }

    /// A page comes back for the first time, or after long.
    pub fn come_back(&mut self, page: u64) {
        let score = self.score(page);
        *score += (u8::MAX - *score) / STEP;
    }

    pub fn bytes(&self) -> usize {
        self.scores.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_follows_how_many_pages_come_back() {
        let mut regions = Regions::new(1000);
        for _ in 0..50 {
            regions.arrive(7);
        }
        assert_eq!(regions.arrive(7), 0);
        for _ in 0..50 {
            regions.arrive(7);
            regions.come_back(7);
        }
        assert_eq!(regions.arrive(7), REGION_LEVELS - 1);
    }
}
