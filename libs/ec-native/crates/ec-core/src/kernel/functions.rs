//! The functions that every vector kernel has.

/// Makes the functions of the kernel whose vectors are `$lanes`, with the processor's features
/// `$features` enabled.
macro_rules! kernel_functions {
    ($lanes:ty, $features:literal) => {
        use crate::kernel::{lanes, pass};

        type Entry = <$lanes as lanes::Lanes>::Entry;

        /// # Safety
        /// The processor has the features; else as [`pass::combine`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn combine(
            entries: &[Entry],
            job: lanes::Job<'_>,
            store: crate::kernel::Store,
        ) {
            // SAFETY: as the caller promised.
            unsafe { pass::combine::<$lanes>(entries, job, store) }
        }

        /// # Safety
        /// The processor has the features; else as [`pass::add`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn add(entries: &[Entry], job: lanes::Job<'_>) {
            // SAFETY: as the caller promised.
            unsafe { pass::add::<$lanes>(entries, job) }
        }

        /// # Safety
        /// The processor has the features; else as [`pass::check`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn check(entries: &[Entry], job: lanes::Job<'_>) -> crate::ShardSet {
            // SAFETY: as the caller promised.
            unsafe { pass::check::<$lanes>(entries, job) }
        }

        /// # Safety
        /// The processor has the features; else as [`crate::kernel::update::update`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn update(entries: &[Entry], job: lanes::Job<'_>) {
            // SAFETY: as the caller promised.
            unsafe { crate::kernel::update::update::<$lanes>(entries, job) }
        }

        /// # Safety
        /// The processor has the features; else as [`crate::kernel::digest::digest`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn digest(powers: &[Entry], bytes: &[u8], state: &mut [u8; 64]) {
            // SAFETY: as the caller promised.
            unsafe { crate::kernel::digest::digest::<$lanes>(powers, bytes, state) }
        }
    };
}

pub(super) use kernel_functions;
