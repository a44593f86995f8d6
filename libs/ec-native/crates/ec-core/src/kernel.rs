//! The ways to do the field's arithmetic on this processor, and the choice between them.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::EcError;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_gfni;
#[cfg(target_arch = "x86_64")]
mod avx512_gfni;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod digest;
mod engine;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod functions;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod pass;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod ssse3;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod update;
#[cfg(target_arch = "x86_64")]
mod ymm;

pub(crate) use engine::Engine;

/// Names the kernel that codecs use unless told otherwise; for tests and for measurements.
const VARIABLE: &str = "PURLIN_EC_KERNEL";

/// A way to do the arithmetic. All give the same bytes; [`Kernel::Scalar`] is the definition that
/// the others are tested against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// 64 bytes at a time, one affine instruction a coefficient.
    Avx512Gfni,
    /// 32 bytes at a time, one affine instruction a coefficient.
    Avx2Gfni,
    /// 32 bytes at a time, two shuffles of 16-byte tables a coefficient.
    Avx2,
    /// 16 bytes at a time, two shuffles of 16-byte tables a coefficient.
    Ssse3,
    /// The same on 64-bit ARM.
    Neon,
    /// One byte at a time, by a table of products.
    Scalar,
}

impl Kernel {
    /// All of them, on whatever processor, the fastest first.
    pub const ALL: [Self; 6] =
        [Self::Avx512Gfni, Self::Avx2Gfni, Self::Avx2, Self::Ssse3, Self::Neon, Self::Scalar];

    /// Its name: `avx512-gfni`, `avx2-gfni`, `avx2`, `ssse3`, `neon` or `scalar`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Gfni => "avx512-gfni",
            Self::Avx2Gfni => "avx2-gfni",
            Self::Avx2 => "avx2",
            Self::Ssse3 => "ssse3",
            Self::Neon => "neon",
            Self::Scalar => "scalar",
        }
    }

    /// Those that this processor can run, the fastest first. The scalar one always can.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available()).collect()
    }

    /// The fastest that this processor can run.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().find(|kernel| kernel.is_available()).unwrap_or(Self::Scalar)
    }

    /// What the environment variable `PURLIN_EC_KERNEL` names, or the best where it is not set or
    /// empty. It is read once a process.
    ///
    /// # Errors
    /// [`EcError::UnknownKernel`] and [`EcError::KernelUnavailable`].
    pub fn chosen() -> Result<Self, EcError> {
        static CHOSEN: OnceLock<Result<Kernel, EcError>> = OnceLock::new();
        CHOSEN.get_or_init(|| Self::choose(std::env::var_os(VARIABLE).as_deref())).clone()
    }

    /// Whether this processor can run it.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Avx512Gfni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("gfni")
            }
            Self::Avx2Gfni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni"),
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Ssse3 => is_x86_feature_detected!("ssse3"),
            Self::Neon => false,
            Self::Scalar => true,
        };
        #[cfg(target_arch = "aarch64")]
        return match self {
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            other => other == Self::Scalar,
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        return self == Self::Scalar;
    }

    pub(crate) fn choose(name: Option<&std::ffi::OsStr>) -> Result<Self, EcError> {
        match name {
            Some(name) if !name.is_empty() => {
                let kernel: Self = name.to_string_lossy().parse()?;
                kernel.require()?;
                Ok(kernel)
            }
            _ => Ok(Self::best()),
        }
    }

    fn require(self) -> Result<(), EcError> {
        if self.is_available() {
            return Ok(());
        }
        let names: Vec<&str> = Self::available().into_iter().map(Self::name).collect();
        Err(EcError::KernelUnavailable { name: self.name(), available: names.join(", ") })
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = EcError;

    fn from_str(name: &str) -> Result<Self, EcError> {
        Self::ALL
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| EcError::UnknownKernel { name: name.to_owned() })
    }
}

/// How outputs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Store {
    /// Into the caches: right for whatever is read or sent soon, and for small shards.
    #[default]
    Cached,
    /// Past the caches (non-temporal stores), which saves reading the line first: right for
    /// stripes that come from memory and outgrow the caches. Needs outputs aligned to 64 bytes,
    /// as [`crate::StripeArena`] gives them; others are written through the caches.
    Stream,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn the_variable_names_a_kernel_and_nothing_means_the_best() {
        assert_eq!(Kernel::choose(None), Ok(Kernel::best()));
        assert_eq!(Kernel::choose(Some(OsStr::new(""))), Ok(Kernel::best()));
        assert_eq!(Kernel::choose(Some(OsStr::new("scalar"))), Ok(Kernel::Scalar));
    }

    #[test]
    fn an_unknown_name_and_a_kernel_of_another_processor_are_refused() {
        let unknown = EcError::UnknownKernel { name: "sse9".to_owned() };
        assert_eq!(Kernel::choose(Some(OsStr::new("sse9"))), Err(unknown));
        let foreign = if cfg!(target_arch = "aarch64") { "ssse3" } else { "neon" };
        let refused = Kernel::choose(Some(OsStr::new(foreign))).unwrap_err();
        assert_eq!(refused.code(), "PUR_EC_KERNEL");
        assert!(refused.to_string().contains("scalar"), "{refused}");
    }

    #[test]
    fn every_kernel_is_found_by_its_name() {
        for kernel in Kernel::ALL {
            assert_eq!(kernel.to_string().parse(), Ok(kernel));
        }
    }
}
