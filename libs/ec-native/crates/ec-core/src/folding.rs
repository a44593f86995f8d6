//! Policies of the form K+M:B, which place several shards of a stripe in one fault domain.

use std::fmt;
use std::str::FromStr;

use crate::EcError;
use crate::geometry::Geometry;

/// K+M:B: K data and M parity shards, folded over so few fault domains that B of them may fail.
///
/// A domain holds at most floor(M / B) shards of a stripe, so that B domains hold at most M. With
/// B = M that is one shard a domain, the standard placement; going from folded to standard only
/// moves shards, the code is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Folding {
    geometry: Geometry,
    domain_failures: usize,
}

impl Folding {
    /// Checks that M parity shards can survive B domains.
    ///
    /// # Errors
    /// [`EcError::BadFolding`] if `domain_failures` is 0 or more than the parity shards.
    pub fn new(geometry: Geometry, domain_failures: usize) -> Result<Self, EcError> {
        if domain_failures == 0 || domain_failures > geometry.parity_shards() {
            return Err(EcError::BadFolding {
                data_shards: geometry.data_shards(),
                parity_shards: geometry.parity_shards(),
                domain_failures,
            });
        }
        Ok(Self { geometry, domain_failures })
    }

    /// K and M.
    #[must_use]
    pub fn geometry(self) -> Geometry {
        self.geometry
    }

    /// B: how many domains may fail at once.
    #[must_use]
    pub fn domain_failures(self) -> usize {
        self.domain_failures
    }

    /// The most shards of a stripe that one domain may hold: floor(M / B).
    #[must_use]
    pub fn shards_per_domain(self) -> usize {
        self.geometry.parity_shards() / self.domain_failures
    }

    /// The least number of domains: ceil((K + M) / floor(M / B)).
    #[must_use]
    pub fn domains_min(self) -> usize {
        self.geometry.total_shards().div_ceil(self.shards_per_domain())
    }

    /// Whether every stripe outlives the loss of any `domains` domains and any `shards` shards
    /// (disks) outside them, however its shards lie within the bounds.
    #[must_use]
    pub fn survives(self, domains: usize, shards: usize) -> bool {
        let in_domains = domains.saturating_mul(self.shards_per_domain());
        in_domains.saturating_add(shards) <= self.geometry.parity_shards()
    }

    /// How many shards of a stripe each of `domains` domains holds when they are spread as evenly
    /// as possible, the fuller ones first; `None` where there are too few domains.
    #[must_use]
    pub fn spread(self, domains: usize) -> Option<Vec<usize>> {
        if domains < self.domains_min() {
            return None;
        }
        let total = self.geometry.total_shards();
        let fuller = total % domains;
        Some((0..domains).map(|domain| total / domains + usize::from(domain < fuller)).collect())
    }
}

impl fmt::Display for Folding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.geometry, self.domain_failures)
    }
}

/// Reads `K+M:B`, or `K+M`, which is `K+M:M`.
impl FromStr for Folding {
    type Err = EcError;

    fn from_str(text: &str) -> Result<Self, EcError> {
        let bad = || EcError::BadPolicy { text: text.to_owned() };
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { part.parse::<usize>().map_err(|_| bad()) } else { Err(bad()) }
        };
        let (counts, failures) = match text.split_once(':') {
            Some((counts, failures)) => (counts, Some(number(failures)?)),
            None => (text, None),
        };
        let (data, parity) = counts.split_once('+').ok_or_else(bad)?;
        let geometry = Geometry::new(number(data)?, number(parity)?)?;
        Self::new(geometry, failures.unwrap_or(geometry.parity_shards()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folding(text: &str) -> Folding {
        text.parse().unwrap()
    }

    #[test]
    fn the_folded_policies_need_three_five_and_nine_domains() {
        for (text, per_domain, domains) in
            [("4+2:1", 2, 3), ("8+2:1", 2, 5), ("16+2:1", 2, 9), ("4+2", 1, 6), ("8+3:2", 1, 11)]
        {
            let folding = folding(text);
            assert_eq!(folding.shards_per_domain(), per_domain, "{text}");
            assert_eq!(folding.domains_min(), domains, "{text}");
        }
    }

    #[test]
    fn no_spread_of_any_policy_loses_more_than_its_parity_with_its_domains() {
        for k in 1..20 {
            for m in 1..8 {
                for b in 1..=m {
                    let folding = Folding::new(Geometry::new(k, m).unwrap(), b).unwrap();
                    assert!(folding.survives(b, 0), "{folding}");
                    assert!(folding.survives(0, m) && !folding.survives(0, m + 1), "{folding}");
                    assert_eq!(folding.spread(folding.domains_min() - 1), None, "{folding}");
                    for domains in folding.domains_min()..=k + m + 2 {
                        let spread = folding.spread(domains).unwrap();
                        assert_eq!(spread.iter().sum::<usize>(), k + m, "{folding}");
                        assert!(spread[..b].iter().sum::<usize>() <= m, "{folding} {spread:?}");
                        assert!(spread[0] <= folding.shards_per_domain(), "{folding}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_domain_and_a_further_disk_are_survived_only_where_parity_is_left() {
        assert!(!folding("4+2:1").survives(1, 1));
        assert!(folding("8+3:2").survives(2, 1));
        assert!(!folding("8+3:2").survives(usize::MAX, 1));
    }

    #[test]
    fn policies_are_read_and_written_and_bad_ones_refused() {
        assert_eq!(folding("4+2:1").to_string(), "4+2:1");
        assert_eq!(folding("4+2").to_string(), "4+2:2");
        for text in ["", "4", "4+", "+2", "4+2:", "4+2:x", "4+-2", "4+2:1:1", " 4+2", "4++2"] {
            let expected = EcError::BadPolicy { text: text.to_owned() };
            assert_eq!(text.parse::<Folding>(), Err(expected), "{text:?}");
        }
        for failures in [0, 3] {
            let text = format!("4+2:{failures}");
            assert!(matches!(text.parse::<Folding>(), Err(EcError::BadFolding { .. })), "{text}");
        }
        assert!(matches!("0+2".parse::<Folding>(), Err(EcError::BadGeometry { .. })));
    }
}
