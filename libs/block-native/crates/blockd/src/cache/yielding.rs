//! Dirty pages go home in the gaps that clients leave the slow disk.
//!
//! A slow disk serves what it was given in its own order, so that a page on its way home makes the
//! client wait whose request comes just after it. Therefore one goes in only when clients have left
//! the disk for about as long as their requests take; and, so that it comes to an end under a load
//! without gaps too, one for so many of theirs.

use std::collections::{HashMap, VecDeque};

use purlin_block_core::Nanoseconds;
use purlin_block_core::disk::{DiskIo, IoClass, IoId};

/// Pages on their way home at the same time where clients want nothing.
const WIDTH_ALONE: usize = 8;
/// Clients' requests for each of destage while they leave no gap: nine tenths of the disk are
/// theirs, and a little more.
const CLIENTS_EACH: u32 = 12;
/// The same while somebody waits until nothing is dirty.
const CLIENTS_EACH_IN_A_HURRY: u32 = 3;
/// A disk that is slower than this is waited for no longer.
const GAP_NANOS_MAX: u64 = 20_000_000;

/// The order in which one slow disk is given clients' requests and destage.
#[derive(Default)]
pub struct Yielding {
    held: VecDeque<DiskIo>,
    clients: HashMap<IoId, Nanoseconds>,
    own: usize,
    own_ids: Vec<IoId>,
    credit: u32,
    typical_nanos: u64,
    quiet_at: Nanoseconds,
    hurry: bool,
}

impl Yielding {
    /// Whether somebody waits until nothing is dirty.
    pub fn set_hurry(&mut self, hurry: bool) {
        self.hurry = hurry;
    }

    /// Takes an operation on the slow disk; gives it back if it may go now.
    pub fn admit(&mut self, io: DiskIo, now: Nanoseconds) -> Option<DiskIo> {
        if io.class == IoClass::Destage && io.bytes() > 0 {
            self.held.push_back(io);
            return None;
        }
        if io.bytes() > 0 {
            self.clients.insert(io.id, now);
        }
        Some(io)
    }

    /// An operation on the slow disk has ended.
    pub fn ended(&mut self, id: IoId, now: Nanoseconds) {
        if let Some(since) = self.clients.remove(&id) {
            let took = now.0.saturating_sub(since.0);
            self.typical_nanos = (7 * self.typical_nanos + took) / 8;
            self.credit = (self.credit + 1).min(CLIENTS_EACH);
            let gap = (2 * self.typical_nanos).min(GAP_NANOS_MAX);
            self.quiet_at = Nanoseconds(now.0 + gap);
        } else if let Some(at) = self.own_ids.iter().position(|own| *own == id) {
            self.own_ids.swap_remove(at);
            self.own -= 1;
        }
    }

    /// The next page that may go home.
    pub fn next(&mut self, now: Nanoseconds) -> Option<DiskIo> {
        if self.held.is_empty() {
            return None;
        }
        let alone = self.clients.is_empty() && now >= self.quiet_at;
        let each = if self.hurry { CLIENTS_EACH_IN_A_HURRY } else { CLIENTS_EACH };
        if alone {
            if self.own >= WIDTH_ALONE {
                return None;
            }
        } else if self.own > 0 || self.credit < each {
            return None;
        } else {
            self.credit -= each;
        }
        let io = self.held.pop_front()?;
        self.own += 1;
        self.own_ids.push(io.id);
        Some(io)
    }

    /// When [`Self::next`] has to be asked though nothing happens.
    #[must_use]
    pub fn deadline(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        let gap = self.clients.is_empty() && !self.held.is_empty() && self.quiet_at > now;
        gap.then_some(self.quiet_at)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use purlin_block_core::buffer::Slice;
    use purlin_block_core::disk::{DiskHandle, DiskOp};

    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn write(id: u64, class: IoClass) -> DiskIo {
        let op = DiskOp::Write { at: 0, slices: vec![Slice::zero_block()], fua: false };
        DiskIo { id: IoId(id), disk: DiskHandle(0), class, op }
    }

    /// A disk that does one thing at a time, a millisecond each, and a client that asks again a
    /// tenth of that after each answer, behind the pages that went in before. How many those were.
    fn own_beside(clients: u64, yielding: &mut Yielding) -> u64 {
        let (mut now, mut own) = (0, 0);
        for id in 0..clients {
            let begun: Vec<_> = std::iter::from_fn(|| yielding.next(Nanoseconds(now))).collect();
            let asked = now + MILLISECOND / 10;
            assert!(yielding.admit(write(id, IoClass::Client), Nanoseconds(asked)).is_some());
            for io in begun {
                now += MILLISECOND;
                own += 1;
                yielding.ended(io.id, Nanoseconds(now));
            }
            now = now.max(asked) + MILLISECOND;
            yielding.ended(IoId(id), Nanoseconds(now));
        }
        own
    }

    #[test]
    fn a_client_without_gaps_has_nine_tenths_of_the_disk_and_a_hurry_has_more() {
        for (hurry, least, most) in [(false, 60, 100), (true, 300, 400)] {
            let mut yielding = Yielding::default();
            yielding.set_hurry(hurry);
            for id in 10_000..20_000 {
                assert!(yielding.admit(write(id, IoClass::Destage), Nanoseconds(0)).is_none());
            }
            let own = own_beside(1000, &mut yielding);
            assert!((least..=most).contains(&own), "{own}");
        }
    }

    #[test]
    fn a_disk_that_clients_have_left_is_used_to_its_width() {
        let mut yielding = Yielding::default();
        assert!(yielding.admit(write(1, IoClass::Client), Nanoseconds(0)).is_some());
        for id in 10..30 {
            yielding.admit(write(id, IoClass::Destage), Nanoseconds(0));
        }
        assert!(yielding.next(Nanoseconds(0)).is_none(), "a client's request is under way");
        yielding.ended(IoId(1), Nanoseconds(8 * MILLISECOND));
        let at = yielding.deadline(Nanoseconds(8 * MILLISECOND)).unwrap();
        assert!(yielding.next(Nanoseconds(at.0 - 1)).is_none());
        let begun = std::iter::from_fn(|| yielding.next(at)).count();
        assert_eq!(begun, WIDTH_ALONE);
        yielding.ended(IoId(10), at);
        assert!(yielding.next(at).is_some());
    }
}
