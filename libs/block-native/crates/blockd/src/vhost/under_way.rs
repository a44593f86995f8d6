//! Requests of a device that were begun and are not answered.

use std::sync::Arc;

use super::chain::Segment;
use super::memory::Memory;

/// Requests of one device under way.
const REQUESTS_MAX: usize = 256;
/// Their bytes; two of the longest requests.
const HELD_BYTES_MAX: usize = 64 << 20;

/// What an answer brings.
pub enum Brings {
    /// Its status alone.
    Status,
    /// The bytes from `skip` on of what the engine has read.
    Bytes {
        /// Where to.
        targets: Vec<Segment>,
        /// Bytes before the first that was asked for.
        skip: usize,
    },
}

/// A request under way.
pub struct UnderWay {
    /// Its queue.
    pub queue: u16,
    /// Its first descriptor.
    pub head: u16,
    /// The memory it is answered in.
    pub memory: Arc<Memory>,
    /// Where its status goes.
    pub status: u64,
    /// What its answer brings.
    pub brings: Brings,
    /// What it makes the daemon hold.
    pub held_bytes: usize,
}

/// Those of a device. A cookie is a request's place.
#[derive(Default)]
pub struct Requests {
    entries: Vec<Option<UnderWay>>,
    free: Vec<usize>,
    held_bytes: usize,
}

impl Requests {
    /// Keeps a request; gives its cookie.
    pub fn insert(&mut self, request: UnderWay) -> u64 {
        self.held_bytes += request.held_bytes;
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.entries[place] = Some(request);
        place as u64
    }

    /// Takes a request out.
    pub fn remove(&mut self, cookie: u64) -> Option<UnderWay> {
        let place = usize::try_from(cookie).ok()?;
        let request = self.entries.get_mut(place)?.take()?;
        self.free.push(place);
        self.held_bytes -= request.held_bytes;
        Some(request)
    }

    /// A request by its cookie.
    #[must_use]
    pub fn get(&self, cookie: u64) -> Option<&UnderWay> {
        self.entries.get(usize::try_from(cookie).ok()?)?.as_ref()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether another may be begun.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.count() < REQUESTS_MAX && self.held_bytes < HELD_BYTES_MAX
    }
}
