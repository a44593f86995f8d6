//! Requests that are with the engine, by the tags it knows them by.

use purlin_block_core::request::{Extent, RequestOp, Tag, VolumeId};

use crate::nbd::protocol::NbdError;
use crate::nbd::request::RequestHead;
use crate::port::token::ConnectionKey;
use crate::qos::limiter::Cost;

/// A request of a client that was read and checked.
pub struct Arrived {
    /// Whose.
    pub connection: ConnectionKey,
    /// Its head.
    pub head: RequestHead,
    /// Of which volume.
    pub volume: VolumeId,
    /// What it asks of the engine; block status once for each context.
    pub ops: Vec<RequestOp>,
    /// What it costs of the volume's limits.
    pub cost: Cost,
}

/// What is known of a request under way.
pub struct Entry {
    /// Whose.
    pub connection: ConnectionKey,
    /// Its head.
    pub head: RequestHead,
    /// Engine's answers that are awaited, and the extents of contexts that have come.
    pub awaited: usize,
    /// Extents by the context's place.
    pub extents: Vec<Vec<Extent>>,
    /// The first failure of its operations.
    pub failure: Option<NbdError>,
}

/// The requests of a reactor under way. A tag is the entry's place and the context's.
#[derive(Default)]
pub struct Pending {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
}

/// Bits of a tag for the context's place.
const CONTEXT_BITS: u32 = 8;

impl Pending {
    /// Keeps what is known of a request with so many operations; gives the tags of its operations.
    pub fn insert(&mut self, arrived: &Arrived) -> impl Iterator<Item = Tag> + use<> {
        let count = arrived.ops.len();
        let entry = Entry {
            connection: arrived.connection,
            head: arrived.head,
            awaited: count,
            extents: Vec::new(),
            failure: None,
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.entries[place] = Some(entry);
        (0..count as u64).map(move |context| Tag((place as u64) << CONTEXT_BITS | context))
    }

    /// The entry of a tag and the context's place.
    pub fn find(&mut self, tag: Tag) -> Option<(&mut Entry, usize)> {
        let place = usize::try_from(tag.0 >> CONTEXT_BITS).ok()?;
        let context = usize::try_from(tag.0 & ((1 << CONTEXT_BITS) - 1)).ok()?;
        Some((self.entries.get_mut(place)?.as_mut()?, context))
    }

    /// Takes the entry of a tag away.
    pub fn remove(&mut self, tag: Tag) -> Option<Entry> {
        let place = usize::try_from(tag.0 >> CONTEXT_BITS).ok()?;
        let entry = self.entries.get_mut(place)?.take()?;
        self.free.push(place);
        Some(entry)
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.entries.len()
    }
}
