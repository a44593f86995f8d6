//! When pages may go home: in the gaps that clients leave the slow disk.
//!
//! A slow disk serves what it was given in its own order, so that a page on its way home makes the
//! client wait whose request comes just after it. Therefore pages go when clients have left the
//! disk for about as long as their requests take. Under a load without gaps a turn comes after so
//! many of their requests; and after each write that found the cache full: with the room that a
//! turn makes the next ones need no disk at all.

use purlin_block_core::Nanoseconds;
use purlin_block_core::disk::IoId;
use purlin_block_core::keys::KeyMap;

/// Clients' requests for each turn while they leave no gap: a stream has nearly all of the disk.
pub const CLIENTS_EACH: u32 = 192;
/// The same while somebody waits until nothing is dirty.
pub const CLIENTS_EACH_IN_A_HURRY: u32 = 3;
/// A disk that is slower than this is waited for no longer.
const GAP_NANOS_MAX: u64 = 20_000_000;
/// Turns at most that writes without room have given in advance.
const OVERFLOWS_MAX: u32 = 2;

/// Who has the slow disk.
#[derive(Debug, Default)]
pub struct Turns {
    clients: KeyMap<IoId, Nanoseconds>,
    /// When operations of clients began that have ended since the time was told last.
    ended: Vec<Nanoseconds>,
    /// Clients' writes that will go to the slow disk and wait for metadata first.
    coming: usize,
    own: usize,
    credit: u32,
    overflows: u32,
    typical_nanos: u64,
    quiet_at: Nanoseconds,
}

impl Turns {
    /// A client's write will go to the slow disk.
    pub fn client_comes(&mut self) {
        self.coming += 1;
    }

    /// It has been there.
    pub fn client_leaves(&mut self) {
        self.coming -= 1;
    }

    /// A client's operation goes to the slow disk.
    pub fn client_begins(&mut self, id: IoId, now: Nanoseconds) {
        self.clients.insert(id, now);
    }

    /// An operation on the slow disk has ended. When, the next [`Turns::pass_time`] tells: answers
    /// come before the time at which they came.
    pub fn ends(&mut self, id: IoId) {
        self.ended.extend(self.clients.remove(&id));
    }

    /// Tells the time, before a turn is asked for.
    pub fn pass_time(&mut self, now: Nanoseconds) {
        for since in self.ended.drain(..) {
            let took = now.0.saturating_sub(since.0);
            self.typical_nanos = (7 * self.typical_nanos + took) / 8;
            self.credit = (self.credit + 1).min(CLIENTS_EACH);
            let gap = (2 * self.typical_nanos).min(GAP_NANOS_MAX);
            self.quiet_at = Nanoseconds(now.0 + gap);
        }
    }

    /// A client's write found no room.
    pub fn overflow(&mut self) {
        self.overflows = (self.overflows + 1).min(OVERFLOWS_MAX);
    }

    /// Whether a turn may begin: `width` at once where clients want nothing, and else one, after
    /// `each` of their requests.
    pub fn may_begin(&self, now: Nanoseconds, each: u32, width: usize) -> bool {
        if self.is_alone(now) {
            return self.own < width;
        }
        self.own == 0 && (self.overflows > 0 || self.credit >= each)
    }

    /// A turn begins.
    pub fn begin(&mut self, now: Nanoseconds, each: u32) {
        self.own += 1;
        if self.is_alone(now) {
            return;
        }
        if self.overflows > 0 {
            self.overflows -= 1;
        } else {
            self.credit = self.credit.saturating_sub(each);
        }
    }

    /// It is over.
    pub fn end(&mut self) {
        self.own -= 1;
    }

    /// When the gap is long enough, if it is not yet.
    pub fn quiet_at(&self) -> Nanoseconds {
        self.quiet_at
    }

    fn is_alone(&self, now: Nanoseconds) -> bool {
        self.clients.is_empty() && self.coming == 0 && now >= self.quiet_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// A disk that does one thing at a time, a millisecond each, and a client that asks again a
    /// tenth of that after each answer. How many turns of one request there were.
    fn turns_beside(clients: u64, each: u32, turns: &mut Turns) -> u64 {
        let (mut now, mut own) = (0, 0);
        for id in 0..clients {
            let turn = turns.may_begin(Nanoseconds(now), each, 8);
            let asked = now + MILLISECOND / 10;
            if turn {
                turns.begin(Nanoseconds(now), each);
                (own, now) = (own + 1, now + MILLISECOND);
                turns.end();
            }
            turns.client_begins(IoId(id), Nanoseconds(asked));
            now = now.max(asked) + MILLISECOND;
            turns.ends(IoId(id));
            turns.pass_time(Nanoseconds(now));
        }
        own
    }

    #[test]
    fn a_client_without_gaps_has_nearly_all_of_the_disk_and_less_in_a_hurry() {
        let own = turns_beside(960, CLIENTS_EACH, &mut Turns::default());
        assert!((3..=6).contains(&own), "{own}");
        let own = turns_beside(960, CLIENTS_EACH_IN_A_HURRY, &mut Turns::default());
        assert!((300..=330).contains(&own), "{own}");
    }

    #[test]
    fn writes_without_room_give_turns_at_once_and_few_in_advance() {
        let mut turns = Turns::default();
        turns.client_begins(IoId(1), Nanoseconds(0));
        assert!(!turns.may_begin(Nanoseconds(0), CLIENTS_EACH, 8));
        (0..100).for_each(|_| turns.overflow());
        for _ in 0..OVERFLOWS_MAX {
            assert!(turns.may_begin(Nanoseconds(0), CLIENTS_EACH, 8));
            turns.begin(Nanoseconds(0), CLIENTS_EACH);
            assert!(!turns.may_begin(Nanoseconds(0), CLIENTS_EACH, 8), "one at a time");
            turns.end();
        }
        assert!(!turns.may_begin(Nanoseconds(0), CLIENTS_EACH, 8));
    }

    #[test]
    fn a_disk_that_clients_have_left_is_used_to_its_width() {
        let mut turns = Turns::default();
        turns.client_begins(IoId(1), Nanoseconds(0));
        turns.ends(IoId(1));
        turns.pass_time(Nanoseconds(8 * MILLISECOND));
        let at = turns.quiet_at();
        assert!(!turns.may_begin(Nanoseconds(at.0 - 1), CLIENTS_EACH, 8));
        for _ in 0..8 {
            assert!(turns.may_begin(at, CLIENTS_EACH, 8));
            turns.begin(at, CLIENTS_EACH);
        }
        assert!(!turns.may_begin(at, CLIENTS_EACH, 8));
        turns.end();
        turns.client_comes();
        assert!(!turns.may_begin(at, CLIENTS_EACH, 8), "a client waits for metadata");
        turns.client_leaves();
        assert!(turns.may_begin(at, CLIENTS_EACH, 8));
    }
}
