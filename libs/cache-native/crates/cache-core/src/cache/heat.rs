//! Which regions of the origin are asked for and not in the cache: candidates for idle times.
//!
//! The count of a region that is not among the few remembered takes the place of the least one and
//! begins above it (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k
//! elements in data streams", ICDT 2005), so a hot region is never missed.

/// Pages of a region: 1 MiB.
pub const REGION_PAGES: u64 = 256;
const REGIONS_MAX: usize = 256;
/// Misses that a region must have had beyond what it took over, to be fetched.
const HOT_MISSES_MIN: u32 = 16;
/// Every count is halved after so many misses, so that what was hot long ago is not.
const FADE_MISSES: u32 = 65_536;

#[derive(Debug, Clone, Copy)]
struct Region {
    number: u64,
    misses: u32,
    /// What it took over from the region before.
    inherited: u32,
}

/// The regions with the most misses.
#[derive(Debug, Default)]
pub struct Heat {
    regions: Vec<Region>,
    faded_ago: u32,
}

impl Heat {
    /// A client's read missed a page.
    pub fn miss(&mut self, page: u64) {
        self.faded_ago += 1;
        if self.faded_ago == FADE_MISSES {
            self.fade();
        }
        let number = page / REGION_PAGES;
        if let Some(region) = self.regions.iter_mut().find(|region| region.number == number) {
            region.misses = region.misses.saturating_add(1);
        } else if self.regions.len() < REGIONS_MAX {
            self.regions.push(Region { number, misses: 1, inherited: 0 });
        } else if let Some(least) = self.regions.iter_mut().min_by_key(|region| region.misses) {
            let inherited = least.misses;
            *least = Region { number, misses: inherited.saturating_add(1), inherited };
        }
    }

    /// Takes the hottest region out: its first page.
    pub fn take_hottest(&mut self) -> Option<u64> {
        let own = |region: &Region| region.misses - region.inherited;
        let at = (0..self.regions.len()).max_by_key(|&at| own(&self.regions[at]))?;
        if own(&self.regions[at]) < HOT_MISSES_MIN {
            return None;
        }
        Some(self.regions.swap_remove(at).number * REGION_PAGES)
    }

    fn fade(&mut self) {
        self.faded_ago = 0;
        for region in &mut self.regions {
            (region.misses, region.inherited) = (region.misses / 2, region.inherited / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hot_region_is_found_among_many_that_are_asked_for_once() {
        let mut heat = Heat::default();
        for request in 0..20_000u64 {
            heat.miss(if request % 50 == 0 {
                77 * REGION_PAGES + request % 256
            } else {
                request << 9
            });
        }
        assert_eq!(heat.take_hottest(), Some(77 * REGION_PAGES));
        assert_eq!(heat.take_hottest(), None, "no other was asked for twice");
    }

    #[test]
    fn what_was_hot_fades() {
        let mut heat = Heat::default();
        (0..30).for_each(|_| heat.miss(3));
        heat.fade();
        assert_eq!(heat.take_hottest(), None);
    }
}
