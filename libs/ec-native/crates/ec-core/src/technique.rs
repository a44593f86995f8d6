//! Which matrix makes the parity.

use std::fmt;
use std::str::FromStr;

use crate::EcError;
use crate::field;
use crate::geometry::Geometry;

/// How the coefficients of the parity rows are made. The names are those of Ceph's `isa` plug-in;
/// the bytes are those of ISA-L (`erasure_code/ec_base.c`), polynomial 0x11d.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Technique {
    /// `reed_sol_van`, ISA-L's `gf_gen_rs_matrix`: coefficient (2^p)^j for parity p and data j.
    /// Its first row is a plain exclusive or, which makes it the faster one.
    ReedSolVan,
    /// `cauchy`, ISA-L's `gf_gen_cauchy1_matrix`: coefficient 1 / ((k + p) ^ j). MDS everywhere.
    Cauchy,
}

impl Technique {
    /// Both, the default one first.
    pub const ALL: [Self; 2] = [Self::ReedSolVan, Self::Cauchy];

    /// `reed_sol_van` or `cauchy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReedSolVan => "reed_sol_van",
            Self::Cauchy => "cauchy",
        }
    }

    /// `reed_sol_van` where it is MDS, else `cauchy`.
    #[must_use]
    pub fn default_for(data_shards: usize, parity_shards: usize) -> Self {
        if reed_sol_van_is_mds(data_shards, parity_shards) {
            Self::ReedSolVan
        } else {
            Self::Cauchy
        }
    }

    /// Whether every loss of up to `m` shards can be rebuilt with this technique.
    #[must_use]
    pub fn is_mds(self, data_shards: usize, parity_shards: usize) -> bool {
        match self {
            Self::ReedSolVan => reed_sol_van_is_mds(data_shards, parity_shards),
            Self::Cauchy => true,
        }
    }

    /// The coefficient of data shard `column` in parity row `row`.
    pub(crate) fn coefficient(self, geometry: Geometry, row: usize, column: usize) -> u8 {
        match self {
            Self::ReedSolVan => field::power_of_two(row * column),
            Self::Cauchy => {
                let difference = (geometry.data_shards() + row) ^ column;
                // Row and column differ and both are below 256, so there is an inverse.
                u8::try_from(difference).ok().and_then(field::invert).unwrap_or_default()
            }
        }
    }
}

impl fmt::Display for Technique {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Technique {
    type Err = EcError;

    fn from_str(name: &str) -> Result<Self, EcError> {
        Self::ALL
            .into_iter()
            .find(|technique| technique.name() == name)
            .ok_or_else(|| EcError::UnknownTechnique { name: name.to_owned() })
    }
}

/// The region where every square submatrix of the parity rows is regular.
///
/// The coefficient of row p and column j is 2^(p j): symmetric in p and j, so the region is too.
/// With up to 3 rows every minor is, up to a factor that is not 0, a Vandermonde determinant of
/// the distinct 2^j or 4^j (2 and 4 generate all of the group), so it holds for every k; from the
/// fourth row on 8 = 2^3 does not generate it (3 divides 255) and the bounds are those of an
/// exhaustive search, the same that Ceph's `isa` plug-in keeps to.
fn reed_sol_van_is_mds(data_shards: usize, parity_shards: usize) -> bool {
    let (less, more) = (data_shards.min(parity_shards), data_shards.max(parity_shards));
    match less {
        0..=3 => true,
        4 => more <= 21,
        5 => more <= 5,
        _ => false,
    }
}
