//! What a completion is for.

use purlin_block_core::disk::{DiskHandle, IoId};

/// Names an operation among those of one reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Token {
    /// The reactor's mailbox was written to.
    Wake,
    /// Something of a connection's client.
    Receive(ConnectionKey),
    /// A message to a connection's client.
    Send(ConnectionKey),
    /// A guest has woken a queue of a device; the queue's generation tells it from former ones.
    Kick(ConnectionKey, u16, u32),
    /// An operation of the engine.
    Disk(DiskHandle, IoId),
}

/// A connection among those of one reactor; a key is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub u64);
