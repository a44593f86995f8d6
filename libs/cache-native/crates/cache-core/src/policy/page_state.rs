//! Two bytes beside each page of the index and each ghost: its class and the stamp of its last use.

use super::age::Stamp;
use super::class::{Class, NO_CLASS_BITS};

const STAMP_BITS: u32 = 10;

/// The state of a place, which may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageState(u16);

impl PageState {
    /// Of a place without a page.
    pub const EMPTY: Self = Self((NO_CLASS_BITS as u16) << STAMP_BITS);

    pub const fn new(class: Class, stamp: Stamp) -> Self {
        Self((class.bits() as u16) << STAMP_BITS | stamp.bits())
    }

    pub const fn stamp(self) -> Stamp {
        Stamp::from_bits(self.0)
    }

    /// The class, `None` of an empty place.
    pub const fn class(self) -> Option<Class> {
        #[allow(clippy::cast_possible_truncation, reason = "six bits are left")]
        Class::from_bits((self.0 >> STAMP_BITS) as u8)
    }

    /// The same page, not older than can be told.
    pub const fn swept(self, now: Stamp) -> Self {
        let Some(class) = self.class() else { return self };
        if self.stamp().age_ticks(now) < super::age::AGE_MAX_TICKS {
            return self;
        }
        Self::new(class, Stamp::before(now, super::age::AGE_MAX_TICKS))
    }
}
